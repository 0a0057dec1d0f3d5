//! What the chunks of a PNG say without its pixels.

use std::io::Read;

use crate::decode::{Header, still};
use crate::png_chunks::{Chunk, chunks};
use crate::{Format, ImageError, Limits, Metadata, exif};

/// Most bytes that a compressed profile or text may grow to; larger ones are left out. A profile for a monitor has a few kilobytes, and
/// compressed chunks are the usual place for a bomb.
const MAX_INFLATED: u64 = 1 << 20;

/// Keyword of the text chunk that holds an XMP packet (XMP part 3 §1.1.5).
const XMP: &[u8] = b"XML:com.adobe.xmp";

/// The chunks that matter, still compressed.
#[derive(Default)]
pub(super) struct Outline<'a> {
    pub(super) width: u32,
    pub(super) height: u32,
    alpha: bool,
    /// Frames of an animation that there is data for; `None`: a still picture.
    pub(super) frames: Option<u32>,
    /// Times an animation is shown; 0: for ever.
    pub(super) loops: u16,
    profile: Option<&'a [u8]>,
    exif: Option<&'a [u8]>,
    xmp: Option<&'a [u8]>,
}

impl<'a> Outline<'a> {
    /// Walks all chunks: EXIF data and texts may also follow the pixels.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, ImageError> {
        let mut outline = Self::default();
        let (mut declared, mut found, mut announced, mut data) = (None, 0u32, false, false);
        for Chunk { kind, data: content, .. } in chunks(bytes).ok_or(ImageError::UnsupportedInput)? {
            match kind {
                b"IHDR" => outline.read_header(content)?,
                b"tRNS" => outline.alpha = true,
                b"acTL" if !data => declared = declared.or(outline.read_animation(content)),
                b"fcTL" => announced = true,
                b"IDAT" | b"fdAT" => {
                    data = true;
                    found += u32::from(std::mem::take(&mut announced));
                }
                b"iCCP" => outline.profile = outline.profile.or(Some(content)),
                b"eXIf" => outline.exif = outline.exif.or(Some(content)),
                b"iTXt" if content.starts_with(XMP) => outline.xmp = outline.xmp.or(Some(content)),
                _ => {}
            }
        }
        if outline.width == 0 || outline.height == 0 {
            return Err(ImageError::Broken("no header with sides".to_owned()));
        }
        // The declared number may be a lie in either direction.
        outline.frames = declared.map(|declared: u32| declared.min(found)).filter(|frames| *frames > 0);
        Ok(outline)
    }

    fn read_header(&mut self, content: &[u8]) -> Result<(), ImageError> {
        let [w0, w1, w2, w3, h0, h1, h2, h3, _, colour, ..] = *content else {
            return Err(ImageError::Broken("a short header".to_owned()));
        };
        self.width = u32::from_be_bytes([w0, w1, w2, w3]);
        self.height = u32::from_be_bytes([h0, h1, h2, h3]);
        self.alpha |= colour & 4 != 0;
        Ok(())
    }

    /// The declared number of frames.
    fn read_animation(&mut self, content: &[u8]) -> Option<u32> {
        let (frames, rest) = content.split_first_chunk::<4>()?;
        let plays = u32::from_be_bytes(*rest.first_chunk::<4>()?);
        self.loops = u16::try_from(plays).unwrap_or(u16::MAX);
        Some(u32::from_be_bytes(*frames))
    }

    pub(super) fn header(&self, limits: &Limits) -> Result<Header, ImageError> {
        let alpha = self.alpha || self.frames.is_some();
        let header = still::header(Format::Png, self.width, self.height, alpha, limits)?;
        Ok(Header { frames: self.frames.unwrap_or(1), ..header })
    }

    pub(super) fn metadata(&self) -> Metadata {
        let exif = self.exif.map(|exif| exif.strip_prefix(b"Exif\0\0").unwrap_or(exif).to_vec());
        Metadata {
            icc: self.profile.and_then(read_profile),
            orientation: exif.as_deref().map(exif::orientation).unwrap_or_default(),
            exif,
            xmp: self.xmp.and_then(read_xmp),
        }
    }
}

/// Name, 0, method, compressed profile.
fn read_profile(content: &[u8]) -> Option<Vec<u8>> {
    match after_nul(content)? {
        [0, compressed @ ..] => inflated(compressed),
        _ => None,
    }
}

/// Keyword, 0, whether compressed, method, language, 0, keyword in that language, 0, text.
fn read_xmp(content: &[u8]) -> Option<Vec<u8>> {
    let [compressed, method, rest @ ..] = after_nul(content)? else { return None };
    let text = after_nul(after_nul(rest)?)?;
    match (compressed, method) {
        (0, _) => Some(text.to_vec()),
        (1, 0) => inflated(text),
        _ => None,
    }
}

fn after_nul(content: &[u8]) -> Option<&[u8]> {
    let end = content.iter().position(|byte| *byte == 0)?;
    Some(&content[end + 1..])
}

fn inflated(compressed: &[u8]) -> Option<Vec<u8>> {
    let mut content = Vec::new();
    let length = flate2::read::ZlibDecoder::new(compressed).take(MAX_INFLATED + 1).read_to_end(&mut content).ok()?;
    (length as u64 <= MAX_INFLATED).then_some(content)
}
