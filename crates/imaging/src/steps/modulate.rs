//! `modulate`: lightness, hue and saturation as HSL has them.

use crate::{Bitmap, Layout};

/// `brightness` and `saturation` as factors, `hue` in degrees. Gray stays gray.
pub(super) fn modulated(mut bitmap: Bitmap, brightness: f32, hue: f32, saturation: f32) -> Bitmap {
    let table = Scaling::table(brightness, saturation);
    match bitmap.layout {
        Layout::Gray => bitmap.pixels.iter_mut().for_each(|level| {
            let Scaling { lightness, .. } = table[usize::from(*level) * 2];
            *level = level_of(lightness);
        }),
        Layout::Rgb => {
            for pixel in bitmap.pixels.as_chunks_mut::<3>().0 {
                *pixel = changed(*pixel, &table, hue);
            }
        }
        Layout::Rgba => {
            for pixel in bitmap.pixels.as_chunks_mut::<4>().0 {
                let [red, green, blue] = changed([pixel[0], pixel[1], pixel[2]], &table, hue);
                *pixel = [red, green, blue, pixel[3]];
            }
        }
    }
    bitmap
}

/// What the lightness of a pixel, twice in levels, makes of its samples. Samples of 8 bits have no more than 511 of them.
#[derive(Clone, Copy)]
struct Scaling {
    /// The new one, in levels.
    lightness: f32,
    /// How much further away from it samples are than they were from the old one.
    spread: f32,
}

impl Scaling {
    fn table(brightness: f32, saturation: f32) -> Box<[Self; 511]> {
        // The largest distance of two samples that a lightness leaves room for.
        let room = |lightness: f32| 255.0 - (2.0 * lightness - 255.0).abs();
        Box::new(std::array::from_fn(|sum| {
            let old = sum as f32 / 2.0;
            let lightness = (old * brightness).min(255.0);
            let spread = if room(old) > 0.0 { saturation * room(lightness) / room(old) } else { 0.0 };
            Self { lightness, spread }
        }))
    }
}

fn changed(pixel: [u8; 3], table: &[Scaling; 511], hue: f32) -> [u8; 3] {
    let [red, green, blue] = pixel;
    let (most, least) = (red.max(green).max(blue), red.min(green).min(blue));
    let sum = usize::from(most) + usize::from(least);
    let Scaling { lightness, spread } = table[sum];
    let middle = sum as f32 / 2.0;
    let colour = if hue == 0.0 { pixel.map(f32::from) } else { turned(pixel.map(f32::from), most, least, hue) };
    colour.map(|level| level_of(lightness + (level - middle) * spread))
}

/// The same lightness and distance of samples, at another place of the circle of colours.
fn turned([red, green, blue]: [f32; 3], most: u8, least: u8, degrees: f32) -> [f32; 3] {
    let (most, least) = (f32::from(most), f32::from(least));
    let chroma = most - least;
    if chroma == 0.0 {
        return [red, green, blue];
    }
    // In sixths of the circle.
    let place = if most == red {
        (green - blue) / chroma
    } else if most == green {
        (blue - red) / chroma + 2.0
    } else {
        (red - green) / chroma + 4.0
    };
    let place = place + degrees / 60.0;
    // Each channel is full within a sixth of its own place, and empty from two sixths on.
    [0.0, 2.0, 4.0].map(|own| {
        let away = (place - own).rem_euclid(6.0);
        let away = away.min(6.0 - away);
        least + chroma * (2.0 - away).clamp(0.0, 1.0)
    })
}

fn level_of(level: f32) -> u8 {
    (level + 0.5) as u8
}
