//! The planes of the merged picture.

use super::{Document, number, taken};
use crate::ImageError;

const RAW: u64 = 0;
const PACKED: u64 = 1;

/// Bytes of the rows of the planes, one plane after the other.
enum Rows<'a> {
    Raw(&'a [u8]),
    /// Lengths of the packed rows, as numbers of so many bytes, and the rows.
    Packed {
        lengths: &'a [u8],
        size: usize,
        data: &'a [u8],
    },
}

/// The first planes, eight bits a sample, sample by sample.
pub(super) fn interleaved(document: &Document<'_>, planes: usize) -> Result<Vec<u8>, ImageError> {
    let (width, height) = (document.width as usize, document.height as usize);
    let row_bytes = (width * usize::from(document.depth)).div_ceil(8);
    let mut rows = rows(document)?;
    let mut all = vec![0; width * height * planes];
    let mut row = vec![0; row_bytes];
    for plane in 0..planes {
        for line in all.chunks_exact_mut(width * planes) {
            rows.next(&mut row)?;
            let target = line.iter_mut().skip(plane).step_by(planes);
            match document.depth {
                // The only picture of one bit is black where the bit is set.
                1 => target.enumerate().for_each(|(column, level)| {
                    *level = if row[column / 8] >> (7 - column % 8) & 1 == 1 { 0 } else { 255 }
                }),
                16 => target.zip(row.chunks_exact(2)).for_each(|(level, pair)| *level = rounded(pair[0], pair[1])),
                _ => target.zip(&row).for_each(|(level, byte)| *level = *byte),
            }
        }
    }
    Ok(all)
}

/// 16 bits to eight.
fn rounded(high: u8, low: u8) -> u8 {
    ((u32::from(u16::from_be_bytes([high, low])) * 255 + 32_767) / 65_535) as u8
}

fn rows<'a>(document: &Document<'a>) -> Result<Rows<'a>, ImageError> {
    let rest = &mut { document.data };
    match number(rest, 2)? {
        RAW => Ok(Rows::Raw(rest)),
        PACKED => {
            let size = if document.large { 4 } else { 2 };
            let count = document.height as usize * usize::from(document.channels);
            let lengths = taken(rest, count * size)?;
            Ok(Rows::Packed { lengths, size, data: rest })
        }
        _ => Err(ImageError::Unsupported("this compression of a PSD".to_owned())),
    }
}

impl Rows<'_> {
    /// The bytes of the next row.
    fn next(&mut self, row: &mut [u8]) -> Result<(), ImageError> {
        match self {
            Self::Raw(data) => {
                row.copy_from_slice(taken(data, row.len())?);
                Ok(())
            }
            Self::Packed { lengths, size, data } => {
                let length = number(lengths, *size)? as usize;
                let whole = unpack(taken(data, length)?, row);
                whole.ok_or_else(|| ImageError::Broken("a packed row does not fit".to_owned()))
            }
        }
    }
}

/// Fills a row with what PackBits made of it; `None` if that is not exactly a row.
pub(super) fn unpack(mut packed: &[u8], mut row: &mut [u8]) -> Option<()> {
    while let [count, rest @ ..] = packed {
        let count = *count as i8;
        match count {
            // Some writers fill up with this one, which means nothing.
            -128 => packed = rest,
            0.. => {
                let (bytes, behind) = rest.split_at_checked(count as usize + 1)?;
                row.split_off_mut(..bytes.len())?.copy_from_slice(bytes);
                packed = behind;
            }
            _ => {
                let (byte, behind) = rest.split_first()?;
                row.split_off_mut(..1 + usize::from(count.unsigned_abs()))?.fill(*byte);
                packed = behind;
            }
        }
    }
    row.is_empty().then_some(())
}
