//! AVIF by libavif and aom: stills, grids and sequences, brought to eight bits and upright.
//!
//! Colours without a profile that lie in Display P3 or BT.2020 get the profile that says so. High dynamic range (PQ, HLG) is not mapped
//! to the screen: its samples are taken as they are.
#![expect(unsafe_code, reason = "libavif has no safe wrapper with limits, sequences and metadata")]

use std::{ffi::CStr, marker::PhantomData, slice, time::Duration};

use libavif_sys as avif;

use super::{FrameReader, Header, Opened, Wish};
use crate::{Bitmap, Format, Frame, ImageError, Limits, Metadata, Orientation, Region, steps::geometry::turned};

mod pixels;
#[cfg(test)]
mod tests;
mod yuv;

/// Reads header and metadata, and prepares the frames.
pub(super) fn open<'a>(bytes: &'a [u8], wish: &Wish, limits: &Limits) -> Result<Opened<'a>, ImageError> {
    let decoder = Decoder::parse(bytes, limits)?;
    let header = decoder.header();
    let remaining = if wish.still { 1 } else { header.frames };
    check(&header, remaining, limits)?;
    Ok(Opened {
        metadata: decoder.metadata(),
        loops: decoder.loops(),
        shows: Region::whole(header.width, header.height),
        frames: Box::new(Frames { decoder, remaining, animated: header.frames > 1 }),
        header,
    })
}

/// What the header says, without any pixel.
pub(super) fn header(bytes: &[u8], limits: &Limits) -> Result<Header, ImageError> {
    let header = Decoder::parse(bytes, limits)?.header();
    check(&header, header.frames, limits)?;
    Ok(header)
}

fn check(header: &Header, frames: u32, limits: &Limits) -> Result<(), ImageError> {
    let pixels = u64::from(header.width) * u64::from(header.height) * u64::from(frames);
    if pixels > limits.max_pixels {
        return Err(ImageError::TooLarge(format!("{}×{}, {frames} frames", header.width, header.height)));
    }
    Ok(())
}

fn broken(what: &str) -> ImageError {
    ImageError::Broken(format!("AVIF: {what}"))
}

/// Owner of libavif's decoder, which reads from borrowed bytes.
struct Decoder<'a> {
    raw: *mut avif::avifDecoder,
    bytes: PhantomData<&'a [u8]>,
}

impl<'a> Decoder<'a> {
    /// Reads all boxes; limits hold before anything is allocated by what they say.
    fn parse(bytes: &'a [u8], limits: &Limits) -> Result<Self, ImageError> {
        // SAFETY: makes a decoder, or gives null.
        let raw = unsafe { avif::avifDecoderCreate() };
        if raw.is_null() {
            return Err(broken("no memory"));
        }
        let decoder = Self { raw, bytes: PhantomData };
        let largest = avif::AVIF_DEFAULT_IMAGE_SIZE_LIMIT;
        // SAFETY: the decoder was just made and nothing else refers to it.
        let settings = unsafe { &mut *raw };
        settings.codecChoice = avif::AVIF_CODEC_CHOICE_AOM;
        settings.maxThreads = 1;
        settings.imageSizeLimit = u32::try_from(limits.max_pixels).map_or(largest, |pixels| pixels.clamp(1, largest));
        settings.imageDimensionLimit = avif::AVIF_DEFAULT_IMAGE_DIMENSION_LIMIT;
        settings.imageCountLimit = limits.max_frames.max(1);
        // Older encoders left out what the specification came to require; all browsers show their files.
        settings.strictFlags = avif::AVIF_STRICT_DISABLED;
        // SAFETY: the bytes outlive the decoder, which only reads them.
        let result = unsafe {
            match avif::avifDecoderSetIOMemory(raw, bytes.as_ptr(), bytes.len()) {
                avif::AVIF_RESULT_OK => avif::avifDecoderParse(raw),
                failed => failed,
            }
        };
        decoder.succeeded(result).map(|()| decoder)
    }

    fn succeeded(&self, result: avif::avifResult) -> Result<(), ImageError> {
        if result == avif::AVIF_RESULT_OK {
            return Ok(());
        }
        // SAFETY: both texts end in zero and live as long as the decoder.
        let (text, detail) = unsafe {
            (CStr::from_ptr(avif::avifResultToString(result)), CStr::from_ptr((*self.raw).diag.error.as_ptr()))
        };
        let detail = detail.to_string_lossy();
        // libavif has no code of its own for what its limits refuse.
        if detail.contains("too large") || detail.contains("imageCountLimit") {
            return Err(ImageError::TooLarge(detail.into_owned()));
        }
        Err(broken(format!("{} {detail}", text.to_string_lossy()).trim_end()))
    }

    fn state(&self) -> &avif::avifDecoder {
        // SAFETY: the decoder lives, and changes only behind `&mut self`.
        unsafe { &*self.raw }
    }

    fn image(&self) -> &avif::avifImage {
        // SAFETY: a decoder that has parsed its input has an image.
        unsafe { &*self.state().image }
    }

    /// The visible part of the stored pixels (`clap`), which lies inside of them.
    fn visible(&self) -> avif::avifCropRect {
        let image = self.image();
        let mut rectangle = avif::avifCropRect { x: 0, y: 0, width: image.width, height: image.height };
        if image.transformFlags & avif::AVIF_TRANSFORM_CLAP != 0 {
            let (mut cropped, mut diagnostics) = (rectangle, avif::avifDiagnostics::default());
            // SAFETY: only plain values are read and written.
            let valid = unsafe {
                avif::avifCropRectConvertCleanApertureBox(
                    &mut cropped,
                    &image.clap,
                    image.width,
                    image.height,
                    image.yuvFormat,
                    &mut diagnostics,
                )
            };
            let inside = cropped.x.checked_add(cropped.width).is_some_and(|right| right <= image.width)
                && cropped.y.checked_add(cropped.height).is_some_and(|bottom| bottom <= image.height);
            if valid != 0 && inside && cropped.width > 0 && cropped.height > 0 {
                rectangle = cropped;
            }
        }
        rectangle
    }

    /// Quarter turns clockwise, then whether it is mirrored left-right (`irot`, then `imir`).
    fn turn(&self) -> (u8, bool) {
        let image = self.image();
        let rotated = image.transformFlags & avif::AVIF_TRANSFORM_IROT != 0;
        let turns = if rotated { (4 - image.irot.angle % 4) % 4 } else { 0 };
        if image.transformFlags & avif::AVIF_TRANSFORM_IMIR == 0 {
            return (turns, false);
        }
        // Upside down is half a turn and left-right.
        ((turns + if image.imir.axis == 0 { 2 } else { 0 }) % 4, true)
    }

    fn header(&self) -> Header {
        let visible = self.visible();
        let (turns, _) = self.turn();
        let (width, height) =
            if turns % 2 == 0 { (visible.width, visible.height) } else { (visible.height, visible.width) };
        let frames = u32::try_from(self.state().imageCount).unwrap_or(0).max(1);
        let alpha = self.state().alphaPresent != 0;
        Header { format: Format::Avif, width, height, frames, alpha, quality: None, progressive: false }
    }

    fn loops(&self) -> u16 {
        if self.state().imageCount < 2 {
            return 0;
        }
        // Negative: for ever, or nothing is said. The first showing is no repetition.
        u16::try_from(self.state().repetitionCount).map_or(0, |repetitions| repetitions.saturating_add(1))
    }

    fn metadata(&self) -> Metadata {
        let image = self.image();
        let icc = copied(&image.icc).or_else(|| {
            pixels::profile_of(image.colorPrimaries, image.transferCharacteristics).filter(|_| !is_gray(image))
        });
        let exif = copied(&image.exif).and_then(tiff_structure);
        let mut metadata = Metadata { icc, exif, xmp: copied(&image.xmp), orientation: Orientation::Upright };
        metadata.set_upright();
        metadata
    }
}

impl Drop for Decoder<'_> {
    fn drop(&mut self) {
        // SAFETY: made by `parse`, destroyed once.
        unsafe { avif::avifDecoderDestroy(self.raw) }
    }
}

fn is_gray(image: &avif::avifImage) -> bool {
    image.yuvFormat == avif::AVIF_PIXEL_FORMAT_YUV400
}

fn copied(data: &avif::avifRWData) -> Option<Vec<u8>> {
    // SAFETY: libavif keeps `size` bytes at `data` for as long as the image lives.
    (!data.data.is_null() && data.size > 0).then(|| unsafe { slice::from_raw_parts(data.data, data.size) }.to_vec())
}

/// EXIF without what writers put before the TIFF structure.
fn tiff_structure(mut exif: Vec<u8>) -> Option<Vec<u8>> {
    let mut offset = 0;
    // SAFETY: reads within the given bytes, writes the offset.
    let found = unsafe { avif::avifGetExifTiffHeaderOffset(exif.as_ptr(), exif.len(), &mut offset) };
    if found != avif::AVIF_RESULT_OK || offset > exif.len() {
        return None;
    }
    exif.drain(..offset);
    Some(exif)
}

struct Frames<'a> {
    decoder: Decoder<'a>,
    remaining: u32,
    animated: bool,
}

impl FrameReader for Frames<'_> {
    fn next_frame(&mut self) -> Result<Option<Frame>, ImageError> {
        if self.remaining == 0 {
            return Ok(None);
        }
        self.remaining -= 1;
        let (visible, (turns, mirrored)) = (self.decoder.visible(), self.decoder.turn());
        // SAFETY: the decoder lives.
        let result = unsafe { avif::avifDecoderNextImage(self.decoder.raw) };
        self.decoder.succeeded(result)?;
        let bitmap = self.bitmap(visible)?;
        let delay = match Duration::try_from_secs_f64(self.decoder.state().imageTiming.duration) {
            Ok(delay) if self.animated => delay,
            _ => Duration::ZERO,
        };
        Ok(Some(Frame { bitmap: turned(bitmap, turns, mirrored), delay }))
    }
}

impl Frames<'_> {
    /// The visible part of the current image.
    fn bitmap(&self, visible: avif::avifCropRect) -> Result<Bitmap, ImageError> {
        let image = self.decoder.image();
        let right = visible.x.checked_add(visible.width);
        let bottom = visible.y.checked_add(visible.height);
        if right.is_none_or(|right| right > image.width) || bottom.is_none_or(|bottom| bottom > image.height) {
            return Err(broken("the sides of a frame change"));
        }
        let bitmap = pixels::bitmap(image)?;
        Ok(pixels::cropped(bitmap, visible.x, visible.y, visible.width, visible.height))
    }
}
