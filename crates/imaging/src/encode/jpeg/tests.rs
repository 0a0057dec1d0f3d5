use super::*;
use crate::jpeg::{
    Head,
    tests::{PLAIN, decoded, difference, encoded, oriented, picture, pixels, profile},
};
use crate::{Layout, decode::Wish};

#[test]
fn efforts_cost_bytes_or_time_but_never_quality() {
    let original = picture(200, 150, Layout::Rgb);
    let size = |encoding: &Encoding| {
        let file = encoded(&original, encoding, &Metadata::default());
        let head = Head::read(&file).expect("sound");
        assert_eq!(head.quality, Some(DEFAULT_QUALITY));
        assert_eq!(head.progressive, encoding.progressive || encoding.smallest);
        let off = difference(&pixels(&file).expect("sound").pixels, &original.pixels);
        assert!(off < 6.0, "{off}");
        file.len()
    };
    let usual = size(&PLAIN);
    assert!(usual < size(&Encoding { fast: true, ..PLAIN }));
    assert!(usual > size(&Encoding { progressive: true, ..PLAIN }));
    assert!(usual > size(&Encoding { smallest: true, ..PLAIN }));
}

#[test]
fn colour_is_halved_below_quality_90() {
    let original = picture(64, 48, Layout::Rgb);
    for (quality, unit) in [(None, 2), (Some(89), 2), (Some(90), 1), (Some(100), 1)] {
        for cmyk in [false, true] {
            let file = encoded(&original, &Encoding { quality, cmyk, ..PLAIN }, &Metadata::default());
            let head = Head::read(&file).expect("sound");
            assert_eq!((head.unit_width(), head.unit_height()), (unit, unit));
            assert_eq!((head.components.len(), head.adobe), if cmyk { (4, true) } else { (3, false) });
        }
    }
    let gray = encoded(&picture(64, 48, Layout::Gray), &PLAIN, &Metadata::default());
    assert_eq!(Head::read(&gray).expect("sound").components.len(), 1);
}

#[test]
fn transparency_shows_the_ground() {
    let clear = Bitmap { width: 16, height: 16, layout: Layout::Rgba, pixels: [9, 9, 9, 0].repeat(256) };
    let file = encoded(&clear, &Encoding { ground: [200, 30, 90], ..PLAIN }, &Metadata::default());
    let bitmap = pixels(&file).expect("sound");
    assert!(difference(&bitmap.pixels, &[200, 30, 90].repeat(256)) < 2.0);
}

#[test]
fn metadata_is_written_as_far_as_it_fits() {
    let original = picture(32, 32, Layout::Rgb);
    let metadata = Metadata {
        icc: Some(profile(b"RGB ", 300_000)),
        exif: Some(oriented(8)),
        xmp: Some(b"<x/>".to_vec()),
        orientation: crate::Orientation::Turned270,
    };
    let encoding = Encoding { density: Some(144), ..PLAIN };
    let file = encoded(&original, &encoding, &metadata);
    assert_eq!(&file[13..18], [1, 0, 144, 0, 144], "dots per inch");
    assert_eq!(decoded(&file, &Wish::default()).expect("sound").1, metadata);

    let too_long = Metadata { exif: Some(vec![0; 70_000]), xmp: Some(vec![b' '; 70_000]), ..metadata.clone() };
    let (_, read, ..) = decoded(&encoded(&original, &encoding, &too_long), &Wish::default()).expect("sound");
    assert_eq!(read, Metadata { icc: metadata.icc.clone(), ..Metadata::default() });

    let press = encoded(&original, &Encoding { cmyk: true, ..PLAIN }, &metadata);
    assert_eq!(Head::read(&press).expect("sound").icc(), None, "a profile for RGB does not fit CMYK");
}

#[test]
fn what_the_format_cannot_have_is_refused() {
    let frame = |width, height| Frame {
        bitmap: Bitmap::filled(width, height, [1, 2, 3, 255]),
        delay: std::time::Duration::ZERO,
    };
    let mut jpeg = writer(&PLAIN, &Metadata::default()).expect("a writer");
    assert!(matches!(jpeg.write(frame(65_501, 1)), Err(ImageError::Unsupported(_))));
    assert_eq!(jpeg.write(frame(65_500, 1)), Ok(()));
    assert!(matches!(jpeg.write(frame(1, 1)), Err(ImageError::Unsupported(_))), "a second frame");
    assert_eq!(pixels(&jpeg.finish().expect("a file")).expect("sound").width, 65_500);
    assert!(writer(&PLAIN, &Metadata::default()).expect("a writer").finish().is_err(), "no frame");
}
