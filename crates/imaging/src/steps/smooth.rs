//! Noise: how much there is, and a filter that takes it away and leaves edges.

use std::collections::VecDeque;

use super::alpha;
use crate::{Bitmap, Layout};

/// Pixels that a neighbourhood reaches in each direction.
const RADIUS: usize = 3;
/// Rows and columns of a neighbourhood.
const SIDE: usize = 2 * RADIUS + 1;
/// Its pixels. Sums over them of samples with 16 bits behind the point fit 31 bits.
const CELLS: i32 = (SIDE * SIDE) as i32;
/// One, with 16 bits behind the point.
const ONE: i32 = 1 << 16;
/// Rows that are looked at to measure noise.
const MEASURED_ROWS: usize = 256;

/// Where samples of a neighbourhood differ no more than noise of this deviation, in levels, makes them, they become their mean; the more
/// they differ, the more of them stays. Each channel is filtered on its own.
///
/// It is the filter of Wiener with coefficients averaged over neighbourhoods, as the guided filter does (He, Sun and Tang, 2013).
pub(super) fn smoothed(bitmap: Bitmap, deviation: f32) -> Bitmap {
    if deviation <= 0.0 {
        return bitmap;
    }
    alpha::weighed(bitmap, |bitmap| {
        let pixels = filtered(&bitmap, deviation);
        Bitmap { pixels, ..bitmap }
    })
}

fn filtered(bitmap: &Bitmap, deviation: f32) -> Vec<u8> {
    let rows: Vec<&[u8]> = bitmap.rows().collect();
    let row =
        |number: usize| rows[number.saturating_sub(RADIUS).min(rows.len() - 1)].iter().map(|level| i32::from(*level));
    let neighbourhood = || Neighbourhood::new(bitmap.stride(), bitmap.layout.channels());
    let [mut levels, mut squares, mut slopes, mut offsets] = std::array::from_fn(|_| neighbourhood());
    let mut lines = Lines { slope: vec![0; bitmap.stride()], offset: vec![0; bitmap.stride()] };
    let mut pixels = vec![0; bitmap.pixels.len()];
    let mut results = pixels.chunks_exact_mut(bitmap.stride()).zip(&rows);
    // The edge rows stand for those outside: of the samples, and of the lines that are laid through them.
    for number in 0..2 * RADIUS {
        levels.feed(row(number));
        squares.feed(row(number).map(|level| level * level));
    }
    for number in 0..rows.len() + RADIUS {
        if number < rows.len() {
            levels.feed(row(number + 2 * RADIUS));
            squares.feed(row(number + 2 * RADIUS).map(|level| level * level));
            lines.fit(levels.sums(), squares.sums(), deviation);
        }
        for _ in 0..if number == 0 { RADIUS + 1 } else { 1 } {
            slopes.feed(lines.slope.iter().copied());
            offsets.feed(lines.offset.iter().copied());
        }
        if number >= RADIUS
            && let Some((result, row)) = results.next()
        {
            draw(result, row, slopes.sums(), offsets.sums());
        }
    }
    pixels
}

/// What becomes of the samples of a neighbourhood: `slope * sample + offset`, with 16 bits behind the point.
struct Lines {
    slope: Vec<i32>,
    offset: Vec<i32>,
}

impl Lines {
    /// From the sums of the samples of each neighbourhood and of their squares.
    fn fit(&mut self, levels: &[i32], squares: &[i32], deviation: f32) {
        let noise = (CELLS * CELLS) as f32 * deviation * deviation;
        let targets = self.slope.iter_mut().zip(&mut self.offset);
        for ((slope, offset), (sum, squares)) in targets.zip(levels.iter().zip(squares)) {
            let variance = (CELLS * squares - sum * sum) as f32;
            let kept = ((variance - noise).max(0.0) / variance.max(1.0) * ONE as f32) as i32;
            *slope = kept;
            *offset = ((ONE - kept) as f32 * *sum as f32 / CELLS as f32) as i32;
        }
    }
}

fn draw(result: &mut [u8], row: &[u8], slopes: &[i32], offsets: &[i32]) {
    let scale = 1.0 / (CELLS as f32 * ONE as f32);
    for ((result, level), (slope, offset)) in result.iter_mut().zip(row).zip(slopes.iter().zip(offsets)) {
        *result = ((*slope as f32 * f32::from(*level) + *offset as f32) * scale + 0.5) as u8;
    }
}

/// Sums over the neighbourhood of each sample of a row; rows come in one by one.
struct Neighbourhood {
    channels: usize,
    /// The rows that are summed up.
    rows: VecDeque<Vec<i32>>,
    /// Sums of their columns, with room for the columns outside.
    columns: Vec<i32>,
    sums: Vec<i32>,
}

impl Neighbourhood {
    fn new(stride: usize, channels: usize) -> Self {
        Self {
            channels,
            rows: std::iter::repeat_n(vec![0; stride], SIDE).collect(),
            columns: vec![0; stride + 2 * RADIUS * channels],
            sums: vec![0; stride],
        }
    }

    /// Takes the next row in; the oldest one leaves.
    fn feed(&mut self, new: impl Iterator<Item = i32>) {
        let Some(mut row) = self.rows.pop_front() else { return };
        let columns = &mut self.columns[RADIUS * self.channels..];
        for ((sum, old), new) in columns.iter_mut().zip(&mut row).zip(new) {
            *sum += new - *old;
            *old = new;
        }
        self.rows.push_back(row);
    }

    /// The sums around the samples of the row in the middle.
    fn sums(&mut self) -> &[i32] {
        let (channels, stride, margin) = (self.channels, self.sums.len(), RADIUS * self.channels);
        for place in 0..RADIUS {
            self.columns.copy_within(margin..margin + channels, place * channels);
            self.columns.copy_within(stride + margin - channels..stride + margin, stride + margin + place * channels);
        }
        self.sums.copy_from_slice(&self.columns[..stride]);
        for place in 1..SIDE {
            let shifted = &self.columns[place * channels..];
            self.sums.iter_mut().zip(shifted).for_each(|(sum, column)| *sum += column);
        }
        &self.sums
    }
}

/// Deviation of the noise of a picture, in levels: 0 where half of it is flat. Edges count for little.
///
/// The median of a filter that neither planes nor slopes pass (Immerkær, 1996), of the green samples.
pub(super) fn noise(bitmap: &Bitmap) -> f32 {
    let rows: Vec<&[u8]> = bitmap.rows().collect();
    let (channels, green) = (bitmap.layout.channels(), if bitmap.layout == Layout::Gray { 0 } else { 1 });
    let mut histogram = vec![0_u32; 8 * 255 + 1];
    for three in rows.windows(3).step_by(rows.len().div_ceil(MEASURED_ROWS)) {
        let columns = |row: usize| three[row].chunks_exact(channels).map(move |pixel| i32::from(pixel[green]));
        let vertical: Vec<i32> = columns(0)
            .zip(columns(1))
            .zip(columns(2))
            .map(|((above, middle), below)| above - 2 * middle + below)
            .collect();
        for columns in vertical.windows(3) {
            histogram[(columns[0] - 2 * columns[1] + columns[2]).unsigned_abs() as usize] += 1;
        }
    }
    let half = histogram.iter().sum::<u32>() / 2;
    let mut below = 0;
    let median = histogram.iter().position(|count| {
        below += count;
        below > half
    });
    // Half of normally distributed values are within 0.6745 deviations; the filter makes six times the deviation of them.
    median.unwrap_or(0) as f32 / (0.6745 * 6.0)
}

#[cfg(test)]
pub(super) mod tests;
