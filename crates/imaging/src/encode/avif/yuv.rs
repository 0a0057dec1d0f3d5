//! RGB to luma and halved colour differences (BT.601, full range) in whole numbers.

use std::slice::ChunksExactMut;

use crate::{Bitmap, Layout};

/// Bits behind the point.
const SHIFT: u32 = 15;
const HALF: i32 = 1 << (SHIFT - 1);
/// Weights of red, green and blue; their sum is 1.
const LUMA: [i32; 3] = [9798, 19235, 3735];
const BLUE: [i32; 3] = [-5529, -10855, 16384];
const RED: [i32; 3] = [16384, -13720, -2664];

/// Fills the planes with a picture of three or four samples.
pub(super) fn convert(
    bitmap: &Bitmap,
    y: ChunksExactMut<'_, u8>,
    u: ChunksExactMut<'_, u8>,
    v: ChunksExactMut<'_, u8>,
) {
    match bitmap.layout {
        Layout::Rgba => convert_from::<4>(bitmap, y, u, v),
        Layout::Gray | Layout::Rgb => convert_from::<3>(bitmap, y, u, v),
    }
}

fn convert_from<const CHANNELS: usize>(
    bitmap: &Bitmap,
    y: ChunksExactMut<'_, u8>,
    mut u: ChunksExactMut<'_, u8>,
    mut v: ChunksExactMut<'_, u8>,
) {
    for (to, from) in y.zip(bitmap.rows()) {
        to.iter_mut().zip(from.as_chunks::<CHANNELS>().0).for_each(|(to, pixel)| *to = luma(pixel));
    }
    let mut rows = bitmap.rows();
    while let (Some(above), Some(u), Some(v)) = (rows.next(), u.next(), v.next()) {
        let below = rows.next().unwrap_or(above);
        differences(above.as_chunks::<CHANNELS>().0, below.as_chunks::<CHANNELS>().0, u, v);
    }
}

fn luma<const CHANNELS: usize>(pixel: &[u8; CHANNELS]) -> u8 {
    let weighed = |channel: usize| LUMA[channel] * i32::from(pixel[channel]);
    ((weighed(0) + weighed(1) + weighed(2) + HALF) >> SHIFT) as u8
}

/// The colour differences of two rows, one for each four pixels; at an odd edge the last pixels count twice.
fn differences<const CHANNELS: usize>(above: &[[u8; CHANNELS]], below: &[[u8; CHANNELS]], u: &mut [u8], v: &mut [u8]) {
    let (above, last_above) = above.as_chunks::<2>();
    let (below, last_below) = below.as_chunks::<2>();
    for (((above, below), u), v) in above.iter().zip(below).zip(u.iter_mut()).zip(v.iter_mut()) {
        (*u, *v) = difference([&above[0], &above[1], &below[0], &below[1]]);
    }
    if let ([above_edge], [below_edge]) = (last_above, last_below) {
        (u[above.len()], v[above.len()]) = difference([above_edge, above_edge, below_edge, below_edge]);
    }
}

fn difference<const CHANNELS: usize>(block: [&[u8; CHANNELS]; 4]) -> (u8, u8) {
    let sum = |channel: usize| block.iter().map(|pixel| i32::from(pixel[channel])).sum::<i32>();
    let sums = [sum(0), sum(1), sum(2)];
    let weighed = |weights: [i32; 3]| {
        let total: i32 = weights.iter().zip(sums).map(|(weight, sum)| weight * sum).sum();
        // Of four pixels: two more bits.
        (((total + 4 * HALF) >> (SHIFT + 2)) + 128).clamp(0, 255) as u8
    };
    (weighed(BLUE), weighed(RED))
}
