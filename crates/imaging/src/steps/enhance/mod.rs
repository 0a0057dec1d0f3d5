//! `enhance`: pictures made better at a word (spec 11 §6).

mod levels;
mod light;
mod retouch;

use levels::{Statistics, Tables};
use light::Look;
use retouch::Retouch;
use stowage_core::tasks::Task;

use super::{Step, each, scale::scale, smooth, values};
use crate::{Bitmap, Region};

/// Longest side of the copy that a picture is judged by.
const COPY_SIDE: u32 = 384;
/// Deviation of samples, in levels, below which nobody sees grain.
const LEAST_NOISE: f32 = 1.4;
/// Levels that are spread over the whole range leave out at most this part of the pixels at each end.
const CLIPPED: f32 = 0.005;

pub(super) fn step(task: &Task) -> Option<Box<dyn Step>> {
    if task.name() != "enhance" {
        return None;
    }
    Some(match values::word(task, "preset") {
        "vivid" => each(vivid()),
        "fix_dark" => each(in_look(Look { curve: light::shadows_lifted, detail: 1.1, vibrance: 0.1 })),
        "outdoor" => each(in_look(Look { curve: light::unchanged, detail: 1.5, vibrance: 0.5 })),
        "fireworks" => each(in_look(Look { curve: light::darker_sky, detail: 1.2, vibrance: 0.7 })),
        "fix_tint" => each(in_tables(|shades| Tables::of(shades.tint(1.0), (0, u8::MAX)))),
        "fix_noise" => each(without_noise),
        "beautify" => each(|bitmap| retouch::retouched(bitmap, Retouch { evenness: 6.0, lift: 0.03 })),
        "beautify_plus" => each(|bitmap| retouch::retouched(bitmap, Retouch { evenness: 12.0, lift: 0.06 })),
        _ => each(in_tables(balanced(0.5))),
    })
}

/// All levels are used, and a part of a tint is taken away.
fn balanced(tint: f64) -> impl Fn(&Statistics) -> Tables {
    move |shades| Tables::of(shades.tint(tint), shades.range(CLIPPED))
}

/// The first frame decides for all, so that an animation does not flicker.
fn in_tables(make: impl Fn(&Statistics) -> Tables) -> impl FnMut(Bitmap) -> Bitmap {
    let mut tables = None;
    move |mut bitmap| {
        tables.get_or_insert_with(|| make(&Statistics::of(&copy(&bitmap)))).apply(&mut bitmap);
        bitmap
    }
}

/// What depends on the place in the picture.
fn in_look(look: Look) -> impl FnMut(Bitmap) -> Bitmap {
    move |mut bitmap| {
        let copy = copy(&bitmap);
        light::apply(&mut bitmap, &copy, &look);
        bitmap
    }
}

/// Levels first, then depth and colours.
fn vivid() -> impl FnMut(Bitmap) -> Bitmap {
    let mut tables = in_tables(balanced(0.3));
    let mut look = in_look(Look { curve: light::brighter, detail: 1.25, vibrance: 0.4 });
    move |bitmap| look(tables(bitmap))
}

/// The same picture, small enough to be looked at in no time.
fn copy(bitmap: &Bitmap) -> Bitmap {
    let factor = f64::from(COPY_SIDE) / f64::from(bitmap.width.max(bitmap.height));
    if factor >= 1.0 {
        return bitmap.clone();
    }
    let side = |length: u32| ((f64::from(length) * factor).round() as u32).max(1);
    let whole = Region::whole(bitmap.width, bitmap.height);
    // Sides are right by construction.
    scale(bitmap, whole, side(bitmap.width), side(bitmap.height), false).unwrap_or_else(|_| bitmap.clone())
}

/// Takes grain away, if there is some.
fn without_noise(bitmap: Bitmap) -> Bitmap {
    let deviation = smooth::noise(&bitmap);
    // A neighbourhood may by chance differ more than the noise does on the whole.
    if deviation < LEAST_NOISE { bitmap } else { smooth::smoothed(bitmap, 1.4 * deviation) }
}

#[cfg(test)]
mod tests;
