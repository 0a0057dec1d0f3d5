//! The same coefficients in fewer bytes.
#![expect(unsafe_code, reason = "calls into a C library")]

use mozjpeg_sys as sys;

use super::{
    Head,
    library::{Compressor, Decompressor, guarded},
    marker, segments, strip,
    strip::{decides_colours, is_metadata, is_profile},
};
use crate::ImageError;

/// The same pixels in one scan, or as a progressive file with the best of the scripts that mozjpeg knows, whichever is smaller. Without
/// `keep_metadata` also [`strip()`]ped. If nothing is gained, the file as it came (or stripped).
///
/// # Errors
/// Broken, a kind of JPEG that is not read, or larger than fits the memory that coefficients may take.
pub fn repack(bytes: &[u8], keep_metadata: bool) -> Result<Vec<u8>, ImageError> {
    let head = Head::read(bytes)?;
    let repacked = guarded(|| transcoded(bytes, &head, keep_metadata))?;
    let original = if keep_metadata { bytes.to_vec() } else { strip(bytes)? };
    Ok(if repacked.len() < original.len() { repacked } else { original })
}

fn transcoded(bytes: &[u8], head: &Head<'_>, keep_metadata: bool) -> Result<Vec<u8>, ImageError> {
    let mut decompressor = Decompressor::new(vec![bytes]);
    // SAFETY: the header is read.
    let coefficients = unsafe { sys::jpeg_read_coefficients(decompressor.object()) };
    decompressor.check_complete()?;
    let mut written = |profile| -> Result<Vec<u8>, ImageError> {
        let mut compressor = Compressor::new();
        let object = compressor.object();
        // SAFETY: the coefficients belong to the decompressing object, which is alive until the end of the function; the library checks its own state.
        unsafe {
            sys::jpeg_c_set_int_param(object, sys::JINT_COMPRESS_PROFILE, profile as i32);
            sys::jpeg_copy_critical_parameters(decompressor.object(), object);
            object.optimize_coding = 1;
            if head.components.len() == 4 {
                // The segment would turn colours into their inverse.
                object.write_Adobe_marker = head.adobe.into();
            }
            sys::jpeg_write_coefficients(object, coefficients);
        }
        copy_segments(bytes, keep_metadata, &mut compressor)?;
        Ok(compressor.finish())
    };
    // One scan is what small pictures do best with. It comes first because coefficients that cannot be written at all are found by it: the search
    // for the best script would lose the memory of its attempts.
    let plain = written(sys::JCP_FASTEST)?;
    let progressive = written(sys::JCP_MAX_COMPRESSION)?;
    Ok(if progressive.len() < plain.len() { progressive } else { plain })
}

fn copy_segments(bytes: &[u8], keep_metadata: bool, compressor: &mut Compressor) -> Result<(), ImageError> {
    for segment in segments(bytes) {
        let segment = segment?;
        if segment.marker == marker::SOS {
            break;
        }
        // The library writes what decides about colours.
        if is_metadata(&segment) && !decides_colours(&segment) && (keep_metadata || is_profile(&segment)) {
            compressor.write_segment(segment.marker, segment.payload);
        }
    }
    Ok(())
}
