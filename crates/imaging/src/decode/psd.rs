//! PSD and PSB: the merged picture that Photoshop puts at the end of the file for others to read.
//!
//! Of the layers nothing is read but whether the merged picture is transparent.

mod planes;

use super::{Header, Opened, Wish, still};
use crate::{Bitmap, Format, ImageError, Layout, Limits, Metadata, colour};

const ICC: u16 = 1039;
const EXIF: u16 = 1058;
const XMP: u16 = 1060;

/// Colour modes that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Bitmap,
    Gray,
    Indexed,
    Rgb,
    Cmyk,
}

impl Mode {
    fn of(number: u16) -> Result<Self, ImageError> {
        Ok(match number {
            0 => Self::Bitmap,
            // A duotone is a gray picture with inks that only a press knows.
            1 | 8 => Self::Gray,
            2 => Self::Indexed,
            3 => Self::Rgb,
            4 => Self::Cmyk,
            _ => return Err(ImageError::Unsupported("PSD in Lab or multichannel".to_owned())),
        })
    }

    /// Planes of the colour.
    fn channels(self) -> u16 {
        match self {
            Self::Bitmap | Self::Gray | Self::Indexed => 1,
            Self::Rgb => 3,
            Self::Cmyk => 4,
        }
    }
}

/// The file, cut into its sections.
struct Document<'a> {
    width: u32,
    height: u32,
    /// Planes that are stored.
    channels: u16,
    /// Bits of a sample.
    depth: u16,
    mode: Mode,
    /// Reds, greens and blues of the palette.
    palette: &'a [u8],
    resources: &'a [u8],
    /// The plane after the colour is opacity.
    alpha: bool,
    /// Lengths are twice as long.
    large: bool,
    data: &'a [u8],
}

pub(super) fn header(bytes: &[u8], limits: &Limits) -> Result<Header, ImageError> {
    Document::read(bytes)?.header(limits)
}

pub(super) fn open<'a>(bytes: &'a [u8], wish: &Wish, limits: &Limits) -> Result<Opened<'a>, ImageError> {
    let document = Document::read(bytes)?;
    if wish.page > 1 {
        return Err(ImageError::Unsupported("single layers of a PSD".to_owned()));
    }
    let header = document.header(limits)?;
    let resource = |number| document.resource(number).map(<[u8]>::to_vec);
    let profile = resource(ICC);
    let shown = profile.clone().filter(|_| document.mode != Mode::Cmyk);
    let mut metadata = Metadata { icc: shown, exif: resource(EXIF), xmp: resource(XMP), ..Metadata::default() };
    metadata.set_upright();
    Ok(still::opened(header, metadata, move || document.decode(profile.as_deref())))
}

/// Takes so many bytes off the front.
fn taken<'a>(rest: &mut &'a [u8], length: usize) -> Result<&'a [u8], ImageError> {
    let (taken, left) =
        rest.split_at_checked(length).ok_or_else(|| ImageError::Broken("the PSD ends too early".to_owned()))?;
    *rest = left;
    Ok(taken)
}

/// Takes a big-endian number of so many bytes off the front.
fn number(rest: &mut &[u8], length: usize) -> Result<u64, ImageError> {
    Ok(taken(rest, length)?.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

/// Takes a section behind its length off the front.
fn section<'a>(rest: &mut &'a [u8], length: usize) -> Result<&'a [u8], ImageError> {
    let length = usize::try_from(number(rest, length)?).unwrap_or(usize::MAX);
    taken(rest, length)
}

impl<'a> Document<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, ImageError> {
        let rest = &mut { bytes };
        if taken(rest, 4)? != b"8BPS" {
            return Err(ImageError::UnsupportedInput);
        }
        let large = match number(rest, 2)? {
            1 => false,
            2 => true,
            _ => return Err(ImageError::UnsupportedInput),
        };
        taken(rest, 6)?;
        let channels = number(rest, 2)? as u16;
        let (height, width) = (number(rest, 4)? as u32, number(rest, 4)? as u32);
        let depth = number(rest, 2)? as u16;
        let mode = Mode::of(number(rest, 2)? as u16)?;
        let fits = if mode == Mode::Bitmap { depth == 1 } else { depth == 8 || depth == 16 && mode != Mode::Indexed };
        if !fits {
            return Err(ImageError::Unsupported(format!("PSD with {depth} bits per channel")));
        }
        if channels < mode.channels() {
            return Err(ImageError::Broken("too few channels".to_owned()));
        }
        let palette = section(rest, 4)?;
        if mode == Mode::Indexed && palette.len() < 768 {
            return Err(ImageError::Broken("too few colours".to_owned()));
        }
        let resources = section(rest, 4)?;
        let layers = section(rest, if large { 8 } else { 4 })?;
        let alpha = channels > mode.channels()
            && mode != Mode::Bitmap
            && mode != Mode::Indexed
            && is_transparent(layers, large);
        Ok(Self { width, height, channels, depth, mode, palette, resources, alpha, large, data: rest })
    }

    fn header(&self, limits: &Limits) -> Result<Header, ImageError> {
        still::header(Format::Psd, self.width, self.height, self.alpha, limits)
    }

    /// The content of an image resource.
    fn resource(&self, wanted: u16) -> Option<&'a [u8]> {
        let rest = &mut { self.resources };
        while taken(rest, 4).ok()? == b"8BIM" {
            let found = number(rest, 2).ok()? as u16;
            // A name in Pascal's manner, with its length an even number of bytes; the content is made even too.
            let name = number(rest, 1).ok()? as usize;
            taken(rest, name | 1).ok()?;
            let content = section(rest, 4).ok()?;
            if found == wanted {
                return Some(content);
            }
            taken(rest, content.len() % 2).ok()?;
        }
        None
    }

    fn decode(&self, icc: Option<&[u8]>) -> Result<Bitmap, ImageError> {
        let wanted = usize::from(self.mode.channels()) + usize::from(self.alpha);
        let samples = planes::interleaved(self, wanted)?;
        let colours = match self.mode {
            Mode::Bitmap | Mode::Gray if !self.alpha => return self.bitmap(Layout::Gray, samples),
            Mode::Rgb if !self.alpha => return self.bitmap(Layout::Rgb, samples),
            Mode::Bitmap | Mode::Gray => samples.chunks_exact(wanted).flat_map(|pixel| [pixel[0]; 3]).collect(),
            Mode::Indexed => samples
                .iter()
                .flat_map(|index| [0, 256, 512].map(|plane| self.palette[plane + usize::from(*index)]))
                .collect(),
            Mode::Rgb => samples.chunks_exact(wanted).flat_map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect(),
            Mode::Cmyk => {
                let inks: Vec<u8> =
                    samples.chunks_exact(wanted).flat_map(|pixel| [pixel[0], pixel[1], pixel[2], pixel[3]]).collect();
                colour::cmyk_to_rgb(&inks, icc, true)
            }
        };
        if !self.alpha {
            return self.bitmap(Layout::Rgb, colours);
        }
        let opacities = samples.chunks_exact(wanted).map(|pixel| pixel[wanted - 1]);
        let pixels = colours.chunks_exact(3).zip(opacities).flat_map(|(colour, opacity)| {
            let level = |level: u8| without_white(level, opacity);
            [level(colour[0]), level(colour[1]), level(colour[2]), opacity]
        });
        self.bitmap(Layout::Rgba, pixels.collect())
    }

    fn bitmap(&self, layout: Layout, pixels: Vec<u8>) -> Result<Bitmap, ImageError> {
        Bitmap::new(self.width, self.height, layout, pixels).ok_or_else(|| ImageError::Broken("no pixels".to_owned()))
    }
}

/// The colour itself: a merged picture that is transparent is stored on white.
fn without_white(level: u8, opacity: u8) -> u8 {
    if opacity == 0 {
        return level;
    }
    let own = i32::from(level) - (255 - i32::from(opacity));
    ((own * 255 + i32::from(opacity) / 2) / i32::from(opacity)).clamp(0, 255) as u8
}

/// Whether the first plane after the colour is the opacity of the merged picture: the number of layers is negative then. Files without layers
/// have no other use for that plane.
fn is_transparent(layers: &[u8], large: bool) -> bool {
    let rest = &mut { layers };
    let Ok(information) = section(rest, if large { 8 } else { 4 }) else { return true };
    information.first_chunk().is_none_or(|count| i16::from_be_bytes(*count) < 0)
}

#[cfg(test)]
mod tests;
