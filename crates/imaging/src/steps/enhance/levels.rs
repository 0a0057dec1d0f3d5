//! Levels and tint: what becomes of a sample whatever is around it.

use crate::{Bitmap, Layout, steps::tone::luma};

/// The brightest pixels tell the colour of the light; the power says by how much more than the others (Finlayson and Trezzi, 2004).
const POWER: i32 = 6;
/// A picture whose levels reach less far than this is meant to be flat, like fog or a wall.
const LEAST_RANGE: (u8, u8) = (64, 176);
/// Most that a channel may change to take a tint away; what differs more is the colour of things.
const MOST_GAIN: f64 = 1.6;

/// How levels are spread over a picture.
pub(super) struct Statistics {
    brightness: [u32; 256],
    /// Sums of powers of red, green and blue.
    powers: [f64; 3],
}

impl Statistics {
    /// What cannot be seen does not count.
    pub(super) fn of(bitmap: &Bitmap) -> Self {
        let mut statistics = Self { brightness: [0; 256], powers: [0.0; 3] };
        let powers: [f64; 256] = std::array::from_fn(|level| (level as f64 / 255.0).powi(POWER));
        let mut count = |pixel: [u8; 3]| {
            statistics.brightness[usize::from(luma(pixel))] += 1;
            statistics.powers.iter_mut().zip(pixel).for_each(|(sum, level)| *sum += powers[usize::from(level)]);
        };
        match bitmap.layout {
            Layout::Gray => bitmap.pixels.iter().for_each(|level| count([*level; 3])),
            Layout::Rgb => bitmap.pixels.as_chunks::<3>().0.iter().for_each(|pixel| count(*pixel)),
            Layout::Rgba => {
                let visible = bitmap.pixels.as_chunks::<4>().0.iter().filter(|pixel| pixel[3] > 127);
                visible.for_each(|[red, green, blue, _]| count([*red, *green, *blue]));
            }
        }
        statistics
    }

    /// Factors for red, green and blue that make the light white; `strength` from 0 to 1. Its brightness stays.
    pub(super) fn tint(&self, strength: f64) -> [f64; 3] {
        if self.powers.iter().any(|sum| *sum <= 0.0) {
            return [1.0; 3];
        }
        let light = self.powers.map(|sum| sum.powf(1.0 / f64::from(POWER)));
        let brightness = 0.2126 * light[0] + 0.7152 * light[1] + 0.0722 * light[2];
        light.map(|light| (brightness / light).clamp(1.0 / MOST_GAIN, MOST_GAIN).powf(strength))
    }

    /// The levels that become black and white when at most the `clipped` part of all pixels is beyond each.
    pub(super) fn range(&self, clipped: f32) -> (u8, u8) {
        let most = (self.brightness.iter().sum::<u32>() as f32 * clipped) as u32;
        let black = reached(self.brightness.iter(), most);
        let white = u8::MAX - reached(self.brightness.iter().rev(), most);
        (black.min(LEAST_RANGE.0), white.max(LEAST_RANGE.1))
    }
}

/// How many counts from the first one on add up to no more than `most`.
fn reached<'a>(mut counts: impl Iterator<Item = &'a u32>, most: u32) -> u8 {
    let mut sum = 0;
    let exceeds = |count: &u32| {
        sum += count;
        sum > most
    };
    counts.position(exceeds).unwrap_or(0) as u8
}

/// What becomes of each level of red, green and blue.
pub(super) struct Tables([[u8; 256]; 3]);

impl Tables {
    /// Levels times their factor, then spread so that those of `range` become black and white.
    pub(super) fn of(factors: [f64; 3], (black, white): (u8, u8)) -> Self {
        let (black, white) = (f64::from(black), f64::from(white));
        Self(factors.map(|factor| {
            std::array::from_fn(|level| ((level as f64 * factor - black) / (white - black) * 255.0).round() as u8)
        }))
    }

    /// Opacities stay.
    pub(super) fn apply(&self, bitmap: &mut Bitmap) {
        let [red, green, blue] = &self.0;
        match bitmap.layout {
            // Without tint all three are the same.
            Layout::Gray => bitmap.pixels.iter_mut().for_each(|level| *level = green[usize::from(*level)]),
            Layout::Rgb => bitmap.pixels.as_chunks_mut::<3>().0.iter_mut().for_each(|[r, g, b]| {
                (*r, *g, *b) = (red[usize::from(*r)], green[usize::from(*g)], blue[usize::from(*b)]);
            }),
            Layout::Rgba => bitmap.pixels.as_chunks_mut::<4>().0.iter_mut().for_each(|[r, g, b, _]| {
                (*r, *g, *b) = (red[usize::from(*r)], green[usize::from(*g)], blue[usize::from(*b)]);
            }),
        }
    }
}
