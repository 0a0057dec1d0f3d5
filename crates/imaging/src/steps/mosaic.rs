//! `pixelate` and `oil_paint` (spec 11 §4).

use stowage_core::tasks::Task;

use super::{Step, each, oil, values};
use crate::{Bitmap, Layout};

pub(super) fn step(task: &Task) -> Option<Box<dyn Step>> {
    let amount = values::number(task, "amount").round().max(1.0) as u32;
    match task.name() {
        "pixelate" => Some(each(move |bitmap| pixelated(bitmap, amount))),
        "oil_paint" => Some(each(move |bitmap| oil::painted(bitmap, amount))),
        _ => None,
    }
}

/// Squares of one colour, the mean of the pixels in them, from the top left on. Colours are weighed by their opacity.
pub(super) fn pixelated(mut bitmap: Bitmap, side: u32) -> Bitmap {
    let (stride, side) = (bitmap.stride(), side.max(1) as usize);
    let means = match bitmap.layout {
        Layout::Gray => mosaic::<1>,
        Layout::Rgb => mosaic::<3>,
        Layout::Rgba => mosaic::<4>,
    };
    bitmap.pixels.chunks_mut(stride * side).for_each(|band| means(band, stride, side));
    bitmap
}

/// One row of squares.
fn mosaic<const N: usize>(band: &mut [u8], stride: usize, side: usize) {
    let squares = (stride / N).div_ceil(side);
    let mut sums = vec![[0_u64; N]; squares];
    for row in band.chunks_exact(stride) {
        for (sum, part) in sums.iter_mut().zip(row.as_chunks::<N>().0.chunks(side)) {
            part.iter().for_each(|pixel| add(sum, pixel));
        }
    }
    let rows = band.len() / stride;
    let (first, others) = band.split_at_mut(stride);
    for (sum, part) in sums.iter().zip(first.as_chunks_mut::<N>().0.chunks_mut(side)) {
        let mean = mean(sum, part.len() * rows);
        part.fill(mean);
    }
    others.chunks_exact_mut(stride).for_each(|row| row.copy_from_slice(first));
}

fn add<const N: usize>(sum: &mut [u64; N], pixel: &[u8; N]) {
    let weight = if N == 4 { u64::from(pixel[N - 1]) } else { 1 };
    for (channel, (sum, level)) in sum.iter_mut().zip(pixel).enumerate() {
        *sum += if channel == 3 { weight } else { u64::from(*level) * weight };
    }
}

fn mean<const N: usize>(sum: &[u64; N], pixels: usize) -> [u8; N] {
    let pixels = pixels as u64;
    let weight = if N == 4 { sum[N - 1] } else { pixels };
    let rounded = |sum: u64, count: u64| ((sum + count / 2) / count.max(1)) as u8;
    std::array::from_fn(|channel| rounded(sum[channel], if channel == 3 { pixels } else { weight }))
}

#[cfg(test)]
mod tests;
