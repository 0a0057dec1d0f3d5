//! How the samples of a picture lie in a PNG: as few as hold it without loss.

use std::borrow::Cow;

use png::{BitDepth, ColorType, Compression};

use crate::encode::palette::{Indexed, exact};
use crate::{Bitmap, ImageError, Layout};

/// Samples as they go into the file.
pub(super) struct Packed<'a> {
    width: u32,
    height: u32,
    colour: ColorType,
    depth: BitDepth,
    palette: Vec<u8>,
    opacities: Vec<u8>,
    samples: Cow<'a, [u8]>,
    graphic: bool,
}

impl<'a> Packed<'a> {
    /// Up to 256 colours as a palette, gray as gray, nothing for opacity where all is opaque. With a `profile` the kind of colours stays.
    pub(super) fn new(bitmap: &'a Bitmap, profile: bool) -> Self {
        let gray_profile = profile && bitmap.layout == Layout::Gray;
        // Gray of more than 16 levels needs no less as a palette.
        let most = if bitmap.layout == Layout::Gray { 16 } else { 256 };
        match if gray_profile { None } else { few_colours(bitmap, most) } {
            Some(indexed) => Self::indexed(bitmap, indexed),
            None => Self::direct(bitmap, profile),
        }
    }

    /// RGBA, whatever would do.
    pub(super) fn rgba(width: u32, height: u32, pixels: &'a [u8]) -> Self {
        let samples = Cow::Borrowed(pixels);
        let graphic = is_graphic(pixels, width, 4);
        Self {
            width,
            height,
            colour: ColorType::Rgba,
            depth: BitDepth::Eight,
            palette: Vec::new(),
            opacities: Vec::new(),
            samples,
            graphic,
        }
    }

    fn indexed(bitmap: &Bitmap, indexed: Indexed) -> Self {
        let Indexed { colours, indices } = indexed;
        // Opacities are written up to the last that is not full: transparent colours go first.
        let mut order: Vec<usize> = (0..colours.len()).collect();
        order.sort_by_key(|index| colours[*index][3] == u8::MAX);
        let mut places = [0u8; 256];
        order.iter().enumerate().for_each(|(place, index)| places[*index] = place as u8);
        let palette = order.iter().flat_map(|index| colours[*index][..3].to_vec()).collect();
        let opacities = order.iter().map(|index| colours[*index][3]).take_while(|opacity| *opacity < u8::MAX).collect();
        let (depth, bits) = match colours.len() {
            0..=2 => (BitDepth::One, 1),
            3..=4 => (BitDepth::Two, 2),
            5..=16 => (BitDepth::Four, 4),
            _ => (BitDepth::Eight, 8),
        };
        let samples = indices
            .chunks_exact(bitmap.width as usize)
            .flat_map(|row| row.chunks(8 / bits))
            .map(|together| {
                together
                    .iter()
                    .enumerate()
                    .fold(0, |byte, (nth, index)| byte | places[usize::from(*index)] << (8 - bits * (nth + 1)))
            })
            .collect();
        Self {
            width: bitmap.width,
            height: bitmap.height,
            colour: ColorType::Indexed,
            depth,
            palette,
            opacities,
            samples,
            graphic: true,
        }
    }

    fn direct(bitmap: &'a Bitmap, profile: bool) -> Self {
        let channels = bitmap.layout.channels();
        let pixels = || bitmap.pixels.chunks_exact(channels);
        let opaque = channels < 4 || pixels().all(|pixel| pixel[3] == u8::MAX);
        let gray =
            channels == 1 || !profile && opaque && pixels().all(|pixel| pixel[0] == pixel[1] && pixel[1] == pixel[2]);
        let (colour, samples): (_, Cow<'_, [u8]>) = match bitmap.layout {
            Layout::Gray => (ColorType::Grayscale, Cow::Borrowed(&bitmap.pixels)),
            _ if gray => (ColorType::Grayscale, pixels().map(|pixel| pixel[0]).collect()),
            Layout::Rgb => (ColorType::Rgb, Cow::Borrowed(&bitmap.pixels)),
            Layout::Rgba if opaque => {
                (ColorType::Rgb, pixels().flat_map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect())
            }
            Layout::Rgba => (ColorType::Rgba, Cow::Borrowed(&bitmap.pixels)),
        };
        let graphic = is_graphic(&samples, bitmap.width, colour.samples());
        let (palette, opacities) = (Vec::new(), Vec::new());
        Self {
            width: bitmap.width,
            height: bitmap.height,
            colour,
            depth: BitDepth::Eight,
            palette,
            opacities,
            samples,
            graphic,
        }
    }

    /// A PNG file without anything beside pixels. Photographs gain nothing by searching for repetitions, which takes most of the time.
    pub(super) fn compress(self, fast: bool) -> Result<Vec<u8>, ImageError> {
        let failed = |error: png::EncodingError| ImageError::Unsupported(error.to_string());
        let mut file = Vec::with_capacity(self.samples.len() / 4);
        let mut encoder = png::Encoder::new(&mut file, self.width, self.height);
        encoder.set_color(self.colour);
        encoder.set_depth(self.depth);
        encoder.set_compression(if fast || !self.graphic { Compression::Fast } else { Compression::Balanced });
        if self.colour == ColorType::Indexed {
            encoder.set_palette(self.palette);
            // Neighbouring indices say nothing about each other.
            encoder.set_filter(png::Filter::NoFilter);
        }
        if !self.opacities.is_empty() {
            encoder.set_trns(self.opacities);
        }
        let mut writer = encoder.write_header().map_err(failed)?;
        writer.write_image_data(&self.samples).map_err(failed)?;
        writer.finish().map_err(failed)?;
        Ok(file)
    }
}

fn few_colours(bitmap: &Bitmap, most: usize) -> Option<Indexed> {
    let opaque = |pixel: &[u8]| [pixel[0], pixel[1], pixel[2], u8::MAX];
    match bitmap.layout {
        Layout::Gray => exact(bitmap.pixels.iter().map(|level| [*level, *level, *level, u8::MAX]), most),
        Layout::Rgb => exact(bitmap.pixels.chunks_exact(3).map(opaque), most),
        Layout::Rgba => {
            exact(bitmap.pixels.chunks_exact(4).map(|pixel| [pixel[0], pixel[1], pixel[2], pixel[3]]), most)
        }
    }
}

/// Whether pixels often equal their left neighbours, which those of photographs seldom do. Looks at some rows.
fn is_graphic(samples: &[u8], width: u32, channels: usize) -> bool {
    let stride = width as usize * channels;
    let step = (samples.len() / stride / 64).max(1);
    let (mut equal, mut all) = (0usize, 0usize);
    for row in samples.chunks_exact(stride).step_by(step) {
        let pairs = row[..stride - channels].chunks_exact(channels).zip(row[channels..].chunks_exact(channels));
        // What is transparent is alike in photographs too.
        let visible = pairs.filter(|(left, _)| channels < 4 || left[3] != 0);
        for (left, right) in visible {
            all += 1;
            equal += usize::from(left == right);
        }
    }
    equal * 3 > all
}
