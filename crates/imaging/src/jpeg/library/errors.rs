//! libjpeg reports errors by a call that must not return. Here it unwinds through the C frames, which `mozjpeg-sys` compiles for that
//! (feature `unwinding`), up to [`guarded`].
#![expect(unsafe_code, reason = "callbacks of a C library")]

use std::{
    ffi::{CStr, c_int},
    mem,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
};

use mozjpeg_sys as sys;

use crate::ImageError;

/// What the unwinding carries: the number and the words of the message.
struct Failure {
    code: c_int,
    text: String,
}

/// Bytes that a message may have, with the final zero (`JMSG_LENGTH_MAX` in `jpeglib.h`).
const MESSAGE_LENGTH: usize = 200;

/// Warnings about files that are whole nevertheless. All others mean that pixels are lost.
const HARMLESS: [c_int; 6] = [
    sys::JWRN_ADOBE_XFORM,
    sys::JWRN_BOGUS_PROGRESSION,
    sys::JWRN_EXTRANEOUS_DATA,
    sys::JWRN_JFIF_MAJOR,
    sys::JWRN_NOT_SEQUENTIAL,
    sys::JWRN_TOO_MUCH_DATA,
];

/// Runs code that calls the library; the only place where its errors are caught.
pub(crate) fn guarded<T>(work: impl FnOnce() -> Result<T, ImageError>) -> Result<T, ImageError> {
    // What `work` was about to change is dropped with it: nothing half done can be seen afterwards.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|payload| match payload.downcast::<Failure>() {
        Ok(failure) => Err(failure.into_error()),
        Err(panic) => resume_unwind(panic),
    })
}

/// Ends the call into the library that is going on, with words of our own.
pub(crate) fn give_up(why: &str) -> ! {
    resume_unwind(Box::new(Failure { code: sys::JMSG_NOMESSAGE, text: why.to_owned() }))
}

impl Failure {
    fn into_error(self) -> ImageError {
        match self.code {
            sys::JERR_NO_BACKING_STORE
            | sys::JERR_OUT_OF_MEMORY
            | sys::JERR_WIDTH_OVERFLOW
            | sys::JERR_IMAGE_TOO_BIG => ImageError::TooLarge("a JPEG with so many coefficients".to_owned()),
            sys::JERR_ARITH_NOTIMPL
            | sys::JERR_BAD_PRECISION
            | sys::JERR_SOF_UNSUPPORTED
            | sys::JERR_CCIR601_NOTIMPL => ImageError::UnsupportedInput,
            sys::JERR_CONVERSION_NOTIMPL | sys::JERR_FRACT_SAMPLE_NOTIMPL | sys::JERR_NOTIMPL => {
                ImageError::UnsupportedInput
            }
            _ => ImageError::Broken(self.text),
        }
    }
}

/// An error manager that unwinds. It is for one object at a time.
pub(super) fn manager() -> sys::jpeg_error_mgr {
    // SAFETY: zeroes are a value of every field (numbers, pointers and optional functions), and `jpeg_std_error` only fills them.
    let mut manager: sys::jpeg_error_mgr = unsafe { mem::zeroed() };
    // SAFETY: as above.
    unsafe { sys::jpeg_std_error(&mut manager) };
    manager.error_exit = Some(on_error);
    manager.emit_message = Some(on_message);
    manager
}

unsafe extern "C-unwind" fn on_error(object: &mut sys::jpeg_common_struct) {
    // SAFETY: the library calls this with an object whose error manager is set.
    let (code, text) = unsafe { ((*object.err).msg_code, message(object)) };
    resume_unwind(Box::new(Failure { code, text }));
}

unsafe extern "C-unwind" fn on_message(object: &mut sys::jpeg_common_struct, level: c_int) {
    // SAFETY: as in `on_error`.
    let code = unsafe { (*object.err).msg_code };
    // Warnings have level -1, traces 0 and more.
    if level < 0 && !HARMLESS.contains(&code) {
        // SAFETY: the same object.
        unsafe { on_error(object) };
    }
}

/// The message in words.
///
/// # Safety
/// The error manager of the object is set and was made by [`manager`].
unsafe fn message(object: &mut sys::jpeg_common_struct) -> String {
    type Format = unsafe extern "C-unwind" fn(*mut sys::jpeg_common_struct, *mut u8);
    let mut buffer = [0; MESSAGE_LENGTH];
    // SAFETY: `format_message` is the library's own; in C it takes a pointer to `JMSG_LENGTH_MAX` characters that it writes, while the binding
    // names 80 that it reads. Both signatures are two pointers to the ABI.
    unsafe {
        if let Some(format) = (*object.err).format_message {
            let format: Format = mem::transmute(format);
            format(object, buffer.as_mut_ptr());
        }
    }
    CStr::from_bytes_until_nul(&buffer).map(|text| text.to_string_lossy().into_owned()).unwrap_or_default()
}
