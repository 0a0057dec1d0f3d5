//! The coded bytes of a TIFF: what has to be known of them before they are decoded.

use std::borrow::Cow;
use std::io::Cursor;

use tiff::{
    decoder::Decoder,
    tags::{ByteOrder, Tag},
};

use crate::{ImageError, Limits};

const JPEG: u16 = 7;
const BIG_TIFF: u16 = 43;

/// Refuses tiles that cover far more than the picture, and JPEG pictures that are larger than the strip or tile which they are: both cost more than
/// what the size of the picture says.
pub(super) fn check(
    bytes: &[u8],
    decoder: &mut Decoder<Cursor<Cow<'_, [u8]>>>,
    limits: &Limits,
) -> Result<(), ImageError> {
    let (width, height) = decoder.dimensions()?;
    let (wide, high) = decoder.chunk_dimensions();
    if wide == 0 || high == 0 {
        return Err(ImageError::Broken("a strip or tile without pixels".to_owned()));
    }
    let tiled = super::is_tiled(decoder);
    let area = u64::from(wide) * u64::from(if tiled { high } else { high.min(height) });
    let covered = area.saturating_mul(u64::from(width.div_ceil(wide)) * u64::from(height.div_ceil(high)));
    if covered > limits.max_pixels.saturating_mul(2) {
        return Err(ImageError::TooLarge(format!("tiles of {wide}x{high} pixels")));
    }
    if decoder.find_tag_unsigned::<u16>(Tag::Compression)? != Some(JPEG) {
        return Ok(());
    }
    let (offsets, lengths) =
        if tiled { (Tag::TileOffsets, Tag::TileByteCounts) } else { (Tag::StripOffsets, Tag::StripByteCounts) };
    let offsets = decoder.find_tag_unsigned_vec::<u64>(offsets)?.unwrap_or_default();
    let lengths = decoder.find_tag_unsigned_vec::<u64>(lengths)?.unwrap_or_default();
    let tables = decoder.find_tag(Tag::JPEGTables)?.map(|value| value.into_u8_vec()).transpose()?.unwrap_or_default();
    let coded = offsets.iter().zip(&lengths).map(|(offset, length)| {
        let start = usize::try_from(*offset).unwrap_or(usize::MAX).min(bytes.len());
        let end = start.saturating_add(usize::try_from(*length).unwrap_or(usize::MAX)).min(bytes.len());
        &bytes[start..end]
    });
    // Coded pictures are a multiple of 16 pixels wide and high at times.
    let fits = |(columns, rows): (u16, u16)| {
        u32::from(columns) <= wide.next_multiple_of(16) && u32::from(rows) <= high.saturating_add(15)
    };
    match coded.chain([&tables[..]]).flat_map(jpeg_sides).find(|sides| !fits(*sides)) {
        Some(_) => Err(ImageError::Broken("a JPEG that is larger than its tile".to_owned())),
        None => Ok(()),
    }
}

/// Width and height in each frame header before the first scan.
fn jpeg_sides(jpeg: &[u8]) -> impl Iterator<Item = (u16, u16)> {
    let mut rest = jpeg.get(2..).unwrap_or_default();
    std::iter::from_fn(move || {
        while let [0xff, marker, tail @ ..] = rest {
            if matches!(marker, 0xff | 0x01 | 0xd0..=0xd8) {
                rest = if *marker == 0xff { &rest[1..] } else { tail };
                continue;
            }
            let length = usize::from(u16::from_be_bytes([*tail.first()?, *tail.get(1)?]));
            rest = tail.get(length..).unwrap_or_default();
            match marker {
                0xc4 | 0xc8 | 0xcc => {}
                0xc0..=0xcf => {
                    let side = |at: usize| Some(u16::from_be_bytes([*tail.get(at)?, *tail.get(at + 1)?]));
                    return Some((side(5)?, side(3)?));
                }
                0xda => return None,
                _ => {}
            }
        }
        None
    })
}

/// The file with the directory at which the decoder stands saying that the samples are gray: the library decodes indices only so.
pub(super) fn without_palette(
    bytes: &[u8],
    decoder: &mut Decoder<Cursor<Cow<'_, [u8]>>>,
) -> Result<Vec<u8>, ImageError> {
    let broken = || ImageError::Broken("the directory cannot be read".to_owned());
    let little = decoder.byte_order() == ByteOrder::LittleEndian;
    let word = |at: usize| -> Option<u16> {
        let pair = [*bytes.get(at)?, *bytes.get(at + 1)?];
        Some(if little { u16::from_le_bytes(pair) } else { u16::from_be_bytes(pair) })
    };
    let big = word(2) == Some(BIG_TIFF);
    // Bytes of the count of entries, of an entry, and of an entry before its value. No directory has 65536 entries.
    let (count_size, entry_size, value) = if big { (8, 20, 12) } else { (2, 12, 8) };
    let directory = decoder.ifd_pointer().and_then(|pointer| usize::try_from(pointer.0).ok()).ok_or_else(broken)?;
    let count = word(directory + if big && !little { 6 } else { 0 }).ok_or_else(broken)?;
    let wanted = Tag::PhotometricInterpretation.to_u16();
    let entry = (0..usize::from(count))
        .map(|index| directory + count_size + index * entry_size)
        .find(|entry| word(*entry) == Some(wanted))
        .ok_or_else(broken)?;
    let mut copy = bytes.to_vec();
    let gray = if little { [1, 0] } else { [0, 1] };
    copy.get_mut(entry + value..entry + value + 2).ok_or_else(broken)?.copy_from_slice(&gray);
    Ok(copy)
}
