//! `oil_paint`: every pixel gets the colour of the brightness that is most frequent around it.

use super::tone::luma;
use crate::{Bitmap, Layout};

/// Steps of brightness that are told apart.
const LEVELS: usize = 32;

/// Columns that are painted at once: their histograms should stay in the cache.
const STRIP: usize = 1024;

/// How many pixels of each level a place has, and what their samples add up to: red, green, blue, count. A window of 201 × 201 fits.
type Histogram = [[u32; 4]; LEVELS];

/// `radius` in pixels. Opacities stay, and pixels that cannot be seen do not count.
pub(super) fn painted(bitmap: Bitmap, radius: u32) -> Bitmap {
    let layout = bitmap.layout;
    let mut pixels = vec![0; bitmap.pixels.len()];
    match layout {
        Layout::Gray => {
            let colour = |pixel: &[u8; 1]| ([pixel[0]; 3], true);
            paint(&bitmap, radius, &mut pixels, colour, |[level, ..], _| [level]);
        }
        Layout::Rgb => paint(&bitmap, radius, &mut pixels, |pixel: &[u8; 3]| (*pixel, true), |colour, _| colour),
        Layout::Rgba => {
            let colour = |[red, green, blue, opacity]: &[u8; 4]| ([*red, *green, *blue], *opacity > 0);
            paint(&bitmap, radius, &mut pixels, colour, |[red, green, blue], [.., opacity]| {
                [red, green, blue, *opacity]
            });
        }
    }
    Bitmap { pixels, ..bitmap }
}

fn paint<const N: usize>(
    bitmap: &Bitmap,
    radius: u32,
    target: &mut [u8],
    colour: impl Fn(&[u8; N]) -> ([u8; 3], bool) + Copy,
    painted: impl Fn([u8; 3], &[u8; N]) -> [u8; N] + Copy,
) {
    let (width, height, radius) = (bitmap.width as usize, bitmap.height as usize, radius as usize);
    let source = bitmap.pixels.as_chunks::<N>().0;
    let target = target.as_chunks_mut::<N>().0;
    for left in (0..width).step_by(STRIP) {
        let right = width.min(left + STRIP);
        // Also the columns that the windows of the outer pixels reach.
        let (first, end) = (left.saturating_sub(radius), width.min(right + radius));
        let mut columns = vec![[[0; 4]; LEVELS]; end - first];
        let line = |row: usize| &source[row * width + first..row * width + end];
        let enter = |columns: &mut [Histogram], row: usize| update(columns, line(row), colour, u32::wrapping_add);
        (0..radius.min(height)).for_each(|row| enter(&mut columns, row));
        for row in 0..height {
            if row + radius < height {
                enter(&mut columns, row + radius);
            }
            if row > radius {
                update(&mut columns, line(row - radius - 1), colour, u32::wrapping_sub);
            }
            let (from, to) = (row * width + left, row * width + right);
            let mut window = [[0; 4]; LEVELS];
            columns[..(left + radius).min(end) - first]
                .iter()
                .for_each(|column| change(&mut window, column, u32::wrapping_add));
            for (column, (pixel, to)) in (left..).zip(source[from..to].iter().zip(&mut target[from..to])) {
                if column + radius < end {
                    change(&mut window, &columns[column + radius - first], u32::wrapping_add);
                }
                if column > first + radius {
                    change(&mut window, &columns[column - radius - 1 - first], u32::wrapping_sub);
                }
                let (own, is_seen) = colour(pixel);
                *to = if is_seen { painted(prevailing(&window, level(own)), pixel) } else { *pixel };
            }
        }
    }
}

fn level(colour: [u8; 3]) -> usize {
    usize::from(luma(colour)) * LEVELS / 256
}

/// Counts the pixels of a row in or out.
fn update<const N: usize>(
    columns: &mut [Histogram],
    row: &[[u8; N]],
    colour: impl Fn(&[u8; N]) -> ([u8; 3], bool),
    with: impl Fn(u32, u32) -> u32,
) {
    for (column, pixel) in columns.iter_mut().zip(row) {
        let (colour, is_seen) = colour(pixel);
        let [red, green, blue] = colour.map(u32::from);
        let entry = &mut column[level(colour)];
        let samples = if is_seen { [red, green, blue, 1] } else { [0; 4] };
        *entry = std::array::from_fn(|sum| with(entry[sum], samples[sum]));
    }
}

/// Counts a column in or out.
fn change(window: &mut Histogram, column: &Histogram, with: impl Fn(u32, u32) -> u32) {
    for (sum, own) in window.as_flattened_mut().iter_mut().zip(column.as_flattened()) {
        *sum = with(*sum, *own);
    }
}

/// The mean colour of the most frequent level; that of the pixel itself wins where several are.
fn prevailing(window: &Histogram, own: usize) -> [u8; 3] {
    let most = window.iter().fold(window[own], |most, entry| if entry[3] > most[3] { *entry } else { most });
    let count = most[3].max(1);
    [0, 1, 2].map(|channel| ((most[channel] + count / 2) / count) as u8)
}
