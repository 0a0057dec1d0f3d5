//! Where in an image file the TIFF structure with the EXIF data lies.

use super::heif;

const EXIF_PREFIX: &[u8] = b"Exif\0\0";

/// The block, as far as it lies within the slice.
pub(super) fn tiff_block(bytes: &[u8]) -> Option<&[u8]> {
    match bytes {
        [b'I', b'I', 42, 0, ..] | [b'M', b'M', 0, 42, ..] => Some(bytes),
        [0xff, 0xd8, segments @ ..] => in_jpeg(segments),
        _ if bytes.starts_with(b"\x89PNG\r\n\x1a\n") => in_png(&bytes[8..]),
        _ if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") => in_webp(&bytes[12..]),
        _ if bytes.get(4..8) == Some(b"ftyp") => heif::tiff_block(bytes),
        _ => None,
    }
}

/// As much of `length` bytes as there is, and what follows them.
fn split(bytes: &[u8], length: usize) -> (&[u8], &[u8]) {
    bytes.split_at(length.min(bytes.len()))
}

fn in_jpeg(mut segments: &[u8]) -> Option<&[u8]> {
    loop {
        segments = match segments {
            // Fill bytes and markers without content.
            [0xff, 0x01 | 0xd0..=0xd8, rest @ ..] => rest,
            [0xff, rest @ ..] if rest.starts_with(&[0xff]) => rest,
            // The picture begins or the file ends.
            [0xff, 0xd9 | 0xda, ..] => return None,
            [0xff, marker, high, low, rest @ ..] => {
                let length = usize::from(u16::from_be_bytes([*high, *low])).checked_sub(2)?;
                let (content, rest) = split(rest, length);
                if let (0xe1, Some(block)) = (marker, content.strip_prefix(EXIF_PREFIX)) {
                    return Some(block);
                }
                rest
            }
            _ => return None,
        };
    }
}

fn in_png(mut chunks: &[u8]) -> Option<&[u8]> {
    loop {
        let (length, rest) = chunks.split_first_chunk()?;
        let (kind, rest) = rest.split_first_chunk::<4>()?;
        let (content, rest) = split(rest, u32::from_be_bytes(*length) as usize);
        if kind == b"eXIf" {
            return Some(content);
        }
        let (_checksum, rest) = split(rest, 4);
        chunks = rest;
    }
}

fn in_webp(mut chunks: &[u8]) -> Option<&[u8]> {
    loop {
        let (kind, rest) = chunks.split_first_chunk::<4>()?;
        let (length, rest) = rest.split_first_chunk()?;
        let length = u32::from_le_bytes(*length) as usize;
        let (content, rest) = split(rest, length);
        if kind == b"EXIF" {
            // Many writers keep the prefix of JPEG.
            return Some(content.strip_prefix(EXIF_PREFIX).unwrap_or(content));
        }
        let (_padding, rest) = split(rest, length % 2);
        chunks = rest;
    }
}
