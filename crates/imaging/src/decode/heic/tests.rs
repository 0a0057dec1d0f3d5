use proptest::prelude::*;

use super::super::samples::{only, opened};
use super::is_available;
use crate::{
    Bitmap, ImageError, Layout, Limits, Orientation, Region,
    decode::{Wish, open},
    exif::orientation,
};

/// 48 by 32, red on the left and blue on the right with a green corner; to be turned by a quarter (`irot`, EXIF 6); with a profile.
const TURNED: &[u8] = include_bytes!("../../../tests/fixtures/turned.heic");
/// The same, not turned, opaque at the bottom only.
const ALPHA: &[u8] = include_bytes!("../../../tests/fixtures/alpha.heic");
/// The same, not turned, ten bits.
const TEN_BIT: &[u8] = include_bytes!("../../../tests/fixtures/ten-bit.heic");

/// Whether there is a library; if there is none, the answer says so.
fn readable() -> bool {
    super::prepare();
    if !is_available() {
        let refused = open(TURNED, &Wish::default(), &Limits::default()).err();
        assert_eq!(refused, Some(ImageError::Missing("libheif")));
    }
    is_available()
}

fn assert_near(bitmap: &Bitmap, x: usize, y: usize, colour: [u8; 3]) {
    let start = (y * bitmap.width as usize + x) * bitmap.layout.channels();
    let pixel = &bitmap.pixels[start..start + 3];
    let near = pixel.iter().zip(colour).all(|(level, wanted)| level.abs_diff(wanted) < 12);
    assert!(near, "{pixel:?} is not {colour:?} at {x}, {y}");
}

const RED: [u8; 3] = [200, 40, 40];
const GREEN: [u8; 3] = [40, 200, 40];
const BLUE: [u8; 3] = [40, 40, 200];

#[test]
fn pictures_stand_upright_with_their_metadata() {
    if !readable() {
        return;
    }
    let opened = opened(TURNED);
    assert_eq!((opened.header.width, opened.header.height, opened.header.alpha), (32, 48, false));
    assert_eq!((opened.shows, opened.loops), (Region::whole(32, 48), 0));
    assert_eq!(opened.metadata.orientation, Orientation::Upright);
    let exif = opened.metadata.exif.expect("EXIF");
    assert_eq!(orientation(&exif), Orientation::Upright, "the pixels are turned already");
    assert!(exif.windows(12).any(|text| text == b"test picture"), "the rest of it stays");
    assert!(opened.metadata.icc.is_some_and(|icc| &icc[36..40] == b"acsp"));
    let bitmap = only(TURNED, &Wish::default());
    assert_near(&bitmap, 4, 4, RED);
    assert_near(&bitmap, 27, 4, GREEN);
    assert_near(&bitmap, 16, 40, BLUE);
}

#[test]
fn transparency_and_ten_bits_are_read() {
    if !readable() {
        return;
    }
    let bitmap = only(ALPHA, &Wish::default());
    assert_eq!((bitmap.width, bitmap.height, bitmap.layout), (48, 32, Layout::Rgba));
    assert!(bitmap.pixels[3] < 20 && bitmap.pixels[bitmap.pixels.len() - 1] > 230);

    let bitmap = only(TEN_BIT, &Wish::default());
    assert_eq!((bitmap.width, bitmap.height, bitmap.layout), (48, 32, Layout::Rgb));
    assert_near(&bitmap, 4, 4, GREEN);
    assert_near(&bitmap, 40, 16, BLUE);
}

#[test]
fn large_and_broken_files_are_refused() {
    if !readable() {
        return;
    }
    let few = Limits { max_pixels: 48 * 32 - 1, ..Limits::default() };
    assert!(matches!(open(TURNED, &Wish::default(), &few).err(), Some(ImageError::TooLarge(_))));
    for side in [[0, 0, 0x70, 0], [0, 2, 0, 0]] {
        let mut bomb = TURNED.to_vec();
        for sides in (0..bomb.len() - 16).filter(|at| TURNED[*at..].starts_with(b"ispe")) {
            bomb[sides + 8..sides + 16].copy_from_slice(&[side, side].concat());
        }
        let refused = open(&bomb, &Wish::default(), &Limits::default()).err();
        assert!(matches!(refused, Some(ImageError::TooLarge(_))), "{refused:?}");
    }
    for end in (16..TURNED.len() - 1).step_by(13) {
        let read = open(&TURNED[..end], &Wish::default(), &Limits::default())
            .and_then(|mut opened| opened.frames.next_frame());
        assert!(matches!(read, Err(ImageError::Broken(_))), "{end}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn broken_bytes_never_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut file = TURNED.to_vec();
        for (index, value) in changes {
            let index = index.index(file.len());
            file[index] = value;
        }
        let limits = Limits { max_pixels: 1_000_000, ..Limits::default() };
        if let Ok(mut opened) = open(&file, &Wish::default(), &limits) {
            let _ = opened.frames.next_frame();
        }
    }
}
