//! `upscale`: twice the size, and less noise (spec 11 §6).

use stowage_core::tasks::{Task, Value};

use super::{Bounds, Step, alpha, scale::scale, smooth::smoothed, values};
use crate::{Bitmap, ImageError, Region};

/// What `style` says.
struct Style {
    /// Least deviation of noise, in levels, that is taken away before.
    cleaning: f32,
    /// How often the difference to the surroundings is added, and from which difference on.
    sharpening: i16,
    threshold: i16,
    /// Part of the contrast of the surroundings, as a power of two, by which pixels may leave their range; `None`: not at all.
    overshoot: Option<u32>,
}

/// Edges a little crisper, surfaces as they are.
const PHOTO: Style = Style { cleaning: 0.0, sharpening: 1, threshold: 1, overshoot: Some(3) };
/// Edges as steep as can be, without seams beside them, and flat areas that are flat.
const ARTWORK: Style = Style { cleaning: 3.0, sharpening: 3, threshold: 0, overshoot: None };

pub(super) fn step(task: &Task, bounds: Bounds) -> Option<Box<dyn Step>> {
    if task.name() != "upscale" {
        return None;
    }
    let doubles = task.value("upscale") == Some(Value::Boolean(true));
    let deviation = match values::word(task, "noise") {
        "low" => 4.0,
        "medium" => 8.0,
        "high" => 16.0,
        _ => 0.0,
    };
    let style = if values::word(task, "style") == "artwork" { ARTWORK } else { PHOTO };
    Some(Box::new(move |bitmap: Bitmap| {
        if !doubles {
            return Ok(smoothed(bitmap, deviation));
        }
        bounds.check(bitmap.width.saturating_mul(2), bitmap.height.saturating_mul(2))?;
        doubled(smoothed(bitmap, deviation.max(style.cleaning)), &style)
    }))
}

fn doubled(bitmap: Bitmap, style: &Style) -> Result<Bitmap, ImageError> {
    let whole = Region::whole(bitmap.width, bitmap.height);
    let large = scale(&bitmap, whole, 2 * bitmap.width, 2 * bitmap.height, false)?;
    if !bitmap.has_transparency() {
        return Ok(sharpened(large, &bitmap, style));
    }
    Ok(alpha::weighed(large, |large| {
        let mut bitmap = bitmap;
        alpha::premultiply(&mut bitmap.pixels);
        sharpened(large, &bitmap, style)
    }))
}

/// Adds to each sample what sets it off from its surroundings, within the range that samples have there in the picture before.
fn sharpened(mut large: Bitmap, small: &Bitmap, style: &Style) -> Bitmap {
    let (stride, channels) = (large.stride(), large.layout.channels());
    let rows: Vec<&[u8]> = small.rows().collect();
    let mut range = Range::new(small.stride(), channels);
    let mut surroundings = Surroundings::new(stride, channels);
    let mut above = large.pixels[..stride].to_vec();
    for number in 0..large.height as usize {
        if number % 2 == 0 {
            let (first, last) = ((number / 2).saturating_sub(1), (number / 2 + 2).min(rows.len()));
            range.measure(&rows[first..last], style.overshoot);
        }
        let (row, rest) = large.pixels[number * stride..].split_at_mut(stride);
        let below = rest.get(..stride).unwrap_or(row);
        let soft = surroundings.of(&above, row, below);
        above.copy_from_slice(row);
        for ((level, soft), (least, most)) in row.iter_mut().zip(soft).zip(range.least.iter().zip(&range.most)) {
            let plain = i16::from(*level);
            let difference = plain - *soft;
            let clear = difference - difference.clamp(-style.threshold, style.threshold);
            *level = (plain + style.sharpening * clear).clamp(*least, *most).clamp(0, 255) as u8;
        }
    }
    large
}

/// Means around the samples of a row, with the weights 1, 2, 1 in each direction.
struct Surroundings {
    channels: usize,
    /// Sums of columns, with room for the columns outside.
    columns: Vec<i16>,
    means: Vec<i16>,
}

impl Surroundings {
    fn new(stride: usize, channels: usize) -> Self {
        Self { channels, columns: vec![0; stride + 2 * channels], means: vec![0; stride] }
    }

    fn of(&mut self, above: &[u8], row: &[u8], below: &[u8]) -> &[i16] {
        let (channels, stride) = (self.channels, row.len());
        for ((sum, above), (level, below)) in self.columns[channels..].iter_mut().zip(above).zip(row.iter().zip(below))
        {
            *sum = i16::from(*above) + 2 * i16::from(*level) + i16::from(*below);
        }
        self.columns.copy_within(channels..2 * channels, 0);
        self.columns.copy_within(stride..stride + channels, stride + channels);
        let (middle, right) = (&self.columns[channels..], &self.columns[2 * channels..]);
        for (mean, ((left, middle), right)) in self.means.iter_mut().zip(self.columns.iter().zip(middle).zip(right)) {
            *mean = (left + 2 * middle + right + 8) >> 4;
        }
        &self.means
    }
}

/// The range of the samples around each one of a row, for two columns of the double size.
struct Range {
    channels: usize,
    /// Extremes of columns.
    lowest: Vec<u8>,
    highest: Vec<u8>,
    least: Vec<i16>,
    most: Vec<i16>,
}

impl Range {
    fn new(stride: usize, channels: usize) -> Self {
        let [lowest, highest] = [(); 2].map(|()| vec![0; stride]);
        let [least, most] = [(); 2].map(|()| vec![0; 2 * stride]);
        Self { channels, lowest, highest, least, most }
    }

    fn measure(&mut self, rows: &[&[u8]], overshoot: Option<u32>) {
        let Some((first, others)) = rows.split_first() else { return };
        self.lowest.copy_from_slice(first);
        self.highest.copy_from_slice(first);
        for row in others {
            self.lowest.iter_mut().zip(*row).for_each(|(lowest, level)| *lowest = (*lowest).min(*level));
            self.highest.iter_mut().zip(*row).for_each(|(highest, level)| *highest = (*highest).max(*level));
        }
        let (channels, stride) = (self.channels, self.lowest.len());
        let targets = self.least.chunks_exact_mut(2 * channels).zip(self.most.chunks_exact_mut(2 * channels));
        for (start, (least, most)) in (0..stride).step_by(channels).zip(targets) {
            let (left, right) = (start.saturating_sub(channels), (start + channels).min(stride - channels));
            for channel in 0..channels {
                let around = [left, start, right].map(|start| start + channel);
                let low = around.iter().fold(u8::MAX, |low, place| low.min(self.lowest[*place]));
                let high = around.iter().fold(0, |high, place| high.max(self.highest[*place]));
                let slack = overshoot.map_or(0, |shift| i16::from((high - low) >> shift));
                least[channel] = i16::from(low) - slack;
                least[channels + channel] = i16::from(low) - slack;
                most[channel] = i16::from(high) + slack;
                most[channels + channel] = i16::from(high) + slack;
            }
        }
    }
}

#[cfg(test)]
mod tests;
