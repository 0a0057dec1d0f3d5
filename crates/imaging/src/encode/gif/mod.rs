//! GIF, a palette for every frame.

mod quantise;
#[cfg(test)]
mod tests;

use std::time::Duration;

use gif::{AnyExtension, DisposalMethod, Encoder, EncodingError, Repeat};

use self::quantise::quantise;
use super::changes::{Changed, changed};
use super::{Encoding, FrameWriter};
use crate::{Frame, ImageError, Metadata};

/// Least opacity of a pixel that is drawn.
const VISIBLE: u8 = 128;

/// Writes each frame when the next one shows whether it has to be cleared away.
pub(super) fn writer(encoding: &Encoding, metadata: &Metadata) -> Result<Box<dyn FrameWriter>, ImageError> {
    Ok(Box::new(Writer {
        encoding: *encoding,
        profile: metadata.icc.clone(),
        encoder: None,
        waiting: None,
        shown: Vec::new(),
    }))
}

struct Writer {
    encoding: Encoding,
    profile: Option<Vec<u8>>,
    encoder: Option<Encoder<Vec<u8>>>,
    waiting: Option<Waiting>,
    /// What the canvas shows before the waiting frame is drawn.
    shown: Vec<u8>,
}

/// A frame that is not written yet.
struct Waiting {
    width: u16,
    height: u16,
    /// RGBA, each opaque or all zero.
    pixels: Vec<u8>,
    delay: Duration,
}

impl FrameWriter for Writer {
    fn write(&mut self, frame: Frame) -> Result<(), ImageError> {
        let next = Waiting::new(frame)?;
        if let Some(waiting) = self.waiting.take() {
            if !self.encoding.animated {
                return Err(ImageError::Unsupported("more than one frame".to_owned()));
            }
            if (waiting.width, waiting.height) != (next.width, next.height) {
                return Err(ImageError::Unsupported("frames of different sizes".to_owned()));
            }
            // What is drawn can be drawn over, but not made transparent one by one.
            let clears =
                waiting.pixels.chunks_exact(4).zip(next.pixels.chunks_exact(4)).any(|(old, new)| old[3] > new[3]);
            self.emit(waiting, clears)?;
        }
        self.waiting = Some(next);
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<Vec<u8>, ImageError> {
        if let Some(waiting) = self.waiting.take() {
            self.emit(waiting, false)?;
        }
        let encoder = self.encoder.ok_or_else(|| ImageError::Unsupported("a picture without frames".to_owned()))?;
        encoder.into_inner().map_err(failed)
    }
}

impl Writer {
    fn emit(&mut self, frame: Waiting, clears: bool) -> Result<(), ImageError> {
        let Waiting { width, height, pixels, delay } = frame;
        let all = Changed { x: 0, y: 0, width: usize::from(width), height: usize::from(height) };
        let first = self.encoder.is_none();
        if first {
            self.shown = vec![0; pixels.len()];
        }
        // Only the part that a frame covers can be cleared.
        let part = if first || clears { all } else { changed(&self.shown, &pixels, all.width) };
        let drawn: Vec<Option<[u8; 3]>> = part
            .rows(&self.shown, all.width)
            .zip(part.rows(&pixels, all.width))
            .flat_map(|(old, new)| old.chunks_exact(4).zip(new.chunks_exact(4)))
            .map(|(old, new)| (old != new).then(|| [new[0], new[1], new[2]]))
            .collect();
        let quantised = quantise(&drawn, part.width, self.encoding.fast)?;
        let indices =
            if self.encoding.progressive { interlaced(&quantised.indices, part.width) } else { quantised.indices };
        let frame = gif::Frame {
            left: part.x as u16,
            top: part.y as u16,
            width: part.width as u16,
            height: part.height as u16,
            delay: if self.encoding.animated { hundredths(delay) } else { 0 },
            dispose: if clears { DisposalMethod::Background } else { DisposalMethod::Keep },
            transparent: quantised.transparent,
            palette: Some(quantised.palette),
            interlaced: self.encoding.progressive,
            buffer: indices.into(),
            ..gif::Frame::default()
        };
        let encoder = match &mut self.encoder {
            Some(encoder) => encoder,
            none => none.insert(begin(width, height, &self.encoding, self.profile.as_deref())?),
        };
        encoder.write_frame(&frame).map_err(failed)?;
        self.shown = if clears { vec![0; pixels.len()] } else { pixels };
        Ok(())
    }
}

impl Waiting {
    fn new(frame: Frame) -> Result<Self, ImageError> {
        let Frame { bitmap, delay } = frame;
        let side = |side: u32| {
            u16::try_from(side)
                .map_err(|_| ImageError::Unsupported("a GIF has sides of at most 65535 pixels".to_owned()))
        };
        let (width, height) = (side(bitmap.width)?, side(bitmap.height)?);
        let mut pixels = bitmap.into_rgba().pixels;
        for pixel in pixels.chunks_exact_mut(4) {
            if pixel[3] < VISIBLE {
                pixel.fill(0);
            } else {
                pixel[3] = u8::MAX;
            }
        }
        Ok(Self { width, height, pixels, delay })
    }
}

fn begin(width: u16, height: u16, encoding: &Encoding, profile: Option<&[u8]>) -> Result<Encoder<Vec<u8>>, ImageError> {
    let mut encoder = Encoder::new(Vec::new(), width, height, &[]).map_err(failed)?;
    if let Some(profile) = profile {
        encoder.write_raw_extension(AnyExtension(0xff), &[b"ICCRGBG1012", profile]).map_err(failed)?;
    }
    // The number tells how often the animation is repeated after it was shown once.
    match (encoding.animated, encoding.loops) {
        (false, _) | (true, 1) => {}
        (true, 0) => encoder.set_repeat(Repeat::Infinite).map_err(failed)?,
        (true, times) => encoder.set_repeat(Repeat::Finite(times - 1)).map_err(failed)?,
    }
    Ok(encoder)
}

/// Hundredths of a second; browsers slow down what asks for less than two.
fn hundredths(delay: Duration) -> u16 {
    u16::try_from((delay.as_millis() + 5) / 10).unwrap_or(u16::MAX).max(2)
}

/// The rows in the order of an interlaced frame (GIF89a appendix E).
fn interlaced(indices: &[u8], width: usize) -> Vec<u8> {
    let pass = |first, step| indices.chunks_exact(width).skip(first).step_by(step).flatten().copied();
    pass(0, 8).chain(pass(4, 8)).chain(pass(2, 4)).chain(pass(1, 2)).collect()
}

fn failed(error: EncodingError) -> ImageError {
    ImageError::Unsupported(error.to_string())
}
