//! PNG and APNG.

mod animation;
mod packed;
#[cfg(test)]
mod tests;

use std::io::Write;
use std::panic::catch_unwind;
use std::time::Duration;

use oxipng::{Options, StripChunks};

use self::animation::Animation;
use self::packed::Packed;
use super::{Encoding, FrameWriter};
use crate::png_chunks::{SIGNATURE, chunks, push};
use crate::{Bitmap, Frame, ImageError, Metadata};

/// What trying out filters may take when a file shall be small whatever time it takes; the best until then is used.
const PATIENCE: Duration = Duration::from_secs(20);
/// As [`PATIENCE`] for [`repack`].
const REPACK_PATIENCE: Duration = Duration::from_secs(5);
/// Most bytes of pixels that [`repack`] unpacks: those of the default limit.
const MAX_REPACKED: usize = 400_000_000;
/// Text, EXIF data and time.
const METADATA: [&[u8; 4]; 5] = [b"tEXt", b"zTXt", b"iTXt", b"eXIf", b"tIME"];

/// Writes the first frame, or all of an animation.
pub(super) fn writer(encoding: &Encoding, metadata: &Metadata) -> Result<Box<dyn FrameWriter>, ImageError> {
    let ancillary = Ancillary { metadata: metadata.clone(), density: encoding.density };
    let animation = encoding.animated.then(|| Animation::new(encoding.fast, encoding.loops));
    Ok(Box::new(Writer { encoding: *encoding, ancillary, animation, picture: None }))
}

struct Writer {
    encoding: Encoding,
    ancillary: Ancillary,
    animation: Option<Animation>,
    picture: Option<Vec<u8>>,
}

impl FrameWriter for Writer {
    fn write(&mut self, frame: Frame) -> Result<(), ImageError> {
        if let Some(animation) = &mut self.animation {
            return animation.write(frame, &self.ancillary);
        }
        if self.picture.is_some() {
            return Err(ImageError::Unsupported("more than one frame".to_owned()));
        }
        self.picture = Some(still(&frame.bitmap, &self.ancillary, self.encoding.fast)?);
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Vec<u8>, ImageError> {
        let picture = match self.animation {
            Some(animation) => animation.finish(),
            None => self.picture,
        };
        let picture = picture.ok_or_else(|| ImageError::Unsupported("a picture without frames".to_owned()))?;
        let Encoding { smallest, progressive, .. } = self.encoding;
        if !smallest && !progressive {
            return Ok(picture);
        }
        let mut options = Options::from_preset(if smallest { 3 } else { 0 });
        options.timeout = Some(PATIENCE);
        options.interlace = Some(progressive);
        options.force = progressive;
        Ok(oxipng::optimize_from_memory(&picture, &options).unwrap_or(picture))
    }
}

fn still(bitmap: &Bitmap, ancillary: &Ancillary, fast: bool) -> Result<Vec<u8>, ImageError> {
    let packed = Packed::new(bitmap, ancillary.metadata.icc.is_some()).compress(fast)?;
    let mut file = Vec::with_capacity(packed.len());
    file.extend_from_slice(&SIGNATURE);
    for chunk in chunks(&packed).into_iter().flatten() {
        file.extend_from_slice(chunk.whole);
        if chunk.kind == b"IHDR" {
            ancillary.write(&mut file, bitmap.layout == crate::Layout::Gray);
        }
    }
    Ok(file)
}

/// What a file carries beside pixels.
struct Ancillary {
    metadata: Metadata,
    /// Dots per inch.
    density: Option<u16>,
}

impl Ancillary {
    /// Appends the chunks that stand between header and palette. A profile of another kind of colours than the pixels would make the file invalid.
    fn write(&self, file: &mut Vec<u8>, gray: bool) {
        let fits = |profile: &&Vec<u8>| profile.get(16..20).is_none_or(|kind| (kind == b"GRAY") == gray);
        if let Some(profile) = self.metadata.icc.as_ref().filter(fits).and_then(|profile| deflated(profile)) {
            push(file, b"iCCP", &[b"ICC profile\0\0", &profile]);
        }
        if let Some(density) = self.density {
            // Dots per metre, the same in both directions.
            let dots = ((f64::from(density) / 0.0254).round() as u32).to_be_bytes();
            push(file, b"pHYs", &[&dots, &dots, &[1]]);
        }
        if let Some(exif) = &self.metadata.exif {
            push(file, b"eXIf", &[exif]);
        }
        if let Some(xmp) = &self.metadata.xmp {
            push(file, b"iTXt", &[b"XML:com.adobe.xmp\0\0\0\0\0", xmp]);
        }
    }
}

fn deflated(content: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(content).ok()?;
    encoder.finish().ok()
}

/// The same picture in fewer bytes, or as it was if that cannot be had.
///
/// # Errors
/// Not a PNG, or broken.
pub(crate) fn repack(bytes: &[u8], keep_metadata: bool) -> Result<Vec<u8>, ImageError> {
    let plain = if keep_metadata { bytes.to_vec() } else { strip(bytes)? };
    let mut options = Options::from_preset(2);
    options.timeout = Some(REPACK_PATIENCE);
    options.max_decompressed_size = Some(MAX_REPACKED);
    options.strip = StripChunks::None;
    // What is interlaced was made to be shown early.
    options.interlace = None;
    // The library was not made for hostile bytes.
    let packed = catch_unwind(|| oxipng::optimize_from_memory(&plain, &options))
        .map_err(|_| ImageError::Broken("the optimiser gave up".to_owned()))?;
    let packed = packed.map_err(|error| ImageError::Broken(error.to_string()))?;
    Ok(if packed.len() < plain.len() { packed } else { plain })
}

/// The same pixels without text, EXIF data and time. What decides about colours, density and animation stays.
///
/// # Errors
/// Not a PNG, or cut off.
pub(crate) fn strip(bytes: &[u8]) -> Result<Vec<u8>, ImageError> {
    let mut stripped = Vec::with_capacity(bytes.len());
    stripped.extend_from_slice(&SIGNATURE);
    let mut complete = false;
    for chunk in chunks(bytes).ok_or(ImageError::UnsupportedInput)? {
        complete |= chunk.kind == b"IEND";
        if !METADATA.contains(&chunk.kind) {
            stripped.extend_from_slice(chunk.whole);
        }
    }
    if complete { Ok(stripped) } else { Err(ImageError::Broken("the file is cut off".to_owned())) }
}
