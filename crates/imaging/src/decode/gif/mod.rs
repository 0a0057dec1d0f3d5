//! GIF. The background colour of a file is not used, as in browsers: what no frame covers is transparent.

mod outline;
#[cfg(test)]
mod tests;

use std::num::NonZeroU64;
use std::time::Duration;

use gif::{DecodeOptions, Decoder, DecodingError, DisposalMethod, MemoryLimit};

use self::outline::Outline;
use super::canvas::{Canvas, Disposal, Rectangle, part, shown_for};
use super::{Header, Opened, Wish, still};
use crate::{Format, Frame, ImageError, Limits, Metadata, Region};

/// What the blocks say, without decoding; frames are counted no further than the limit.
pub(super) fn header(bytes: &[u8], limits: &Limits) -> Result<Header, ImageError> {
    header_of(&Outline::read(bytes, limits.max_frames)?, limits)
}

fn header_of(outline: &Outline, limits: &Limits) -> Result<Header, ImageError> {
    let header = still::header(Format::Gif, u32::from(outline.width), u32::from(outline.height), true, limits)?;
    Ok(Header { frames: outline.frames, ..header })
}

/// Frames with a delay of less than two hundredths of a second get a tenth, as in browsers.
pub(crate) fn open<'a>(bytes: &'a [u8], wish: &Wish, limits: &Limits) -> Result<Opened<'a>, ImageError> {
    let outline = Outline::read(bytes, limits.max_frames)?;
    let header = header_of(&outline, limits)?;
    let frames = if wish.still { 1 } else { header.frames };
    let area = (u64::from(header.width) * u64::from(header.height)).saturating_mul(u64::from(frames));
    let drawn = if wish.still { outline.first_area } else { outline.area };
    if frames > limits.max_frames || area.max(drawn) > limits.max_pixels {
        return Err(ImageError::TooLarge(format!("{frames} frames of {}x{} pixels", header.width, header.height)));
    }
    let decoder = still::guarded(|| decoder(bytes, limits))?;
    let metadata = Metadata {
        icc: decoder.icc_profile().map(<[u8]>::to_vec),
        xmp: decoder.xmp_metadata().map(<[u8]>::to_vec),
        ..Metadata::default()
    };
    let part = part(wish.region, header.width, header.height);
    let shows = Region { x: part.x as f64, y: part.y as f64, width: part.width as f64, height: part.height as f64 };
    let canvas = Canvas::new(header.width, header.height);
    let mut animation =
        Animation { decoder, canvas, part, still: frames == 1, indices: Vec::new(), most: limits.max_pixels };
    let frames = still::several(frames, move || animation.draw());
    Ok(Opened { header, metadata, loops: outline.loops, shows, frames })
}

fn decoder<'a>(bytes: &'a [u8], limits: &Limits) -> Result<Decoder<&'a [u8]>, ImageError> {
    let mut options = DecodeOptions::new();
    options.set_memory_limit(NonZeroU64::new(limits.max_pixels).map_or(MemoryLimit::Unlimited, MemoryLimit::Bytes));
    options.allow_unknown_blocks(true);
    options.read_info(bytes).map_err(failed)
}

struct Animation<'a> {
    decoder: Decoder<&'a [u8]>,
    canvas: Canvas,
    part: Rectangle,
    /// Only one frame will be given.
    still: bool,
    /// The frame as it is stored.
    indices: Vec<u8>,
    /// Most pixels of a frame.
    most: u64,
}

impl Animation<'_> {
    fn draw(&mut self) -> Result<Frame, ImageError> {
        let ended = || ImageError::Broken("too few frames".to_owned());
        let frame = self.decoder.next_frame_info().map_err(failed)?.ok_or_else(ended)?;
        let (width, height) = (usize::from(frame.width), usize::from(frame.height));
        let covers = Rectangle { x: usize::from(frame.left), y: usize::from(frame.top), width, height };
        let (delay, dispose, transparent) = (frame.delay, frame.dispose, frame.transparent);
        let area = width * height;
        if area as u64 > self.most {
            return Err(ImageError::TooLarge(format!("a frame of {width}x{height} pixels")));
        }
        let colours = colours(self.decoder.palette().map_err(failed)?, transparent);
        self.indices.resize(area, 0);
        if area > 0 {
            self.decoder.read_into_buffer(&mut self.indices).map_err(failed)?;
        }
        let disposal = match dispose {
            DisposalMethod::Any | DisposalMethod::Keep => Disposal::Keep,
            DisposalMethod::Background => Disposal::Clear,
            DisposalMethod::Previous => Disposal::Restore,
        };
        let visible = self.canvas.begin(covers, disposal);
        for row in 0..visible.height {
            let indices = &self.indices[row * width..][..visible.width];
            draw(self.canvas.row(row), indices, &colours);
        }
        let delay = if self.still { Duration::ZERO } else { shown_for(Duration::from_millis(10 * u64::from(delay))) };
        self.canvas.shown(self.part, delay)
    }
}

/// The colours of all indices; those that the palette does not have are transparent.
fn colours(palette: &[u8], transparent: Option<u8>) -> [[u8; 4]; 256] {
    let mut colours = [[0; 4]; 256];
    for (colour, entry) in colours.iter_mut().zip(palette.chunks_exact(3)) {
        *colour = [entry[0], entry[1], entry[2], u8::MAX];
    }
    if let Some(index) = transparent {
        colours[usize::from(index)] = [0; 4];
    }
    colours
}

fn draw(below: &mut [u8], indices: &[u8], colours: &[[u8; 4]; 256]) {
    for (below, index) in below.chunks_exact_mut(4).zip(indices) {
        let colour = colours[usize::from(*index)];
        if colour[3] != 0 {
            below.copy_from_slice(&colour);
        }
    }
}

fn failed(error: DecodingError) -> ImageError {
    match error {
        DecodingError::MemoryLimit | DecodingError::OutOfMemory => {
            ImageError::TooLarge("a frame needs too much memory".to_owned())
        }
        other => ImageError::Broken(other.to_string()),
    }
}
