//! Every format that is read, in every format that is written.

use std::time::Duration;

use moxcms::{ColorProfile, Layout as ColourLayout, TransformOptions};
use stowage_imaging::{Bitmap, Format, Layout, Metadata, Orientation, encode::Encoding};

use super::{Shown, WHITE, assert_refused, encoding, exif, file_of, fixture, quarters, still, stored};
use crate::support::{get, server};

/// The picture that most fixtures show; see their README.
fn pattern() -> Bitmap {
    let pixel = |x: u32, y: u32| [(x * 10 + 5) as u8, (y * 14 + 9) as u8, (x * y * 3 + x * 5) as u8];
    let pixels = (0..17).flat_map(|y| (0..24).flat_map(move |x| pixel(x, y)));
    Bitmap::new(24, 17, Layout::Rgb, pixels.collect()).expect("pixels fit their sides")
}

/// The same with the opacity of those that have one.
fn translucent() -> Bitmap {
    let mut bitmap = pattern().into_rgba();
    for (place, pixel) in bitmap.pixels.chunks_exact_mut(4).enumerate() {
        pixel[3] = (place % 24 * 11 + place / 24 * 3) as u8;
    }
    bitmap
}

/// A PNG as our own encoder does not write it.
fn png(colour: png::ColorType, depth: png::BitDepth, palette: Option<&[u8]>, data: &[u8]) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, 40, 20);
    encoder.set_color(colour);
    encoder.set_depth(depth);
    if let Some(palette) = palette {
        encoder.set_palette(palette.to_vec());
    }
    let mut writer = encoder.write_header().expect("a head");
    writer.write_image_data(data).expect("the data fit");
    writer.finish().expect("an end");
    file
}

/// Files with what they show.
fn inputs() -> Vec<(&'static str, Vec<u8>, Bitmap)> {
    let picture = quarters(40, 20);
    let one = |encoding| file_of(&encoding, &Metadata::default(), &[(picture.clone(), Duration::ZERO)]);
    let jpeg = encoding(Format::Jpeg);
    let wide: Vec<u8> = picture.pixels.iter().flat_map(|sample| [*sample, *sample]).collect();
    let indices: Vec<u8> = (0..800).map(|place| u8::from(place % 40 >= 20) + 2 * u8::from(place / 40 >= 10)).collect();
    let palette = [255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255];
    let gray =
        Bitmap { layout: Layout::Gray, pixels: indices.iter().map(|index| index * 80).collect(), ..picture.clone() };
    let drawing = r##"<svg xmlns="http://www.w3.org/2000/svg" width="40" height="20"><rect width="40" height="20" fill="#fff"/><rect width="20" height="10" fill="#f00"/><rect x="20" width="20" height="10" fill="#0f0"/><rect y="10" width="20" height="10" fill="#00f"/></svg>"##;
    vec![
        ("jpg", one(jpeg), picture.clone()),
        ("progressive jpg", one(Encoding { progressive: true, ..jpeg }), picture.clone()),
        ("cmyk jpg", one(Encoding { cmyk: true, ..jpeg }), picture.clone()),
        ("gray jpg", still(Format::Jpeg, &gray), gray),
        ("png", still(Format::Png, &picture), picture.clone()),
        ("transparent png", still(Format::Png, &translucent()), translucent()),
        ("png of 16 bits", png(png::ColorType::Rgb, png::BitDepth::Sixteen, None, &wide), picture.clone()),
        (
            "png with palette",
            png(png::ColorType::Indexed, png::BitDepth::Eight, Some(&palette), &indices),
            picture.clone(),
        ),
        ("gif", still(Format::Gif, &picture), picture.clone()),
        ("webp", still(Format::WebP, &picture), picture.clone()),
        ("avif", still(Format::Avif, &picture), picture.clone()),
        ("tiff", still(Format::Tiff, &picture), picture.clone()),
        ("cmyk tiff", fixture("cmyk.tiff"), pattern()),
        ("tiff of 16 bits", fixture("deflate16.tiff"), pattern()),
        ("bmp", still(Format::Bmp, &picture), picture),
        ("transparent bmp", fixture("rgba.bmp"), translucent()),
        ("ico", fixture("two.ico"), translucent()),
        ("psd", fixture("rgb.psd"), pattern()),
        ("svg", drawing.into(), quarters(40, 20)),
        ("jxl", fixture("rgb.jxl"), pattern()),
    ]
}

/// Output words with their media types, what they are read as, and the most that a mean sample may be off.
const OUTPUTS: &[(&str, &str, Option<Format>, f64)] = &[
    ("jpg", "image/jpeg", Some(Format::Jpeg), 18.0),
    ("png", "image/png", Some(Format::Png), 9.0),
    ("webp", "image/webp", Some(Format::WebP), 22.0),
    ("avif", "image/avif", Some(Format::Avif), 22.0),
    ("gif", "image/gif", Some(Format::Gif), 16.0),
    ("tiff", "image/tiff", Some(Format::Tiff), 9.0),
    ("bmp", "image/bmp", Some(Format::Bmp), 9.0),
    ("pdf", "application/pdf", None, 0.0),
];

#[tokio::test]
async fn everything_becomes_everything() {
    let server = server();
    let app = server.app("shop", &[]);
    for (name, file, expected) in inputs() {
        let handle = stored(&server, &app, "a", file).await;
        for (word, media_type, format, tolerance) in OUTPUTS {
            let answer = get(&server, &format!("/output=format:{word},quality:95/{handle}")).await.expect(200);
            assert_eq!(answer.header("content-type"), *media_type, "{name} to {word}");
            let Some(format) = format else {
                assert!(answer.body.starts_with(b"%PDF-"), "{name} to {word}");
                continue;
            };
            let shown = Shown::of(&answer.body);
            assert_eq!((shown.format, shown.size()), (*format, (expected.width, expected.height)), "{name} to {word}");
            // A pixel of a GIF is there or not.
            if *format == Format::Gif && expected.layout == Layout::Rgba {
                continue;
            }
            let difference = shown.difference(0, &expected);
            assert!(difference < *tolerance, "{name} to {word}: {difference}");
        }
        // What cannot be written becomes JPEG, or PNG where it is transparent.
        let small = get(&server, &format!("/resize=width:10/{handle}")).await.expect(200);
        assert_eq!(Shown::of(&small.body).size().0, 10, "{name}");
        let (first, last) = (name.split(' ').next(), name.split(' ').next_back());
        let expected = match (first, last) {
            (Some("png" | "transparent"), Some("png" | "bits" | "palette")) => "image/png",
            (Some("ico" | "transparent"), _) => "image/png",
            (Some("gif"), _) => "image/gif",
            (Some("webp"), _) => "image/webp",
            (Some("avif"), _) => "image/avif",
            (Some("svg"), _) => small.header("content-type"),
            _ => "image/jpeg",
        };
        assert_eq!(small.header("content-type"), expected, "{name}");
    }
}

/// A library of the system reads HEIC; without it, that is said.
#[tokio::test]
async fn heic_if_installed() {
    let server = server();
    let app = server.app("shop", &[]);
    let handle = stored(&server, &app, "a.heic", fixture("turned.heic")).await;
    let answer = get(&server, &format!("/output=format:png/{handle}")).await;
    if answer.status == 400 {
        return assert_refused(&answer, "unsupported_conversion", "Unsupported conversion: ", "without libheif");
    }
    assert_eq!(Shown::of(&answer.expect(200).body).size(), (32, 48));
}

/// How the stored pixels have to lie so that turning them by the tag gives `upright`.
fn stored_for(orientation: u8, upright: &Bitmap) -> Bitmap {
    let (width, height) = (upright.width, upright.height);
    let swaps = orientation >= 5;
    let (across, down) = if swaps { (height, width) } else { (width, height) };
    let pixels = (0..down).flat_map(|y| (0..across).map(move |x| (x, y))).flat_map(|(x, y)| {
        // EXIF: what the first row and the first column of the stored picture are in the upright one.
        let (column, row) = match orientation {
            2 => (width - 1 - x, y),
            3 => (width - 1 - x, height - 1 - y),
            4 => (x, height - 1 - y),
            5 => (y, x),
            6 => (width - 1 - y, x),
            7 => (width - 1 - y, height - 1 - x),
            8 => (y, height - 1 - x),
            _ => (x, y),
        };
        let start = (row * width + column) as usize * 3;
        [0, 1, 2].map(|channel| upright.pixels[start + channel])
    });
    Bitmap::new(across, down, Layout::Rgb, pixels.collect()).expect("pixels fit their sides")
}

#[tokio::test]
async fn every_orientation_comes_out_upright() {
    let server = server();
    let app = server.app("shop", &[]);
    let upright = quarters(64, 32);
    for orientation in 1..=8 {
        let metadata = Metadata { exif: Some(exif(orientation)), ..Metadata::default() };
        let pixels = stored_for(orientation, &upright);
        let sides = (pixels.width, pixels.height);
        let file = file_of(&encoding(Format::Jpeg), &metadata, &[(pixels, Duration::ZERO)]);
        let handle = stored(&server, &app, "a.jpg", file).await;
        for tasks in [
            "rotate=deg:exif",
            "rotate",
            "output=format:png",
            "no_metadata",
            "rotate=deg:exif/resize=width:32",
            "resize=width:40/rotate=d:exif",
        ] {
            let case = format!("{tasks} of {orientation}");
            let shown = Shown::of(&get(&server, &format!("/{tasks}/{handle}")).await.expect(200).body);
            assert!(shown.size().0 == shown.size().1 * 2, "{case}: {:?}", shown.size());
            assert_eq!(shown.metadata.orientation, Orientation::Upright, "{case}");
            shown.shows_quarters(&case);
        }
        // The tag goes along with pixels that lie as before; told to forget it, the pixels stay.
        let kept = Shown::of(&get(&server, &format!("/resize=width:{}/{handle}", sides.0 / 2)).await.expect(200).body);
        assert_eq!(kept.metadata.orientation, Orientation::from_exif(u32::from(orientation)));
        assert_eq!(kept.size(), (sides.0 / 2, sides.1 / 2));
        let reset = Shown::of(&get(&server, &format!("/rotate=exif:false/{handle}")).await.expect(200).body);
        assert_eq!((reset.metadata.orientation, reset.size()), (Orientation::Upright, sides));
    }
}

/// Colours of a wider profile: kept with it, or brought to sRGB where it is lost.
#[tokio::test]
async fn colours_stay_what_they_are() {
    let (wide, narrow) = (ColorProfile::new_display_p3(), ColorProfile::new_srgb());
    let orange = [200, 120, 40];
    let mut stored_colour = [0; 3];
    narrow
        .create_transform_8bit(ColourLayout::Rgb, &wide, ColourLayout::Rgb, TransformOptions::default())
        .and_then(|transform| transform.transform(&orange, &mut stored_colour))
        .expect("both are RGB");
    assert_ne!(stored_colour, orange);
    let metadata = Metadata { icc: Some(wide.encode().expect("a profile can be written")), ..Metadata::default() };
    let [red, green, blue] = stored_colour;
    let bitmap = Bitmap::filled(32, 32, [red, green, blue, u8::MAX]);
    let server = server();
    let app = server.app("shop", &[]);
    for format in [Format::Jpeg, Format::Png, Format::WebP] {
        let file = file_of(&encoding(format), &metadata, &[(bitmap.clone(), Duration::ZERO)]);
        let handle = stored(&server, &app, "a", file).await;
        let kept = Shown::of(&get(&server, &format!("/resize=width:16/{handle}")).await.expect(200).body);
        assert!(kept.metadata.icc.is_some(), "{format:?}");
        assert!(kept.at((0.5, 0.5)).iter().zip(stored_colour).all(|(a, b)| a.abs_diff(b) < 6), "{format:?}");
        for tasks in
            ["output=format:gif", "output=format:bmp", "resize=width:16/no_metadata", "border=width:1,color:black"]
        {
            let converted = Shown::of(&get(&server, &format!("/{tasks}/{handle}")).await.expect(200).body);
            let colour = converted.at((0.5, 0.5));
            let right = colour.iter().zip(orange).all(|(found, wanted)| found.abs_diff(wanted) < 8);
            assert!(right && converted.metadata.icc.is_none(), "{format:?} {tasks}: {colour:?}");
        }
    }
    let plain = stored(&server, &app, "a.jpg", still(Format::Jpeg, &quarters(40, 20))).await;
    let cmyk = get(&server, &format!("/output=format:jpg,colorspace:cmyk/{plain}")).await.expect(200).body;
    let frame =
        cmyk.windows(2).position(|marker| marker == [0xff, 0xc0] || marker == [0xff, 0xc1] || marker == [0xff, 0xc2]);
    assert_eq!(cmyk[frame.expect("a frame") + 9], 4, "four inks");
    Shown::of(&cmyk).shows_quarters("CMYK");
}

#[tokio::test]
async fn animations_keep_frames_and_delays() {
    let server = server();
    let app = server.app("shop", &[]);
    let colours = [[255, 0, 0, 255], [0, 255, 0, 255], [0, 0, 255, 255]];
    let delays = [100, 250, 400].map(Duration::from_millis);
    let frames: Vec<_> = colours.iter().map(|colour| Bitmap::filled(40, 20, *colour)).zip(delays).collect();
    for (source, word) in [(Format::Gif, "gif"), (Format::WebP, "webp"), (Format::Png, "png")] {
        let file = file_of(&encoding(source), &Metadata::default(), &frames);
        let handle = stored(&server, &app, "a", file).await;
        for target in ["", "/output=format:gif", "/output=format:webp", "/output=format:png"] {
            let case = format!("{word}{target}");
            let shown = Shown::of(&get(&server, &format!("/resize=width:20{target}/{handle}")).await.expect(200).body);
            assert_eq!((shown.size(), shown.frames.len()), ((20, 10), 3), "{case}");
            assert!(shown.frames.iter().map(|frame| frame.delay).eq(delays), "{case}");
            for (number, colour) in colours.iter().enumerate() {
                assert!(shown.difference(number, &Bitmap::filled(20, 10, *colour)) < 6.0, "{case}: frame {number}");
            }
        }
        let first = Shown::of(&get(&server, &format!("/output=format:jpg/{handle}")).await.expect(200).body);
        assert_eq!(first.frames.len(), 1);
        assert!(first.difference(0, &frames[0].0) < 6.0);
    }
    let handle = stored(&server, &app, "a.jxl", fixture("animated.jxl")).await;
    let shown = Shown::of(&get(&server, &format!("/output=format:gif/{handle}")).await.expect(200).body);
    assert_eq!((shown.size(), shown.frames.len()), ((24, 17), 3));
    let nothing = stored(&server, &app, "b.png", still(Format::Png, &Bitmap::filled(8, 8, [0; 4]))).await;
    let flat = get(&server, &format!("/output=format:jpg,background:white/{nothing}")).await.expect(200);
    Shown::of(&flat.body).shows((0.5, 0.5), WHITE, "nothing on white");
}
