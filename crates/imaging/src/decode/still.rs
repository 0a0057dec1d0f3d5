//! What decoders of still pictures have in common.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use super::{FrameReader, Header, Opened};
use crate::{Bitmap, Format, Frame, ImageError, Limits, Metadata, Region};

/// A picture whose pixels come from `decode`, all of them, when they are asked for.
pub(super) fn opened<'a>(
    header: Header,
    metadata: Metadata,
    decode: impl FnOnce() -> Result<Bitmap, ImageError> + 'a,
) -> Opened<'a> {
    let shows = Region::whole(header.width, header.height);
    Opened { header, metadata, loops: 0, shows, frames: Box::new(Still(Some(decode))) }
}

/// The header of a still picture, if the limits let it through.
pub(super) fn header(
    format: Format,
    width: u32,
    height: u32,
    alpha: bool,
    limits: &Limits,
) -> Result<Header, ImageError> {
    if width == 0 || height == 0 {
        return Err(ImageError::Broken("a side of 0 pixels".to_owned()));
    }
    if u64::from(width) * u64::from(height) > limits.max_pixels {
        return Err(ImageError::TooLarge(format!("{width}x{height} pixels")));
    }
    Ok(Header { format, width, height, frames: 1, alpha, quality: None, progressive: false })
}

/// Calls a library that may panic on hostile bytes.
pub(super) fn guarded<T>(work: impl FnOnce() -> Result<T, ImageError>) -> Result<T, ImageError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(ImageError::Broken("the decoder gave up".to_owned())))
}

/// Divides the colours of RGBA pixels by their opacity.
pub(super) fn unpremultiply(pixels: &mut [u8]) {
    for pixel in pixels.chunks_exact_mut(4) {
        let opacity = u32::from(pixel[3]);
        if opacity != 0 && opacity != 255 {
            pixel[..3]
                .iter_mut()
                .for_each(|level| *level = ((u32::from(*level) * 255 + opacity / 2) / opacity).min(255) as u8);
        }
    }
}

/// So many frames, each drawn when it is asked for.
pub(super) fn several<'a>(
    count: u32,
    draw: impl FnMut() -> Result<Frame, ImageError> + 'a,
) -> Box<dyn FrameReader + 'a> {
    Box::new(Several { left: count, draw })
}

struct Several<F> {
    left: u32,
    draw: F,
}

impl<F: FnMut() -> Result<Frame, ImageError>> FrameReader for Several<F> {
    fn next_frame(&mut self) -> Result<Option<Frame>, ImageError> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        guarded(&mut self.draw).map(Some)
    }
}

struct Still<F>(Option<F>);

impl<F: FnOnce() -> Result<Bitmap, ImageError>> FrameReader for Still<F> {
    fn next_frame(&mut self) -> Result<Option<Frame>, ImageError> {
        let Some(decode) = self.0.take() else { return Ok(None) };
        Ok(Some(Frame { bitmap: guarded(decode)?, delay: Duration::ZERO }))
    }
}
