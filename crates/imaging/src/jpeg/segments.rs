//! The segments of a JPEG file, without looking at what is compressed.

use std::ops::Range;

use super::{broken, marker};
use crate::ImageError;

/// A marker with what belongs to it.
pub(crate) struct Segment<'a> {
    pub(crate) marker: u8,
    /// What follows the length; empty for markers without one.
    pub(crate) payload: &'a [u8],
    /// All of the segment, from the first byte of its marker. The compressed data of a scan follows it.
    pub(crate) place: Range<usize>,
}

/// The segments after the start of the image, up to and with its end; what follows the end is not looked at. A file that breaks off in a segment
/// gives an error, one that breaks off between two of them or in compressed data just ends. Compressed data is only run through by asking for what
/// follows it.
pub(crate) fn segments(bytes: &[u8]) -> impl Iterator<Item = Result<Segment<'_>, ImageError>> {
    let mut at = Some(2).filter(|_| bytes.starts_with(&[0xff, marker::SOI]));
    std::iter::from_fn(move || {
        let segment = next_segment(bytes, marker_from(bytes, at?)?);
        at = segment.as_ref().ok().filter(|segment| segment.marker != marker::EOI).map(|segment| segment.place.end);
        Some(segment)
    })
}

/// The file up to the end of the image in pieces that leave out some segments, and with a scan its compressed data.
///
/// # Errors
/// A segment breaks off.
pub(crate) fn without<'a>(
    bytes: &'a [u8],
    is_unwanted: impl Fn(&Segment<'a>) -> bool,
) -> Result<Vec<&'a [u8]>, ImageError> {
    let mut pieces = Vec::new();
    let mut piece_start = Some(0);
    let mut end = bytes.len();
    for segment in segments(bytes) {
        let segment = segment?;
        match (piece_start, is_unwanted(&segment)) {
            (Some(start), true) => {
                pieces.push(&bytes[start..segment.place.start]);
                piece_start = None;
            }
            (None, false) => piece_start = Some(segment.place.start),
            _ => {}
        }
        if segment.marker == marker::EOI {
            end = segment.place.end;
        }
    }
    pieces.extend(piece_start.map(|start| &bytes[start..end]));
    Ok(pieces)
}

/// Where the next marker starts; like the decoder this forgives stray bytes before it.
fn marker_from(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        at += bytes.get(at..)?.iter().position(|byte| *byte == 0xff)?;
        match *bytes.get(at + 1)? {
            0x00 | 0xd0..=0xd7 => at += 2,
            0xff => at += 1,
            _ => return Some(at),
        }
    }
}

fn next_segment(bytes: &[u8], start: usize) -> Result<Segment<'_>, ImageError> {
    let marker = bytes[start + 1];
    let body = start + 2;
    if matches!(marker, marker::SOI | marker::EOI | 0x01) {
        return Ok(Segment { marker, payload: &[], place: start..body });
    }
    let cut_off = || broken("a segment breaks off");
    let length = bytes.get(body..).and_then(|rest| rest.first_chunk()).ok_or_else(cut_off)?;
    let end = body + usize::from(u16::from_be_bytes(*length));
    let payload = bytes.get(body + 2..end).ok_or_else(cut_off)?;
    Ok(Segment { marker, payload, place: start..end })
}
