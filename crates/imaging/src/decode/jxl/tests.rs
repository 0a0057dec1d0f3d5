use moxcms::ColorProfile;
use proptest::prelude::*;

use super::*;
use crate::{
    Orientation, colour,
    decode::pattern::{self, HEIGHT, WIDTH, difference, only, rgb},
};

macro_rules! fixture {
    ($name:literal) => {
        include_bytes!(concat!("../../../tests/fixtures/", $name))
    };
}

#[test]
fn stills() {
    assert_eq!(difference(&only(open, fixture!("rgb.jxl")).pixels, &rgb()), 0);
    assert_eq!(difference(&only(open, fixture!("rgba.jxl")).pixels, &pattern::rgba()), 0);
    let gray = only(open, fixture!("gray16.jxl"));
    // The samples of this file are linear.
    let linear = ColorProfile::new_gray_with_gamma(1.0).encode().expect("a profile");
    let reds = rgb().chunks_exact(3).map(|pixel| pixel[0]).collect();
    let expected = colour::to_srgb(Bitmap::new(WIDTH, HEIGHT, Layout::Gray, reds).expect("a picture"), &linear);
    assert_eq!(gray.layout, Layout::Gray);
    assert!(difference(&gray.pixels, &expected.pixels) <= 1);
    let lossy = only(open, fixture!("lossy.jxl"));
    let error: u32 = lossy.pixels.iter().zip(rgb()).map(|(found, expected)| u32::from(found.abs_diff(expected))).sum();
    assert!(error / lossy.pixels.len() as u32 <= 10, "{}", error / lossy.pixels.len() as u32);
}

#[test]
fn animations() {
    let frames = pattern::frames(open, fixture!("animated.jxl"), &Wish::default()).expect("an animation");
    let expected =
        [rgb(), rgb().iter().map(|level| 255 - level).collect(), rgb().iter().map(|level| level / 2).collect()];
    assert_eq!(frames.len(), 3);
    for (frame, expected) in frames.iter().zip(expected) {
        assert_eq!(difference(&frame.bitmap.pixels, &expected), 0);
        assert!(frame.delay > Duration::ZERO);
    }
    let still = Wish { still: true, ..Wish::default() };
    assert_eq!(pattern::frames(open, fixture!("animated.jxl"), &still).expect("a still").len(), 1);
    let opened =
        |limits: &Limits| open(fixture!("animated.jxl"), &Wish::default(), limits).map(|opened| opened.header.frames);
    assert_eq!(opened(&Limits::default()), Ok(3));
    let few = Limits { max_frames: 2, ..Limits::default() };
    let small = Limits { max_pixels: u64::from(WIDTH * HEIGHT * 2), ..Limits::default() };
    assert!([few, small].iter().all(|limits| matches!(opened(limits), Err(ImageError::TooLarge(_)))));
}

#[test]
fn profiles_and_metadata() {
    let opened = open(fixture!("profile.jxl"), &Wish::default(), &Limits::default()).expect("a picture");
    // What the library turned upright must not be turned again.
    assert_eq!(opened.metadata.orientation, Orientation::Upright);
    assert!(opened.metadata.exif.is_some_and(|exif| exif.starts_with(b"II*\0")));
    let mut bitmap = only(open, fixture!("profile.jxl"));
    if let Some(icc) = opened.metadata.icc {
        bitmap = colour::to_srgb(bitmap, &icc);
    }
    let icc = ColorProfile::new_pro_photo_rgb().encode().expect("a profile");
    let expected = colour::to_srgb(pattern::bitmap(Layout::Rgb), &icc);
    // Each engine makes something else of what sRGB does not have, and of the dark end of the curve.
    let apart = |other: &[u8]| {
        let sum: u32 = bitmap.pixels.iter().zip(other).map(|(found, other)| u32::from(found.abs_diff(*other))).sum();
        sum / bitmap.pixels.len() as u32
    };
    let (converted, raw) = (apart(&expected.pixels), apart(&rgb()));
    assert!(converted <= 10 && converted * 2 < raw, "{converted} from what it should be, {raw} from the samples");
    assert!(difference(&bitmap.pixels, &rgb()) > 30);
}

#[test]
fn bombs_and_truncated_files() {
    // The size header of 2^30 x 2^30 pixels: not small, 30 bits, height - 1, ratio 1:1.
    let bits = format!("{}{}{}{}", "0", "11", "1".repeat(30), "100");
    let mut huge = vec![0xff, 0x0a];
    huge.extend(
        bits.as_bytes()
            .chunks(8)
            .map(|byte| byte.iter().enumerate().fold(0, |sum, (at, bit)| sum | (bit - b'0') << at)),
    );
    huge.extend([0; 64]);
    let refused = open(&huge, &Wish::default(), &Limits::default());
    assert!(refused.is_err());
    for bytes in [&fixture!("rgb.jxl")[..], fixture!("rgba.jxl"), fixture!("animated.jxl"), fixture!("lossy.jxl")] {
        assert!(pattern::frames(open, &bytes[..bytes.len() * 2 / 3], &Wish::default()).is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn hostile_bytes_never_panic(at: usize, value: u8) {
        for bytes in [&fixture!("rgb.jxl")[..], fixture!("rgba.jxl"), fixture!("animated.jxl"), fixture!("lossy.jxl")] {
            pattern::survives(open, bytes, at, value);
            pattern::survives(open, bytes, at % 40, value);
        }
    }
}
