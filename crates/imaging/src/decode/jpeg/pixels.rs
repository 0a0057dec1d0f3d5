//! The decoding itself.
#![expect(unsafe_code, reason = "calls into a C library")]

use mozjpeg_sys as sys;

use super::geometry::Geometry;
use crate::{
    ImageError,
    jpeg::{
        Component, Head,
        entropy::Scan,
        library::{Decompressor, entropy, guarded},
    },
};

/// Rows that the library is offered at once; it gives at most eight.
const ROWS: usize = 8;

/// The pixels of a part: gray, RGB or CMYK as it is stored. `scan` is decoded here, or all scans by the library.
pub(super) fn decode(
    pieces: Vec<&[u8]>,
    mut scan: Option<Scan<'_>>,
    head: &Head<'_>,
    geometry: &Geometry,
) -> Result<Vec<u8>, ImageError> {
    guarded(|| {
        let mut decompressor = Decompressor::new(pieces);
        start(&mut decompressor, head, geometry)?;
        if let Some(scan) = &mut scan {
            entropy::replace(&mut decompressor, scan);
        }
        cut(&mut decompressor, geometry)?;
        let stride = geometry.width as usize * head.components.len();
        rows(decompressor.object(), stride, geometry.height as usize)
    })
}

fn start(decompressor: &mut Decompressor<'_>, head: &Head<'_>, geometry: &Geometry) -> Result<(), ImageError> {
    let object = decompressor.object();
    // SAFETY: `comp_info` has `num_components` entries once the header is read.
    let components = unsafe { std::slice::from_raw_parts(object.comp_info, object.num_components as usize) };
    let same = |(one, other): (&sys::jpeg_component_info, &Component)| {
        (one.h_samp_factor, one.v_samp_factor) == (other.horizontal.into(), other.vertical.into())
    };
    // What lies in memory for a unit follows from the library's reading, what is decoded of it from ours.
    let as_read = (object.image_width, object.image_height) == (head.width, head.height)
        && components.len() == head.components.len()
        && components.iter().zip(&head.components).all(same);
    if !as_read {
        return Err(ImageError::Broken("the header says two things".to_owned()));
    }
    object.scale_num = 1;
    object.scale_denom = geometry.scale;
    // Smoothing is for pictures that are shown while they load; with scans left out it would make up what is there.
    object.do_block_smoothing = 0;
    // SAFETY: the header is read.
    unsafe { sys::jpeg_start_decompress(object) };
    decompressor.check_complete()
}

/// Leaves out what lies left, right and above of the part.
fn cut(decompressor: &mut Decompressor<'_>, geometry: &Geometry) -> Result<(), ImageError> {
    let object = decompressor.object();
    let (mut left, mut width) = (geometry.left, geometry.width);
    // SAFETY: the decompression is started and no row read.
    unsafe {
        sys::jpeg_crop_scanline(object, &mut left, &mut width);
        sys::jpeg_skip_scanlines(object, geometry.top);
    }
    let as_planned =
        left == geometry.left && object.output_width == geometry.width && object.output_scanline == geometry.top;
    as_planned.then_some(()).ok_or_else(|| ImageError::Broken("the picture cannot be cut".to_owned()))
}

/// The next rows, written where they stay.
fn rows(object: &mut sys::jpeg_decompress_struct, stride: usize, height: usize) -> Result<Vec<u8>, ImageError> {
    if object.output_components as usize * object.output_width as usize != stride {
        return Err(ImageError::UnsupportedInput);
    }
    let mut pixels: Vec<u8> = Vec::with_capacity(stride * height);
    let start = pixels.as_mut_ptr();
    let mut done = 0;
    while done < height {
        let count = ROWS.min(height - done);
        // SAFETY: rows before `height` lie in the buffer; those of the rest of the array are not used.
        let mut targets: [*mut u8; ROWS] =
            std::array::from_fn(|row| unsafe { start.add((done + row.min(count - 1)) * stride) });
        // SAFETY: each of the `count` targets has room for a row, which the library writes.
        let read = unsafe { sys::jpeg_read_scanlines(object, targets.as_mut_ptr(), count as u32) };
        if read == 0 {
            return Err(ImageError::Broken("rows are missing".to_owned()));
        }
        done += read as usize;
    }
    // SAFETY: all rows are written.
    unsafe { pixels.set_len(stride * height) };
    Ok(pixels)
}
