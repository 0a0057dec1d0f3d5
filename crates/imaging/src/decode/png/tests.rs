use std::time::Duration;

use png::{BitDepth, BlendOp, ColorType, DisposeOp};
use proptest::prelude::*;

use super::open;
use crate::decode::Wish;
use crate::png_chunks::{SIGNATURE, chunks, push};
use crate::{Bitmap, Frame, ImageError, Layout, Limits, Region};

const WIDTH: u32 = 13;
const HEIGHT: u32 = 11;

fn frames(bytes: &[u8], wish: &Wish) -> Result<Vec<Frame>, ImageError> {
    let mut opened = open(bytes, wish, &Limits::default())?;
    std::iter::from_fn(|| opened.frames.next_frame().transpose()).collect()
}

fn picture(bytes: &[u8], wish: &Wish) -> Bitmap {
    frames(bytes, wish).expect("a good file").remove(0).bitmap
}

fn file(
    width: u32,
    height: u32,
    colour: ColorType,
    depth: BitDepth,
    data: &[u8],
    palette: &[u8],
    opacities: &[u8],
) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width, height);
    encoder.set_color(colour);
    encoder.set_depth(depth);
    if !palette.is_empty() {
        encoder.set_palette(palette.to_vec());
    }
    if !opacities.is_empty() {
        encoder.set_trns(opacities.to_vec());
    }
    let mut writer = encoder.write_header().expect("a header");
    writer.write_image_data(data).expect("pixels");
    writer.finish().expect("an end");
    file
}

fn interlaced(bytes: &[u8]) -> Vec<u8> {
    let mut options = oxipng::Options::from_preset(0);
    (options.interlace, options.force) = (Some(true), true);
    (options.bit_depth_reduction, options.color_type_reduction) = (false, false);
    (options.palette_reduction, options.grayscale_reduction) = (false, false);
    oxipng::optimize_from_memory(bytes, &options).expect("interlacing")
}

#[test]
fn every_colour_type_and_depth_gives_its_pixels_interlaced_or_not() {
    use BitDepth::*;
    use ColorType::*;
    let palette: Vec<u8> = (0..=255u8).flat_map(|index| [index, 255 - index, index / 2]).collect();
    for (colour, depths) in [
        (Grayscale, &[One, Two, Four, Eight, Sixteen][..]),
        (Indexed, &[One, Two, Four, Eight]),
        (Rgb, &[Eight, Sixteen]),
        (GrayscaleAlpha, &[Eight, Sixteen]),
        (Rgba, &[Eight, Sixteen]),
    ] {
        for (depth, keyed) in depths.iter().flat_map(|depth| [(*depth, false), (*depth, true)]) {
            let bits = depth as u32;
            let most = (1u32 << bits) - 1;
            let row_samples = WIDTH as usize * colour.samples();
            let samples: Vec<u32> =
                (0..row_samples * HEIGHT as usize).map(|nth| (nth as u32 * 40_503) % (most + 1)).collect();
            let data: Vec<u8> = samples
                .chunks(row_samples)
                .flat_map(|row| {
                    let text: String =
                        row.iter().map(|sample| format!("{sample:0width$b}", width = bits as usize)).collect();
                    let bytes = text.as_bytes().chunks(8).map(|bits| {
                        bits.iter().enumerate().fold(0, |byte, (nth, bit)| byte | (bit - b'0') << (7 - nth))
                    });
                    bytes.collect::<Vec<u8>>()
                })
                .collect();
            let key = &samples[..colour.samples()];
            let opacities: Vec<u8> = match colour {
                Indexed if keyed => vec![3, 128],
                Grayscale | Rgb if keyed => key.iter().flat_map(|level| (*level as u16).to_be_bytes()).collect(),
                _ => Vec::new(),
            };
            let colours = if colour == Indexed { &palette[..3 << bits] } else { &[] };
            let eight = |sample: u32| ((f64::from(sample) * 255.0 / f64::from(most)).round()) as u8;
            let expected: Vec<u8> = samples
                .chunks(colour.samples())
                .flat_map(|pixel| match (colour, opacities.is_empty()) {
                    (Indexed, plain) => {
                        let mut rgb = palette[pixel[0] as usize * 3..][..3].to_vec();
                        rgb.extend((!plain).then(|| *opacities.get(pixel[0] as usize).unwrap_or(&255)));
                        rgb
                    }
                    (Grayscale, false) => [vec![eight(pixel[0]); 3], vec![if pixel == key { 0 } else { 255 }]].concat(),
                    (Rgb, false) => {
                        [pixel.iter().map(|level| eight(*level)).collect(), vec![if pixel == key { 0 } else { 255 }]]
                            .concat()
                    }
                    (GrayscaleAlpha, _) => vec![eight(pixel[0]), eight(pixel[0]), eight(pixel[0]), eight(pixel[1])],
                    _ => pixel.iter().map(|level| eight(*level)).collect(),
                })
                .collect();
            let plain = file(WIDTH, HEIGHT, colour, depth, &data, colours, &opacities);
            let woven = interlaced(&plain);
            assert_eq!(woven[28], 1, "the sample is interlaced");
            for bytes in [&plain, &woven] {
                assert_eq!(picture(bytes, &Wish::default()).pixels, expected, "{colour:?} {depth:?} {keyed}");
            }
            let region = Region { x: 2.5, y: 3.0, width: 4.0, height: 5.0 };
            let wish = Wish { region: Some(region), ..Wish::default() };
            for bytes in [&plain, &woven] {
                let part = picture(bytes, &wish);
                assert_eq!((part.width, part.height), (5, 5));
                let channels = part.layout.channels();
                let rows = expected.chunks(WIDTH as usize * channels).skip(3).take(5);
                assert_eq!(
                    part.pixels,
                    rows.flat_map(|row| row[2 * channels..7 * channels].to_vec()).collect::<Vec<_>>()
                );
            }
        }
    }
}

#[test]
fn frames_of_an_animation_are_drawn_over_each_other() {
    const RED: [u8; 4] = [255, 0, 0, 255];
    const VEIL: [u8; 4] = [0, 0, 255, 51];
    const NONE: [u8; 4] = [0; 4];
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, 2, 1);
    encoder.set_color(ColorType::Rgba);
    encoder.set_animated(5, 3).expect("five frames");
    encoder.set_sep_def_img(true).expect("a picture of its own");
    let mut writer = encoder.write_header().expect("a header");
    writer.write_image_data(&[9; 8]).expect("the picture for others");
    let steps = [
        (RED, BlendOp::Source, DisposeOp::None, 2),
        (VEIL, BlendOp::Over, DisposeOp::Previous, 1),
        (VEIL, BlendOp::Source, DisposeOp::Background, 1),
        (NONE, BlendOp::Over, DisposeOp::None, 1),
        (NONE, BlendOp::Source, DisposeOp::None, 2),
    ];
    for (nth, (colour, blend, dispose, width)) in steps.into_iter().enumerate() {
        writer.set_frame_dimension(width, 1).expect("inside");
        writer.set_blend_op(blend).expect("blend");
        writer.set_dispose_op(dispose).expect("dispose");
        writer.set_frame_delay(nth as u16, 10).expect("delay");
        writer.write_image_data(&colour.repeat(width as usize)).expect("a frame");
    }
    writer.finish().expect("an end");
    let opened = open(&bytes, &Wish::default(), &Limits::default()).expect("a good file");
    assert_eq!((opened.header.frames, opened.loops), (5, 3));
    drop(opened);
    let shown = frames(&bytes, &Wish::default()).expect("frames");
    let pixels: Vec<_> = shown.iter().map(|frame| frame.bitmap.clone().into_rgba().pixels).collect();
    let mixed = [204, 0, 51, 255];
    assert_eq!(
        pixels,
        [[RED, RED].concat(), [mixed, RED].concat(), [VEIL, RED].concat(), [NONE, RED].concat(), [NONE, NONE].concat()]
    );
    let delays: Vec<_> = shown.iter().map(|frame| frame.delay.as_millis()).collect();
    assert_eq!(delays, [100, 100, 200, 300, 400]);
    let still = frames(&bytes, &Wish { still: true, ..Wish::default() }).expect("the first");
    assert_eq!((still.len(), still[0].delay), (1, Duration::ZERO));
    // A number of frames that the file does not have.
    let mut lie = SIGNATURE.to_vec();
    for chunk in chunks(&bytes).expect("a PNG") {
        match chunk.kind {
            b"acTL" => push(&mut lie, b"acTL", &[&1_000_000u32.to_be_bytes(), &[0; 4]]),
            _ => lie.extend_from_slice(chunk.whole),
        }
    }
    assert_eq!(frames(&lie, &Wish::default()).expect("frames").len(), 5);
    let few = Limits { max_frames: 4, ..Limits::default() };
    assert!(matches!(open(&bytes, &Wish::default(), &few), Err(ImageError::TooLarge(_))));
}

#[test]
fn large_pictures_are_averaged_while_they_come() {
    let (width, height) = (4001u32, 1001u32);
    let pixels: Vec<u8> =
        (0..width * height).flat_map(|nth| [200, (nth % 251) as u8, 7, if nth % 3 == 0 { 0 } else { 255 }]).collect();
    let bytes = file(width, height, ColorType::Rgba, BitDepth::Eight, &pixels, &[], &[]);
    let wish = Wish { scaled_to: Some((500, 125)), ..Wish::default() };
    let opened = open(&bytes, &wish, &Limits::default()).expect("a good file");
    assert_eq!(opened.shows, Region { x: 0.0, y: 0.0, width: 4004.0, height: 1004.0 });
    drop(opened);
    let small = picture(&bytes, &wish);
    assert_eq!((small.width, small.height, small.layout), (1001, 251, Layout::Rgba));
    for (x, y) in [(0, 0), (17, 33), (999, 249), (1000, 250)] {
        let (mut green, mut opacity, mut count) = (0u32, 0, 0);
        for (column, row) in (0..4).flat_map(|row| (0..4).map(move |column| (x * 4 + column, y * 4 + row))) {
            if column < width && row < height {
                let pixel = &pixels[(row * width + column) as usize * 4..][..4];
                green += u32::from(pixel[1]) * u32::from(pixel[3]);
                opacity += u32::from(pixel[3]);
                count += 1;
            }
        }
        let got = &small.pixels[(y * 1001 + x) as usize * 4..][..4];
        let expected =
            [if opacity == 0 { 0 } else { 200 }, (green + opacity / 2).checked_div(opacity).unwrap_or(0) as u8];
        assert_eq!([got[0], got[1]], expected, "colours do not darken at {x},{y}");
        assert_eq!(u32::from(got[3]), (opacity + count / 2) / count);
    }
}

#[test]
fn bombs_are_refused_or_left_packed() {
    let mut bomb = SIGNATURE.to_vec();
    push(&mut bomb, b"IHDR", &[&20_000u32.to_be_bytes(), &20_000u32.to_be_bytes(), &[8, 6, 0, 0, 0]]);
    push(&mut bomb, b"IDAT", &[&[0; 40]]);
    assert!(matches!(open(&bomb, &Wish::default(), &Limits::default()), Err(ImageError::TooLarge(_))));
    let mut packed = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut packed, &vec![b'a'; 3 << 20]).expect("memory");
    let packed = packed.finish().expect("memory");
    let mut loaded = SIGNATURE.to_vec();
    for chunk in chunks(&file(1, 1, ColorType::Grayscale, BitDepth::Eight, &[7], &[], &[])).expect("a PNG") {
        loaded.extend_from_slice(chunk.whole);
        if chunk.kind == b"IHDR" {
            push(&mut loaded, b"iCCP", &[b"p\0\0", &packed]);
            push(&mut loaded, b"zTXt", &[b"t\0\0", &packed]);
            push(&mut loaded, b"iTXt", &[b"XML:com.adobe.xmp\0\x01\0\0\0", &packed]);
        }
    }
    let opened = open(&loaded, &Wish::default(), &Limits::default()).expect("the picture itself is good");
    assert_eq!((opened.metadata.icc, opened.metadata.xmp), (None, None));
}

proptest! {
    #[test]
    fn hostile_bytes_never_panic(cut in 0usize..400, places in prop::collection::vec((0usize..400, any::<u8>()), 0..6)) {
        let pixels: Vec<u8> = (0..143 * 4).map(|nth| (nth * 7 % 256) as u8).collect();
        let good = file(WIDTH, HEIGHT, ColorType::Rgba, BitDepth::Eight, &pixels, &[], &[]);
        let mut bytes = good.clone();
        for (place, value) in places {
            let place = place % bytes.len();
            bytes[place] = value;
        }
        let limits = Limits { max_pixels: 100_000, ..Limits::default() };
        if let Ok(mut opened) = open(&bytes, &Wish::default(), &limits) {
            while let Ok(Some(_)) = opened.frames.next_frame() {}
        }
        // Half a picture is none.
        let cut = 33 + cut % (good.len() - 33 - 32);
        prop_assert!(frames(&good[..cut], &Wish::default()).is_err());
    }
}
