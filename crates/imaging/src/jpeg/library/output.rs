//! The compressing object, which writes into a `Vec`.
#![expect(unsafe_code, reason = "calls into a C library")]

use std::{
    ffi::c_int,
    mem,
    ptr::{self, NonNull},
};

use mozjpeg_sys as sys;

use super::{MAX_COEFFICIENT_BYTES, errors};

/// First size of the buffer: small pictures fit.
const FIRST_CAPACITY: usize = 64 << 10;

/// What the library's object points to lives beside it, at an address that does not change.
struct Parts {
    object: sys::jpeg_compress_struct,
    errors: sys::jpeg_error_mgr,
    destination: Destination,
}

/// `manager` comes first: the library hands out a pointer to it, which is one to the whole.
#[repr(C)]
struct Destination {
    manager: sys::jpeg_destination_mgr,
    bytes: Vec<u8>,
}

/// An object that writes one file. All calls of its functions belong into [`super::guarded`].
pub(crate) struct Compressor {
    parts: NonNull<Parts>,
}

impl Compressor {
    /// An object without any parameters.
    pub(crate) fn new() -> Self {
        let manager = sys::jpeg_destination_mgr {
            next_output_byte: ptr::null_mut(),
            free_in_buffer: 0,
            init_destination: Some(begin),
            empty_output_buffer: Some(grow),
            term_destination: Some(end),
        };
        let parts = Parts {
            // SAFETY: zeroes are a value of every field: numbers, pointers, and enumerations that have a 0.
            object: unsafe { mem::zeroed() },
            errors: errors::manager(),
            destination: Destination { manager, bytes: Vec::new() },
        };
        let compressor = Self { parts: NonNull::from(Box::leak(Box::new(parts))) };
        let parts = compressor.parts.as_ptr();
        // SAFETY: `parts` is a live allocation of ours; the pointers into it are made without references that would end by the next one, and
        // live as long as the object. `jpeg_create_compress` keeps `err` and clears the rest.
        unsafe {
            (*parts).object.common.err = &raw mut (*parts).errors;
            sys::jpeg_create_compress(&raw mut (*parts).object);
            (*parts).object.dest = (&raw mut (*parts).destination).cast();
            (*(*parts).object.common.mem).max_memory_to_use = MAX_COEFFICIENT_BYTES;
        }
        compressor
    }

    /// The object, for calls of the library.
    pub(crate) fn object(&mut self) -> &mut sys::jpeg_compress_struct {
        // SAFETY: the allocation is ours and lives as long as `self`.
        unsafe { &mut (*self.parts.as_ptr()).object }
    }

    /// Writes a segment. Only after the start of the compression and before its first row.
    pub(crate) fn write_segment(&mut self, marker: u8, payload: &[u8]) {
        debug_assert!(payload.len() <= super::super::MAX_PAYLOAD, "segments have a 16-bit length");
        // SAFETY: the library copies the bytes and checks its own state.
        unsafe { sys::jpeg_write_marker(self.object(), marker.into(), payload.as_ptr(), payload.len() as u32) };
    }

    /// Ends the compression and gives the file.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        // SAFETY: the library checks its own state.
        unsafe { sys::jpeg_finish_compress(self.object()) };
        // SAFETY: as in `object`.
        unsafe { mem::take(&mut (*self.parts.as_ptr()).destination.bytes) }
    }
}

impl Drop for Compressor {
    fn drop(&mut self) {
        // SAFETY: the object is alive, or all zeroes, which counts as destroyed. The allocation came from a box and is used no more.
        unsafe {
            sys::jpeg_destroy_compress(self.object());
            drop(Box::from_raw(self.parts.as_ptr()));
        }
    }
}

impl Destination {
    /// Lets the library write behind what the vector has.
    fn offer(&mut self) {
        let room = self.bytes.spare_capacity_mut();
        self.manager.next_output_byte = room.as_mut_ptr().cast();
        self.manager.free_in_buffer = room.len();
    }
}

unsafe extern "C-unwind" fn begin(object: &mut sys::jpeg_compress_struct) {
    // SAFETY: `dest` was made from a pointer to the whole destination in `new`, and nothing else looks at it now.
    let destination = unsafe { &mut *object.dest.cast::<Destination>() };
    destination.bytes.reserve(FIRST_CAPACITY);
    destination.offer();
}

unsafe extern "C-unwind" fn grow(object: &mut sys::jpeg_compress_struct) -> c_int {
    // SAFETY: as in `begin`.
    let destination = unsafe { &mut *object.dest.cast::<Destination>() };
    let capacity = destination.bytes.capacity();
    // SAFETY: the library calls this when it has filled the whole buffer, whatever `free_in_buffer` says.
    unsafe { destination.bytes.set_len(capacity) };
    destination.bytes.reserve(capacity);
    destination.offer();
    1
}

unsafe extern "C-unwind" fn end(object: &mut sys::jpeg_compress_struct) {
    // SAFETY: as in `begin`.
    let destination = unsafe { &mut *object.dest.cast::<Destination>() };
    let length = destination.bytes.capacity() - destination.manager.free_in_buffer;
    // SAFETY: the library has written all but the bytes that it says are free.
    unsafe { destination.bytes.set_len(length) };
}
