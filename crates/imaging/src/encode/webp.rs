//! WebP by libwebp: lossy stills and animations, and metadata of files without encoding them again.
#![expect(
    unsafe_code,
    reason = "libwebp is called directly: no safe wrapper offers its methods, animations and chunks together"
)]

use std::{
    ffi::{CStr, c_int, c_void},
    ptr, slice,
    time::Duration,
};

use libwebp_sys as webp;

use super::{Encoding, FrameWriter};
use crate::{Bitmap, Frame, ImageError, Layout, Metadata};

/// As sharp and imgproxy; measured to look like a JPEG of the same number.
const DEFAULT_QUALITY: u8 = 80;

/// A writer of a still picture or, if more than one frame will come, of an animation.
pub(super) fn writer(encoding: &Encoding, metadata: &Metadata) -> Result<Box<dyn FrameWriter>, ImageError> {
    let config = config(encoding)?;
    let metadata = metadata.clone();
    Ok(if encoding.animated {
        let output = Animation { encoder: None, encoding: *encoding, config, metadata, time: Duration::ZERO };
        Box::new(output)
    } else {
        Box::new(Still { encoded: None, config, metadata })
    })
}

/// Removes EXIF and XMP, and keeps pixels and colour profile as they are (spec 11, `compress`). The orientation that EXIF names is lost: bake it
/// into the pixels of a picture that is not upright instead.
///
/// # Errors
/// Not a complete WebP file.
pub fn strip(bytes: &[u8]) -> Result<Vec<u8>, ImageError> {
    let mut mux = Mux::parse(bytes)?;
    if mux.remove(c"EXIF") | mux.remove(c"XMP ") { mux.assemble() } else { Ok(bytes.to_vec()) }
}

fn config(encoding: &Encoding) -> Result<webp::WebPConfig, ImageError> {
    let mut config = webp::WebPConfig::new().map_err(|()| failed("version of the encoder"))?;
    config.quality = f32::from(encoding.quality.unwrap_or(DEFAULT_QUALITY).min(100));
    config.method = match (encoding.smallest, encoding.fast) {
        (true, _) => 6,
        // Half the time of method 4 for 2 % more bytes.
        (false, true) => 2,
        (false, false) => 4,
    };
    config.alpha_filtering = if encoding.smallest { 2 } else { 1 };
    Ok(config)
}

fn failed(what: &str) -> ImageError {
    ImageError::Unsupported(format!("WebP: {what}"))
}

/// The pixels as libwebp keeps them.
struct Picture(webp::WebPPicture);

impl Picture {
    /// Imports pixels: as ARGB, which the animation encoder compares, or at once as YUV.
    fn import(bitmap: Bitmap, argb: bool) -> Result<Self, ImageError> {
        if bitmap.width.max(bitmap.height) > webp::WEBP_MAX_DIMENSION {
            return Err(failed("no side may have more than 16383 pixels"));
        }
        let bitmap = bitmap.into_colour();
        let mut picture = webp::WebPPicture::new().map(Self).map_err(|()| failed("version of the encoder"))?;
        picture.0.use_argb = c_int::from(argb);
        (picture.0.width, picture.0.height) = (bitmap.width as c_int, bitmap.height as c_int);
        let stride = bitmap.stride() as c_int;
        // SAFETY: the bitmap has `height` rows of `stride` bytes of this layout; libwebp copies them into memory of its own.
        let imported = unsafe {
            match bitmap.layout {
                Layout::Rgba => webp::WebPPictureImportRGBA(&mut picture.0, bitmap.pixels.as_ptr(), stride),
                Layout::Gray | Layout::Rgb => {
                    webp::WebPPictureImportRGB(&mut picture.0, bitmap.pixels.as_ptr(), stride)
                }
            }
        };
        if imported == 0 { Err(picture.error()) } else { Ok(picture) }
    }

    fn encode(mut self, config: &webp::WebPConfig) -> Result<Vec<u8>, ImageError> {
        let mut encoded: Vec<u8> = Vec::new();
        self.0.writer = Some(append);
        self.0.custom_ptr = ptr::from_mut(&mut encoded).cast::<c_void>();
        // SAFETY: `append` is called only during this call, with `encoded` alive.
        let done = unsafe { webp::WebPEncode(config, &mut self.0) };
        if done == 0 { Err(self.error()) } else { Ok(encoded) }
    }

    fn error(&self) -> ImageError {
        failed(&format!("{:?}", self.0.error_code))
    }
}

impl Drop for Picture {
    fn drop(&mut self) {
        // SAFETY: initialised by `import`; frees what the picture owns.
        unsafe { webp::WebPPictureFree(&mut self.0) }
    }
}

/// Takes what libwebp has encoded.
unsafe extern "C" fn append(data: *const u8, size: usize, picture: *const webp::WebPPicture) -> c_int {
    // SAFETY: `encode` put a vector behind `custom_ptr`, and libwebp gives `size` bytes at `data`.
    unsafe {
        let encoded = &mut *(*picture).custom_ptr.cast::<Vec<u8>>();
        encoded.extend_from_slice(slice::from_raw_parts(data, size));
    }
    1
}

struct Still {
    encoded: Option<Vec<u8>>,
    config: webp::WebPConfig,
    metadata: Metadata,
}

impl FrameWriter for Still {
    fn write(&mut self, frame: Frame) -> Result<(), ImageError> {
        if self.encoded.is_some() {
            return Err(failed("only one frame was announced"));
        }
        self.encoded = Some(Picture::import(frame.bitmap, false)?.encode(&self.config)?);
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Vec<u8>, ImageError> {
        with_metadata(self.encoded.ok_or_else(|| failed("no frame"))?, &self.metadata)
    }
}

struct Animation {
    encoder: Option<Encoder>,
    encoding: Encoding,
    config: webp::WebPConfig,
    metadata: Metadata,
    /// From the start to the end of the last frame.
    time: Duration,
}

impl Animation {
    fn milliseconds(&self) -> c_int {
        c_int::try_from(self.time.as_millis()).unwrap_or(c_int::MAX)
    }
}

impl FrameWriter for Animation {
    fn write(&mut self, frame: Frame) -> Result<(), ImageError> {
        let start = self.milliseconds();
        let encoder = match &mut self.encoder {
            Some(encoder) => encoder,
            None => self.encoder.insert(Encoder::new(&frame.bitmap, &self.encoding)?),
        };
        let mut picture = Picture::import(frame.bitmap, true)?;
        encoder.add(Some(&mut picture), start, &self.config)?;
        self.time += frame.delay;
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<Vec<u8>, ImageError> {
        let mut encoder = self.encoder.take().ok_or_else(|| failed("no frame"))?;
        encoder.add(None, self.milliseconds(), &self.config)?;
        with_metadata(encoder.assemble()?, &self.metadata)
    }
}

/// Owner of libwebp's animation encoder.
struct Encoder(*mut webp::WebPAnimEncoder);

impl Encoder {
    fn new(first: &Bitmap, encoding: &Encoding) -> Result<Self, ImageError> {
        if first.width.max(first.height) > webp::WEBP_MAX_DIMENSION {
            return Err(failed("no side may have more than 16383 pixels"));
        }
        let version = webp::WEBP_MUX_ABI_VERSION as c_int;
        // SAFETY: the options are plain numbers that libwebp fills and copies.
        let encoder = unsafe {
            let mut options: webp::WebPAnimEncoderOptions = std::mem::zeroed();
            if webp::WebPAnimEncoderOptionsInitInternal(&mut options, version) == 0 {
                return Err(failed("version of the encoder"));
            }
            options.anim_params.loop_count = c_int::from(encoding.loops);
            options.minimize_size = c_int::from(encoding.smallest);
            webp::WebPAnimEncoderNewInternal(first.width as c_int, first.height as c_int, &options, version)
        };
        if encoder.is_null() { Err(failed("no memory")) } else { Ok(Self(encoder)) }
    }

    /// Adds a frame that begins at a time, or the end of the animation.
    fn add(&mut self, picture: Option<&mut Picture>, time: c_int, config: &webp::WebPConfig) -> Result<(), ImageError> {
        let picture = picture.map_or(ptr::null_mut(), |picture| ptr::from_mut(&mut picture.0));
        // SAFETY: encoder, picture (or null, which stands for the end) and config live during the call, which copies what it keeps.
        let added = unsafe { webp::WebPAnimEncoderAdd(self.0, picture, time, config) };
        if added == 0 { Err(self.error()) } else { Ok(()) }
    }

    fn assemble(&mut self) -> Result<Vec<u8>, ImageError> {
        let mut data = webp::WebPData::default();
        // SAFETY: the encoder lives; the bytes are ours then.
        let assembled = unsafe { webp::WebPAnimEncoderAssemble(self.0, &mut data) };
        if assembled == 0 { Err(self.error()) } else { Ok(take(data)) }
    }

    fn error(&self) -> ImageError {
        // SAFETY: the encoder lives and lends a text that ends in zero.
        let text = unsafe { CStr::from_ptr(webp::WebPAnimEncoderGetError(self.0)) };
        failed(&text.to_string_lossy())
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        // SAFETY: made by `new`, deleted once.
        unsafe { webp::WebPAnimEncoderDelete(self.0) }
    }
}

/// Copies bytes that libwebp allocated, and frees them.
fn take(mut data: webp::WebPData) -> Vec<u8> {
    // SAFETY: libwebp filled `data` with bytes that it allocated and gave away.
    unsafe {
        let bytes = slice::from_raw_parts(data.bytes, data.size).to_vec();
        webp::WebPDataClear(&mut data);
        bytes
    }
}

fn with_metadata(encoded: Vec<u8>, metadata: &Metadata) -> Result<Vec<u8>, ImageError> {
    let chunks = [(c"ICCP", &metadata.icc), (c"EXIF", &metadata.exif), (c"XMP ", &metadata.xmp)];
    if chunks.iter().all(|(_, content)| content.is_none()) {
        return Ok(encoded);
    }
    let mut mux = Mux::parse(&encoded)?;
    for (name, content) in chunks {
        if let Some(content) = content {
            mux.set(name, content)?;
        }
    }
    mux.assemble()
}

/// The chunks of a file; the bytes it was made of are copied.
struct Mux(*mut webp::WebPMux);

impl Mux {
    fn parse(bytes: &[u8]) -> Result<Self, ImageError> {
        let data = webp::WebPData { bytes: bytes.as_ptr(), size: bytes.len() };
        // SAFETY: `data` describes `bytes`, which are copied.
        let mux = unsafe { webp::WebPMuxCreateInternal(&data, 1, webp::WEBP_MUX_ABI_VERSION as c_int) };
        if mux.is_null() { Err(ImageError::Broken("WebP: incomplete or damaged".into())) } else { Ok(Self(mux)) }
    }

    /// Whether there was such a chunk.
    fn remove(&mut self, name: &CStr) -> bool {
        // SAFETY: the mux lives; the name has four letters.
        unsafe { webp::WebPMuxDeleteChunk(self.0, name.as_ptr()) == webp::WebPMuxError::WEBP_MUX_OK }
    }

    fn set(&mut self, name: &CStr, content: &[u8]) -> Result<(), ImageError> {
        let data = webp::WebPData { bytes: content.as_ptr(), size: content.len() };
        // SAFETY: the mux lives; the name has four letters; the content is copied.
        let set = unsafe { webp::WebPMuxSetChunk(self.0, name.as_ptr(), &data, 1) };
        if set == webp::WebPMuxError::WEBP_MUX_OK { Ok(()) } else { Err(failed(&format!("{set:?}"))) }
    }

    fn assemble(&mut self) -> Result<Vec<u8>, ImageError> {
        let mut data = webp::WebPData::default();
        // SAFETY: the mux lives; the bytes are ours then.
        let assembled = unsafe { webp::WebPMuxAssemble(self.0, &mut data) };
        if assembled == webp::WebPMuxError::WEBP_MUX_OK {
            Ok(take(data))
        } else {
            Err(failed(&format!("{assembled:?}")))
        }
    }
}

impl Drop for Mux {
    fn drop(&mut self) {
        // SAFETY: made by `parse`, deleted once.
        unsafe { webp::WebPMuxDelete(self.0) }
    }
}
