//! `rotate` by degrees (spec 11 §1.3).

use stowage_core::tasks::{Task, Value};

use super::{Bounds, Step, alpha, geometry::turned, values};
use crate::{Bitmap, ImageError, Layout};

/// `rotate` with an angle. A turn by the orientation tag (`deg:exif`) is no work on pixels alone: `None`.
pub(super) fn step(task: &Task, bounds: Bounds) -> Option<Box<dyn Step>> {
    let degrees = match (task.name(), task.value("deg")) {
        ("rotate", Some(Value::Number(degrees))) => degrees,
        // `exif` alone says only what becomes of the tag.
        ("rotate", None) => 0.0,
        _ => return None,
    };
    let ground = values::colour(task, "background").unwrap_or([u8::MAX; 4]);
    Some(Box::new(move |bitmap| rotated(bitmap, degrees, ground, bounds)))
}

/// Turned clockwise. The canvas grows to hold the corners; what is bare of the picture gets the colour of the ground. Quarter turns move
/// pixels and mix none.
pub(super) fn rotated(bitmap: Bitmap, degrees: f64, ground: [u8; 4], bounds: Bounds) -> Result<Bitmap, ImageError> {
    if degrees % 90.0 == 0.0 {
        return Ok(turned(bitmap, (degrees / 90.0).rem_euclid(4.0) as u8, false));
    }
    let (sine, cosine) = degrees.to_radians().sin_cos();
    let (width, height) = (f64::from(bitmap.width), f64::from(bitmap.height));
    let extent = |side: f64| (side - 1e-6).ceil().max(1.0) as u32;
    let turn = Turn {
        sine,
        cosine,
        width: extent(width * cosine.abs() + height * sine.abs()),
        height: extent(width * sine.abs() + height * cosine.abs()),
    };
    bounds.check(turn.width, turn.height)?;
    let [red, green, blue, opacity] = ground;
    let is_opaque = opacity == u8::MAX && bitmap.layout != Layout::Rgba;
    if is_opaque && bitmap.layout == Layout::Gray && red == green && green == blue {
        return Ok(turn.canvas(&bitmap, [red]));
    }
    if is_opaque {
        return Ok(turn.canvas(&bitmap.into_colour(), [red, green, blue]));
    }
    let mut bitmap = bitmap.into_rgba();
    let mut ground = ground;
    alpha::premultiply(&mut bitmap.pixels);
    alpha::premultiply(&mut ground);
    let mut result = turn.canvas(&bitmap, ground);
    alpha::unpremultiply(&mut result.pixels);
    Ok(result)
}

/// An angle, and the canvas that holds the turned picture.
struct Turn {
    sine: f64,
    cosine: f64,
    width: u32,
    height: u32,
}

/// Bits behind the point of a place in the picture. Pixels are mixed by the upper eight of them.
const FRACTION: u32 = 32;

impl Turn {
    /// `N` is what the layout of the bitmap says.
    fn canvas<const N: usize>(&self, bitmap: &Bitmap, ground: [u8; N]) -> Bitmap {
        let mut pixels = ground.repeat(self.width as usize * self.height as usize);
        let source = Surroundings {
            pixels: bitmap.pixels.as_chunks::<N>().0,
            width: i64::from(bitmap.width),
            height: i64::from(bitmap.height),
            ground,
        };
        let fixed = |number: f64| (number * (1_u64 << FRACTION) as f64) as i64;
        let (step_x, step_y) = (fixed(self.cosine), fixed(-self.sine));
        let lines = pixels.as_chunks_mut::<N>().0.chunks_exact_mut(self.width as usize);
        for (row, line) in lines.enumerate() {
            // From the middle of the first pixel of the line to the middle of the canvas, turned back.
            let across = 0.5 - f64::from(self.width) / 2.0;
            let down = row as f64 + 0.5 - f64::from(self.height) / 2.0;
            let x = across * self.cosine + down * self.sine + f64::from(bitmap.width) / 2.0 - 0.5;
            let y = down * self.cosine - across * self.sine + f64::from(bitmap.height) / 2.0 - 0.5;
            let (first, end) = self.covered(x, y, bitmap, line.len());
            let (mut x, mut y) = (fixed(x) + step_x * first as i64, fixed(y) + step_y * first as i64);
            for pixel in &mut line[first..end] {
                *pixel = source.mixed(x, y);
                x += step_x;
                y += step_y;
            }
        }
        Bitmap { width: self.width, height: self.height, layout: bitmap.layout, pixels }
    }

    /// The pixels of a line that the picture touches.
    fn covered(&self, x: f64, y: f64, bitmap: &Bitmap, length: usize) -> (usize, usize) {
        let (mut first, mut end) = (0.0_f64, length as f64);
        for (from, step, side) in [(x, self.cosine, bitmap.width), (y, -self.sine, bitmap.height)] {
            let (enters, leaves) = ((-1.0 - from) / step, (f64::from(side) - from) / step);
            first = first.max(enters.min(leaves).floor());
            end = end.min(enters.max(leaves).ceil() + 1.0);
        }
        let end = end.clamp(0.0, length as f64) as usize;
        (end.min(first as usize), end)
    }
}

/// A picture on a ground without edges.
struct Surroundings<'a, const N: usize> {
    pixels: &'a [[u8; N]],
    width: i64,
    height: i64,
    ground: [u8; N],
}

impl<const N: usize> Surroundings<'_, N> {
    /// The pixels around a place, by their nearness.
    fn mixed(&self, x: i64, y: i64) -> [u8; N] {
        let (column, row) = (x >> FRACTION, y >> FRACTION);
        let nearness = |place: i64| (place >> (FRACTION - 8)) as u32 & 255;
        let (right, lower) = (nearness(x), nearness(y));
        let (left, upper) = (256 - right, 256 - lower);
        let four = if column >= 0 && row >= 0 && column < self.width - 1 && row < self.height - 1 {
            let at = (row * self.width + column) as usize;
            let below = at + self.width as usize;
            [self.pixels[at], self.pixels[at + 1], self.pixels[below], self.pixels[below + 1]]
        } else {
            [(0, 0), (1, 0), (0, 1), (1, 1)].map(|(x, y)| self.pixel(column + x, row + y))
        };
        let weights = [left * upper, right * upper, left * lower, right * lower];
        std::array::from_fn(|channel| {
            let sum: u32 = four.iter().zip(weights).map(|(pixel, weight)| u32::from(pixel[channel]) * weight).sum();
            ((sum + (1 << 15)) >> 16) as u8
        })
    }

    fn pixel(&self, column: i64, row: i64) -> [u8; N] {
        if (0..self.width).contains(&column) && (0..self.height).contains(&row) {
            self.pixels[(row * self.width + column) as usize]
        } else {
            self.ground
        }
    }
}

#[cfg(test)]
mod tests;
