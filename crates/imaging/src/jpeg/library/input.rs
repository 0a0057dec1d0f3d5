//! The decompressing object, fed from byte slices.
#![expect(unsafe_code, reason = "calls into a C library")]

use std::{
    ffi::{c_int, c_long},
    marker::PhantomData,
    mem,
    ptr::{self, NonNull},
};

use mozjpeg_sys as sys;

use super::{MAX_COEFFICIENT_BYTES, MAX_SCANS, errors, give_up};
use crate::ImageError;

/// What the library gets when the bytes have ended: the end of the image, so that files without it can be read.
static END_OF_IMAGE: [u8; 2] = [0xff, super::super::marker::EOI];

/// What the library's object points to lives beside it, at an address that does not change.
struct Parts<'a> {
    object: sys::jpeg_decompress_struct,
    errors: sys::jpeg_error_mgr,
    progress: sys::jpeg_progress_mgr,
    source: Source<'a>,
}

/// `manager` comes first: the library hands out a pointer to it, which is one to the whole.
#[repr(C)]
struct Source<'a> {
    manager: sys::jpeg_source_mgr,
    pieces: std::vec::IntoIter<&'a [u8]>,
    ran_dry: bool,
}

/// An object that reads one file. All calls of its functions belong into [`super::guarded`].
pub(crate) struct Decompressor<'a> {
    parts: NonNull<Parts<'a>>,
    owns: PhantomData<Parts<'a>>,
}

impl<'a> Decompressor<'a> {
    /// An object that will read the pieces as if they were one. The header is read already.
    pub(crate) fn new(pieces: Vec<&'a [u8]>) -> Self {
        let manager = sys::jpeg_source_mgr {
            next_input_byte: ptr::null(),
            bytes_in_buffer: 0,
            init_source: Some(nothing),
            fill_input_buffer: Some(fill),
            skip_input_data: Some(skip),
            resync_to_restart: Some(sys::jpeg_resync_to_restart),
            term_source: Some(nothing),
        };
        let parts = Parts {
            // SAFETY: zeroes are a value of every field: numbers, pointers, and enumerations that have a 0.
            object: unsafe { mem::zeroed() },
            errors: errors::manager(),
            progress: sys::jpeg_progress_mgr {
                progress_monitor: Some(count_scans),
                pass_counter: 0,
                pass_limit: 0,
                completed_passes: 0,
                total_passes: 0,
            },
            source: Source { manager, pieces: pieces.into_iter(), ran_dry: false },
        };
        let mut decompressor = Self { parts: NonNull::from(Box::leak(Box::new(parts))), owns: PhantomData };
        decompressor.connect();
        decompressor
    }

    fn connect(&mut self) {
        let parts = self.parts.as_ptr();
        // SAFETY: `parts` is a live allocation of ours; the pointers into it are made without references that would end by the next one, and
        // live as long as the object. `jpeg_create_decompress` keeps `err` and clears the rest.
        unsafe {
            (*parts).object.common.err = &raw mut (*parts).errors;
            sys::jpeg_create_decompress(&raw mut (*parts).object);
            (*parts).object.common.progress = &raw mut (*parts).progress;
            (*parts).object.src = (&raw mut (*parts).source).cast();
            (*(*parts).object.common.mem).max_memory_to_use = MAX_COEFFICIENT_BYTES;
            sys::jpeg_read_header(&mut (*parts).object, 1);
        }
    }

    /// The object, for calls of the library.
    pub(crate) fn object(&mut self) -> &mut sys::jpeg_decompress_struct {
        // SAFETY: the allocation is ours and lives as long as `self`.
        unsafe { &mut (*self.parts.as_ptr()).object }
    }

    /// Whether the coefficients are all there once the last scan has been read. Within a scan the library notices itself what is missing.
    ///
    /// # Errors
    /// [`ImageError::Broken`].
    pub(crate) fn check_complete(&mut self) -> Result<(), ImageError> {
        // SAFETY: as in `object`.
        let ran_dry = unsafe { (*self.parts.as_ptr()).source.ran_dry };
        let object = self.object();
        // SAFETY: a call without conditions.
        let several_scans = unsafe { sys::jpeg_has_multiple_scans(object) } != 0;
        // SAFETY: `comp_info` has `num_components` entries once the header is read.
        let components = unsafe { std::slice::from_raw_parts(object.comp_info, object.num_components as usize) };
        // The table is set by the first scan of a component.
        let complete =
            !several_scans || (!ran_dry && components.iter().all(|component| !component.quant_table.is_null()));
        complete.then_some(()).ok_or_else(|| ImageError::Broken("scans are missing".to_owned()))
    }
}

impl Drop for Decompressor<'_> {
    fn drop(&mut self) {
        // SAFETY: the object is alive, or all zeroes, which counts as destroyed. The allocation came from a box and is used no more.
        unsafe {
            sys::jpeg_destroy_decompress(self.object());
            drop(Box::from_raw(self.parts.as_ptr()));
        }
    }
}

unsafe extern "C-unwind" fn nothing(_object: &mut sys::jpeg_decompress_struct) {}

/// The next piece; after the last one, the end of the image.
unsafe extern "C-unwind" fn fill(object: &mut sys::jpeg_decompress_struct) -> c_int {
    // SAFETY: `src` was made from a pointer to the whole source in `connect`, and nothing else looks at it now.
    let source = unsafe { &mut *object.src.cast::<Source<'_>>() };
    let piece = source.pieces.find(|piece| !piece.is_empty()).unwrap_or_else(|| {
        source.ran_dry = true;
        &END_OF_IMAGE
    });
    source.manager.next_input_byte = piece.as_ptr();
    source.manager.bytes_in_buffer = piece.len();
    1
}

unsafe extern "C-unwind" fn skip(object: &mut sys::jpeg_decompress_struct, count: c_long) {
    let mut left = usize::try_from(count).unwrap_or(0);
    loop {
        // SAFETY: as in `fill`.
        let source = unsafe { &mut *object.src.cast::<Source<'_>>() };
        if left <= source.manager.bytes_in_buffer {
            source.manager.bytes_in_buffer -= left;
            // SAFETY: so many bytes are left there.
            source.manager.next_input_byte = unsafe { source.manager.next_input_byte.add(left) };
            return;
        }
        if source.ran_dry {
            give_up("a segment breaks off");
        }
        left -= source.manager.bytes_in_buffer;
        // SAFETY: the same object.
        unsafe { fill(object) };
    }
}

unsafe extern "C-unwind" fn count_scans(object: &mut sys::jpeg_common_struct) {
    // SAFETY: only decompressing objects get this function, and they begin with the common part.
    let object = unsafe { &*ptr::from_mut(object).cast::<sys::jpeg_decompress_struct>() };
    if object.input_scan_number > MAX_SCANS {
        give_up("too many scans");
    }
}
