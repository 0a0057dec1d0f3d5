//! Samples of a TIFF to pixels.

use tiff::{ColorType, decoder::DecodingResult};

use crate::{ImageError, Layout, colour, decode::still};

/// The photometric interpretation of pictures with a palette.
pub(super) const PALETTE: u16 = 3;
/// An extra sample by which the colours were multiplied.
const ASSOCIATED: u16 = 1;
/// An extra sample by which they were not.
const UNASSOCIATED: u16 = 2;

/// What the samples of a pixel are.
pub(super) struct Meaning {
    colour: Colour,
    /// The sample after the colour is opacity.
    alpha: bool,
    /// Colours were multiplied by it.
    premultiplied: bool,
}

enum Colour {
    Gray,
    Palette(Vec<[u8; 3]>),
    Rgb,
    YCbCr,
    Cmyk,
}

impl Meaning {
    /// From what the decoder says, the palette, and the kind of the first extra sample.
    pub(super) fn of(colour: ColorType, palette: Option<Vec<[u8; 3]>>, extra: Option<u16>) -> Result<Self, ImageError> {
        let declared = matches!(extra, Some(ASSOCIATED | UNASSOCIATED));
        let (colour, alpha) = match (colour, palette) {
            (ColorType::Gray(bits), Some(palette)) if bits <= 8 => (Colour::Palette(palette), false),
            (ColorType::Gray(_), None) => (Colour::Gray, false),
            (ColorType::GrayA(_), None) => (Colour::Gray, true),
            (ColorType::Multiband { .. }, None) => (Colour::Gray, declared),
            (ColorType::RGB(_), None) => (Colour::Rgb, false),
            (ColorType::RGBA(_), None) => (Colour::Rgb, true),
            (ColorType::YCbCr(_), None) => (Colour::YCbCr, false),
            (ColorType::CMYK(_), None) => (Colour::Cmyk, false),
            (ColorType::CMYKA(_), None) => (Colour::Cmyk, true),
            (other, _) => return Err(ImageError::Unsupported(format!("this kind of TIFF ({other:?})"))),
        };
        Ok(Self { colour, alpha, premultiplied: alpha && extra == Some(ASSOCIATED) })
    }

    pub(super) fn is_cmyk(&self) -> bool {
        matches!(self.colour, Colour::Cmyk)
    }

    pub(super) fn is_palette(&self) -> bool {
        matches!(self.colour, Colour::Palette(_))
    }

    pub(super) fn has_alpha(&self) -> bool {
        self.alpha
    }

    /// Pixels of samples that lie `channels` to the pixel. A pixel has at least the samples that its meaning needs.
    pub(super) fn pixels(&self, samples: Vec<u8>, channels: usize, icc: Option<&[u8]>) -> (Layout, Vec<u8>) {
        let colours = match &self.colour {
            Colour::Gray if channels == 1 => return (Layout::Gray, samples),
            Colour::Gray if !self.alpha => {
                return (Layout::Gray, samples.chunks_exact(channels).map(|pixel| pixel[0]).collect());
            }
            Colour::Gray => samples.chunks_exact(channels).flat_map(|pixel| [pixel[0]; 3]).collect(),
            Colour::Palette(palette) => {
                samples.iter().flat_map(|index| palette.get(usize::from(*index)).copied().unwrap_or_default()).collect()
            }
            Colour::Rgb if channels == 3 => samples.clone(),
            Colour::Rgb => samples.chunks_exact(channels).flat_map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect(),
            Colour::YCbCr => {
                samples.chunks_exact(channels).flat_map(|pixel| rgb_of([pixel[0], pixel[1], pixel[2]])).collect()
            }
            Colour::Cmyk => {
                let inks: Vec<u8> =
                    samples.chunks_exact(channels).flat_map(|pixel| [pixel[0], pixel[1], pixel[2], pixel[3]]).collect();
                colour::cmyk_to_rgb(&inks, icc, false)
            }
        };
        if !self.alpha {
            return (Layout::Rgb, colours);
        }
        let opacity_at = match self.colour {
            Colour::Gray => 1,
            Colour::Cmyk => 4,
            _ => 3,
        };
        let opacities = samples.chunks_exact(channels).map(|pixel| pixel[opacity_at]);
        let mut pixels: Vec<u8> = colours
            .chunks_exact(3)
            .zip(opacities)
            .flat_map(|(colour, opacity)| [colour[0], colour[1], colour[2], opacity])
            .collect();
        if self.premultiplied {
            still::unpremultiply(&mut pixels);
        }
        (Layout::Rgba, pixels)
    }
}

/// Full-range BT.601, as in JPEG, in 16-bit fixed point.
fn rgb_of([luma, blue, red]: [u8; 3]) -> [u8; 3] {
    let (luma, blue, red) = ((i32::from(luma) << 16) + (1 << 15), i32::from(blue) - 128, i32::from(red) - 128);
    [luma + 91_881 * red, luma - 22_554 * blue - 46_802 * red, luma + 116_130 * blue]
        .map(|level| (level >> 16).clamp(0, 255) as u8)
}

/// Colours of a palette: all reds, all greens, all blues, of 16 bits; some writers use only eight of them.
pub(super) fn palette(map: &[u16]) -> Vec<[u8; 3]> {
    let entries = map.len() / 3;
    let narrow = map.iter().all(|level| *level <= 255);
    let level = |at: usize| if narrow { map[at] as u8 } else { rounded(map[at]) };
    (0..entries).map(|entry| [level(entry), level(entry + entries), level(entry + 2 * entries)]).collect()
}

/// 16 bits to eight.
fn rounded(level: u16) -> u8 {
    ((u32::from(level) * 255 + 32_767) / 65_535) as u8
}

/// Samples in eight bits each; `row` of them begin at a new byte. Indices of a palette keep their value.
pub(super) fn eight_bit(decoded: DecodingResult, bits: u8, row: usize, indices: bool) -> Result<Vec<u8>, ImageError> {
    let of_fraction = |fraction: f32| (fraction.clamp(0.0, 1.0) * 255.0).round() as u8;
    Ok(match decoded {
        DecodingResult::U8(levels) if bits == 8 => levels,
        DecodingResult::U8(packed) if matches!(bits, 1 | 2 | 4) => unpacked(&packed, bits, row, indices),
        DecodingResult::U16(levels) if bits == 16 => levels.into_iter().map(rounded).collect(),
        DecodingResult::U32(levels) => levels.into_iter().map(|level| rounded((level >> 16) as u16)).collect(),
        DecodingResult::F16(levels) => levels.into_iter().map(|level| of_fraction(level.to_f32())).collect(),
        DecodingResult::F32(levels) => levels.into_iter().map(of_fraction).collect(),
        DecodingResult::F64(levels) => levels.into_iter().map(|level| of_fraction(level as f32)).collect(),
        _ => return Err(ImageError::Unsupported(format!("TIFF with these samples of {bits} bits"))),
    })
}

/// Samples of 1, 2 or 4 bits, the first in the highest bits.
fn unpacked(packed: &[u8], bits: u8, row: usize, indices: bool) -> Vec<u8> {
    let bits = usize::from(bits);
    let mask = (1u8 << bits) - 1;
    let factor = if indices { 1 } else { 255 / mask };
    let line = |bytes: &[u8]| -> Vec<u8> {
        let samples = bytes.iter().flat_map(|byte| (0..8 / bits).map(move |at| (byte >> (8 - bits * (at + 1))) & mask));
        samples.take(row).map(|sample| sample * factor).collect()
    };
    packed.chunks_exact((row * bits).div_ceil(8)).flat_map(line).collect()
}
