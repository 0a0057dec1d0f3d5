//! Where the pixels of a result come from: `resize`, `crop`, `flip`, `flop` and quarter turns (spec 11 §1).

use stowage_core::tasks::{Area, End, Place, Task, Value};

use super::{Bounds, Step, scale::scale, values};
use crate::{Bitmap, ImageError, Region};

/// A part of a picture, and the size that it is brought to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Placement {
    /// Inside the picture.
    pub part: Region,
    /// At least 1; how much it may be, the caller has to check.
    pub width: u32,
    /// See `width`.
    pub height: u32,
}

/// Where the result of a `resize` or `crop` task lies in a picture of this size. `faces`: what is around all faces, for `align:faces`.
///
/// # Errors
/// A rectangle outside of the picture; a `resize` without sides, or any other task.
pub(crate) fn placement(task: &Task, width: u32, height: u32, faces: Option<Region>) -> Result<Placement, ImageError> {
    if task.name() == "crop" {
        let rectangle = match task.value("dim") {
            Some(Value::Area(area)) => visible(area, width, height),
            _ => None,
        };
        return rectangle.ok_or(ImageError::Parameter { task: "crop", parameter: "dim" });
    }
    let place = match task.value("align") {
        Some(Value::Place(place)) => place,
        _ => Place::At { vertical: End::Middle, horizontal: End::Middle },
    };
    let wanted = (values::pixels(task, "width"), values::pixels(task, "height"));
    fitted(values::word(task, "fit"), (width, height), wanted, place, faces)
        .ok_or(ImageError::Parameter { task: "resize", parameter: "width" })
}

/// Whether `placement` needs to know where faces are.
pub(crate) fn looks_for_faces(task: &Task) -> bool {
    values::word(task, "fit") == "crop" && task.value("align") == Some(Value::Place(Place::Faces))
}

/// Fits a picture of one size into another (spec 11 §1.1); `None` if neither side is wanted. `fit` is a word of the table.
pub(crate) fn fitted(
    fit: &str,
    (width, height): (u32, u32),
    wanted: (Option<u32>, Option<u32>),
    place: Place,
    faces: Option<Region>,
) -> Option<Placement> {
    let whole = Region::whole(width, height);
    let never_enlarges = fit == "max";
    let (to_width, to_height) = match wanted {
        (None, None) => return None,
        (Some(to_width), None) => (to_width, follow(height, to_width, width)),
        (None, Some(to_height)) => (follow(width, to_height, height), to_height),
        (Some(to_width), Some(to_height)) if matches!(fit, "crop" | "scale") => (to_width, to_height),
        // The side whose ratio is smaller decides.
        (Some(to_width), Some(to_height)) => {
            if product(to_width, height) <= product(to_height, width) {
                (to_width, follow(height, to_width, width))
            } else {
                (follow(width, to_height, height), to_height)
            }
        }
    };
    if never_enlarges && (to_width >= width && to_height >= height) {
        return Some(Placement { part: whole, width, height });
    }
    let has_both = wanted.0.is_some() && wanted.1.is_some();
    let part = if fit == "crop" && has_both { window(whole, to_width, to_height, place, faces) } else { whole };
    Some(Placement { part, width: to_width, height: to_height })
}

/// `side * to / from`, rounded, at least 1.
fn follow(side: u32, to: u32, from: u32) -> u32 {
    let rounded = (2 * product(side, to) + u64::from(from)) / (2 * u64::from(from)).max(1);
    u32::try_from(rounded).unwrap_or(u32::MAX).max(1)
}

fn product(first: u32, second: u32) -> u64 {
    u64::from(first) * u64::from(second)
}

/// The largest part that has the ratio of `to_width` and `to_height`.
fn window(whole: Region, to_width: u32, to_height: u32, place: Place, faces: Option<Region>) -> Region {
    let (to_width, to_height) = (f64::from(to_width), f64::from(to_height));
    let scale = (to_width / whole.width).max(to_height / whole.height);
    let (width, height) = ((to_width / scale).min(whole.width), (to_height / scale).min(whole.height));
    let (free_x, free_y) = (whole.width - width, whole.height - height);
    let (x, y) = match place {
        Place::At { vertical, horizontal } => (offset(free_x, horizontal), offset(free_y, vertical)),
        Place::Faces => match faces {
            Some(faces) => (
                (faces.x + (faces.width - width) / 2.0).clamp(0.0, free_x),
                (faces.y + (faces.height - height) / 2.0).clamp(0.0, free_y),
            ),
            None => (free_x / 2.0, free_y / 2.0),
        },
    };
    // Half a pixel is not worth blurring pixels that need no scaling.
    let (x, y) = if scale == 1.0 { (x.floor(), y.floor()) } else { (x, y) };
    Region { x, y, width, height }
}

fn offset(free: f64, end: End) -> f64 {
    match end {
        End::Start => 0.0,
        End::Middle => free / 2.0,
        End::Far => free,
    }
}

/// The part of a rectangle that lies inside the picture.
fn visible(area: Area, width: u32, height: u32) -> Option<Placement> {
    let axis = |from: i64, extent: i64, side: u32| {
        let start = u32::try_from(from).ok().filter(|start| *start < side)?;
        let end = u32::try_from(from.saturating_add(extent)).unwrap_or(u32::MAX).min(side);
        (end > start).then_some((start, end - start))
    };
    let (x, width) = axis(area.x, area.width, width)?;
    let (y, height) = axis(area.y, area.height, height)?;
    let part = Region { x: f64::from(x), y: f64::from(y), width: f64::from(width), height: f64::from(height) };
    Some(Placement { part, width, height })
}

/// A picture turned clockwise by quarters, and then mirrored left-right.
pub(crate) fn turned(mut bitmap: Bitmap, quarter_turns: u8, mirrored: bool) -> Bitmap {
    let stride = bitmap.stride();
    match (quarter_turns % 4, mirrored) {
        (0, false) => return bitmap,
        (0, true) => bitmap.pixels.chunks_exact_mut(stride).for_each(|row| reverse(row, bitmap.layout.channels())),
        (2, false) => reverse(&mut bitmap.pixels, bitmap.layout.channels()),
        (2, true) => flip(&mut bitmap.pixels, stride),
        (quarter, mirrored) => return transposed(&bitmap, quarter == 3, (quarter == 1) != mirrored),
    }
    bitmap
}

fn reverse(pixels: &mut [u8], channels: usize) {
    match channels {
        1 => pixels.reverse(),
        3 => pixels.as_chunks_mut::<3>().0.reverse(),
        _ => pixels.as_chunks_mut::<4>().0.reverse(),
    }
}

/// Upside down.
fn flip(pixels: &mut [u8], stride: usize) {
    let half = pixels.len() / stride / 2 * stride;
    let rest = pixels.len() - half;
    let (upper, lower) = pixels.split_at_mut(rest);
    let pairs = upper.chunks_exact_mut(stride).zip(lower.chunks_exact_mut(stride).rev());
    pairs.for_each(|(above, below)| above.swap_with_slice(below));
}

/// Columns become rows: the last column the first row if `from_right`, and rows run upwards if `from_below`.
fn transposed(bitmap: &Bitmap, from_right: bool, from_below: bool) -> Bitmap {
    let width = bitmap.width as usize;
    let mut pixels = vec![0; bitmap.pixels.len()];
    match bitmap.layout.channels() {
        1 => transpose(bitmap.pixels.as_chunks::<1>().0, pixels.as_chunks_mut().0, width, from_right, from_below),
        3 => transpose(bitmap.pixels.as_chunks::<3>().0, pixels.as_chunks_mut().0, width, from_right, from_below),
        _ => transpose(bitmap.pixels.as_chunks::<4>().0, pixels.as_chunks_mut().0, width, from_right, from_below),
    }
    Bitmap { width: bitmap.height, height: bitmap.width, layout: bitmap.layout, pixels }
}

/// Side of the blocks that are moved at once, so that the rows of both pictures stay in the cache.
const BLOCK: usize = 32;

fn transpose<const N: usize>(
    source: &[[u8; N]],
    target: &mut [[u8; N]],
    width: usize,
    from_right: bool,
    from_below: bool,
) {
    let height = source.len() / width;
    for (block, rows) in target.chunks_mut(BLOCK * height).enumerate() {
        for from in (0..height).step_by(BLOCK) {
            for (line, row) in rows.chunks_exact_mut(height).enumerate() {
                let line = block * BLOCK + line;
                let column = if from_right { width - 1 - line } else { line };
                let part = &mut row[from..height.min(from + BLOCK)];
                if from_below {
                    let above = &source[..(height - from) * width];
                    let pixels = above[column..].iter().step_by(width).rev();
                    part.iter_mut().zip(pixels).for_each(|(to, pixel)| *to = *pixel);
                } else {
                    let pixels = source[from * width + column..].iter().step_by(width);
                    part.iter_mut().zip(pixels).for_each(|(to, pixel)| *to = *pixel);
                }
            }
        }
    }
}

/// What a placement says, done.
///
/// # Errors
/// A result that is too large.
pub(crate) fn placed(
    bitmap: Bitmap,
    Placement { part, width, height }: Placement,
    bounds: Bounds,
    linear_light: bool,
) -> Result<Bitmap, ImageError> {
    bounds.check(width, height)?;
    if (width, height) == (bitmap.width, bitmap.height) && part == Region::whole(width, height) {
        return Ok(bitmap);
    }
    scale(&bitmap, part, width, height, linear_light)
}

/// `resize` and `crop` in the middle of a chain. Frames are cut alike: faces are looked for in the first.
pub(super) fn window_step(task: Task, bounds: Bounds, linear_light: bool) -> Box<dyn Step> {
    let mut faces = None;
    Box::new(move |bitmap: Bitmap| {
        let around = if looks_for_faces(&task) {
            *faces.get_or_insert_with(|| crate::faces::bounding(&crate::faces::detect(&bitmap)))
        } else {
            None
        };
        let placement = placement(&task, bitmap.width, bitmap.height, around)?;
        placed(bitmap, placement, bounds, linear_light)
    })
}

/// `flip` and `flop`.
struct Mirror {
    quarter_turns: u8,
}

impl Step for Mirror {
    fn apply(&mut self, bitmap: Bitmap) -> Result<Bitmap, ImageError> {
        Ok(turned(bitmap, self.quarter_turns, true))
    }
}

/// Mirrors; `resize` and `crop` are [`placement`] and [`placed`].
pub(super) fn step(task: &Task) -> Option<Box<dyn Step>> {
    let quarter_turns = match task.name() {
        "flip" => 2,
        "flop" => 0,
        _ => return None,
    };
    Some(Box::new(Mirror { quarter_turns }))
}

#[cfg(test)]
mod tests;
