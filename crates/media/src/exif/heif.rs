//! The EXIF item of HEIC and AVIF files (ISO 14496-12 section 8.11, ISO 23008-12 annex A).

/// The TIFF structure inside the item of type `Exif`.
pub(super) fn tiff_block(file: &[u8]) -> Option<&[u8]> {
    let meta = child(file, b"meta")?;
    // Version and flags come before the boxes.
    let boxes = meta.get(4..)?;
    let item = exif_item(child(boxes, b"iinf")?)?;
    let location = locate(child(boxes, b"iloc")?, item)?;
    let source = match location.method {
        0 => file,
        1 => child(boxes, b"idat")?,
        _ => return None,
    };
    let item = source.get(usize::try_from(location.offset).ok()?..)?;
    let length = usize::try_from(location.length).ok()?;
    // Length 0: up to the end.
    let item = item.get(..length).filter(|_| length > 0).unwrap_or(item);
    let mut fields = Fields(item);
    let header = usize::try_from(fields.number(4)?).ok()?;
    fields.0.get(header..)
}

/// The content of the first box of that type.
fn child<'a>(bytes: &'a [u8], wanted: &[u8; 4]) -> Option<&'a [u8]> {
    boxes(bytes).find(|(kind, _)| kind == wanted).map(|(_, content)| content)
}

/// Types and contents of the boxes; a box that is cut off is the last one.
fn boxes(bytes: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    let mut fields = Fields(bytes);
    std::iter::from_fn(move || {
        let size = fields.number(4)?;
        let kind = *fields.take(4)?.first_chunk()?;
        let length = match size {
            0 => fields.0.len() as u64,
            1 => fields.number(8)?.checked_sub(16)?,
            size => size.checked_sub(8)?,
        };
        let length = usize::try_from(length).ok()?.min(fields.0.len());
        Some((kind, fields.take(length)?))
    })
}

fn exif_item(item_information: &[u8]) -> Option<u64> {
    let mut fields = Fields(item_information);
    let version = fields.version()?;
    fields.take(if version == 0 { 2 } else { 4 })?;
    boxes(fields.0).filter(|(kind, _)| kind == b"infe").find_map(|(_, entry)| {
        let mut fields = Fields(entry);
        let id_bytes = if fields.version()? == 2 { 2 } else { 4 };
        let id = fields.number(id_bytes)?;
        let _protection = fields.number(2)?;
        (fields.take(4)? == b"Exif").then_some(id)
    })
}

struct Location {
    method: u64,
    offset: u64,
    length: u64,
}

/// The first extent of the item; writers do not split EXIF data.
fn locate(item_location: &[u8], wanted: u64) -> Option<Location> {
    let mut fields = Fields(item_location);
    let version = fields.version()?;
    let sizes = fields.number(2)?;
    let [offset_bytes, length_bytes, base_bytes, index_bytes] =
        [12, 8, 4, 0].map(|shift| (sizes >> shift & 0xf) as usize);
    let index_bytes = if version == 0 { 0 } else { index_bytes };
    let id_bytes = if version == 2 { 4 } else { 2 };
    for _ in 0..fields.number(id_bytes)? {
        let id = fields.number(id_bytes)?;
        let method = if version == 0 { 0 } else { fields.number(2)? & 0xf };
        let _data_reference = fields.number(2)?;
        let base = fields.number(base_bytes)?;
        let extents = usize::try_from(fields.number(2)?).ok()?;
        if id != wanted {
            fields.take(extents * (index_bytes + offset_bytes + length_bytes))?;
            continue;
        }
        let _index = fields.number(index_bytes)?;
        return Some(Location {
            method,
            offset: base.checked_add(fields.number(offset_bytes)?)?,
            length: fields.number(length_bytes)?,
        });
    }
    None
}

/// Bytes read from the front.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    /// A big-endian number of 0 to 8 bytes.
    fn number(&mut self, length: usize) -> Option<u64> {
        let bytes = self.take(length).filter(|_| length <= 8)?;
        Some(bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn version(&mut self) -> Option<u64> {
        Some(self.number(4)? >> 24)
    }
}
