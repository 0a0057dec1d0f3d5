//! Effects that make parts of a picture transparent: `rounded_corners`, `circle`, `vignette` (spec 11 §3).

use stowage_core::tasks::Task;

use super::{Step, alpha, each, scale::cut, values};
use crate::Bitmap;

pub(super) fn step(task: &Task) -> Option<Box<dyn Step>> {
    let ground = values::colour(task, "background");
    Some(match task.name() {
        "rounded_corners" => {
            // `max` is no number.
            let radius = values::pixels(task, "radius").unwrap_or(u32::MAX);
            let softness = values::number(task, "blur") as f32;
            each(move |bitmap| alpha::on_ground(rounded(bitmap, radius, softness), ground))
        }
        "circle" => each(move |bitmap| alpha::on_ground(disc(bitmap), ground)),
        "vignette" => {
            let strength = values::number(task, "amount") as f32 / 100.0;
            let is_linear = values::word(task, "blurmode") == "linear";
            each(move |bitmap| alpha::on_ground(vignette(bitmap, strength, is_linear), ground))
        }
        _ => return None,
    })
}

/// Cuts the corners by quarter circles. The edge is two `softness` wide, but at least one pixel, which makes it smooth.
fn rounded(bitmap: Bitmap, radius: u32, softness: f32) -> Bitmap {
    let radius = (radius as f32).min(bitmap.width.min(bitmap.height) as f32 / 2.0);
    let (width, height) = (bitmap.width as usize, bitmap.height as usize);
    let edge = (2.0 * softness).max(1.0);
    let mut bitmap = bitmap.into_rgba();
    let stride = bitmap.stride();
    // How far the middle of a pixel lies behind the middle of the circle of its corner.
    let behind = |place: usize, side: usize| radius - 0.5 - place.min(side - 1 - place) as f32;
    let corner = radius.ceil() as usize;
    let ends = |side: usize| (0..corner.min(side)).chain(side.saturating_sub(corner).max(corner.min(side))..side);
    for row in ends(height) {
        let down = behind(row, height).max(0.0);
        let line = bitmap.pixels[row * stride..][..stride].as_chunks_mut::<4>().0;
        for column in ends(width) {
            let distance = behind(column, width).max(0.0).hypot(down) - radius;
            let opacity = alpha::share((0.5 - distance / edge).clamp(0.0, 1.0));
            line[column][3] = alpha::product(line[column][3], opacity);
        }
    }
    bitmap
}

/// The disc in the middle, in a square as large as the shorter side.
fn disc(bitmap: Bitmap) -> Bitmap {
    let side = bitmap.width.min(bitmap.height);
    let square = cut(&bitmap, (bitmap.width - side) / 2, (bitmap.height - side) / 2, side, side);
    rounded(square, u32::MAX, 0.0)
}

/// Entries of the table of opacities, by the square of the distance.
const DISTANCES: usize = 4096;

/// Fades from an ellipse outwards. Distances are such that the edges of the picture are at 1 and its corners at √2: the fade begins
/// at the edges with the least strength and in the middle with full strength, and ends at the corners and the edges.
fn vignette(bitmap: Bitmap, strength: f32, is_linear: bool) -> Bitmap {
    if strength <= 0.0 {
        return bitmap;
    }
    let inner = 1.0 - strength;
    let outer = 1.0 + (std::f32::consts::SQRT_2 - 1.0) * inner;
    let table: Vec<u8> = (0..=DISTANCES)
        .map(|entry| {
            let distance = (2.0 * entry as f32 / DISTANCES as f32).sqrt();
            let share = ((distance - inner) / (outer - inner)).clamp(0.0, 1.0);
            alpha::share(if is_linear { 1.0 - share } else { bell(share) })
        })
        .collect();
    // Squares of distances along one axis, in entries of the table.
    let squares = |side: u32| -> Vec<f32> {
        let half = side as f32 / 2.0;
        (0..side).map(|place| ((place as f32 + 0.5 - half) / half).powi(2) * DISTANCES as f32 / 2.0).collect()
    };
    let (across, down) = (squares(bitmap.width), squares(bitmap.height));
    alpha::faded(bitmap, |column, row| table[((across[column] + down[row]) as usize).min(DISTANCES)])
}

/// From 1 at 0 to 0 at 1, three standard deviations of a Gaussian.
fn bell(share: f32) -> f32 {
    let end = (-4.5_f32).exp();
    ((-4.5 * share * share).exp() - end) / (1.0 - end)
}

#[cfg(test)]
mod tests;
