use std::time::Duration;

use proptest::prelude::*;

use super::super::samples::{damage, decoded, difference, encoded, exif, only, opened, read_out, smooth, still};
use crate::{
    Bitmap, Format, Frame, ImageError, Layout, Limits, Metadata, Orientation, Region,
    decode::{Wish, open},
    encode::{Encoding, webp::strip},
};

fn webp(bitmap: Bitmap) -> Vec<u8> {
    encoded(Encoding::plain(Format::WebP), &Metadata::default(), &[still(bitmap)]).expect("encoded")
}

fn metadata() -> Metadata {
    Metadata {
        icc: Some(b"a profile".to_vec()),
        exif: Some(exif(6)),
        xmp: Some(b"<x/>".to_vec()),
        orientation: Orientation::Turned90,
    }
}

#[test]
fn stills_survive_in_every_layout() {
    let file = webp(smooth(61, 47, Layout::Gray));
    assert!(
        difference(&only(&file, &Wish::default()), &smooth(61, 47, Layout::Gray).into_colour()) < 2.0,
        "gray is written as colour"
    );
    for layout in [Layout::Rgb, Layout::Rgba] {
        let file = webp(smooth(61, 47, layout));
        let opened = opened(&file);
        assert_eq!((opened.header.width, opened.header.height, opened.header.frames), (61, 47, 1));
        assert_eq!(opened.header.alpha, layout == Layout::Rgba);
        assert_eq!((opened.shows, &opened.metadata), (Region::whole(61, 47), &Metadata::default()));
        let bitmap = only(&file, &Wish::default());
        assert!(difference(&bitmap, &smooth(61, 47, layout)) < 2.0, "{layout:?}");
    }
}

#[test]
fn effort_and_quality_change_the_size() {
    let noise = |index: u32| (index.wrapping_mul(2_654_435_761) >> 24) as u8;
    let bitmap = Bitmap::new(96, 96, Layout::Rgb, (0..96 * 96 * 3).map(noise).collect()).expect("sides that fit");
    let size =
        |encoding: Encoding| encoded(encoding, &Metadata::default(), &[still(bitmap.clone())]).expect("encoded").len();
    let usual = size(Encoding::plain(Format::WebP));
    assert!(size(Encoding { quality: Some(20), ..Encoding::plain(Format::WebP) }) < usual);
    assert!(size(Encoding { quality: Some(95), ..Encoding::plain(Format::WebP) }) > usual);
    assert!(
        size(Encoding { smallest: true, ..Encoding::plain(Format::WebP) })
            <= size(Encoding { fast: true, ..Encoding::plain(Format::WebP) })
    );
}

#[test]
fn wishes_are_met_with_fewer_pixels() {
    let file = webp(smooth(400, 300, Layout::Rgb));
    let wish = Wish { scaled_to: Some((50, 30)), spare: 2.0, ..Wish::default() };
    let bitmap = only(&file, &wish);
    assert_eq!((bitmap.width, bitmap.height), (100, 75), "both sides have twice the pixels of the target");
    assert!(difference(&bitmap, &smooth(100, 75, Layout::Rgb)) < 3.0);

    let nearly_all = Wish { scaled_to: Some((190, 140)), ..wish };
    assert_eq!(only(&file, &nearly_all).width, 400, "little would be won");

    let region = Region { x: 101.5, y: 51.0, width: 199.0, height: 99.5 };
    let cut = open(&file, &Wish { region: Some(region), ..Wish::default() }, &Limits::default()).expect("opened");
    assert_eq!(
        cut.shows,
        Region { x: 100.0, y: 50.0, width: 201.0, height: 101.0 },
        "whole pixels around it, from an even corner"
    );
    let bitmap = only(&file, &Wish { region: Some(region), ..Wish::default() });
    assert_eq!((bitmap.width, bitmap.height), (201, 101));
    let pixel = |bitmap: &Bitmap, x: usize, y: usize| bitmap.pixels[(y * bitmap.width as usize + x) * 3];
    assert!(pixel(&bitmap, 0, 0).abs_diff(pixel(&smooth(400, 300, Layout::Rgb), 100, 50)) < 4);

    let bitmap = only(&file, &Wish { region: Some(region), scaled_to: Some((50, 25)), ..wish });
    assert_eq!((bitmap.width, bitmap.height), (102, 51), "the scale is that of the region");

    let outside = Region { x: 900.0, y: -5.0, width: 10.0, height: f64::INFINITY };
    let bitmap = only(&file, &Wish { region: Some(outside), ..Wish::default() });
    assert_eq!((bitmap.width, bitmap.height), (2, 300), "something is left of any region");
}

#[test]
fn metadata_goes_through_and_can_be_stripped() {
    let file =
        encoded(Encoding::plain(Format::WebP), &metadata(), &[still(smooth(20, 10, Layout::Rgb))]).expect("encoded");
    assert_eq!(opened(&file).metadata, metadata());

    let stripped = strip(&file).expect("stripped");
    assert_eq!(
        opened(&stripped).metadata,
        Metadata { icc: metadata().icc, ..Metadata::default() },
        "colours stay right"
    );
    assert_eq!(only(&stripped, &Wish::default()), only(&file, &Wish::default()), "pixels stay the same");
    assert_eq!(strip(&stripped).expect("stripped"), stripped);
    assert!(matches!(strip(&file[..file.len() - 9]), Err(ImageError::Broken(_))));

    let prefixed = Metadata { exif: Some([b"Exif\0\0".to_vec(), exif(6)].concat()), ..Metadata::default() };
    let file =
        encoded(Encoding::plain(Format::WebP), &prefixed, &[still(smooth(20, 10, Layout::Rgb))]).expect("encoded");
    assert_eq!(opened(&file).metadata.exif, Some(exif(6)), "what some writers put before it is left out");
}

fn animation(layout: Layout, loops: u16) -> (Vec<Frame>, Vec<u8>) {
    let frame = |index: u32| {
        let mut bitmap = smooth(40, 30, layout);
        bitmap.pixels.rotate_left(index as usize * 10 * layout.channels());
        Frame { bitmap, delay: Duration::from_millis(u64::from(40 + index * 30)) }
    };
    let frames: Vec<_> = (0..4).map(frame).collect();
    let wanted = Encoding { animated: true, loops, quality: Some(95), ..Encoding::plain(Format::WebP) };
    let file = encoded(wanted, &metadata(), &frames).expect("encoded");
    (frames, file)
}

#[test]
fn animations_keep_frames_delays_and_loops() {
    for (layout, loops) in [(Layout::Rgb, 0), (Layout::Rgba, 3)] {
        let (frames, file) = animation(layout, loops);
        let opened = opened(&file);
        assert_eq!((opened.header.frames, opened.loops, &opened.metadata), (4, loops, &metadata()));
        let read = decoded(&file, &Wish::default()).expect("decoded");
        assert_eq!(read.len(), 4);
        for (read, written) in read.iter().zip(&frames) {
            assert_eq!(read.delay, written.delay);
            assert!(
                difference(&read.bitmap, &written.bitmap) < 8.0,
                "{layout:?}: {}",
                difference(&read.bitmap, &written.bitmap)
            );
        }
        let first = decoded(&file, &Wish { still: true, ..Wish::default() }).expect("decoded");
        assert_eq!(first.len(), 1);
        assert_eq!(first[0].bitmap, read[0].bitmap);
        let stripped = strip(&file).expect("stripped");
        assert_eq!(decoded(&stripped, &Wish::default()).expect("decoded"), read);
    }
}

#[test]
fn what_is_too_large_is_refused_by_its_header() {
    // A canvas of 16383 by 16383 with hardly any data behind it.
    let mut bomb = b"RIFF\x1e\0\0\0WEBPVP8L\x11\0\0\0\x2f\xfe\xbf\xff\x0f".to_vec();
    bomb.resize(8 + 0x1e, 0);
    let refused = open(&bomb, &Wish::default(), &Limits::default()).err();
    assert!(matches!(refused, Some(ImageError::TooLarge(_))), "{refused:?}");

    let (_, file) = animation(Layout::Rgb, 0);
    for limits in
        [Limits { max_pixels: 40 * 30 * 4 - 1, ..Limits::default() }, Limits { max_frames: 3, ..Limits::default() }]
    {
        assert!(matches!(open(&file, &Wish::default(), &limits).err(), Some(ImageError::TooLarge(_))));
        assert!(open(&file, &Wish { still: true, ..Wish::default() }, &limits).is_ok(), "one frame is not too much");
    }
    let wide = encoded(
        Encoding::plain(Format::WebP),
        &Metadata::default(),
        &[still(Bitmap::filled(16_384, 1, [0, 0, 0, 255]))],
    );
    assert!(matches!(wide, Err(ImageError::Unsupported(_))));
    let twice = [still(smooth(4, 4, Layout::Rgb)), still(smooth(4, 4, Layout::Rgb))];
    assert!(matches!(
        encoded(Encoding::plain(Format::WebP), &Metadata::default(), &twice),
        Err(ImageError::Unsupported(_))
    ));
}

#[test]
fn half_a_file_is_no_picture() {
    for file in [webp(smooth(61, 47, Layout::Rgba)), animation(Layout::Rgb, 0).1] {
        for end in (0..file.len() - 1).step_by(7) {
            assert!(decoded(&file[..end], &Wish::default()).is_err(), "{end} of {}", file.len());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn broken_bytes_never_panic(
        animated in any::<bool>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut file = if animated { animation(Layout::Rgba, 0).1 } else { webp(smooth(33, 21, Layout::Rgba)) };
        damage(&mut file, &changes);
        read_out(&file, &Wish { scaled_to: Some((5, 5)), ..Wish::default() });
        let _ = strip(&file);
    }
}
