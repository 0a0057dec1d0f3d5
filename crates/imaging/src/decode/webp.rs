//! WebP by libwebp: scaled and cropped stills, animations frame by frame.
#![expect(
    unsafe_code,
    reason = "libwebp is called directly: no safe wrapper offers its scaler, its demuxer and animations"
)]

use std::{ffi::c_int, marker::PhantomData, ptr, slice, time::Duration};

use libwebp_sys as webp;

use super::{FrameReader, Header, Opened, Wish, still};
use crate::{Bitmap, Format, Frame, ImageError, Layout, Limits, Metadata, Region};

#[cfg(test)]
mod tests;

/// Scaling by less than this is left to the resizer, which does it better.
const WORTH_SCALING: f64 = 0.8;

/// Reads header and metadata, and prepares the frames.
pub(super) fn open<'a>(bytes: &'a [u8], wish: &Wish, limits: &Limits) -> Result<Opened<'a>, ImageError> {
    let container = Container::parse(bytes)?;
    let header = container.header();
    let frames = if wish.still { 1 } else { header.frames };
    check(&header, frames, limits)?;
    let metadata = container.metadata();
    if container.is_animation() {
        let reader = Animation::new(bytes, &header, frames)?;
        let shows = Region::whole(header.width, header.height);
        return Ok(Opened { loops: container.loops(), metadata, shows, header, frames: Box::new(reader) });
    }
    let plan = Plan::new(&header, wish);
    let shows = plan.part.region();
    Ok(Opened { shows, ..still::opened(header, metadata, move || plan.decode(bytes)) })
}

/// What the header says, without any pixel.
pub(super) fn header(bytes: &[u8], limits: &Limits) -> Result<Header, ImageError> {
    let header = Container::parse(bytes)?.header();
    check(&header, header.frames, limits)?;
    Ok(header)
}

fn check(header: &Header, frames: u32, limits: &Limits) -> Result<(), ImageError> {
    let pixels = u64::from(header.width) * u64::from(header.height) * u64::from(frames);
    if frames > limits.max_frames || pixels > limits.max_pixels {
        return Err(ImageError::TooLarge(format!("{}×{}, {frames} frames", header.width, header.height)));
    }
    Ok(())
}

fn broken(what: &str) -> ImageError {
    ImageError::Broken(format!("WebP: {what}"))
}

/// The chunks of a complete file.
struct Container<'a> {
    demuxer: *mut webp::WebPDemuxer,
    bytes: PhantomData<&'a [u8]>,
}

impl<'a> Container<'a> {
    fn parse(bytes: &'a [u8]) -> Result<Self, ImageError> {
        let data = webp::WebPData { bytes: bytes.as_ptr(), size: bytes.len() };
        // SAFETY: `data` describes `bytes`, which outlive the demuxer; no partial files, no state wanted.
        let demuxer =
            unsafe { webp::WebPDemuxInternal(&data, 0, ptr::null_mut(), webp::WEBP_DEMUX_ABI_VERSION as c_int) };
        if demuxer.is_null() { Err(broken("incomplete or damaged")) } else { Ok(Self { demuxer, bytes: PhantomData }) }
    }

    fn feature(&self, feature: webp::WebPFormatFeature) -> u32 {
        // SAFETY: the demuxer lives.
        unsafe { webp::WebPDemuxGetI(self.demuxer, feature) }
    }

    fn has(&self, flag: webp::WebPFeatureFlags) -> bool {
        self.feature(webp::WebPFormatFeature::WEBP_FF_FORMAT_FLAGS) & flag as u32 != 0
    }

    fn is_animation(&self) -> bool {
        self.has(webp::WebPFeatureFlags::ANIMATION_FLAG)
    }

    fn loops(&self) -> u16 {
        u16::try_from(self.feature(webp::WebPFormatFeature::WEBP_FF_LOOP_COUNT)).unwrap_or(u16::MAX)
    }

    fn header(&self) -> Header {
        let (width, height) = (
            self.feature(webp::WebPFormatFeature::WEBP_FF_CANVAS_WIDTH),
            self.feature(webp::WebPFormatFeature::WEBP_FF_CANVAS_HEIGHT),
        );
        let alpha = self.has(webp::WebPFeatureFlags::ALPHA_FLAG) || self.shows_ground(width, height);
        let frames = self.feature(webp::WebPFormatFeature::WEBP_FF_FRAME_COUNT);
        Header { format: Format::WebP, width, height, frames, alpha, quality: None, progressive: false }
    }

    /// Whether the transparent ground of an animation may be seen even though its frames are opaque, or frames have opacity samples that the
    /// header conceals.
    fn shows_ground(&self, width: u32, height: u32) -> bool {
        let mut ground = false;
        self.for_each_frame(|frame| {
            let first_is_partial = frame.frame_num == 1 && (frame.width as u32, frame.height as u32) != (width, height);
            let cleared = frame.dispose_method == webp::WebPMuxAnimDispose::WEBP_MUX_DISPOSE_BACKGROUND;
            ground |= frame.has_alpha != 0 || first_is_partial || cleared;
        });
        ground
    }

    fn for_each_frame(&self, mut visit: impl FnMut(&webp::WebPIterator)) {
        // SAFETY: all zeros are what libwebp's own initialisation of an iterator writes; it is released below, and the demuxer lives.
        unsafe {
            let mut frame: webp::WebPIterator = std::mem::zeroed();
            let mut more = webp::WebPDemuxGetFrame(self.demuxer, 1, &mut frame) != 0;
            while more {
                visit(&frame);
                more = webp::WebPDemuxNextFrame(&mut frame) != 0;
            }
            webp::WebPDemuxReleaseIterator(&mut frame);
        }
    }

    fn metadata(&self) -> Metadata {
        let exif = self.chunk(c"EXIF").map(without_exif_prefix);
        let orientation = exif.as_deref().map(crate::exif::orientation).unwrap_or_default();
        Metadata { icc: self.chunk(c"ICCP"), exif, xmp: self.chunk(c"XMP "), orientation }
    }

    fn chunk(&self, name: &std::ffi::CStr) -> Option<Vec<u8>> {
        // SAFETY: as in `for_each_frame`; a chunk that was found lies in the bytes that were parsed.
        unsafe {
            let mut chunk: webp::WebPChunkIterator = std::mem::zeroed();
            let found = webp::WebPDemuxGetChunk(self.demuxer, name.as_ptr(), 1, &mut chunk) != 0;
            let content = (found && chunk.chunk.size > 0)
                .then(|| slice::from_raw_parts(chunk.chunk.bytes, chunk.chunk.size).to_vec());
            webp::WebPDemuxReleaseChunkIterator(&mut chunk);
            content
        }
    }
}

impl Drop for Container<'_> {
    fn drop(&mut self) {
        // SAFETY: made by `parse`, deleted once.
        unsafe { webp::WebPDemuxDelete(self.demuxer) }
    }
}

/// Some writers put the prefix that EXIF has in a JPEG before the TIFF structure.
fn without_exif_prefix(mut exif: Vec<u8>) -> Vec<u8> {
    if exif.starts_with(b"Exif\0\0") {
        exif.drain(..6);
    }
    exif
}

/// A rectangle of whole pixels.
#[derive(Clone, Copy)]
struct Part {
    x: u32,
    y: u32,
    width: u32,
    height: u32,
}

impl Part {
    /// The smallest part that libwebp can crop to (its corner is even) and that holds the region.
    fn around(region: Region, width: u32, height: u32) -> Self {
        let start = |edge: f64, length: u32| (edge.max(0.0) as u32).min(length - 1) & !1;
        let end = |edge: f64, start: u32, length: u32| (edge.ceil() as u32).clamp(start + 1, length);
        let (x, y) = (start(region.x, width), start(region.y, height));
        let right = end(region.x + region.width, x, width);
        let bottom = end(region.y + region.height, y, height);
        Self { x, y, width: right - x, height: bottom - y }
    }

    fn region(self) -> Region {
        Region { x: self.x.into(), y: self.y.into(), width: self.width.into(), height: self.height.into() }
    }
}

/// What is decoded of a still picture, and to which size.
struct Plan {
    stored: (u32, u32),
    part: Part,
    width: u32,
    height: u32,
    layout: Layout,
}

impl Plan {
    fn new(header: &Header, wish: &Wish) -> Self {
        let wanted = wish.region.unwrap_or(Region::whole(header.width, header.height));
        let part = Part::around(wanted, header.width, header.height);
        let scale = wish.scaled_to.map_or(1.0, |(width, height)| {
            let needed = |side: u32, of: f64| wish.spare * f64::from(side) / of.max(1.0);
            needed(width, wanted.width).max(needed(height, wanted.height))
        });
        let scale = if scale < WORTH_SCALING { scale } else { 1.0 };
        let side = |stored: u32| ((f64::from(stored) * scale).ceil() as u32).clamp(1, stored);
        let layout = if header.alpha { Layout::Rgba } else { Layout::Rgb };
        let stored = (header.width, header.height);
        Self { stored, part, width: side(part.width), height: side(part.height), layout }
    }

    fn decode(&self, bytes: &[u8]) -> Result<Bitmap, ImageError> {
        let stride = self.width as usize * self.layout.channels();
        let mut pixels = vec![0; stride * self.height as usize];
        let mut config = webp::WebPDecoderConfig::new().map_err(|()| broken("version of the decoder"))?;
        let options = &mut config.options;
        if (self.part.width, self.part.height) != self.stored {
            options.use_cropping = 1;
            (options.crop_left, options.crop_top) = (self.part.x as c_int, self.part.y as c_int);
            (options.crop_width, options.crop_height) = (self.part.width as c_int, self.part.height as c_int);
        }
        if (self.part.width, self.part.height) != (self.width, self.height) {
            options.use_scaling = 1;
            (options.scaled_width, options.scaled_height) = (self.width as c_int, self.height as c_int);
        }
        config.output.colorspace = match self.layout {
            Layout::Rgba => webp::WEBP_CSP_MODE::MODE_RGBA,
            Layout::Gray | Layout::Rgb => webp::WEBP_CSP_MODE::MODE_RGB,
        };
        config.output.is_external_memory = 1;
        config.output.u.RGBA =
            webp::WebPRGBABuffer { rgba: pixels.as_mut_ptr(), stride: stride as c_int, size: pixels.len() };
        // SAFETY: the output is `pixels`, whose size libwebp checks against what it is about to write; `bytes` are only read.
        let status = unsafe { webp::WebPDecode(bytes.as_ptr(), bytes.len(), &mut config) };
        // SAFETY: frees what libwebp allocated beside the external memory.
        unsafe { webp::WebPFreeDecBuffer(&mut config.output) };
        if status != webp::VP8StatusCode::VP8_STATUS_OK {
            return Err(broken(&format!("{status:?}")));
        }
        Bitmap::new(self.width, self.height, self.layout, pixels).ok_or_else(|| broken("no pixels"))
    }
}

/// An animation; libwebp keeps the canvas between frames.
struct Animation<'a> {
    decoder: *mut webp::WebPAnimDecoder,
    bytes: PhantomData<&'a [u8]>,
    header: Header,
    remaining: u32,
    /// Milliseconds from the start to the end of the last frame.
    time: c_int,
}

impl<'a> Animation<'a> {
    fn new(bytes: &'a [u8], header: &Header, frames: u32) -> Result<Self, ImageError> {
        let data = webp::WebPData { bytes: bytes.as_ptr(), size: bytes.len() };
        // SAFETY: the options are plain numbers that libwebp fills; `bytes` outlive the decoder.
        let decoder = unsafe {
            let mut options: webp::WebPAnimDecoderOptions = std::mem::zeroed();
            if webp::WebPAnimDecoderOptionsInit(&mut options) == 0 {
                return Err(broken("version of the decoder"));
            }
            webp::WebPAnimDecoderNew(&data, &options)
        };
        if decoder.is_null() {
            return Err(broken("damaged animation"));
        }
        Ok(Self { decoder, bytes: PhantomData, header: header.clone(), remaining: frames, time: 0 })
    }
}

impl FrameReader for Animation<'_> {
    fn next_frame(&mut self) -> Result<Option<Frame>, ImageError> {
        if self.remaining == 0 {
            return Ok(None);
        }
        self.remaining -= 1;
        let (mut canvas, mut time) = (ptr::null_mut(), 0);
        // SAFETY: the decoder lives; it lends its canvas until the next call.
        let given = unsafe { webp::WebPAnimDecoderGetNext(self.decoder, &mut canvas, &mut time) };
        if given == 0 || canvas.is_null() {
            return Err(broken("damaged frame"));
        }
        let (width, height) = (self.header.width, self.header.height);
        // SAFETY: the canvas has four bytes for each pixel of the size in the header, and is not written while this borrow lives.
        let canvas = unsafe { slice::from_raw_parts(canvas, width as usize * height as usize * 4) };
        let (layout, pixels) =
            if self.header.alpha { (Layout::Rgba, canvas.to_vec()) } else { (Layout::Rgb, without_opacity(canvas)) };
        let bitmap = Bitmap::new(width, height, layout, pixels).ok_or_else(|| broken("no pixels"))?;
        let delay = Duration::from_millis(time.saturating_sub(self.time).max(0) as u64);
        self.time = time;
        Ok(Some(Frame { bitmap, delay }))
    }
}

impl Drop for Animation<'_> {
    fn drop(&mut self) {
        // SAFETY: made by `new`, deleted once.
        unsafe { webp::WebPAnimDecoderDelete(self.decoder) }
    }
}

fn without_opacity(rgba: &[u8]) -> Vec<u8> {
    let mut rgb = vec![0; rgba.len() / 4 * 3];
    for (to, from) in rgb.chunks_exact_mut(3).zip(rgba.chunks_exact(4)) {
        to.copy_from_slice(&from[..3]);
    }
    rgb
}
