//! APNG (PNG third edition §§11.3.6, 13): compressed frames are appended as they come, the number of frames is filled in at the end.

use std::time::Duration;

use super::Ancillary;
use super::packed::Packed;
use crate::encode::changes::changed;
use crate::png_chunks::{SIGNATURE, chunks, push};
use crate::{Frame, ImageError};

/// Ways to draw a frame (§11.3.6.2).
const SOURCE: u8 = 0;
const OVER: u8 = 1;

pub(super) struct Animation {
    fast: bool,
    loops: u16,
    file: Vec<u8>,
    /// Where the chunk with the number of frames begins.
    control: usize,
    frames: u32,
    /// Of the next chunk that belongs to the animation.
    sequence: u32,
    /// RGBA pixels of the last frame.
    shown: Vec<u8>,
}

impl Animation {
    pub(super) fn new(fast: bool, loops: u16) -> Self {
        Self { fast, loops, file: Vec::new(), control: 0, frames: 0, sequence: 0, shown: Vec::new() }
    }

    pub(super) fn write(&mut self, frame: Frame, ancillary: &Ancillary) -> Result<(), ImageError> {
        let Frame { bitmap, delay } = frame;
        let bitmap = bitmap.into_rgba();
        if self.frames == 0 {
            self.first(bitmap.width, bitmap.height, &bitmap.pixels, delay, ancillary)?;
        } else if bitmap.pixels.len() == self.shown.len() {
            self.further(bitmap.width as usize, &bitmap.pixels, delay)?;
        } else {
            return Err(ImageError::Unsupported("frames of different sizes".to_owned()));
        }
        self.frames += 1;
        self.shown = bitmap.pixels;
        Ok(())
    }

    pub(super) fn finish(mut self) -> Option<Vec<u8>> {
        if self.frames == 0 {
            return None;
        }
        let mut control = Vec::new();
        push(&mut control, b"acTL", &[&self.frames.to_be_bytes(), &u32::from(self.loops).to_be_bytes()]);
        self.file[self.control..][..control.len()].copy_from_slice(&control);
        push(&mut self.file, b"IEND", &[]);
        Some(self.file)
    }

    fn first(
        &mut self,
        width: u32,
        height: u32,
        pixels: &[u8],
        delay: Duration,
        ancillary: &Ancillary,
    ) -> Result<(), ImageError> {
        let packed = Packed::rgba(width, height, pixels).compress(self.fast)?;
        self.file.extend_from_slice(&SIGNATURE);
        for chunk in chunks(&packed).into_iter().flatten() {
            match chunk.kind {
                b"IHDR" => {
                    self.file.extend_from_slice(chunk.whole);
                    ancillary.write(&mut self.file, false);
                    self.control = self.file.len();
                    push(&mut self.file, b"acTL", &[&[0; 8]]);
                    self.announce([width, height, 0, 0], delay, SOURCE);
                }
                b"IDAT" => self.file.extend_from_slice(chunk.whole),
                _ => {}
            }
        }
        Ok(())
    }

    /// Only what changed. What did not is left out by transparent pixels, if there is no need to draw some.
    fn further(&mut self, width: usize, pixels: &[u8], delay: Duration) -> Result<(), ImageError> {
        let part = changed(&self.shown, pixels, width);
        let pairs = || {
            part.rows(&self.shown, width)
                .zip(part.rows(pixels, width))
                .flat_map(|(old, new)| old.chunks_exact(4).zip(new.chunks_exact(4)))
        };
        let over = pairs().all(|(old, new)| old == new || new[3] == u8::MAX);
        let mut drawn = Vec::with_capacity(part.width * part.height * 4);
        for (old, new) in pairs() {
            drawn.extend_from_slice(if over && old == new { &[0; 4] } else { new });
        }
        let packed = Packed::rgba(part.width as u32, part.height as u32, &drawn).compress(self.fast)?;
        self.announce(
            [part.width as u32, part.height as u32, part.x as u32, part.y as u32],
            delay,
            if over { OVER } else { SOURCE },
        );
        for chunk in chunks(&packed).into_iter().flatten().filter(|chunk| chunk.kind == b"IDAT") {
            let sequence = self.next().to_be_bytes();
            push(&mut self.file, b"fdAT", &[&sequence, chunk.data]);
        }
        Ok(())
    }

    /// Says what the frame is that follows: width, height, x and y; how long it is shown; how it is drawn.
    fn announce(&mut self, place: [u32; 4], delay: Duration, blend: u8) {
        let mut control = self.next().to_be_bytes().to_vec();
        control.extend(place.iter().flat_map(|number| number.to_be_bytes()));
        let (count, unit) = match u16::try_from(delay.as_millis()) {
            Ok(thousandths) => (thousandths, 1000u16),
            Err(_) => (u16::try_from(delay.as_millis() / 10).unwrap_or(u16::MAX), 100),
        };
        control.extend(count.to_be_bytes());
        control.extend(unit.to_be_bytes());
        // What is drawn stays until it is drawn over.
        control.extend([0, blend]);
        push(&mut self.file, b"fcTL", &[&control]);
    }

    fn next(&mut self) -> u32 {
        let sequence = self.sequence;
        self.sequence += 1;
        sequence
    }
}
