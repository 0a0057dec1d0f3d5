//! Pictures that tests of several formats encode and decode.

use std::time::Duration;

use proptest::prelude::prop;

use super::{Opened, Wish, open, pattern::frames};
use crate::{
    Bitmap, Frame, ImageError, Layout, Limits, Metadata,
    encode::{Encoding, writer},
};

/// The least that the EXIF of an upright or turned picture says.
pub(super) fn exif(orientation: u8) -> Vec<u8> {
    let mut exif = b"MM\0*\0\0\0\x08\0\x01".to_vec();
    exif.extend([0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation, 0, 0, 0, 0, 0, 0]);
    exif
}

/// Colours that run smoothly over the picture, so that lossy formats keep them; opacity runs from top to bottom.
pub(super) fn smooth(width: u32, height: u32, layout: Layout) -> Bitmap {
    let level = |part: u32, whole: u32| (40 + part * 160 / whole) as u8;
    let pixel = |x: u32, y: u32| [level(x, width), level(y, height), level(x + y, width + height), level(y, height)];
    let sides = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    let pixels = sides.flat_map(|(x, y)| pixel(x, y).into_iter().take(layout.channels())).collect();
    Bitmap::new(width, height, layout, pixels).expect("sides that fit")
}

pub(super) fn still(bitmap: Bitmap) -> Frame {
    Frame { bitmap, delay: Duration::ZERO }
}

/// A file of these frames.
pub(super) fn encoded(encoding: Encoding, metadata: &Metadata, frames: &[Frame]) -> Result<Vec<u8>, ImageError> {
    let mut output = writer(&encoding, metadata)?;
    frames.iter().try_for_each(|frame| output.write(frame.clone()))?;
    output.finish()
}

pub(super) fn opened(bytes: &[u8]) -> Opened<'_> {
    open(bytes, &Wish::default(), &Limits::default()).expect("a sound file")
}

/// All frames, or what is wrong with the file.
pub(super) fn decoded(bytes: &[u8], wish: &Wish) -> Result<Vec<Frame>, ImageError> {
    frames(open, bytes, wish)
}

/// Sets some bytes of a file.
pub(super) fn damage(file: &mut [u8], changes: &[(prop::sample::Index, u8)]) {
    for (index, value) in changes {
        file[index.index(file.len())] = *value;
    }
}

/// Takes frames until there are no more, or an error.
pub(super) fn read_out(file: &[u8], wish: &Wish) {
    let limits = Limits { max_pixels: 1_000_000, ..Limits::default() };
    if let Ok(mut opened) = open(file, wish, &limits) {
        while let Ok(Some(_)) = opened.frames.next_frame() {}
    }
}

/// The only frame.
pub(super) fn only(bytes: &[u8], wish: &Wish) -> Bitmap {
    let mut frames = decoded(bytes, wish).expect("a sound file");
    assert_eq!(frames.len(), 1, "one frame");
    frames.remove(0).bitmap
}

/// Mean difference of the samples of two pictures of one kind.
pub(super) fn difference(one: &Bitmap, other: &Bitmap) -> f64 {
    assert_eq!((one.width, one.height, one.layout), (other.width, other.height, other.layout));
    let sum: u64 = one.pixels.iter().zip(&other.pixels).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    sum as f64 / one.pixels.len() as f64
}
