//! TIFF by the crate `tiff`: a page for each frame.

use std::cell::RefCell;
use std::io::{Cursor, Seek, SeekFrom, Write};
use std::rc::Rc;

use tiff::{
    TiffResult,
    encoder::{Compression, DeflateLevel, Predictor, Rational, TiffEncoder, TiffValue, colortype},
    tags::{ExtraSamples, ResolutionUnit, Tag},
};

use super::{Encoding, FrameWriter};
use crate::{Bitmap, Frame, ImageError, Layout, Metadata, Orientation, colour};

/// The file while the library writes it, which does not give it back.
#[derive(Clone, Default)]
struct File(Rc<RefCell<Cursor<Vec<u8>>>>);

impl Write for File {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Seek for File {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        self.0.borrow_mut().seek(to)
    }
}

struct Writer {
    file: File,
    encoder: TiffEncoder<File>,
    metadata: Metadata,
    density: Option<u16>,
    cmyk: bool,
    ground: [u8; 3],
}

fn failed(error: impl std::fmt::Display) -> ImageError {
    ImageError::Unsupported(format!("this picture as TIFF ({error})"))
}

pub(super) fn writer(encoding: &Encoding, metadata: &Metadata) -> Result<Box<dyn FrameWriter>, ImageError> {
    let file = File::default();
    let compression = if encoding.smallest { Compression::Deflate(DeflateLevel::Best) } else { Compression::Lzw };
    let encoder = TiffEncoder::new(file.clone())
        .map_err(failed)?
        .with_compression(compression)
        .with_predictor(Predictor::Horizontal);
    let metadata = metadata.clone();
    Ok(Box::new(Writer {
        file,
        encoder,
        metadata,
        density: encoding.density,
        cmyk: encoding.cmyk,
        ground: encoding.ground,
    }))
}

impl FrameWriter for Writer {
    fn write(&mut self, frame: Frame) -> Result<(), ImageError> {
        let bitmap = frame.bitmap;
        if self.cmyk {
            return self.write_cmyk(bitmap).map_err(failed);
        }
        match bitmap.layout {
            Layout::Gray => self.page::<colortype::Gray8>(&bitmap, &bitmap.pixels),
            Layout::Rgb => self.page::<colortype::RGB8>(&bitmap, &bitmap.pixels),
            Layout::Rgba => self.page::<colortype::RGBA8>(&bitmap, &bitmap.pixels),
        }
        .map_err(failed)
    }

    fn finish(self: Box<Self>) -> Result<Vec<u8>, ImageError> {
        Ok(self.file.0.take().into_inner())
    }
}

impl Writer {
    /// The inks are those of sRGB, so the profile is used up.
    fn write_cmyk(&mut self, mut bitmap: Bitmap) -> TiffResult<()> {
        bitmap = bitmap.into_colour().flattened(self.ground);
        if let Some(icc) = &self.metadata.icc {
            bitmap = colour::to_srgb(bitmap, icc);
        }
        let inks = colour::rgb_to_cmyk(&bitmap.pixels);
        self.page::<colortype::CMYK8>(&bitmap, &inks)
    }

    fn page<C: colortype::ColorType<Inner = u8>>(&mut self, bitmap: &Bitmap, samples: &[u8]) -> TiffResult<()>
    where
        [u8]: TiffValue,
    {
        let mut page = self.encoder.new_image::<C>(bitmap.width, bitmap.height)?;
        if let Some(density) = self.density {
            page.resolution(ResolutionUnit::Inch, Rational { n: u32::from(density), d: 1 });
        }
        let tags = page.encoder();
        if bitmap.layout == Layout::Rgba {
            tags.write_tag(Tag::ExtraSamples, ExtraSamples::UnassociatedAlpha.to_u16())?;
        }
        if let Some(icc) = self.metadata.icc.as_deref().filter(|_| !self.cmyk) {
            tags.write_tag(Tag::IccProfile, icc)?;
        }
        if let Some(xmp) = self.metadata.xmp.as_deref() {
            tags.write_tag(Tag::Unknown(700), xmp)?;
        }
        if self.metadata.orientation != Orientation::Upright {
            // The variants are in the order of the tag's values, which begin with 1.
            tags.write_tag(Tag::Orientation, self.metadata.orientation as u16 + 1)?;
        }
        page.write_data(samples)
    }
}

#[cfg(test)]
mod tests;
