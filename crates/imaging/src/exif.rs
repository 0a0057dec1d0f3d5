//! The one EXIF tag that decides what a picture looks like: its orientation (EXIF 2.32 section 4.6.4).

use std::ops::Range;

use crate::Orientation;

const ORIENTATION: u16 = 0x0112;
/// TIFF type of the tag; some writers use `LONG`.
const SHORT: u16 = 3;
const LONG: u16 = 4;

/// The orientation in a TIFF structure (EXIF without `Exif\0\0`); upright if it says nothing that can be understood.
pub(crate) fn orientation(exif: &[u8]) -> Orientation {
    let value = find(exif).and_then(|(order, place)| order.number(exif.get(place)?));
    Orientation::from_exif(value.unwrap_or(1))
}

/// Makes the structure say that the pixels stand upright; one that says nothing stays as it is.
pub(crate) fn set_upright(exif: &mut [u8]) {
    let Some((order, place)) = find(exif) else { return };
    let Some(value) = exif.get_mut(place) else { return };
    value.fill(0);
    let lowest = if order == Order::Little { value.first_mut() } else { value.last_mut() };
    if let Some(byte) = lowest {
        *byte = 1;
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Order {
    Little,
    Big,
}

impl Order {
    /// The number of two or four bytes.
    fn number(self, bytes: &[u8]) -> Option<u32> {
        let append = |number: u32, byte: &u8| number << 8 | u32::from(*byte);
        (bytes.len() <= 4).then(|| match self {
            Self::Little => bytes.iter().rev().fold(0, append),
            Self::Big => bytes.iter().fold(0, append),
        })
    }

    fn short(self, bytes: &[u8], at: usize) -> Option<u16> {
        u16::try_from(self.number(bytes.get(at..at.checked_add(2)?)?)?).ok()
    }

    fn long(self, bytes: &[u8], at: usize) -> Option<u32> {
        self.number(bytes.get(at..at.checked_add(4)?)?)
    }
}

/// Where the value of the tag stands in the first directory.
fn find(exif: &[u8]) -> Option<(Order, Range<usize>)> {
    let order = match exif.get(..4)? {
        b"II*\0" => Order::Little,
        b"MM\0*" => Order::Big,
        _ => return None,
    };
    let directory = usize::try_from(order.long(exif, 4)?).ok()?;
    let count = usize::from(order.short(exif, directory)?);
    let entries = exif.get(directory.checked_add(2)?..)?.chunks_exact(12).take(count);
    let (index, entry) = entries.enumerate().find(|(_, entry)| order.short(entry, 0) == Some(ORIENTATION))?;
    let length = match order.short(entry, 2)? {
        SHORT => 2,
        LONG => 4,
        _ => return None,
    };
    let value = directory + 2 + index * 12 + 8;
    Some((order, value..value + length))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A structure with an unrelated tag before the orientation.
    fn exif(little: bool, kind: u16, value: u16) -> Vec<u8> {
        let short = |number: u16| if little { number.to_le_bytes() } else { number.to_be_bytes() };
        let long = |number: u32| if little { number.to_le_bytes() } else { number.to_be_bytes() };
        let mut bytes = if little { b"II*\0".to_vec() } else { b"MM\0*".to_vec() };
        bytes.extend(long(8));
        bytes.extend(short(2));
        for (tag, kind, value) in [(0x0100, SHORT, 640), (ORIENTATION, kind, value)] {
            bytes.extend([short(tag), short(kind)].concat());
            bytes.extend(long(1));
            bytes.extend(if kind == LONG { long(value.into()).to_vec() } else { [short(value), [0, 0]].concat() });
        }
        bytes.extend(long(0));
        bytes
    }

    #[test]
    fn all_orientations_are_read_and_set_upright() {
        for value in 1..=8 {
            for (little, kind) in [(true, SHORT), (false, SHORT), (true, LONG), (false, LONG)] {
                let mut bytes = exif(little, kind, value);
                assert_eq!(orientation(&bytes), Orientation::from_exif(value.into()));
                let before = bytes.len();
                set_upright(&mut bytes);
                assert_eq!((orientation(&bytes), bytes.len()), (Orientation::Upright, before));
                assert_eq!(bytes, exif(little, kind, 1), "nothing else changed");
            }
        }
    }

    #[test]
    fn what_is_cut_off_or_says_nothing_is_upright_and_stays() {
        let whole = exif(true, SHORT, 6);
        for length in 0..whole.len() {
            let mut bytes = whole[..length].to_vec();
            let _ = orientation(&bytes);
            set_upright(&mut bytes);
            assert_eq!(bytes.len(), length);
        }
        for bytes in
            [&b""[..], b"II*\0\xff\xff\xff\xff", b"JUNK\0\0\0\x08\0\x01", &exif(true, 7, 6), &exif(true, SHORT, 9)]
        {
            assert_eq!(orientation(bytes), Orientation::Upright);
        }
    }
}
