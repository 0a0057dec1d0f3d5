//! Faces: even skin with its pores.

use crate::{
    Bitmap, Layout, Region, faces,
    steps::{
        partial::{self, Shape},
        scale::scale,
        smooth::smoothed,
    },
};

/// Longest side of the copy of a face that blotches are looked for in.
const COPY_SIDE: u32 = 256;
/// The face and a seam around it, as parts of its height.
const SOFTNESS: f64 = 0.06;

/// How much is done.
#[derive(Clone, Copy)]
pub(super) struct Retouch {
    /// Differences of levels that become even.
    pub(super) evenness: f32,
    /// How much brighter the middle levels become, as a part of the range.
    pub(super) lift: f32,
}

/// Pictures without faces stay as they are.
pub(super) fn retouched(bitmap: Bitmap, retouch: Retouch) -> Bitmap {
    let found = faces::detect(&bitmap);
    found.iter().fold(bitmap, |bitmap, face| {
        let softness = SOFTNESS * face.area.height;
        partial::within(bitmap, &[face.area], Shape::Oval, softness, |part| even(part, retouch))
    })
}

/// What smoothing changes in a small copy is added to the part itself, so what is finer than the copy stays.
fn even(part: &Bitmap, Retouch { evenness, lift }: Retouch) -> Bitmap {
    let factor = (f64::from(COPY_SIDE) / f64::from(part.width.max(part.height))).min(1.0);
    let side = |length: u32| ((f64::from(length) * factor).round() as u32).max(1);
    let whole = Region::whole(part.width, part.height);
    let Ok(small) = scale(part, whole, side(part.width), side(part.height), false) else { return part.clone() };
    let large =
        |small: &Bitmap| scale(small, Region::whole(small.width, small.height), part.width, part.height, false).ok();
    let (Some(before), Some(after)) = (large(&small), large(&smoothed(small, evenness))) else { return part.clone() };
    let table: [i16; 256] = std::array::from_fn(|level| {
        let level = level as f32 / 255.0;
        (255.0 * 4.0 * lift * level * (1.0 - level) + 0.5) as i16
    });
    let mut result = part.clone();
    let channels = part.layout.channels();
    let changes = before.pixels.chunks_exact(channels).zip(after.pixels.chunks_exact(channels));
    for (pixel, (before, after)) in result.pixels.chunks_exact_mut(channels).zip(changes) {
        let colours = if part.layout == Layout::Rgba { 3 } else { channels };
        for ((level, before), after) in pixel[..colours].iter_mut().zip(before).zip(after) {
            let even = i16::from(*level) + i16::from(*after) - i16::from(*before);
            *level = (even + table[even.clamp(0, 255) as usize]).clamp(0, 255) as u8;
        }
    }
    result
}
