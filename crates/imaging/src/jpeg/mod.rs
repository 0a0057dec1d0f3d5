//! JPEG (ITU-T T.81): what the decoder, the encoder and the work on bytes alone share.

pub(crate) mod entropy;
mod head;
pub(crate) mod library;
mod quality;
mod repack;
mod segments;
mod strip;
#[cfg(test)]
pub(crate) mod tests;

pub(crate) use head::{Component, Head, fits_samples};
pub use repack::repack;
pub(crate) use segments::{Segment, segments, without};
pub use strip::strip;

use crate::ImageError;

/// First bytes of an APP1 segment with EXIF data.
pub(crate) const EXIF: &[u8] = b"Exif\0\0";
/// First bytes of an APP1 segment with an XMP packet.
pub(crate) const XMP: &[u8] = b"http://ns.adobe.com/xap/1.0/\0";
/// First bytes of an APP2 segment with a part of an ICC profile; the number of the part and the number of parts follow.
pub(crate) const ICC: &[u8] = b"ICC_PROFILE\0";
/// Most bytes of a segment, without marker and length.
pub(crate) const MAX_PAYLOAD: usize = 65_533;

/// Markers (T.81 table B.1).
pub(crate) mod marker {
    pub(crate) const SOI: u8 = 0xd8;
    pub(crate) const EOI: u8 = 0xd9;
    pub(crate) const SOS: u8 = 0xda;
    pub(crate) const DHT: u8 = 0xc4;
    pub(crate) const DQT: u8 = 0xdb;
    pub(crate) const DRI: u8 = 0xdd;
    pub(crate) const JPG: u8 = 0xc8;
    pub(crate) const DAC: u8 = 0xcc;
    pub(crate) const APP0: u8 = 0xe0;
    pub(crate) const APP1: u8 = 0xe1;
    pub(crate) const APP2: u8 = 0xe2;
    pub(crate) const APP14: u8 = 0xee;
    pub(crate) const APP15: u8 = 0xef;
    pub(crate) const COM: u8 = 0xfe;
}

fn broken(why: &str) -> ImageError {
    ImageError::Broken(why.to_owned())
}
