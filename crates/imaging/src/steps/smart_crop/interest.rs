//! How much each column and each row of a picture is worth looking at.

use crate::{Bitmap, Layout, Region, faces::Face, steps::scale::scale};

/// Longest side of the copy that is looked at.
const COPY_SIDE: f64 = 160.0;
/// What a pixel of a face is worth; of other things one is worth at most about 2.
const FACE: f32 = 8.0;
/// What things at the edges of a window are worth, as a part of their worth in its middle.
const AT_EDGE: f32 = 0.4;

/// Sums over columns and rows of a small copy.
pub(super) struct Map {
    columns: Vec<f32>,
    rows: Vec<f32>,
}

impl Map {
    /// `only_faces`: nothing else is worth anything.
    pub(super) fn of(bitmap: &Bitmap, faces: &[Face], only_faces: bool) -> Self {
        let (wide, high) = (f64::from(bitmap.width), f64::from(bitmap.height));
        let factor = (COPY_SIDE / wide.max(high)).min(1.0);
        let [width, height] = [wide, high].map(|side| (side * factor).round().max(1.0) as u32);
        let mut worths = match scale(bitmap, Region::whole(bitmap.width, bitmap.height), width, height, false) {
            Ok(copy) if !only_faces => worths(&copy.into_colour().flattened([u8::MAX; 3])),
            _ => vec![0.0; width as usize * height as usize],
        };
        let (width, height) = (width as usize, height as usize);
        for Face { area, .. } in faces {
            let cells = |from: f64, extent: f64, side: f64, count: usize| {
                let cell = |at: f64| ((at / side * count as f64) as usize).min(count);
                cell(from)..cell(from + extent)
            };
            let columns = cells(area.x, area.width, wide, width);
            for row in worths
                .chunks_exact_mut(width)
                .take(cells(area.y, area.height, high, height).end)
                .skip(cells(area.y, area.height, high, height).start)
            {
                row[columns.clone()].iter_mut().for_each(|worth| *worth += FACE);
            }
        }
        let mut columns = vec![0.0; width];
        for row in worths.chunks_exact(width) {
            columns.iter_mut().zip(row).for_each(|(sum, worth)| *sum += worth);
        }
        Self { columns, rows: worths.chunks_exact(width).map(|row| row.iter().sum()).collect() }
    }

    /// Left edge, as a part of the width, of the best window over that part of the width.
    pub(super) fn best_column(&self, part: f64) -> f64 {
        best_start(&self.columns, part)
    }

    /// The same from top to bottom.
    pub(super) fn best_row(&self, part: f64) -> f64 {
        best_start(&self.rows, part)
    }
}

fn best_start(worths: &[f32], part: f64) -> f64 {
    let count = worths.len();
    let length = ((part * count as f64).round() as usize).clamp(1, count);
    let free = count - length;
    let weights: Vec<f32> = (0..length).map(|at| weight(at, length)).collect();
    let sum =
        |start: usize| -> f32 { worths[start..].iter().zip(&weights).map(|(worth, weight)| worth * weight).sum() };
    // Of windows of the same worth the one nearest to the middle, so that an even picture is cut there.
    let best = (0..=free).map(|start| (start, sum(start))).reduce(|best, other| {
        let is_nearer = other.0.abs_diff(free - other.0) < best.0.abs_diff(free - best.0);
        let gain = other.1 - best.1;
        let tolerance = 1e-5 * best.1.abs();
        if gain > tolerance || gain >= -tolerance && is_nearer { other } else { best }
    });
    best.map_or(0.0, |(start, _)| start as f64 / count as f64)
}

/// 1 in the middle of a window, falling to its ends.
fn weight(at: usize, length: usize) -> f32 {
    let from_middle = ((2 * at + 1) as f32 / length as f32 - 1.0).abs();
    1.0 - (1.0 - AT_EDGE) * from_middle * from_middle
}

/// What the pixels of a picture of red, green and blue are worth: edges, strong colours, and the colour of skin.
fn worths(bitmap: &Bitmap) -> Vec<f32> {
    debug_assert_eq!(bitmap.layout, Layout::Rgb);
    let pixels = bitmap.pixels.as_chunks::<3>().0;
    let width = bitmap.width as usize;
    let brightness: Vec<f32> = pixels.iter().map(|&[red, green, blue]| luma(red, green, blue)).collect();
    let mut worths: Vec<f32> = pixels.iter().map(|&[red, green, blue]| colour_worth(red, green, blue)).collect();
    for (index, worth) in worths.iter_mut().enumerate() {
        let here = brightness[index];
        let right = if (index + 1) % width == 0 { here } else { brightness[index + 1] };
        let below = brightness.get(index + width).copied().unwrap_or(here);
        *worth += ((right - here).abs() + (below - here).abs()).min(0.5) * 2.0;
    }
    worths
}

fn luma(red: u8, green: u8, blue: u8) -> f32 {
    (0.299 * f32::from(red) + 0.587 * f32::from(green) + 0.114 * f32::from(blue)) / 255.0
}

/// 0 to 0.6.
fn colour_worth(red: u8, green: u8, blue: u8) -> f32 {
    let [red, green, blue] = [red, green, blue].map(|sample| f32::from(sample) / 255.0);
    let (most, least) = (red.max(green).max(blue), red.min(green).min(blue));
    let saturation = most - least;
    let strong = (saturation - 0.4).max(0.0) * 0.5;
    // Skin of all shades has about the same hue: red over green over blue, by steps of about the same size.
    let is_skin = red > green
        && green > blue
        && (0.08..0.5).contains(&saturation)
        && red > 0.25
        && red - green < 2.5 * (green - blue);
    strong + if is_skin { 0.3 } else { 0.0 }
}
