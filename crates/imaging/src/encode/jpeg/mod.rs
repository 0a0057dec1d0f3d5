//! JPEG (ITU-T T.81).

pub(crate) mod compress;
#[cfg(test)]
mod tests;

use compress::Effort;

use super::{Encoding, FrameWriter};
pub use crate::jpeg::{repack, strip};
use crate::{Bitmap, Frame, ImageError, Metadata, colour};

const DEFAULT_QUALITY: u8 = 82;
/// From this quality on colour is kept in all pixels. Below, halving it saves a fifth of the bytes and cannot be seen in photographs.
const FULL_COLOUR_QUALITY: u8 = 90;
/// Up to so many pixels Huffman tables are made for the picture: that saves 1 % of the bytes and, for 12 million pixels, takes 90 ms of 126.
const OPTIMISED_PIXELS: u64 = 2_000_000;
/// Longest side that the format's library writes.
const MAX_SIDE: u32 = 65_500;

pub(crate) fn writer(encoding: &Encoding, metadata: &Metadata) -> Result<Box<dyn FrameWriter>, ImageError> {
    Ok(Box::new(Writer { encoding: *encoding, metadata: metadata.clone(), file: None }))
}

struct Writer {
    encoding: Encoding,
    metadata: Metadata,
    file: Option<Vec<u8>>,
}

impl FrameWriter for Writer {
    fn write(&mut self, frame: Frame) -> Result<(), ImageError> {
        if self.file.is_some() {
            return Err(ImageError::Unsupported("JPEG has no animation".to_owned()));
        }
        let bitmap = frame.bitmap.flattened(self.encoding.ground);
        if bitmap.width.max(bitmap.height) > MAX_SIDE {
            return Err(ImageError::Unsupported(format!("a side of a JPEG has at most {MAX_SIDE} pixels")));
        }
        self.file = Some(self.file_of(bitmap)?);
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Vec<u8>, ImageError> {
        self.file.ok_or_else(|| ImageError::Unsupported("no picture".to_owned()))
    }
}

impl Writer {
    fn file_of(&self, bitmap: Bitmap) -> Result<Vec<u8>, ImageError> {
        let quality = self.encoding.quality.unwrap_or(DEFAULT_QUALITY).clamp(1, 100);
        let parameters = compress::Parameters {
            quality,
            chroma: if quality < FULL_COLOUR_QUALITY { (2, 2) } else { (1, 1) },
            effort: self.effort(&bitmap),
            density: self.encoding.density,
        };
        if !self.encoding.cmyk {
            let channels = bitmap.layout.channels();
            return compress::file(
                &bitmap.pixels,
                (bitmap.width, bitmap.height),
                channels,
                &parameters,
                &self.metadata,
            );
        }
        let (width, height) = (bitmap.width, bitmap.height);
        let mut ink = colour::rgb_to_cmyk(&bitmap.into_colour().pixels);
        // All programs write and expect the inverse, since Adobe's did.
        ink.iter_mut().for_each(|level| *level = !*level);
        compress::file(&ink, (width, height), 4, &parameters, &self.metadata)
    }

    fn effort(&self, bitmap: &Bitmap) -> Effort {
        let pixels = u64::from(bitmap.width) * u64::from(bitmap.height);
        match &self.encoding {
            encoding if encoding.smallest => Effort::Smallest,
            encoding if encoding.progressive => Effort::Progressive,
            encoding if encoding.fast || pixels > OPTIMISED_PIXELS => Effort::Plain,
            _ => Effort::Optimised,
        }
    }
}
