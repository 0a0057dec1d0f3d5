//! AVIF by libavif and aom: stills and sequences, 4:2:0 in BT.601, one thread.
#![expect(unsafe_code, reason = "libavif has no safe wrapper with speed, sequences and metadata")]

use std::{ffi::CStr, slice};

use libavif_sys as avif;

use super::{Encoding, FrameWriter};
use crate::{Bitmap, Frame, ImageError, Layout, Metadata};

mod yuv;

/// On libavif's scale from 0 to 100; by SSIMULACRA2 it looks like WebP 80, a few points under JPEG 82 at 60 % of its bytes.
const DEFAULT_QUALITY: u8 = 65;
/// Edges of transparency show sooner than those of colours, and cost little.
const LEAST_ALPHA_QUALITY: u8 = 80;
/// Units of a frame's time in a second.
const TIMESCALE: u64 = 1000;

/// A writer of a still picture or, if more than one frame will come, of a sequence.
pub(super) fn writer(encoding: &Encoding, metadata: &Metadata) -> Result<Box<dyn FrameWriter>, ImageError> {
    let encoder = Encoder::new(encoding)?;
    Ok(Box::new(Writer { encoder, encoding: *encoding, metadata: metadata.clone(), layout: None }))
}

fn failed(what: &str) -> ImageError {
    ImageError::Unsupported(format!("AVIF: {what}"))
}

fn succeeded(result: avif::avifResult) -> Result<(), ImageError> {
    if result == avif::AVIF_RESULT_OK {
        return Ok(());
    }
    // SAFETY: libavif gives a constant text for every number.
    Err(failed(&unsafe { CStr::from_ptr(avif::avifResultToString(result)) }.to_string_lossy()))
}

struct Writer {
    encoder: Encoder,
    encoding: Encoding,
    metadata: Metadata,
    /// Of the first frame: a sequence has either opacity in all frames or in none, and colour likewise.
    layout: Option<Layout>,
}

impl Writer {
    /// The frame in the layout of the first one. Transparency that comes late is laid on the ground.
    fn alike(&mut self, bitmap: Bitmap) -> Bitmap {
        let first = if self.encoding.animated && bitmap.layout == Layout::Gray { Layout::Rgb } else { bitmap.layout };
        match *self.layout.get_or_insert(first) {
            Layout::Gray => bitmap,
            Layout::Rgb => bitmap.flattened(self.encoding.ground).into_colour(),
            Layout::Rgba => bitmap.into_rgba(),
        }
    }
}

impl FrameWriter for Writer {
    fn write(&mut self, frame: Frame) -> Result<(), ImageError> {
        let first = self.layout.is_none();
        if !first && !self.encoding.animated {
            return Err(failed("only one frame was announced"));
        }
        let bitmap = self.alike(frame.bitmap);
        let mut image = Image::of(&bitmap)?;
        if first {
            image.describe(&self.metadata)?;
        } else if self.metadata.icc.is_some() {
            image.leave_colours_to_profile();
        }
        let duration = u64::try_from(frame.delay.as_millis()).unwrap_or(u64::MAX);
        self.encoder.add(&image, duration, !self.encoding.animated)
    }

    fn finish(self: Box<Self>) -> Result<Vec<u8>, ImageError> {
        self.encoder.finish()
    }
}

/// Owner of libavif's encoder.
struct Encoder(*mut avif::avifEncoder);

impl Encoder {
    fn new(encoding: &Encoding) -> Result<Self, ImageError> {
        // SAFETY: makes an encoder, or gives null.
        let raw = unsafe { avif::avifEncoderCreate() };
        if raw.is_null() {
            return Err(failed("no memory"));
        }
        let encoder = Self(raw);
        let quality = encoding.quality.unwrap_or(DEFAULT_QUALITY).min(100);
        // SAFETY: the encoder was just made and nothing else refers to it.
        let settings = unsafe { &mut *raw };
        settings.codecChoice = avif::AVIF_CODEC_CHOICE_AOM;
        settings.maxThreads = 1;
        settings.speed = match (encoding.smallest, encoding.fast) {
            (true, _) => 6,
            (false, true) => 10,
            // Three times as fast as 8 for 8 % more bytes.
            (false, false) => 9,
        };
        settings.quality = quality.into();
        settings.qualityAlpha = quality.max(LEAST_ALPHA_QUALITY).into();
        settings.timescale = TIMESCALE;
        settings.repetitionCount = match encoding.loops {
            0 => avif::AVIF_REPETITION_COUNT_INFINITE,
            times => i32::from(times) - 1,
        };
        // aom 3.11 takes photographs for screens and then makes them three times as large.
        for tool in [c"enable-palette", c"enable-intrabc"] {
            // SAFETY: the encoder lives; both texts end in zero and are copied.
            succeeded(unsafe { avif::avifEncoderSetCodecSpecificOption(raw, tool.as_ptr(), c"0".as_ptr()) })?;
        }
        Ok(encoder)
    }

    fn add(&mut self, image: &Image, duration: u64, only: bool) -> Result<(), ImageError> {
        let flags = if only { avif::AVIF_ADD_IMAGE_FLAG_SINGLE } else { avif::AVIF_ADD_IMAGE_FLAG_NONE };
        // SAFETY: encoder and image live during the call, which keeps nothing of the image's pixels.
        succeeded(unsafe { avif::avifEncoderAddImage(self.0, image.0, duration, flags) })
    }

    fn finish(self) -> Result<Vec<u8>, ImageError> {
        let mut output = avif::avifRWData::default();
        // SAFETY: the encoder lives; what it writes into `output` is ours, and is freed whatever the result is.
        unsafe {
            let finished = succeeded(avif::avifEncoderFinish(self.0, &mut output));
            let bytes = if output.data.is_null() {
                Vec::new()
            } else {
                slice::from_raw_parts(output.data, output.size).to_vec()
            };
            avif::avifRWDataFree(&mut output);
            finished.map(|()| bytes)
        }
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        // SAFETY: made by `new`, destroyed once.
        unsafe { avif::avifEncoderDestroy(self.0) }
    }
}

/// Owner of an image as libavif keeps it.
struct Image(*mut avif::avifImage);

impl Image {
    fn of(bitmap: &Bitmap) -> Result<Self, ImageError> {
        let format = match bitmap.layout {
            Layout::Gray => avif::AVIF_PIXEL_FORMAT_YUV400,
            Layout::Rgb | Layout::Rgba => avif::AVIF_PIXEL_FORMAT_YUV420,
        };
        // SAFETY: makes an image without pixels, or gives null.
        let raw = unsafe { avif::avifImageCreate(bitmap.width, bitmap.height, 8, format) };
        if raw.is_null() {
            return Err(failed("no memory"));
        }
        let image = Self(raw);
        let planes = match bitmap.layout {
            Layout::Rgba => avif::AVIF_PLANES_ALL,
            Layout::Gray | Layout::Rgb => avif::AVIF_PLANES_YUV,
        };
        // SAFETY: the image was just made; the planes belong to it.
        succeeded(unsafe { avif::avifImageAllocatePlanes(raw, planes) })?;
        // SAFETY: nothing else refers to the image.
        let settings = unsafe { &mut *raw };
        settings.yuvRange = avif::AVIF_RANGE_FULL;
        settings.colorPrimaries = avif::AVIF_COLOR_PRIMARIES_BT709 as u16;
        settings.transferCharacteristics = avif::AVIF_TRANSFER_CHARACTERISTICS_SRGB as u16;
        settings.matrixCoefficients = avif::AVIF_MATRIX_COEFFICIENTS_BT601 as u16;
        image.fill(bitmap);
        Ok(image)
    }

    fn fill(&self, bitmap: &Bitmap) {
        let mut luma = self.plane(avif::AVIF_CHAN_Y);
        match bitmap.layout {
            Layout::Gray => {
                luma.rows().zip(bitmap.rows()).for_each(|(to, from)| to[..from.len()].copy_from_slice(from))
            }
            Layout::Rgb | Layout::Rgba => {
                let (mut u, mut v) = (self.plane(avif::AVIF_CHAN_U), self.plane(avif::AVIF_CHAN_V));
                yuv::convert(bitmap, luma.rows(), u.rows(), v.rows());
            }
        }
        if bitmap.layout == Layout::Rgba {
            let mut alpha = self.plane(avif::AVIF_CHAN_A);
            for (to, from) in alpha.rows().zip(bitmap.rows()) {
                to.iter_mut().zip(from.chunks_exact(4)).for_each(|(to, pixel)| *to = pixel[3]);
            }
        }
    }

    /// A plane that was allocated; each may be asked for once at a time.
    fn plane(&self, channel: avif::avifChannelIndex) -> Plane<'_> {
        let channel = channel as i32;
        // SAFETY: the plane was allocated with these sides, belongs to the image, and no two borrows of one plane live together.
        unsafe {
            let stride = avif::avifImagePlaneRowBytes(self.0, channel) as usize;
            let size = stride * avif::avifImagePlaneHeight(self.0, channel) as usize;
            Plane { stride, bytes: slice::from_raw_parts_mut(avif::avifImagePlane(self.0, channel), size) }
        }
    }

    /// Puts what the picture carries into the image. libavif turns the orientation of EXIF into `irot` and `imir`.
    fn describe(&mut self, metadata: &Metadata) -> Result<(), ImageError> {
        if let Some(icc) = &metadata.icc {
            // SAFETY: the image lives; the profile is copied.
            succeeded(unsafe { avif::avifImageSetProfileICC(self.0, icc.as_ptr(), icc.len()) })?;
            self.leave_colours_to_profile();
        }
        if let Some(exif) = metadata.exif.as_deref().filter(|exif| is_tiff_structure(exif)) {
            // SAFETY: as above.
            succeeded(unsafe { avif::avifImageSetMetadataExif(self.0, exif.as_ptr(), exif.len()) })?;
        }
        if let Some(xmp) = &metadata.xmp {
            // SAFETY: as above.
            succeeded(unsafe { avif::avifImageSetMetadataXMP(self.0, xmp.as_ptr(), xmp.len()) })?;
        }
        Ok(())
    }

    fn leave_colours_to_profile(&mut self) {
        // SAFETY: nothing else refers to the image.
        let settings = unsafe { &mut *self.0 };
        settings.colorPrimaries = avif::AVIF_COLOR_PRIMARIES_UNSPECIFIED as u16;
        settings.transferCharacteristics = avif::AVIF_TRANSFER_CHARACTERISTICS_UNSPECIFIED as u16;
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        // SAFETY: made by `of`, destroyed once.
        unsafe { avif::avifImageDestroy(self.0) }
    }
}

struct Plane<'a> {
    bytes: &'a mut [u8],
    stride: usize,
}

impl Plane<'_> {
    fn rows(&mut self) -> slice::ChunksExactMut<'_, u8> {
        self.bytes.chunks_exact_mut(self.stride)
    }
}

/// Whether libavif will take it; it refuses the whole picture otherwise.
fn is_tiff_structure(exif: &[u8]) -> bool {
    exif.starts_with(b"II*\0") || exif.starts_with(b"MM\0*")
}
