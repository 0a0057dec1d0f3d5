//! Rows averaged in blocks while they come, so that a large picture which will be small never lies in memory.

use crate::Layout;
use crate::decode::Wish;
use crate::decode::canvas::Rectangle;

/// Pictures of fewer bytes are given whole: scaling them in one go is as good as it gets.
const WORTHWHILE: usize = 16_000_000;
/// Sums of a block stay within 32 bits.
const MAX_FACTOR: usize = 128;

/// The side of the blocks that a wish allows to average; 1: none.
pub(super) fn factor(wish: &Wish, part: Rectangle, layout: Layout) -> usize {
    let Some((width, height)) = wish.scaled_to else { return 1 };
    if part.width * part.height * layout.channels() < WORTHWHILE {
        return 1;
    }
    let spare = |side: usize, target: u32| side as f64 / (f64::from(target.max(1)) * wish.spare.max(1.0));
    (spare(part.width, width).min(spare(part.height, height)) as usize).clamp(1, MAX_FACTOR)
}

/// Averages square blocks; those at the right and the lower edge may have fewer pixels. Colours count by their opacity.
pub(super) struct Shrink {
    factor: usize,
    layout: Layout,
    /// Sums of the rows that came since the last full block, for each sample of a row.
    columns: Vec<u32>,
    rows: usize,
    pixels: Vec<u8>,
}

impl Shrink {
    pub(super) fn new(factor: usize, layout: Layout, part: Rectangle) -> Self {
        let pixels = Vec::with_capacity(part.width.div_ceil(factor) * part.height.div_ceil(factor) * layout.channels());
        Self { factor, layout, columns: vec![0; part.width * layout.channels()], rows: 0, pixels }
    }

    pub(super) fn push(&mut self, row: &[u8]) {
        if self.layout == Layout::Rgba {
            for (sums, pixel) in self.columns.chunks_exact_mut(4).zip(row.chunks_exact(4)) {
                let opacity = u32::from(pixel[3]);
                sums[0] += u32::from(pixel[0]) * opacity;
                sums[1] += u32::from(pixel[1]) * opacity;
                sums[2] += u32::from(pixel[2]) * opacity;
                sums[3] += opacity;
            }
        } else {
            self.columns.iter_mut().zip(row).for_each(|(sum, level)| *sum += u32::from(*level));
        }
        self.rows += 1;
        if self.rows == self.factor {
            self.flush();
        }
    }

    /// The averaged pixels.
    pub(super) fn finish(mut self) -> Vec<u8> {
        if self.rows > 0 {
            self.flush();
        }
        self.pixels
    }

    fn flush(&mut self) {
        match self.layout {
            Layout::Gray => self.average::<1>(),
            Layout::Rgb => self.average::<3>(),
            Layout::Rgba => self.average_by_opacity(),
        }
        self.columns.fill(0);
        self.rows = 0;
    }

    fn average<const CHANNELS: usize>(&mut self) {
        for block in self.columns.chunks(self.factor * CHANNELS) {
            let count = (block.len() / CHANNELS * self.rows) as u32;
            self.pixels.extend(total::<CHANNELS>(block).map(|sum| ((sum + count / 2) / count) as u8));
        }
    }

    fn average_by_opacity(&mut self) {
        for block in self.columns.chunks(self.factor * 4) {
            let count = (block.len() / 4 * self.rows) as u32;
            let [red, green, blue, opacity] = total::<4>(block);
            let colour = |sum: u32| (sum + opacity / 2).checked_div(opacity).unwrap_or(0) as u8;
            self.pixels.extend([colour(red), colour(green), colour(blue), ((opacity + count / 2) / count) as u8]);
        }
    }
}

fn total<const CHANNELS: usize>(block: &[u32]) -> [u32; CHANNELS] {
    block
        .chunks_exact(CHANNELS)
        .fold([0; CHANNELS], |total, pixel| std::array::from_fn(|channel| total[channel] + pixel[channel]))
}
