//! The picture that most fixtures show, and what tests of decoders have in common.

use crate::{Bitmap, Frame, ImageError, Layout, Limits};

use super::{Opened, Wish};

pub(crate) const WIDTH: u32 = 24;
pub(crate) const HEIGHT: u32 = 17;

/// What a decoder of this crate looks like.
pub(crate) type Open = for<'a> fn(&'a [u8], &Wish, &Limits) -> Result<Opened<'a>, ImageError>;

fn each<const CHANNELS: usize>(pixel: impl Fn(u32, u32) -> [u8; CHANNELS]) -> Vec<u8> {
    (0..HEIGHT).flat_map(|y| (0..WIDTH).map(move |x| (x, y))).flat_map(|(x, y)| pixel(x, y)).collect()
}

fn colour(x: u32, y: u32) -> [u8; 3] {
    [(x * 10 + 5) as u8, (y * 14 + 9) as u8, (x * y * 3 + x * 5) as u8]
}

pub(crate) fn rgb() -> Vec<u8> {
    each(colour)
}

/// With an opacity that takes all values there are.
pub(crate) fn rgba() -> Vec<u8> {
    each(|x, y| [colour(x, y)[0], colour(x, y)[1], colour(x, y)[2], (x * 11 + y * 3) as u8])
}

/// Its luma by BT.709.
pub(crate) fn gray() -> Vec<u8> {
    each(|x, y| {
        let [red, green, blue] = colour(x, y).map(f64::from);
        [(0.212_656 * red + 0.715_158 * green + 0.072_186 * blue).round() as u8]
    })
}

pub(crate) fn bitmap(layout: Layout) -> Bitmap {
    let pixels = match layout {
        Layout::Gray => gray(),
        Layout::Rgb => rgb(),
        Layout::Rgba => rgba(),
    };
    Bitmap::new(WIDTH, HEIGHT, layout, pixels).expect("as many pixels as it has")
}

/// All frames.
pub(crate) fn frames(open: Open, bytes: &[u8], wish: &Wish) -> Result<Vec<Frame>, ImageError> {
    let mut opened = open(bytes, wish, &Limits::default())?;
    let mut frames = Vec::new();
    while let Some(frame) = opened.frames.next_frame()? {
        frames.push(frame);
    }
    Ok(frames)
}

/// The only frame.
pub(crate) fn only(open: Open, bytes: &[u8]) -> Bitmap {
    let mut frames = frames(open, bytes, &Wish::default()).expect("a picture");
    assert_eq!(frames.len(), 1);
    frames.remove(0).bitmap
}

/// The largest difference between two samples.
pub(crate) fn difference(left: &[u8], right: &[u8]) -> u8 {
    assert_eq!(left.len(), right.len());
    left.iter().zip(right).map(|(left, right)| left.abs_diff(*right)).max().unwrap_or(0)
}

/// The same RGBA pixels, as far as that can be told: eight bits multiplied by a small opacity say little about the colour.
pub(crate) fn assert_same_over_opacity(found: &[u8], expected: &[u8]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.chunks_exact(4).zip(expected.chunks_exact(4)) {
        assert_eq!(found[3], expected[3]);
        let tolerance = 255 / found[3].max(1);
        let is_near = |(found, expected): (&u8, &u8)| found.abs_diff(*expected) <= tolerance.saturating_add(1);
        assert!(found[3] == 0 || found.iter().zip(expected).all(is_near), "{found:?} is not {expected:?}");
    }
}

/// No part of the file is a picture, and no change to a byte does worse than give an error or other pixels.
pub(crate) fn survives(open: Open, bytes: &[u8], at: usize, value: u8) {
    let limits = Limits { max_pixels: 1 << 20, ..Limits::default() };
    let read = |bytes: &[u8]| -> Result<(), ImageError> {
        let mut opened = open(bytes, &Wish::default(), &limits)?;
        while let Some(frame) = opened.frames.next_frame()? {
            let Bitmap { width, height, layout, pixels } = frame.bitmap;
            assert_eq!(pixels.len(), width as usize * height as usize * layout.channels());
        }
        Ok(())
    };
    let mut mutated = bytes.to_vec();
    let at = at % bytes.len();
    mutated[at] = value;
    let _ = read(&mutated);
    let _ = read(&bytes[..at]);
}

/// The header alone is enough to refuse the file, whatever follows.
pub(crate) fn is_too_large(open: Open, bytes: &[u8]) -> bool {
    let started = std::time::Instant::now();
    let refused = matches!(open(bytes, &Wish::default(), &Limits::default()), Err(ImageError::TooLarge(_)));
    refused && started.elapsed() < std::time::Duration::from_secs(1)
}
