//! Light and depth: what becomes of a pixel by the brightness of its surroundings, and how full colours are.

use crate::{Bitmap, Layout, steps::tone::luma};

/// Part of the longer side of the copy that surroundings reach in each direction.
const REACH: usize = 24;
/// Variance, in squares of levels, from which on two areas are different surroundings.
const EDGE: f32 = 600.0;
/// Steps of the curve for each level of brightness.
const FINENESS: f32 = 4.0;
/// Most that a pixel may become brighter: below that, noise would become visible.
const MOST_GAIN: f32 = 3.0;

/// What is done to a picture.
pub(super) struct Look {
    /// The brightness that surroundings get; both from 0 to 1.
    pub(super) curve: fn(f32) -> f32,
    /// How far pixels are away from their surroundings: 1 leaves them.
    pub(super) detail: f32,
    /// How much fuller pale colours become: 0 leaves them.
    pub(super) vibrance: f32,
}

/// Everything as it was.
pub(super) fn unchanged(level: f32) -> f32 {
    level
}

/// Shadows about twice as bright; what is brighter than the middle hardly changes.
pub(super) fn shadows_lifted(level: f32) -> f32 {
    level * (1.0 + 2.0 * (1.0 - level).powi(4))
}

/// A little brighter, the ends excepted.
pub(super) fn brighter(level: f32) -> f32 {
    level * (1.0 + 0.25 * (1.0 - level).powi(2))
}

/// What is dark becomes darker, and what shines a little brighter.
pub(super) fn darker_sky(level: f32) -> f32 {
    let contrast = level * level * (3.0 - 2.0 * level);
    0.4 * level + 0.6 * contrast
}

/// Changes a picture; `copy` is the same picture in any smaller size.
pub(super) fn apply(bitmap: &mut Bitmap, copy: &Bitmap, look: &Look) {
    let surroundings = Surroundings::of(copy);
    let steps = (255.0 * FINENESS) as usize + 1;
    let lift = |step: usize| 255.0 * (look.curve)(step as f32 / (255.0 * FINENESS)) - step as f32 / FINENESS;
    let plan = Plan { lift: (0..steps).map(lift).collect(), detail: look.detail - 1.0, vibrance: look.vibrance };
    let (width, height, stride) = (bitmap.width as usize, bitmap.height as usize, bitmap.stride());
    let places: Vec<Place> = (0..width).map(|column| Place::of(column, width, surroundings.width)).collect();
    let mut line = vec![[0.0; 2]; surroundings.width];
    for (number, row) in bitmap.pixels.chunks_exact_mut(stride).enumerate() {
        surroundings.line(Place::of(number, height, surroundings.height), &mut line);
        let lines = places.iter().map(|place| place.between(line[place.first], line[place.second]));
        match bitmap.layout {
            Layout::Gray => row.iter_mut().zip(lines).for_each(|(level, line)| {
                let brightness = f32::from(*level);
                *level = (brightness * plan.gain(brightness, brightness, line) + 0.5) as u8;
            }),
            Layout::Rgb => {
                row.as_chunks_mut::<3>()
                    .0
                    .iter_mut()
                    .zip(lines)
                    .for_each(|(pixel, line)| *pixel = plan.pixel(*pixel, line));
            }
            Layout::Rgba => row.as_chunks_mut::<4>().0.iter_mut().zip(lines).for_each(|(pixel, line)| {
                let [red, green, blue, opacity] = *pixel;
                let [red, green, blue] = plan.pixel([red, green, blue], line);
                *pixel = [red, green, blue, opacity];
            }),
        }
    }
}

struct Plan {
    /// What is added for each brightness of the surroundings.
    lift: Vec<f32>,
    /// What is added of the difference to the surroundings.
    detail: f32,
    vibrance: f32,
}

impl Plan {
    /// The factor for a pixel; `most` is its greatest sample, which stays in range.
    fn gain(&self, brightness: f32, most: f32, [slope, offset]: [f32; 2]) -> f32 {
        let around = slope * brightness + offset;
        let step = (around.max(0.0) * FINENESS) as usize;
        let lift = self.lift[step.min(self.lift.len() - 1)];
        let target = brightness + lift + self.detail * (brightness - around);
        (target / brightness.max(1.0)).clamp(0.0, MOST_GAIN).min(255.0 / most.max(1.0))
    }

    fn pixel(&self, pixel: [u8; 3], line: [f32; 2]) -> [u8; 3] {
        let [red, green, blue] = pixel;
        let (most, least) = (red.max(green).max(blue), red.min(green).min(blue));
        let brightness = 0.2126 * f32::from(red) + 0.7152 * f32::from(green) + 0.0722 * f32::from(blue);
        let gain = self.gain(brightness, f32::from(most), line);
        let fullness = 1.0 + self.vibrance * (1.0 - f32::from(most - least) / 255.0);
        pixel.map(|level| (gain * (brightness + (f32::from(level) - brightness) * fullness) + 0.5) as u8)
    }
}

/// Brightness of the surroundings of each pixel of a copy, as a line over the brightness of the pixel itself, so that it follows the edges
/// of the large picture: the fast guided filter (He and Sun, 2015).
struct Surroundings {
    width: usize,
    height: usize,
    /// Slope and offset.
    lines: Vec<[f32; 2]>,
}

impl Surroundings {
    fn of(copy: &Bitmap) -> Self {
        let (width, height) = (copy.width as usize, copy.height as usize);
        let radius = (width.max(height) / REACH).max(1);
        let level = |pixel: &[u8]| {
            let level =
                f32::from(if let [red, green, blue, ..] = *pixel { luma([red, green, blue]) } else { pixel[0] });
            [level, level * level]
        };
        let levels = copy.pixels.chunks_exact(copy.layout.channels()).map(level).collect();
        let fitted = |[mean, squares]: [f32; 2]| {
            let variance = (squares - mean * mean).max(0.0);
            let slope = variance / (variance + EDGE);
            [slope, (1.0 - slope) * mean]
        };
        let lines = means(levels, width, height, radius).into_iter().map(fitted).collect();
        Self { width, height, lines: means(lines, width, height, radius) }
    }

    /// The row at a place.
    fn line(&self, place: Place, line: &mut [[f32; 2]]) {
        let [above, below] = [place.first, place.second].map(|row| &self.lines[row * self.width..][..self.width]);
        let pairs = above.iter().zip(below);
        line.iter_mut().zip(pairs).for_each(|(line, (above, below))| *line = place.between(*above, *below));
    }
}

/// Means over squares of values, of those that are inside.
fn means(values: Vec<[f32; 2]>, width: usize, height: usize, radius: usize) -> Vec<[f32; 2]> {
    // Turned twice, so both times along rows.
    let turned = row_means(&values, width, height, radius);
    row_means(&turned, height, width, radius)
}

/// Means along rows, and rows become columns.
fn row_means(values: &[[f32; 2]], width: usize, height: usize, radius: usize) -> Vec<[f32; 2]> {
    let mut turned = vec![[0.0; 2]; values.len()];
    let mut sums = vec![[0.0_f64; 2]; width + 1];
    for (number, row) in values.chunks_exact(width).enumerate() {
        for (column, value) in row.iter().enumerate() {
            sums[column + 1] = [0, 1].map(|part| sums[column][part] + f64::from(value[part]));
        }
        for column in 0..width {
            let (first, end) = (column.saturating_sub(radius), (column + radius + 1).min(width));
            let mean = |part: usize| ((sums[end][part] - sums[first][part]) / (end - first) as f64) as f32;
            turned[column * height + number] = [mean(0), mean(1)];
        }
    }
    turned
}

/// A place between two pixels of a smaller side.
#[derive(Clone, Copy)]
struct Place {
    first: usize,
    second: usize,
    /// How far it is on the way to the second one.
    share: f32,
}

impl Place {
    fn of(number: usize, side: usize, smaller: usize) -> Self {
        let place = ((number as f32 + 0.5) * smaller as f32 / side as f32 - 0.5).max(0.0);
        let first = (place as usize).min(smaller - 1);
        Self { first, second: (first + 1).min(smaller - 1), share: place - first as f32 }
    }

    fn between(self, first: [f32; 2], second: [f32; 2]) -> [f32; 2] {
        [0, 1].map(|part| first[part] + (second[part] - first[part]) * self.share)
    }
}
