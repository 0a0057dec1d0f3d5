//! The encoding itself.
#![expect(unsafe_code, reason = "calls into a C library")]

use mozjpeg_sys as sys;

use crate::{
    ImageError, Metadata,
    jpeg::{
        EXIF, ICC, MAX_PAYLOAD, XMP, fits_samples,
        library::{Compressor, guarded},
        marker,
    },
};

/// How much work goes into a smaller file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effort {
    /// The tables of the standard.
    Plain,
    /// Huffman tables for this picture.
    Optimised,
    /// Several scans, which also cost fewer bytes.
    Progressive,
    /// Progressive with the best script, and coefficients rounded to what costs least.
    Smallest,
}

pub(crate) struct Parameters {
    /// 1–100.
    pub(crate) quality: u8,
    /// Pixels beside and above each other that share a colour: 1, 2 or 4.
    pub(crate) chroma: (u8, u8),
    pub(crate) effort: Effort,
    /// Dots per inch.
    pub(crate) density: Option<u16>,
}

/// Rows that the library gets at once.
const ROWS: usize = 8;
/// Most parts of an ICC profile; they are counted by a byte.
const MAX_PARTS: usize = 255;

/// The file of pixels with 1 (gray), 3 (RGB) or 4 (inverted CMYK) samples.
pub(crate) fn file(
    pixels: &[u8],
    (width, height): (u32, u32),
    samples: usize,
    parameters: &Parameters,
    metadata: &Metadata,
) -> Result<Vec<u8>, ImageError> {
    guarded(|| {
        let mut compressor = Compressor::new();
        let object = compressor.object();
        object.image_width = width;
        object.image_height = height;
        object.input_components = samples as i32;
        configure(object, parameters);
        // SAFETY: the object has all its parameters.
        unsafe { sys::jpeg_start_compress(compressor.object(), 1) };
        write_metadata(&mut compressor, metadata, samples);
        write_rows(compressor.object(), pixels, width as usize * samples);
        Ok(compressor.finish())
    })
}

fn configure(object: &mut sys::jpeg_compress_struct, parameters: &Parameters) {
    let (stored, given) = match object.input_components {
        1 => (sys::JCS_GRAYSCALE, sys::JCS_GRAYSCALE),
        3 => (sys::JCS_YCbCr, sys::JCS_RGB),
        _ => (sys::JCS_YCCK, sys::JCS_CMYK),
    };
    object.in_color_space = given;
    let profile = if parameters.effort == Effort::Smallest { sys::JCP_MAX_COMPRESSION } else { sys::JCP_FASTEST };
    // SAFETY: the object has its colour space and size, and its compression is not started; the library checks parameters itself.
    unsafe {
        sys::jpeg_c_set_int_param(object, sys::JINT_COMPRESS_PROFILE, profile as i32);
        sys::jpeg_set_defaults(object);
        sys::jpeg_set_colorspace(object, stored);
        // The tables of the standard in all profiles, so that a quality always means the same.
        sys::jpeg_c_set_int_param(object, sys::JINT_BASE_QUANT_TBL_IDX, 0);
        sys::jpeg_set_quality(object, parameters.quality.into(), 1);
        if matches!(parameters.effort, Effort::Progressive | Effort::Smallest) {
            // Again for the smallest: its script is one for the colour space.
            sys::jpeg_simple_progression(object);
        }
    }
    object.optimize_coding = (parameters.effort != Effort::Plain).into();
    if let Some(density) = parameters.density {
        object.density_unit = 1;
        object.X_density = density;
        object.Y_density = density;
    }
    // SAFETY: the defaults have made one entry for each component.
    let components = unsafe { std::slice::from_raw_parts_mut(object.comp_info, object.num_components as usize) };
    for (index, component) in components.iter_mut().enumerate() {
        let full = object.num_components > 1 && matches!(index, 0 | 3);
        component.h_samp_factor = if full { parameters.chroma.0.into() } else { 1 };
        component.v_samp_factor = if full { parameters.chroma.1.into() } else { 1 };
    }
}

/// Writes what fits into segments.
fn write_metadata(compressor: &mut Compressor, metadata: &Metadata, samples: usize) {
    let wrapped = |prefix: &[u8], content: &Option<Vec<u8>>| {
        content.as_ref().map(|content| [prefix, content].concat()).filter(|payload| payload.len() <= MAX_PAYLOAD)
    };
    for payload in [wrapped(EXIF, &metadata.exif), wrapped(XMP, &metadata.xmp)].into_iter().flatten() {
        compressor.write_segment(marker::APP1, &payload);
    }
    let Some(icc) = metadata.icc.as_deref().filter(|icc| fits_samples(icc, samples)) else { return };
    let parts = icc.chunks(MAX_PAYLOAD - ICC.len() - 2);
    let count = parts.len();
    if count <= MAX_PARTS {
        for (index, part) in parts.enumerate() {
            compressor.write_segment(marker::APP2, &[ICC, &[index as u8 + 1, count as u8], part].concat());
        }
    }
}

fn write_rows(object: &mut sys::jpeg_compress_struct, pixels: &[u8], stride: usize) {
    for rows in pixels.chunks(stride * ROWS) {
        let pointers: Vec<*const u8> = rows.chunks_exact(stride).map(<[u8]>::as_ptr).collect();
        // SAFETY: each pointer is one to a row of as many bytes as the parameters say.
        let written = unsafe { sys::jpeg_write_scanlines(object, pointers.as_ptr(), pointers.len() as u32) };
        debug_assert_eq!(written as usize, pointers.len(), "the destination takes everything");
    }
}
