//! Filters that look at one pixel at a time: `monochrome`, `blackwhite`, `sepia`, `negative`, `modulate` (spec 11 §4).

use std::f32::consts::PI;

use stowage_core::tasks::Task;

use super::{Step, each, modulate, values};
use crate::{Bitmap, Layout};

pub(super) fn step(task: &Task) -> Option<Box<dyn Step>> {
    Some(match task.name() {
        "monochrome" => each(monochrome),
        "blackwhite" => {
            let threshold = values::number(task, "threshold") / 100.0 * 255.0;
            each(move |bitmap| blackwhite(bitmap, threshold))
        }
        "sepia" => {
            let tone = values::number(task, "tone") as f32 / 100.0;
            // One table for all frames, as an animation would flicker with one for each.
            let mut table = None;
            each(move |bitmap| sepia(bitmap, tone, &mut table))
        }
        "negative" => each(negative),
        "modulate" => {
            let [brightness, hue, saturation] =
                ["brightness", "hue", "saturation"].map(|name| values::number(task, name) as f32);
            each(move |bitmap| modulate::modulated(bitmap, brightness / 100.0, hue, saturation / 100.0))
        }
        _ => return None,
    })
}

/// Brightness by the weights of Rec. 709, on the samples as they are.
pub(super) fn luma([red, green, blue]: [u8; 3]) -> u8 {
    // The weights add up to 2^16.
    ((u32::from(red) * 13_933 + u32::from(green) * 46_871 + u32::from(blue) * 4_732 + (1 << 15)) >> 16) as u8
}

/// Shades of gray; pictures with opacity samples keep them.
fn monochrome(mut bitmap: Bitmap) -> Bitmap {
    match bitmap.layout {
        Layout::Gray => bitmap,
        Layout::Rgb => {
            let pixels = bitmap.pixels.as_chunks::<3>().0.iter().map(|pixel| luma(*pixel)).collect();
            Bitmap { layout: Layout::Gray, pixels, ..bitmap }
        }
        Layout::Rgba => {
            for pixel in bitmap.pixels.as_chunks_mut::<4>().0 {
                let level = luma([pixel[0], pixel[1], pixel[2]]);
                *pixel = [level, level, level, pixel[3]];
            }
            bitmap
        }
    }
}

/// White above the threshold, else black.
fn blackwhite(bitmap: Bitmap, threshold: f64) -> Bitmap {
    let mut bitmap = monochrome(bitmap);
    let table: [u8; 256] = std::array::from_fn(|level| if level as f64 > threshold { u8::MAX } else { 0 });
    map_colours(&mut bitmap, |level| table[usize::from(level)]);
    bitmap
}

fn negative(mut bitmap: Bitmap) -> Bitmap {
    map_colours(&mut bitmap, |level| !level);
    bitmap
}

/// Every sample that is not an opacity.
fn map_colours(bitmap: &mut Bitmap, map: impl Fn(u8) -> u8) {
    if bitmap.layout == Layout::Rgba {
        for [red, green, blue, _] in bitmap.pixels.as_chunks_mut::<4>().0 {
            (*red, *green, *blue) = (map(*red), map(*green), map(*blue));
        }
    } else {
        bitmap.pixels.iter_mut().for_each(|level| *level = map(*level));
    }
}

/// What brightness becomes; see [`toned`].
type Tones = [[u8; 3]; 256];

/// As `-sepia-tone` of ImageMagick: brightness is toned, stretched to the full range and given more contrast.
fn sepia(bitmap: Bitmap, tone: f32, table: &mut Option<Box<Tones>>) -> Bitmap {
    let bitmap = monochrome(bitmap);
    let table = table.get_or_insert_with(|| Box::new(tones(&histogram(&bitmap), tone)));
    if bitmap.layout == Layout::Gray {
        let mut pixels = vec![0; bitmap.pixels.len() * 3];
        let pairs = pixels.as_chunks_mut::<3>().0.iter_mut().zip(&bitmap.pixels);
        pairs.for_each(|(to, level)| *to = table[usize::from(*level)]);
        return Bitmap { layout: Layout::Rgb, pixels, ..bitmap };
    }
    let mut bitmap = bitmap;
    for pixel in bitmap.pixels.as_chunks_mut::<4>().0 {
        let [red, green, blue] = table[usize::from(pixel[0])];
        *pixel = [red, green, blue, pixel[3]];
    }
    bitmap
}

/// Pixels of each brightness of a gray picture.
fn histogram(bitmap: &Bitmap) -> [u64; 256] {
    // Four counters for each level, as equal neighbours would wait for each other.
    let mut counters = [[0_u64; 256]; 4];
    let channels = bitmap.layout.channels();
    for four in bitmap.pixels.chunks(4 * channels) {
        for (counter, pixel) in counters.iter_mut().zip(four.chunks_exact(channels)) {
            counter[usize::from(pixel[0])] += 1;
        }
    }
    std::array::from_fn(|level| counters.iter().map(|counter| counter[level]).sum())
}

fn tones(histogram: &[u64; 256], tone: f32) -> Tones {
    let toned: [[f32; 3]; 256] = std::array::from_fn(|level| toned(level as f32 / 255.0, tone));
    let (black, white) = ends(histogram, &toned);
    let stretched = |level: f32| {
        if white > black { ((level - black) / (white - black)).clamp(0.0, 1.0) } else { level }
    };
    toned.map(|colour| contrasted(colour.map(stretched)).map(|level| (level * 255.0 + 0.5) as u8))
}

/// `threshold` is the brightness from which red is full.
fn toned(level: f32, threshold: f32) -> [f32; 3] {
    let least = threshold / 7.0;
    [
        (level + 1.0 - threshold).min(1.0),
        (level + 1.0 - threshold * 7.0 / 6.0).min(1.0).max(least),
        (level - threshold / 6.0).max(0.0).max(least),
    ]
}

/// Brightness that becomes black and white: a few pixels beyond them do not count.
fn ends(histogram: &[u64; 256], toned: &[[f32; 3]; 256]) -> (f32, f32) {
    let count: u64 = histogram.iter().sum();
    let brightness = |level: usize| {
        let [red, green, blue] = toned[level];
        0.212_656 * red + 0.715_158 * green + 0.072_186 * blue
    };
    let end = |levels, share| beyond(levels, histogram, count as f64 * share).map_or(0.0, brightness);
    (end(std::array::from_fn(|level| level), 0.0015), end(std::array::from_fn(|level| 255 - level), 0.0005))
}

/// The first level with which more than so many pixels are counted.
fn beyond(levels: [usize; 256], histogram: &[u64; 256], pixels: f64) -> Option<usize> {
    let mut seen = 0;
    levels.into_iter().find(|level| {
        seen += histogram[*level];
        seen as f64 > pixels
    })
}

/// Moves the brightest channel away from the middle, and the others with it.
fn contrasted(colour: [f32; 3]) -> [f32; 3] {
    let value = colour.iter().copied().fold(0.0, f32::max);
    if value <= 0.0 {
        return colour;
    }
    let curve = 0.5 * ((PI * (value - 0.5)).sin() + 1.0);
    let moved = (value + 0.5 * (curve - value)).clamp(0.0, 1.0);
    colour.map(|level| level * moved / value)
}

#[cfg(test)]
mod tests;
