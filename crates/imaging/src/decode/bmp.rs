//! BMP by the crate `image`.

use std::io::Cursor;

use image::{ColorType, ImageDecoder, codecs::bmp::BmpDecoder};

use super::{Header, Opened, Wish, still};
use crate::{Bitmap, Format, ImageError, Layout, Limits, Metadata};

impl From<image::ImageError> for ImageError {
    fn from(error: image::ImageError) -> Self {
        match error {
            image::ImageError::Unsupported(reason) => Self::Unsupported(reason.to_string()),
            other => Self::Broken(other.to_string()),
        }
    }
}

pub(super) fn header(bytes: &[u8], limits: &Limits) -> Result<Header, ImageError> {
    still::guarded(|| described(Format::Bmp, &BmpDecoder::new(Cursor::new(bytes))?, limits))
}

pub(super) fn open<'a>(bytes: &'a [u8], _wish: &Wish, limits: &Limits) -> Result<Opened<'a>, ImageError> {
    still::guarded(|| {
        let decoder = BmpDecoder::new(Cursor::new(bytes))?;
        opened(Format::Bmp, decoder, limits)
    })
}

/// What a decoder of the crate says, if the limits let it through.
pub(super) fn described(format: Format, decoder: &impl ImageDecoder, limits: &Limits) -> Result<Header, ImageError> {
    let (width, height) = decoder.dimensions();
    still::header(format, width, height, decoder.color_type().has_alpha(), limits)
}

/// A still picture whose pixels the decoder gives.
pub(super) fn opened<'a>(
    format: Format,
    mut decoder: impl ImageDecoder + 'a,
    limits: &Limits,
) -> Result<Opened<'a>, ImageError> {
    let header = described(format, &decoder, limits)?;
    let layout = match decoder.color_type() {
        ColorType::L8 => Layout::Gray,
        ColorType::Rgb8 => Layout::Rgb,
        ColorType::Rgba8 => Layout::Rgba,
        other => return Err(ImageError::Unsupported(format!("pixels of the kind {other:?}"))),
    };
    let metadata = Metadata { icc: decoder.icc_profile().ok().flatten(), ..Metadata::default() };
    let (width, height) = (header.width, header.height);
    Ok(still::opened(header, metadata, move || {
        let mut pixels = vec![0; width as usize * height as usize * layout.channels()];
        decoder.read_image(&mut pixels)?;
        Bitmap::new(width, height, layout, pixels).ok_or_else(|| ImageError::Broken("no pixels".to_owned()))
    }))
}

#[cfg(test)]
mod tests;
