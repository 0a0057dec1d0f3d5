//! Taking away what a picture carries beside its pixels, without touching them.

use super::{Head, ICC, Segment, marker, without};
use crate::ImageError;

/// The same picture without EXIF, XMP, comments, thumbnails and whatever follows it. What decides about its colours stays: the ICC profile and
/// the segments of JFIF and Adobe.
///
/// # Errors
/// Broken, or a kind of JPEG that is not read.
pub fn strip(bytes: &[u8]) -> Result<Vec<u8>, ImageError> {
    Head::read(bytes)?;
    let pieces = without(bytes, |segment| is_metadata(segment) && !is_profile(segment) && !decides_colours(segment))?;
    Ok(pieces.concat())
}

/// Whether decoders need nothing of the segment; what decides about colours is for [`decides_colours`] and [`is_profile`] to say.
pub(super) fn is_metadata(segment: &Segment<'_>) -> bool {
    matches!(segment.marker, marker::APP0..=marker::APP15 | marker::COM)
}

pub(super) fn is_profile(segment: &Segment<'_>) -> bool {
    segment.marker == marker::APP2 && segment.payload.starts_with(ICC)
}

/// The segments by which decoders tell RGB from YCbCr and CMYK from its inverse.
pub(super) fn decides_colours(segment: &Segment<'_>) -> bool {
    match segment.marker {
        marker::APP0 => segment.payload.starts_with(b"JFIF\0"),
        marker::APP14 => segment.payload.starts_with(b"Adobe"),
        _ => false,
    }
}
