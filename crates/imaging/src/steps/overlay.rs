//! Pictures that a step brings in beside the one that it works on.

use crate::{
    Bitmap, ImageError, Limits, Region, colour,
    decode::{self, Opened, Wish},
    steps::{geometry::turned, scale::scale},
};

/// The first frame of a file in sRGB; with `scaled_to` perhaps with fewer pixels than are stored, but enough to be scaled to cover so many.
/// `upright`: turned by its tag.
///
/// # Errors
/// As [`decode::open`].
pub(super) fn read(
    bytes: &[u8],
    scaled_to: Option<(u32, u32)>,
    upright: bool,
    limits: &Limits,
) -> Result<Bitmap, ImageError> {
    let mut wish = Wish { still: true, ..Wish::default() };
    let mut opened = decode::open(bytes, &wish, limits)?;
    if let Some((width, height)) = scaled_to {
        wish.scaled_to = Some(covering(&opened, width, height, upright));
        opened = decode::open(bytes, &wish, limits)?;
    }
    let frame = opened.frames.next_frame()?.ok_or(ImageError::UnsupportedInput)?;
    let bitmap = match &opened.metadata.icc {
        Some(profile) => colour::to_srgb(frame.bitmap, profile),
        None => frame.bitmap,
    };
    let (turns, mirrored) = if upright { opened.metadata.orientation.upright() } else { (0, false) };
    Ok(turned(bitmap, turns, mirrored))
}

/// The sides of a stored picture when it is as large as it has to be to cover a frame.
fn covering(opened: &Opened<'_>, width: u32, height: u32, upright: bool) -> (u32, u32) {
    let is_turned = upright && opened.metadata.orientation.upright().0 % 2 == 1;
    let (width, height) = if is_turned { (height, width) } else { (width, height) };
    let (stored_width, stored_height) = (f64::from(opened.header.width), f64::from(opened.header.height));
    let factor = (f64::from(width) / stored_width).max(f64::from(height) / stored_height);
    let side = |stored: f64| (stored * factor).ceil().clamp(1.0, f64::from(u32::MAX)) as u32;
    (side(stored_width), side(stored_height))
}

/// The middle of a picture, scaled to cover a cell.
pub(super) fn covered(bitmap: &Bitmap, width: u32, height: u32) -> Result<Bitmap, ImageError> {
    let factor = (f64::from(width) / f64::from(bitmap.width)).max(f64::from(height) / f64::from(bitmap.height));
    let (part_width, part_height) = (f64::from(width) / factor, f64::from(height) / factor);
    let part = Region {
        x: (f64::from(bitmap.width) - part_width) / 2.0,
        y: (f64::from(bitmap.height) - part_height) / 2.0,
        width: part_width,
        height: part_height,
    };
    scale(bitmap, part, width, height, false)
}
