//! JPEG XL by `jxl-oxide`.
//!
//! The library gets the bare codestream: what else a container holds may be compressed without bound, and is not needed.

mod container;

use std::time::Duration;

use jxl_oxide::{
    AllocTracker, EnumColourEncoding, ExtraChannelType, InitializeResult, JxlImage, RenderingIntent,
    image::color::ColourEncoding,
};

use super::{FrameReader, Header, Opened, Wish, still};
use crate::{Bitmap, Format, Frame, ImageError, Layout, Limits, Metadata, Region};

/// Bytes fed at once until the header is complete.
const PIECE: usize = 4096;
/// Bytes that the library may use: so many, and so many more for each pixel.
const MEMORY: usize = 64 << 20;
const MEMORY_OF_PIXEL: usize = 96;

/// An error of the library.
fn broken(error: impl std::fmt::Display) -> ImageError {
    ImageError::Broken(error.to_string())
}

pub(super) fn header(bytes: &[u8], limits: &Limits) -> Result<Header, ImageError> {
    still::guarded(|| described(&started(&container::codestream(bytes)?)?.0, limits))
}

pub(super) fn open<'a>(bytes: &'a [u8], wish: &Wish, limits: &Limits) -> Result<Opened<'a>, ImageError> {
    still::guarded(|| {
        let codestream = container::codestream(bytes)?;
        let (mut image, fed) = started(&codestream)?;
        let mut header = described(&image, limits)?;
        image.feed_bytes(&codestream[fed..]).map_err(broken)?;
        if !image.is_loading_done() {
            return Err(ImageError::Broken("the picture ends too early".to_owned()));
        }
        let frames = image.num_loaded_keyframes();
        header.frames = u32::try_from(frames).unwrap_or(u32::MAX);
        let shown = if wish.still { 1 } else { frames as u64 };
        let pixels = u64::from(header.width) * u64::from(header.height);
        if shown > u64::from(limits.max_frames) || shown.saturating_mul(pixels) > limits.max_pixels {
            return Err(ImageError::TooLarge(format!("{frames} frames of {}x{} pixels", header.width, header.height)));
        }
        let metadata = coloured(&mut image, container::exif(bytes), container::xmp(bytes));
        let animation = image.image_header().metadata.animation.as_ref();
        let loops = animation.map_or(0, |animation| u16::try_from(animation.num_loops).unwrap_or(0));
        let tick = animation
            .map_or(0.0, |animation| f64::from(animation.tps_denominator) / f64::from(animation.tps_numerator.max(1)));
        let shows = Region::whole(header.width, header.height);
        let frames =
            Box::new(Frames { premultiplied: is_premultiplied(&image), image, tick, next: 0, end: shown as usize });
        Ok(Opened { header, metadata, loops, shows, frames })
    })
}

/// An image whose header is read, and how many bytes that took.
fn started(codestream: &[u8]) -> Result<(JxlImage, usize), ImageError> {
    let memory = AllocTracker::with_limit(MEMORY);
    let mut image = JxlImage::builder().alloc_tracker(memory.clone()).build_uninit();
    let mut fed = 0;
    for piece in codestream.chunks(PIECE) {
        image.feed_bytes(piece).map_err(broken)?;
        fed += piece.len();
        image = match image.try_init().map_err(broken)? {
            InitializeResult::NeedMoreData(image) => image,
            InitializeResult::Initialized(image) => {
                let pixels = (image.width() as usize).saturating_mul(image.height() as usize);
                memory.expand_limit(pixels.saturating_mul(MEMORY_OF_PIXEL).min(usize::MAX / 4));
                return Ok((image, fed));
            }
        };
    }
    Err(ImageError::Broken("the header ends too early".to_owned()))
}

/// The library turns the picture upright, so these are the sides after that.
fn described(image: &JxlImage, limits: &Limits) -> Result<Header, ImageError> {
    if image.pixel_format().has_black() {
        return Err(ImageError::Unsupported("JPEG XL in CMYK".to_owned()));
    }
    still::header(Format::Jxl, image.width(), image.height(), image.pixel_format().has_alpha(), limits)
}

/// Asks for sRGB where the library can do it; else the profile goes along.
fn coloured(image: &mut JxlImage, exif: Option<Vec<u8>>, xmp: Option<Vec<u8>>) -> Metadata {
    let header = &image.image_header().metadata;
    let gray = image.pixel_format().is_grayscale();
    let known = matches!(header.colour_encoding, ColourEncoding::Enum(_));
    // The library changes no primaries of samples that are kept as they were.
    let icc = if header.xyb_encoded || (known && gray) {
        let intent = RenderingIntent::Relative;
        image.request_color_encoding(if gray {
            EnumColourEncoding::gray_srgb(intent)
        } else {
            EnumColourEncoding::srgb(intent)
        });
        None
    } else if known {
        Some(image.rendered_icc())
    } else {
        image.original_icc().map(<[u8]>::to_vec)
    };
    let mut metadata = Metadata { icc, exif, xmp, ..Metadata::default() };
    metadata.set_upright();
    metadata
}

/// Whether colours are multiplied by the opacity.
fn is_premultiplied(image: &JxlImage) -> bool {
    let channels = &image.image_header().metadata.ec_info;
    channels
        .iter()
        .find(|channel| channel.is_alpha())
        .is_some_and(|channel| matches!(channel.ty, ExtraChannelType::Alpha { alpha_associated: true }))
}

struct Frames {
    image: JxlImage,
    premultiplied: bool,
    /// Seconds of a unit of time.
    tick: f64,
    next: usize,
    end: usize,
}

impl FrameReader for Frames {
    fn next_frame(&mut self) -> Result<Option<Frame>, ImageError> {
        if self.next == self.end {
            return Ok(None);
        }
        let frame = still::guarded(|| {
            let render = self.image.render_frame(self.next).map_err(broken)?;
            let mut stream = render.stream();
            let (width, height, channels) = (stream.width(), stream.height(), stream.channels());
            let mut samples = vec![0u8; width as usize * height as usize * channels as usize];
            stream.write_to_buffer(&mut samples);
            let (layout, pixels) = match channels {
                1 => (Layout::Gray, samples),
                2 => (
                    Layout::Rgba,
                    samples.chunks_exact(2).flat_map(|pixel| [pixel[0], pixel[0], pixel[0], pixel[1]]).collect(),
                ),
                3 => (Layout::Rgb, samples),
                4 => (Layout::Rgba, samples),
                _ => return Err(ImageError::Unsupported(format!("JPEG XL of {channels} channels"))),
            };
            let mut bitmap =
                Bitmap::new(width, height, layout, pixels).ok_or_else(|| broken("a frame without pixels"))?;
            if self.premultiplied && layout == Layout::Rgba {
                still::unpremultiply(&mut bitmap.pixels);
            }
            let delay = Duration::try_from_secs_f64(f64::from(render.duration()) * self.tick).unwrap_or_default();
            Ok(Frame { bitmap, delay })
        })?;
        self.next += 1;
        Ok(Some(frame))
    }
}

#[cfg(test)]
mod tests;
