//! ICO: the largest of its pictures, which is a PNG or a BMP without file header.

use std::io::Cursor;

use image::codecs::ico::IcoDecoder;

use super::{Header, Opened, Wish, bmp, still};
use crate::{Format, ImageError, Limits};

const ENTRY: usize = 16;
const DIRECTORY: usize = 6;
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

pub(super) fn header(bytes: &[u8], limits: &Limits) -> Result<Header, ImageError> {
    Ok(open(bytes, &Wish::default(), limits)?.header)
}

pub(super) fn open<'a>(bytes: &'a [u8], wish: &Wish, limits: &Limits) -> Result<Opened<'a>, ImageError> {
    let (entry, picture) = largest(bytes).ok_or_else(|| ImageError::Broken("no picture in the icon".to_owned()))?;
    if picture.starts_with(PNG) {
        let still = Wish { still: true, ..*wish };
        let mut opened = super::open(picture, &still, limits)?;
        opened.header.format = Format::Ico;
        return Ok(opened);
    }
    still::guarded(|| bmp::opened(Format::Ico, IcoDecoder::new(Cursor::new(alone(entry, picture)))?, limits))
}

/// Directory entry and bytes of the largest picture, of several such the one with the most colours.
fn largest(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let count = usize::from(u16::from_le_bytes([*bytes.get(4)?, *bytes.get(5)?]));
    let directory = bytes.get(DIRECTORY..)?;
    let side = |stored: u8| if stored == 0 { 256 } else { u32::from(stored) };
    let entry =
        directory.chunks_exact(ENTRY).take(count).max_by_key(|entry| (side(entry[0]) * side(entry[1]), entry[6]))?;
    let number = |at: usize| u32::from_le_bytes([entry[at], entry[at + 1], entry[at + 2], entry[at + 3]]) as usize;
    let start = number(12);
    Some((entry, bytes.get(start..start.checked_add(number(8))?)?))
}

/// An icon with this picture only, so that the library has no choice.
fn alone(entry: &[u8], picture: &[u8]) -> Vec<u8> {
    let mut icon = vec![0, 0, 1, 0, 1, 0];
    icon.extend_from_slice(&entry[..12]);
    icon.extend_from_slice(&((DIRECTORY + ENTRY) as u32).to_le_bytes());
    icon.extend_from_slice(picture);
    icon
}

#[cfg(test)]
mod tests;
