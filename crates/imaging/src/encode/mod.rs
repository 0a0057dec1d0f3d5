//! Frames to encoded bytes.

mod avif;
mod bmp;
mod changes;
mod gif;
pub mod jpeg;
mod palette;
#[cfg(test)]
mod pattern;
mod pdf;
pub(crate) mod png;
mod svg;
mod tiff;
pub mod webp;

use crate::{Format, Frame, ImageError, Metadata};

/// How a picture is written. What a format does not know is ignored.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Encoding {
    /// The format.
    pub format: Format,
    /// 1–100; `None`: the default of the format.
    pub quality: Option<u8>,
    /// Interlaced or progressive.
    pub progressive: bool,
    /// The smallest file that can be had without loss, whatever time it takes (`compress`, `output=compress:true`).
    pub smallest: bool,
    /// Encode faster at a little more bytes (profile `fast`).
    pub fast: bool,
    /// JPEG and TIFF: as CMYK.
    pub cmyk: bool,
    /// Dots per inch that the file names.
    pub density: Option<u16>,
    /// Colour under transparent pixels where the format has no transparency.
    pub ground: [u8; 3],
    /// More than one frame will come.
    pub animated: bool,
    /// Times an animation is shown; 0: for ever.
    pub loops: u16,
}

impl Encoding {
    /// One frame as the format has it by default, on white where it has no transparency.
    pub const fn plain(format: Format) -> Self {
        Self {
            format,
            quality: None,
            progressive: false,
            smallest: false,
            fast: false,
            cmyk: false,
            density: None,
            ground: [255; 3],
            animated: false,
            loops: 0,
        }
    }
}

/// Takes frames one by one. All have the same sides; the layout may differ.
pub trait FrameWriter {
    /// Takes a frame. A format without animation refuses the second one with [`ImageError::Unsupported`].
    ///
    /// # Errors
    /// Sides that the format cannot have.
    fn write(&mut self, frame: Frame) -> Result<(), ImageError>;

    /// The file.
    ///
    /// # Errors
    /// As [`FrameWriter::write`].
    fn finish(self: Box<Self>) -> Result<Vec<u8>, ImageError>;
}

/// A writer of the format. `metadata` goes into the file as far as the format can hold it; its orientation is what `metadata.exif` says.
///
/// # Errors
/// The format cannot be written.
pub fn writer(encoding: &Encoding, metadata: &Metadata) -> Result<Box<dyn FrameWriter>, ImageError> {
    match encoding.format {
        Format::Jpeg => jpeg::writer(encoding, metadata),
        Format::Png => png::writer(encoding, metadata),
        Format::Gif => gif::writer(encoding, metadata),
        Format::WebP => webp::writer(encoding, metadata),
        Format::Avif => avif::writer(encoding, metadata),
        Format::Tiff => tiff::writer(encoding, metadata),
        Format::Bmp => bmp::writer(encoding, metadata),
        Format::Pdf => pdf::writer(encoding, metadata),
        Format::Svg => svg::writer(encoding, metadata),
        Format::Ico | Format::Psd | Format::Jxl | Format::Heic => {
            Err(ImageError::Unsupported("this format is only read".to_owned()))
        }
    }
}
