//! Encoded bytes to frames.

mod avif;
mod bmp;
mod canvas;
pub(crate) mod gif;
pub mod heic;
mod ico;
pub(crate) mod jpeg;
mod jxl;
#[cfg(test)]
mod pattern;
pub(crate) mod png;
mod psd;
#[cfg(test)]
mod samples;
mod still;
mod svg;
mod tiff;
mod webp;

use crate::{Format, Frame, ImageError, Limits, Metadata, Region};

/// What the first steps of a job need of a picture, so that a decoder may do less. Every decoder may also ignore it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wish {
    /// Only this part of the stored picture is looked at.
    pub region: Option<Region>,
    /// The part that is looked at (or the whole picture) will be scaled down to about this many pixels: a decoder may give fewer pixels than are
    /// stored, as long as neither side of the part gets less than `spare` times this size. `None`: all pixels are needed.
    pub scaled_to: Option<(u32, u32)>,
    /// See `scaled_to`; 1 or more.
    pub spare: f64,
    /// 1-based page of a file with several pages.
    pub page: u32,
    /// Dots per inch at which vectors are drawn.
    pub density: Option<f64>,
    /// Only the first frame of an animation is needed.
    pub still: bool,
}

impl Default for Wish {
    fn default() -> Self {
        Self { region: None, scaled_to: None, spare: 2.0, page: 1, density: None, still: false }
    }
}

/// What the header says.
#[derive(Clone, Debug, PartialEq)]
pub struct Header {
    /// Recognised by the first bytes, never by a name.
    pub format: Format,
    /// Stored pixels, before any orientation is applied.
    pub width: u32,
    /// See `width`.
    pub height: u32,
    /// Frames, as far as the header tells without decoding; 1 for still pictures and where it does not tell.
    pub frames: u32,
    /// Whether pixels may be transparent.
    pub alpha: bool,
    /// Quality 1–100 that the quantisation tables of a JPEG stand for; `None` for other formats.
    pub quality: Option<u8>,
    /// Progressive JPEG, whose coefficients all have to be kept in memory.
    pub progressive: bool,
}

/// A picture whose header was read.
pub struct Opened<'a> {
    /// What the header says.
    pub header: Header,
    /// What it carries beside pixels.
    pub metadata: Metadata,
    /// Times an animation is shown; 0: for ever.
    pub loops: u16,
    /// The part of the stored picture that each frame shows, in stored pixels; frames are scaled where the wish allowed it.
    pub shows: Region,
    /// The frames.
    pub frames: Box<dyn FrameReader + 'a>,
}

/// Gives frames one by one.
pub trait FrameReader {
    /// The next frame; `None` after the last. All frames have the same sides; the layout may differ.
    ///
    /// # Errors
    /// Broken data, or more of it than the limits let through.
    fn next_frame(&mut self) -> Result<Option<Frame>, ImageError>;
}

/// Reads the header and what is needed to give frames; refuses before any pixel is allocated what the limits do not let through.
///
/// # Errors
/// Not a picture, broken, too large, or an engine that is not installed.
pub fn open<'a>(bytes: &'a [u8], wish: &Wish, limits: &Limits) -> Result<Opened<'a>, ImageError> {
    match Format::of(bytes).ok_or(ImageError::UnsupportedInput)? {
        Format::Jpeg => jpeg::open(bytes, wish, limits),
        Format::Png => png::open(bytes, wish, limits),
        Format::Gif => gif::open(bytes, wish, limits),
        Format::WebP => webp::open(bytes, wish, limits),
        Format::Avif => avif::open(bytes, wish, limits),
        Format::Tiff => tiff::open(bytes, wish, limits),
        Format::Bmp => bmp::open(bytes, wish, limits),
        Format::Ico => ico::open(bytes, wish, limits),
        Format::Psd => psd::open(bytes, wish, limits),
        Format::Svg => svg::open(bytes, wish, limits),
        Format::Jxl => jxl::open(bytes, wish, limits),
        Format::Heic => heic::open(bytes, wish, limits),
        Format::Pdf => Err(ImageError::UnsupportedInput),
    }
}

/// What the header says, without a look at the pixels.
///
/// # Errors
/// As [`open`].
pub fn header(bytes: &[u8], wish: &Wish, limits: &Limits) -> Result<Header, ImageError> {
    match Format::of(bytes).ok_or(ImageError::UnsupportedInput)? {
        Format::Jpeg => jpeg::header(bytes, limits),
        Format::Png => png::header(bytes, limits),
        Format::Gif => gif::header(bytes, limits),
        Format::WebP => webp::header(bytes, limits),
        Format::Avif => avif::header(bytes, limits),
        Format::Tiff => tiff::header(bytes, limits),
        Format::Bmp => bmp::header(bytes, limits),
        Format::Ico => ico::header(bytes, limits),
        Format::Psd => psd::header(bytes, limits),
        Format::Svg => svg::header(bytes, wish, limits),
        Format::Jxl => jxl::header(bytes, limits),
        Format::Heic => heic::header(bytes, limits),
        Format::Pdf => Err(ImageError::UnsupportedInput),
    }
}

/// An SVG with nothing in it but what can be seen (`output=secure:true`).
///
/// # Errors
/// As [`open`].
pub(crate) fn harmless_svg(bytes: &[u8], limits: &Limits) -> Result<Vec<u8>, ImageError> {
    svg::harmless(bytes, limits)
}
