use proptest::prelude::*;

use super::*;
use crate::decode::pattern::{self, difference, only, rgb};

macro_rules! fixture {
    ($name:literal) => {
        include_bytes!(concat!("../../../tests/fixtures/", $name))
    };
}

#[test]
fn kinds_of_bitmaps() {
    assert_eq!(difference(&only(open, fixture!("rgb.bmp")).pixels, &rgb()), 0);
    assert_eq!(difference(&only(open, fixture!("palette.bmp")).pixels, fixture!("palette.bmp.rgb")), 0);
    assert_eq!(difference(&only(open, fixture!("rle.bmp")).pixels, fixture!("rle.bmp.rgb")), 0);
    let rgba = only(open, fixture!("rgba.bmp"));
    assert_eq!((rgba.layout, difference(&rgba.pixels, &pattern::rgba())), (Layout::Rgba, 0));
    assert!(header(fixture!("rgba.bmp"), &Limits::default()).expect("a header").alpha);
}

#[test]
fn bombs_and_truncated_files() {
    let mut huge = fixture!("rgb.bmp").to_vec();
    huge[18..26].copy_from_slice(&[0xff, 0xff, 0, 0, 0xff, 0xff, 0, 0]);
    assert!(pattern::is_too_large(open, &huge));
    let cut = &fixture!("rgb.bmp")[..1000];
    assert!(matches!(pattern::frames(open, cut, &Wish::default()), Err(ImageError::Broken(_))));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn hostile_bytes_never_panic(at: usize, value: u8) {
        for bytes in [&fixture!("rgb.bmp")[..], fixture!("palette.bmp"), fixture!("rle.bmp"), fixture!("rgba.bmp")] {
            pattern::survives(open, bytes, at % 200, value);
            pattern::survives(open, bytes, at, value);
        }
    }
}
