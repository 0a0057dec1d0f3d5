//! The chunks that a PNG file is made of (PNG third edition §5).

/// First bytes of every PNG file.
pub(crate) const SIGNATURE: [u8; 8] = *b"\x89PNG\r\n\x1a\n";

/// Bytes of a chunk beside its data: length, kind, checksum.
const FRAME: usize = 12;

/// One chunk; its checksum is not looked at.
pub(crate) struct Chunk<'a> {
    /// `IHDR`, `IDAT` …
    pub(crate) kind: &'a [u8; 4],
    /// What it holds.
    pub(crate) data: &'a [u8],
    /// All of its bytes.
    pub(crate) whole: &'a [u8],
}

/// The chunks up to `IEND`, or to the first that is cut off.
pub(crate) struct Chunks<'a>(&'a [u8]);

/// Walks a file; `None` if it is no PNG.
pub(crate) fn chunks(bytes: &[u8]) -> Option<Chunks<'_>> {
    bytes.strip_prefix(&SIGNATURE).map(Chunks)
}

impl<'a> Iterator for Chunks<'a> {
    type Item = Chunk<'a>;

    fn next(&mut self) -> Option<Chunk<'a>> {
        let (length, _) = self.0.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (whole, rest) = self.0.split_at_checked(length.checked_add(FRAME)?)?;
        let (kind, data) = whole[4..4 + 4 + length].split_first_chunk::<4>()?;
        self.0 = if kind == b"IEND" { &[] } else { rest };
        Some(Chunk { kind, data, whole })
    }
}

/// Appends a chunk. Data is given in parts to be written one behind the other; all of them together are far from the 2 GiB that a chunk can hold.
pub(crate) fn push(file: &mut Vec<u8>, kind: &[u8; 4], parts: &[&[u8]]) {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    file.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
    let start = file.len();
    file.extend_from_slice(kind);
    parts.iter().for_each(|part| file.extend_from_slice(part));
    let mut checksum = flate2::Crc::new();
    checksum.update(&file[start..]);
    file.extend_from_slice(&checksum.sum().to_be_bytes());
}
