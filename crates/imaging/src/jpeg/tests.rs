//! Made-up JPEG files for the tests of the decoder and the encoder, and the tests of the work on bytes.

use proptest::prelude::*;

use super::{EXIF, marker, repack, strip};
use crate::{
    Bitmap, Format, Frame, ImageError, Layout, Limits, Metadata,
    decode::{Header, Wish},
    encode::Encoding,
};

/// A picture with large shapes, fine ones and soft colours.
pub(crate) fn picture(width: u32, height: u32, layout: Layout) -> Bitmap {
    let pixel = |x: u32, y: u32| {
        let wave =
            |phase: f64| (127.0 + 100.0 * (f64::from(x) / 23.0 + phase).sin() * (f64::from(y) / 17.0).cos()) as u8;
        let fine = if (x / 5 + y / 3).is_multiple_of(2) { 12 } else { 0 };
        [wave(0.0) + fine, wave(1.5) + fine, wave(3.0) + fine, (x * 7 % 256) as u8]
    };
    let pixels =
        (0..height).flat_map(|y| (0..width).flat_map(move |x| pixel(x, y).into_iter().take(layout.channels())));
    Bitmap { width, height, layout, pixels: pixels.collect() }
}

/// The plainest way to write a JPEG.
pub(crate) const PLAIN: Encoding = Encoding::plain(Format::Jpeg);

pub(crate) fn encoded(bitmap: &Bitmap, encoding: &Encoding, metadata: &Metadata) -> Vec<u8> {
    let mut writer = crate::encode::jpeg::writer(encoding, metadata).expect("JPEG can be written");
    writer.write(Frame { bitmap: bitmap.clone(), delay: std::time::Duration::ZERO }).expect("the picture fits");
    writer.finish().expect("a file")
}

pub(crate) fn decoded(bytes: &[u8], wish: &Wish) -> Result<(Header, Metadata, crate::Region, Bitmap), ImageError> {
    let mut opened = crate::decode::jpeg::open(bytes, wish, &Limits::default())?;
    let frame = opened.frames.next_frame()?.expect("one frame");
    assert_eq!(opened.frames.next_frame(), Ok(None), "and no more");
    Ok((opened.header, opened.metadata, opened.shows, frame.bitmap))
}

/// All pixels.
pub(crate) fn pixels(bytes: &[u8]) -> Result<Bitmap, ImageError> {
    decoded(bytes, &Wish::default()).map(|(_, _, _, bitmap)| bitmap)
}

/// Mean difference of two samples.
pub(crate) fn difference(one: &[u8], other: &[u8]) -> f64 {
    assert_eq!(one.len(), other.len());
    let sum: u64 = one.iter().zip(other).map(|(one, other)| u64::from(one.abs_diff(*other))).sum();
    sum as f64 / one.len() as f64
}

/// An ICC profile that is none but says what it is for.
pub(crate) fn profile(space: &[u8; 4], length: usize) -> Vec<u8> {
    let mut profile: Vec<u8> = (0..length).map(|index| (index % 251) as u8).collect();
    profile[16..20].copy_from_slice(space);
    profile
}

/// EXIF with nothing but an orientation.
pub(crate) fn oriented(value: u8) -> Vec<u8> {
    [b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0", &[value, 0, 0, 0][..], &[0; 4]].concat()
}

fn full_metadata() -> Metadata {
    Metadata {
        icc: Some(profile(b"RGB ", 150_000)),
        exif: Some(oriented(6)),
        xmp: Some(b"<x:xmpmeta/>".to_vec()),
        ..Metadata::default()
    }
}

/// The same file with more segments behind its first marker.
fn with_segments(file: &[u8], segments: &[(u8, &[u8])]) -> Vec<u8> {
    let mut bytes = file[..2].to_vec();
    for (marker, payload) in segments {
        bytes.extend([0xff, *marker]);
        bytes.extend((payload.len() as u16 + 2).to_be_bytes());
        bytes.extend_from_slice(payload);
    }
    bytes.extend_from_slice(&file[2..]);
    bytes
}

#[test]
fn strip_takes_metadata_and_leaves_pixels_and_colours() {
    for (cmyk, progressive, layout) in
        [(false, false, Layout::Rgb), (false, true, Layout::Gray), (true, false, Layout::Rgb)]
    {
        let encoding = Encoding { cmyk, progressive, ..PLAIN };
        let file = encoded(&picture(70, 50, layout), &encoding, &full_metadata());
        let mut noisy = with_segments(
            &file,
            &[(marker::COM, b"made by hand"), (marker::APP0, b"JFXX\0"), (0xed, b"Photoshop 3.0\0")],
        );
        noisy.extend_from_slice(b"something behind the picture");
        let stripped = strip(&noisy).expect("sound");
        let (_, before, _, bitmap) = decoded(&noisy, &Wish::default()).expect("sound");
        let (_, after, _, stripped_bitmap) = decoded(&stripped, &Wish::default()).expect("sound");
        assert!(before.exif.is_some() && before.xmp.is_some());
        assert_eq!(after, Metadata { icc: before.icc, ..Metadata::default() });
        assert_eq!(bitmap, stripped_bitmap);
        for gone in [&b"made by hand"[..], b"JFXX", b"Photoshop", EXIF, b"behind the picture"] {
            assert!(!stripped.windows(gone.len()).any(|window| window == gone), "{}", gone.escape_ascii());
        }
        assert_eq!(strip(&stripped), Ok(stripped.clone()), "nothing is left to take");
    }
}

#[test]
fn repack_is_smaller_and_loses_nothing() {
    for (cmyk, layout) in [(false, Layout::Rgb), (false, Layout::Gray), (true, Layout::Rgb)] {
        let encoding = Encoding { cmyk, fast: true, density: Some(300), ..PLAIN };
        let file = encoded(&picture(210, 170, layout), &encoding, &full_metadata());
        let (_, before, _, bitmap) = decoded(&file, &Wish::default()).expect("sound");

        let kept = repack(&file, true).expect("sound");
        assert!(kept.len() < file.len());
        let (_, metadata, _, repacked) = decoded(&kept, &Wish::default()).expect("sound");
        assert_eq!((&repacked, &metadata), (&bitmap, &before));
        assert!(repack(&kept, true).expect("sound").len() <= kept.len());

        let bare = repack(&file, false).expect("sound");
        let (_, metadata, _, repacked) = decoded(&bare, &Wish::default()).expect("sound");
        assert_eq!(repacked, bitmap);
        assert_eq!(metadata, Metadata { icc: before.icc, ..Metadata::default() });
        if !cmyk {
            assert_eq!(&bare[13..18], [1, 1, 44, 1, 44], "300 dots per inch stay");
        }
    }
}

#[test]
fn repack_uses_several_scans_where_they_cost_less() {
    let mut noise = picture(320, 240, Layout::Rgb);
    noise.pixels.iter_mut().enumerate().for_each(|(index, level)| *level ^= (index * index / 7 % 61) as u8);
    let file = encoded(&noise, &PLAIN, &Metadata::default());
    let (header, ..) = decoded(&repack(&file, true).expect("sound"), &Wish::default()).expect("sound");
    assert!(header.progressive);
}

#[test]
fn repack_of_cmyk_without_adobe_marker_keeps_the_colours() {
    let file = encoded(
        &picture(64, 48, Layout::Rgb),
        &Encoding { cmyk: true, quality: Some(95), ..PLAIN },
        &Metadata::default(),
    );
    let adobe = file.windows(7).position(|window| window == b"\xff\xee\0\x0eAdo").expect("the marker");
    let bare = [&file[..adobe], &file[adobe + 16..]].concat();
    let repacked = repack(&bare, true).expect("sound");
    assert_eq!(pixels(&repacked), pixels(&bare));
    assert_ne!(pixels(&bare), pixels(&file), "without the marker the colours are not inverted");
}

#[test]
fn broken_bytes_are_refused_by_both() {
    let file = encoded(&picture(60, 40, Layout::Rgb), &Encoding { progressive: true, ..PLAIN }, &full_metadata());
    for length in (0..file.len() - 2).step_by(97) {
        assert!(repack(&file[..length], true).is_err(), "cut at {length}");
    }
    assert_eq!(strip(b"GIF89a"), Err(ImageError::UnsupportedInput));
    assert_eq!(repack(b"", false), Err(ImageError::UnsupportedInput));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn changed_bytes_never_panic(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6), progressive: bool, cmyk: bool) {
        let encoding = Encoding { progressive, cmyk, ..PLAIN };
        let mut file = encoded(&picture(40, 30, Layout::Rgb), &encoding, &Metadata { exif: Some(oriented(3)), ..Metadata::default() });
        for (index, byte) in changes {
            let at = index.index(file.len());
            file[at] = byte;
        }
        let small = Limits { max_pixels: 1_000_000, ..Limits::default() };
        for scaled_to in [None, Some((5, 3)), Some((2, 2))] {
            let wish = Wish { scaled_to, region: Some(crate::Region { x: 3.0, y: 4.0, width: 30.0, height: 20.0 }), ..Wish::default() };
            if let Ok(mut opened) = crate::decode::jpeg::open(&file, &wish, &small) {
                let _ = opened.frames.next_frame();
            }
        }
        let _ = strip(&file);
        let _ = repack(&file, true);
    }
}
