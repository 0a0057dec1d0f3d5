//! The decoding itself.
#![expect(unsafe_code, reason = "calls into a C library")]

use mozjpeg_sys as sys;

use super::geometry::Geometry;
use crate::{
    ImageError,
    jpeg::{
        Head,
        library::{Decompressor, guarded},
    },
};

/// Rows that the library is offered at once; it gives at most eight.
const ROWS: usize = 8;

/// The pixels of a part: gray, RGB or CMYK as it is stored.
pub(super) fn decode(pieces: Vec<&[u8]>, head: &Head<'_>, geometry: &Geometry) -> Result<Vec<u8>, ImageError> {
    guarded(|| {
        let mut decompressor = Decompressor::new(pieces);
        start(&mut decompressor, head, geometry)?;
        cut(&mut decompressor, geometry)?;
        let stride = geometry.width as usize * head.components.len();
        rows(decompressor.object(), stride, geometry.height as usize)
    })
}

fn start(decompressor: &mut Decompressor<'_>, head: &Head<'_>, geometry: &Geometry) -> Result<(), ImageError> {
    let object = decompressor.object();
    let as_read = object.image_width == head.width && object.image_height == head.height;
    if !as_read || object.num_components as usize != head.components.len() {
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
