//! The rows of a PNG, in eight bits and one of our layouts.

use std::io::Cursor;

use png::{BitDepth, ColorType, DecodingError, FrameControl, InterlaceInfo, Transformations};

use super::outline::Outline;
use crate::{ImageError, Layout};

/// What the library may allocate beside rows: chunks that it looks at.
const MAX_CHUNKS: usize = 64 << 20;

/// Gives one row after the other, interlaced ones in the order of the file.
pub(super) struct Rows<'a> {
    reader: png::Reader<Cursor<&'a [u8]>>,
    /// Samples of a pixel as the library gives them.
    samples: usize,
    wide: bool,
    layout: Layout,
    /// A row as the library gives it.
    raw: Vec<u8>,
}

impl<'a> Rows<'a> {
    /// Reads up to the first pixels. Texts and the profile were read already, with limits that the library does not have.
    pub(super) fn open(bytes: &'a [u8], outline: &Outline<'_>) -> Result<Self, ImageError> {
        let frames = outline.frames.unwrap_or(0) as usize;
        // The library counts a row, of at most eight bytes a pixel, for every frame.
        let rows = (outline.width as usize).saturating_mul(8).saturating_mul(frames + 2);
        let mut decoder =
            png::Decoder::new_with_limits(Cursor::new(bytes), png::Limits { bytes: MAX_CHUNKS.saturating_add(rows) });
        decoder.set_ignore_text_chunk(true);
        decoder.set_ignore_iccp_chunk(true);
        decoder.set_transformations(Transformations::EXPAND);
        let reader = decoder.read_info().map_err(failed)?;
        let (colour, depth) = reader.output_color_type();
        let layout = match (outline.frames, colour) {
            (Some(_), _) | (_, ColorType::GrayscaleAlpha | ColorType::Rgba) => Layout::Rgba,
            (_, ColorType::Grayscale) => Layout::Gray,
            (_, ColorType::Rgb | ColorType::Indexed) => Layout::Rgb,
        };
        Ok(Self { reader, samples: colour.samples(), wide: depth == BitDepth::Sixteen, layout, raw: Vec::new() })
    }

    /// How pixels lie; those of an animation always have opacity.
    pub(super) fn layout(&self) -> Layout {
        self.layout
    }

    pub(super) fn interlaced(&self) -> bool {
        self.reader.info().interlaced
    }

    /// What the file says about the frame whose rows come.
    pub(super) fn control(&self) -> Option<FrameControl> {
        self.reader.info().frame_control
    }

    /// Goes on to the next frame, or past a picture that is not part of the animation.
    pub(super) fn next_frame(&mut self) -> Result<(), ImageError> {
        self.reader.next_frame_info().map(drop).map_err(failed)
    }

    /// Reads a row into the beginning of `row`, which has room for the longest one.
    pub(super) fn read(&mut self, row: &mut [u8]) -> Result<InterlaceInfo, ImageError> {
        self.next(row)?.ok_or_else(|| ImageError::Broken("too few rows".to_owned()))
    }

    /// As [`Rows::read`]; `None` after the last row of the frame.
    pub(super) fn next(&mut self, row: &mut [u8]) -> Result<Option<InterlaceInfo>, ImageError> {
        let channels = self.layout.channels();
        if self.samples == channels && !self.wide {
            return self.reader.read_row(row).map_err(failed);
        }
        let length = row.len() / channels * self.samples;
        self.raw.resize(length << usize::from(self.wide), 0);
        let place = self.reader.read_row(&mut self.raw).map_err(failed)?;
        if self.wide {
            narrow(&mut self.raw);
        }
        spread(&self.raw[..length], self.samples, row, channels);
        Ok(place)
    }
}

/// Sixteen bits, big-endian, to eight in the first half.
fn narrow(raw: &mut [u8]) {
    for index in 0..raw.len() / 2 {
        let level = u32::from(u16::from_be_bytes([raw[2 * index], raw[2 * index + 1]]));
        // Rounded division by 257.
        raw[index] = ((level * 255 + 32_895) >> 16) as u8;
    }
}

/// Samples of one kind of pixel to those of another that holds as much.
fn spread(from: &[u8], samples: usize, to: &mut [u8], channels: usize) {
    match (samples, channels) {
        (1, 4) => {
            to.chunks_exact_mut(4).zip(from).for_each(|(to, from)| to.copy_from_slice(&[*from, *from, *from, u8::MAX]))
        }
        (2, 4) => to
            .chunks_exact_mut(4)
            .zip(from.chunks_exact(2))
            .for_each(|(to, from)| to.copy_from_slice(&[from[0], from[0], from[0], from[1]])),
        (3, 4) => {
            to.chunks_exact_mut(4)
                .zip(from.chunks_exact(3))
                .for_each(|(to, from)| to.copy_from_slice(&[from[0], from[1], from[2], u8::MAX]));
        }
        _ => to[..from.len()].copy_from_slice(from),
    }
}

fn failed(error: DecodingError) -> ImageError {
    match error {
        DecodingError::LimitsExceeded => ImageError::TooLarge("the decoder needs too much memory".to_owned()),
        other => ImageError::Broken(other.to_string()),
    }
}
