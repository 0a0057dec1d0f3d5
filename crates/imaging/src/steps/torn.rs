//! `torn_edges` (spec 11 §3).

use stowage_core::tasks::Task;

use super::{Step, alpha, each, values};
use crate::Bitmap;

pub(super) fn step(task: &Task) -> Option<Box<dyn Step>> {
    if task.name() != "torn_edges" {
        return None;
    }
    let [one, other] = values::pair(task, "spread").map(|depth| depth as f32);
    let spread = (one.min(other), one.max(other));
    let ground = values::colour(task, "background");
    // The first frame decides for all of an animation.
    let mut seed = None;
    Some(each(move |bitmap| {
        let seed = *seed.get_or_insert_with(|| hash(&bitmap.pixels));
        alpha::on_ground(torn(bitmap, spread, seed), ground)
    }))
}

/// Makes an edge transparent that is as deep as the spread says, here more, there less.
fn torn(bitmap: Bitmap, spread: (f32, f32), seed: u64) -> Bitmap {
    let mut random = Random(seed);
    // Something has to remain.
    let deepest = |side: u32| (side as f32 - 1.0) / 2.0;
    let mut edge = |length: u32, across: u32| tear(length as usize, spread, deepest(across), &mut random);
    let (left, right) = (edge(bitmap.height, bitmap.width), edge(bitmap.height, bitmap.width));
    let (top, bottom) = (edge(bitmap.width, bitmap.height), edge(bitmap.width, bitmap.height));
    let (width, height) = (bitmap.width as f32, bitmap.height as f32);
    alpha::faded(bitmap, |column, row| {
        let (x, y) = (column as f32, row as f32);
        let inside = (x - left[row]).min(width - 1.0 - x - right[row]);
        let inside = inside.min(y - top[column]).min(height - 1.0 - y - bottom[column]);
        alpha::share((inside + 1.0).clamp(0.0, 1.0))
    })
}

/// Depths along an edge: waves of different lengths on each other, the longer the higher, as fibres tear.
fn tear(length: usize, (least, most): (f32, f32), deepest: f32, random: &mut Random) -> Vec<f32> {
    let longest = (2.0 * (most - least)).max(8.0);
    let mut depths = vec![0.0_f32; length];
    let (mut wave, mut height, mut sum) = (longest, 1.0, 0.0);
    while wave >= 1.5 {
        let knots: Vec<f32> = (0..=(length as f32 / wave) as usize + 1).map(|_| random.share()).collect();
        for (place, depth) in depths.iter_mut().enumerate() {
            let at = place as f32 / wave;
            let (knot, between) = (at as usize, at.fract());
            let smooth = between * between * (3.0 - 2.0 * between);
            *depth += height * (knots[knot] + (knots[knot + 1] - knots[knot]) * smooth);
        }
        sum += height;
        (wave, height) = (wave / 2.0, height * 0.6);
    }
    depths.iter().map(|depth| (least + (most - least) * depth / sum).min(deepest)).collect()
}

/// SplitMix64: the same picture is torn the same way each time.
struct Random(u64);

impl Random {
    /// Between 0 and 1.
    fn share(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) >> 40) as f32 / (1 << 24) as f32
    }
}

/// FNV-1a over words instead of bytes.
fn hash(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let words = words.iter().map(|word| u64::from_le_bytes(*word)).chain(rest.iter().map(|byte| u64::from(*byte)));
    words.fold(0xCBF2_9CE4_8422_2325, |hash, word| (hash ^ word).wrapping_mul(0x0100_0000_01B3))
}

#[cfg(test)]
mod tests;
