//! The boxes of a JPEG XL container (ISO/IEC 18181-2).

use std::borrow::Cow;

use crate::ImageError;

const CONTAINER: &[u8] = b"\0\0\0\x0cJXL \r\n\x87\n";
/// Most bytes of EXIF or XMP.
const MAX_METADATA: usize = 1 << 20;

/// Type and content of each box, as far as they are whole.
fn boxes(bytes: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    let mut rest = if bytes.starts_with(CONTAINER) { bytes } else { &[] };
    std::iter::from_fn(move || {
        let (start, tail) = rest.split_first_chunk::<8>()?;
        let kind = [start[4], start[5], start[6], start[7]];
        let (header, length) = match u32::from_be_bytes([start[0], start[1], start[2], start[3]]) {
            0 => (8, rest.len()),
            1 => (16, usize::try_from(u64::from_be_bytes(*tail.first_chunk()?)).ok()?),
            length => (8, length as usize),
        };
        let content = rest.get(header..length)?;
        rest = &rest[length..];
        Some((kind, content))
    })
}

/// The picture itself: of a container all its parts in order, else the whole file.
pub(super) fn codestream(bytes: &[u8]) -> Result<Cow<'_, [u8]>, ImageError> {
    if !bytes.starts_with(CONTAINER) {
        return Ok(Cow::Borrowed(bytes));
    }
    if let Some((_, whole)) = boxes(bytes).find(|(kind, _)| kind == b"jxlc") {
        return Ok(Cow::Borrowed(whole));
    }
    let mut parts: Vec<(u32, &[u8])> = boxes(bytes)
        .filter(|(kind, _)| kind == b"jxlp")
        .filter_map(|(_, part)| {
            part.split_first_chunk().map(|(index, part)| (u32::from_be_bytes(*index) & 0x7fff_ffff, part))
        })
        .collect();
    parts.sort_by_key(|(index, _)| *index);
    if parts.is_empty() {
        return Err(ImageError::Broken("no picture in the container".to_owned()));
    }
    Ok(Cow::Owned(parts.into_iter().flat_map(|(_, part)| part).copied().collect()))
}

/// The TIFF structure of EXIF, behind its offset of four bytes.
pub(super) fn exif(bytes: &[u8]) -> Option<Vec<u8>> {
    let (_, content) = boxes(bytes).find(|(kind, _)| kind == b"Exif")?;
    let (offset, content) = content.split_first_chunk()?;
    let exif = content.get(u32::from_be_bytes(*offset) as usize..)?;
    (exif.len() <= MAX_METADATA).then(|| exif.to_vec())
}

/// The XMP packet.
pub(super) fn xmp(bytes: &[u8]) -> Option<Vec<u8>> {
    let (_, packet) = boxes(bytes).find(|(kind, _)| kind == b"xml ")?;
    (packet.len() <= MAX_METADATA).then(|| packet.to_vec())
}
