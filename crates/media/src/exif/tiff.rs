//! A walk over the directories of a TIFF structure (EXIF 2.32 section 4.6) that visits each at most once and reads only what is asked for.

use exif::{Context, Tag};

/// More tags than any camera writes.
const MAX_TAGS: usize = 1000;
/// Longest value; colour profiles, maker notes and thumbnails are longer.
const MAX_VALUE_BYTES: usize = 4096;
/// Longest of all values together.
const MAX_TOTAL_BYTES: usize = 256 * 1024;

/// One directory of tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Group {
    Image,
    Exif,
    Gps,
    Interop,
    Thumbnail,
}

impl Group {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Exif => "exif",
            Self::Gps => "gps",
            Self::Interop => "interop",
            Self::Thumbnail => "thumbnail",
        }
    }

    fn context(self) -> Context {
        match self {
            Self::Image | Self::Thumbnail => Context::Tiff,
            Self::Exif => Context::Exif,
            Self::Gps => Context::Gps,
            Self::Interop => Context::Interop,
        }
    }

    /// The directory to which a tag of this one points.
    fn child(self, tag: Tag) -> Option<Self> {
        match (self, tag) {
            (Self::Image, Tag::ExifIFDPointer) => Some(Self::Exif),
            (Self::Image, Tag::GPSInfoIFDPointer) => Some(Self::Gps),
            (Self::Exif, Tag::InteropIFDPointer) => Some(Self::Interop),
            _ => None,
        }
    }
}

/// A tag with the bytes of its value.
pub(super) struct Entry<'a> {
    pub(super) group: Group,
    pub(super) tag: Tag,
    /// TIFF 6.0 type, 1 to 13.
    pub(super) kind: u16,
    pub(super) order: Order,
    pub(super) bytes: &'a [u8],
}

impl Entry<'_> {
    pub(super) fn tag_name(&self) -> String {
        match self.tag.description() {
            Some(_) => self.tag.to_string(),
            None => format!("0x{:04x}", self.tag.number()),
        }
    }
}

/// Byte order of all numbers.
#[derive(Clone, Copy)]
pub(super) enum Order {
    Little,
    Big,
}

impl Order {
    pub(super) fn u16(self, bytes: [u8; 2]) -> u16 {
        match self {
            Self::Little => u16::from_le_bytes(bytes),
            Self::Big => u16::from_be_bytes(bytes),
        }
    }

    pub(super) fn u32(self, bytes: [u8; 4]) -> u32 {
        match self {
            Self::Little => u32::from_le_bytes(bytes),
            Self::Big => u32::from_be_bytes(bytes),
        }
    }

    pub(super) fn u64(self, bytes: [u8; 8]) -> u64 {
        match self {
            Self::Little => u64::from_le_bytes(bytes),
            Self::Big => u64::from_be_bytes(bytes),
        }
    }
}

/// Bytes of one number of a type; `None` for unknown types.
pub(super) fn unit_bytes(kind: u16) -> Option<usize> {
    match kind {
        1 | 2 | 6 | 7 => Some(1),
        3 | 8 => Some(2),
        4 | 9 | 11 | 13 => Some(4),
        5 | 10 | 12 => Some(8),
        _ => None,
    }
}

/// The tags of the first picture, its thumbnail and their sub-directories; broken ones are left out.
pub(super) fn entries(data: &[u8]) -> Vec<Entry<'_>> {
    let order = match data {
        [b'I', b'I', 42, 0, ..] => Order::Little,
        [b'M', b'M', 0, 42, ..] => Order::Big,
        _ => return Vec::new(),
    };
    let mut walk = Walk { data, order, entries: Vec::new(), value_bytes: 0 };
    if let Some(first) = walk.u32(4) {
        let second = walk.directory(Group::Image, first);
        if let Some(second) = second.filter(|offset| *offset != 0) {
            walk.directory(Group::Thumbnail, second);
        }
    }
    walk.entries
}

struct Walk<'a> {
    data: &'a [u8],
    order: Order,
    entries: Vec<Entry<'a>>,
    value_bytes: usize,
}

impl<'a> Walk<'a> {
    fn u16(&self, at: usize) -> Option<u16> {
        Some(self.order.u16(*self.data.get(at..)?.first_chunk()?))
    }

    fn u32(&self, at: usize) -> Option<usize> {
        let number = self.order.u32(*self.data.get(at..)?.first_chunk()?);
        usize::try_from(number).ok()
    }

    /// Reads a directory and its children; the answer is the offset of the next one. Depth is bounded by the groups: no group is its own descendant.
    fn directory(&mut self, group: Group, offset: usize) -> Option<usize> {
        let count = usize::from(self.u16(offset)?);
        let first = offset + 2;
        let mut children = Vec::new();
        for at in (0..count).map(|index| first + index * 12) {
            let tag = Tag(group.context(), self.u16(at)?);
            match group.child(tag) {
                Some(child) => {
                    // Of two pointers to the same group the first counts, so nothing is read twice.
                    if !children.iter().any(|(known, _)| *known == child) {
                        children.push((child, self.u32(at + 8)?));
                    }
                }
                None => self.entry(group, tag, at),
            }
        }
        for (child, offset) in children {
            self.directory(child, offset);
        }
        self.u32(first + count * 12)
    }

    fn entry(&mut self, group: Group, tag: Tag, at: usize) {
        if self.entries.len() == MAX_TAGS {
            return;
        }
        let Some((kind, bytes)) = self.value(at) else {
            return;
        };
        self.value_bytes += bytes.len();
        if self.value_bytes <= MAX_TOTAL_BYTES {
            self.entries.push(Entry { group, tag, kind, order: self.order, bytes });
        }
    }

    /// Type and bytes of a value; texts are cut, other long values are none.
    fn value(&self, at: usize) -> Option<(u16, &'a [u8])> {
        let kind = self.u16(at + 2)?;
        let length = unit_bytes(kind)?.checked_mul(self.u32(at + 4)?)?;
        let start = if length <= 4 { at + 8 } else { self.u32(at + 8)? };
        let is_text = kind == 2;
        if length > MAX_VALUE_BYTES && !is_text {
            return None;
        }
        let bytes = self.data.get(start..)?.get(..length.min(MAX_VALUE_BYTES))?;
        Some((kind, bytes))
    }
}
