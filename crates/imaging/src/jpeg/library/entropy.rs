//! Our entropy decoding in place of the library's.
#![expect(unsafe_code, reason = "a function pointer inside an object of a C library")]

use std::ffi::c_void;

use mozjpeg_sys as sys;

use super::{Decompressor, give_up};
use crate::jpeg::entropy::{Block, Scan};

/// The public part of the library's entropy decoder (`jpegint.h`).
#[repr(C)]
struct Decoder {
    start_pass: Option<unsafe extern "C-unwind" fn(&mut sys::jpeg_decompress_struct)>,
    decode_unit: Option<DecodeUnit>,
}

type DecodeUnit = unsafe extern "C-unwind" fn(&mut sys::jpeg_decompress_struct, *const *mut Block) -> sys::boolean;

/// Pointers from that to the entropy decoder to the end of the object: the binding keeps them to itself.
const POINTERS_FROM_END: usize = 5;

/// Lets `scan` decode what the library would; the decompression is started, and no row is read.
pub(crate) fn replace<'a>(decompressor: &mut Decompressor<'a>, scan: &'a mut Scan<'_>) {
    let object = decompressor.object();
    // SAFETY: the decoder is the fifth pointer from the end of the object, made by `jpeg_start_decompress`, and begins with these two
    // functions. The scan outlives the decompressor, which lends it to nobody else.
    unsafe {
        let end = std::ptr::from_mut(&mut *object).add(1).cast::<*mut Decoder>();
        let decoder = *end.sub(POINTERS_FROM_END);
        object.common.client_data = std::ptr::from_mut(scan).cast::<c_void>();
        (*decoder).decode_unit = Some(decode_unit);
    }
}

unsafe extern "C-unwind" fn decode_unit(
    object: &mut sys::jpeg_decompress_struct,
    blocks: *const *mut Block,
) -> sys::boolean {
    // SAFETY: `replace` put the scan there, and its borrow lasts as long as the decompressor.
    let scan = unsafe { &mut *object.common.client_data.cast::<Scan<'_>>() };
    // SAFETY: the library gives as many pointers to blocks that it has cleared as a unit has, or null for a unit that is left out.
    let block = |number| unsafe { if blocks.is_null() { None } else { (*blocks.add(number)).as_mut() } };
    if scan.next_unit(block).is_err() {
        give_up("damaged data");
    }
    1
}
