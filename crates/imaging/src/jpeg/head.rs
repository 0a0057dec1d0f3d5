//! What stands before the first scan of a JPEG file.

use super::{EXIF, ICC, Segment, XMP, broken, marker, quality, segments};
use crate::ImageError;

/// One of the planes that a picture is made of.
pub(crate) struct Component {
    pub(crate) id: u8,
    /// Sampling factors, 1 to 4: how many blocks of this component lie beside and above each other in a unit.
    pub(crate) horizontal: u8,
    /// See `horizontal`.
    pub(crate) vertical: u8,
}

/// The header.
#[derive(Default)]
pub(crate) struct Head<'a> {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) progressive: bool,
    /// 1, 3 or 4.
    pub(crate) components: Vec<Component>,
    /// Whether Adobe's segment is there, and so CMYK samples are meant inverted.
    pub(crate) adobe: bool,
    /// 1–100, estimated.
    pub(crate) quality: Option<u8>,
    pub(crate) exif: Option<&'a [u8]>,
    pub(crate) xmp: Option<&'a [u8]>,
    icc_parts: Vec<&'a [u8]>,
}

impl<'a> Head<'a> {
    /// Reads up to the first scan.
    ///
    /// # Errors
    /// Broken, or coded in a way that is not read: arithmetic, lossless, more than eight bits.
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self, ImageError> {
        let mut head = Self::default();
        for segment in segments(bytes) {
            let segment = segment?;
            match segment.marker {
                marker::SOS if head.components.is_empty() => return Err(broken("a scan before the frame")),
                marker::SOS => return Ok(head),
                _ => head.take(&segment)?,
            }
        }
        Err(if bytes.starts_with(&[0xff, marker::SOI]) { broken("no scan") } else { ImageError::UnsupportedInput })
    }

    fn take(&mut self, segment: &Segment<'a>) -> Result<(), ImageError> {
        let payload = segment.payload;
        match segment.marker {
            marker::DHT | marker::JPG | marker::DAC => {}
            0xc0..=0xc2 if self.components.is_empty() => self.take_frame(segment)?,
            0xc0..=0xc2 => return Err(broken("a second frame")),
            0xc3..=0xcf => return Err(ImageError::UnsupportedInput),
            marker::DQT => self.quality = self.quality.or_else(|| quality::estimate(payload)),
            marker::APP1 => {
                self.exif = self.exif.or_else(|| payload.strip_prefix(EXIF));
                self.xmp = self.xmp.or_else(|| payload.strip_prefix(XMP));
            }
            marker::APP2 => self.icc_parts.extend(payload.strip_prefix(ICC)),
            marker::APP14 => self.adobe |= payload.starts_with(b"Adobe"),
            _ => {}
        }
        Ok(())
    }

    /// The frame header, T.81 section B.2.2.
    fn take_frame(&mut self, segment: &Segment<'_>) -> Result<(), ImageError> {
        let (&[precision, high, height, wide, width, count], components) =
            segment.payload.split_first_chunk().ok_or_else(|| broken("the frame header is too short"))?;
        if precision != 8 || !matches!(count, 1 | 3 | 4) {
            return Err(ImageError::UnsupportedInput);
        }
        self.progressive = segment.marker == 0xc2;
        self.width = u32::from(u16::from_be_bytes([wide, width]));
        self.height = u32::from(u16::from_be_bytes([high, height]));
        self.components = components
            .chunks_exact(3)
            .map(|component| Component { id: component[0], horizontal: component[1] >> 4, vertical: component[1] & 15 })
            .collect();
        let sound =
            |component: &Component| (1..=4).contains(&component.horizontal) && (1..=4).contains(&component.vertical);
        let fits = self.components.len() == usize::from(count) && self.components.iter().all(sound);
        (fits && self.width > 0 && self.height > 0).then_some(()).ok_or_else(|| broken("the frame header is wrong"))
    }

    /// Blocks of a unit beside each other.
    pub(crate) fn unit_width(&self) -> u32 {
        self.components.iter().map(|component| component.horizontal.into()).max().unwrap_or(1)
    }

    /// Blocks of a unit above each other.
    pub(crate) fn unit_height(&self) -> u32 {
        self.components.iter().map(|component| component.vertical.into()).max().unwrap_or(1)
    }

    /// The profile, if it is whole and for samples of this kind.
    pub(crate) fn icc(&self) -> Option<Vec<u8>> {
        let mut parts: Vec<_> = self.icc_parts.iter().filter_map(|part| part.split_first_chunk::<2>()).collect();
        parts.sort_by_key(|([number, _], _)| *number);
        let whole = parts.iter().enumerate().all(|(index, ([number, count], _))| {
            usize::from(*number) == index + 1 && usize::from(*count) == parts.len()
        });
        let icc: Vec<u8> = parts.iter().filter(|_| whole).flat_map(|(_, part)| part.iter().copied()).collect();
        fits_samples(&icc, self.components.len()).then_some(icc)
    }
}

/// Whether a profile is one for pixels of so many samples (ICC.1:2022 section 7.2.6).
pub(crate) fn fits_samples(icc: &[u8], samples: usize) -> bool {
    let space: &[u8] = match samples {
        1 => b"GRAY",
        3 => b"RGB ",
        _ => b"CMYK",
    };
    icc.get(16..20) == Some(space)
}
