//! BMP by the crate `image`: 24 bits, 8 with a gray palette, or 32 with opacity.

use image::{ExtendedColorType, codecs::bmp::BmpEncoder};

use super::{Encoding, FrameWriter};
use crate::{Bitmap, Frame, ImageError, Layout, Metadata};

/// Where the header says how many pixels a metre has, across and down.
const RESOLUTION: std::ops::Range<usize> = 38..46;

struct Writer {
    density: Option<u16>,
    file: Option<Vec<u8>>,
}

#[expect(clippy::unnecessary_wraps, reason = "all formats are asked in the same way")]
pub(super) fn writer(encoding: &Encoding, _metadata: &Metadata) -> Result<Box<dyn FrameWriter>, ImageError> {
    Ok(Box::new(Writer { density: encoding.density, file: None }))
}

impl FrameWriter for Writer {
    fn write(&mut self, frame: Frame) -> Result<(), ImageError> {
        if self.file.is_some() {
            return Err(ImageError::Unsupported("BMP with several frames".to_owned()));
        }
        let Bitmap { width, height, layout, pixels } = frame.bitmap;
        let kind = match layout {
            Layout::Gray => ExtendedColorType::L8,
            Layout::Rgb => ExtendedColorType::Rgb8,
            Layout::Rgba => ExtendedColorType::Rgba8,
        };
        let mut file = Vec::with_capacity(pixels.len() + 2048);
        let written = BmpEncoder::new(&mut file).encode(&pixels, width, height, kind);
        written.map_err(|error| ImageError::Unsupported(format!("BMP of {width}x{height} pixels ({error})")))?;
        if let Some(density) = self.density {
            // An inch has 0.0254 metres.
            let of_metre = (f64::from(density) / 0.0254).round() as u32;
            file[RESOLUTION].copy_from_slice(&[of_metre.to_le_bytes(), of_metre.to_le_bytes()].concat());
        }
        self.file = Some(file);
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Vec<u8>, ImageError> {
        self.file.ok_or_else(|| ImageError::Unsupported("a BMP without picture".to_owned()))
    }
}

#[cfg(test)]
mod tests;
