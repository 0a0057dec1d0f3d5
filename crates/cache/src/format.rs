//! What stands behind the body in the file of an entry: `JSON | magic (8) | version (4) | JSON length (4) | body length (8) | CRC-32 of
//! the body (4) | CRC-32 of the JSON and of all these figures (4)`, figures little-endian.
//!
//! It stands behind so that the body begins at byte 0: a program may write it without knowing of any format.

use std::{
    fs::File,
    io::{self, ErrorKind, Write},
    os::unix::fs::FileExt,
};

use serde::{Deserialize, Serialize};

use crate::entry::{Id, Life, Meta, Tag};

const MAGIC: [u8; 8] = *b"STWCACHE";
const VERSION: u32 = 1;
/// Bytes of the figures at the end.
const FIGURES: usize = 32;
/// Longest JSON that is written or believed, bytes.
const LONGEST_JSON: usize = 64 << 10;
/// Read from the end at once; JSON that is longer costs one read more.
const TAIL: u64 = 4096;
/// Bytes read at once to compute a CRC.
const CHUNK: usize = 256 << 10;

/// What is known about an entry besides its body.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Label {
    owner: i64,
    key: String,
    pub(crate) meta: Meta,
    pub(crate) tags: Vec<Tag>,
    pub(crate) life: Life,
}

impl Label {
    pub(crate) fn new(id: Id, meta: Meta, tags: &[Tag], life: Life) -> Self {
        Self { owner: id.owner.0, key: hex::encode(id.key.0), meta, tags: tags.to_vec(), life }
    }
}

/// A label read from a file, with the figures about the body.
pub(crate) struct Sealed {
    pub(crate) label: Label,
    pub(crate) length: u64,
    pub(crate) crc: u32,
    /// Bytes of the whole file.
    pub(crate) file_length: u64,
}

/// The bytes that go behind a body. Error: `InvalidInput` if the label is too long.
pub(crate) fn seal(label: &Label, length: u64, crc: u32) -> io::Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec(label)?;
    if bytes.len() > LONGEST_JSON {
        return Err(io::Error::new(ErrorKind::InvalidInput, "the label of the entry is too long"));
    }
    let json_length = bytes.len() as u32;
    bytes.write_all(&MAGIC)?;
    bytes.write_all(&VERSION.to_le_bytes())?;
    bytes.write_all(&json_length.to_le_bytes())?;
    bytes.write_all(&length.to_le_bytes())?;
    bytes.write_all(&crc.to_le_bytes())?;
    let check = crc32fast::hash(&bytes);
    bytes.write_all(&check.to_le_bytes())?;
    Ok(bytes)
}

/// Reads what stands behind the body. Errors: `InvalidData` if it is not whole, or not the label of `id`.
pub(crate) fn open(file: &File, id: Id) -> io::Result<Sealed> {
    let file_length = file.metadata()?.len();
    let mut tail = read_end(file, file_length, TAIL)?;
    let mut sealed_length = json_length(&tail)? + FIGURES;
    if sealed_length > tail.len() {
        tail = read_end(file, file_length, sealed_length as u64)?;
        sealed_length = json_length(&tail)? + FIGURES;
    }
    let start = tail.len().checked_sub(sealed_length).ok_or_else(|| broken("shorter than its label"))?;
    parse(&tail[start..], file_length, id)
}

fn parse(sealed: &[u8], file_length: u64, id: Id) -> io::Result<Sealed> {
    let (checked, check) = sealed.split_last_chunk::<4>().ok_or_else(|| broken("no check"))?;
    if crc32fast::hash(checked) != u32::from_le_bytes(*check) {
        return Err(broken("the label is damaged"));
    }
    let (rest, crc) = checked.split_last_chunk::<4>().ok_or_else(|| broken("no CRC"))?;
    let (rest, length) = rest.split_last_chunk::<8>().ok_or_else(|| broken("no length"))?;
    let (length, crc) = (u64::from_le_bytes(*length), u32::from_le_bytes(*crc));
    if length.checked_add(sealed.len() as u64) != Some(file_length) {
        return Err(broken("not as long as it should be"));
    }
    let json = &rest[..rest.len().saturating_sub(FIGURES - 16)];
    let label: Label = serde_json::from_slice(json).map_err(|_| broken("the label is not readable"))?;
    if label.owner != id.owner.0 || label.key != hex::encode(id.key.0) {
        return Err(broken("the label of another entry"));
    }
    Ok(Sealed { label, length, crc, file_length })
}

/// The length of the JSON, of the bytes at the end of a file.
fn json_length(tail: &[u8]) -> io::Result<usize> {
    let figures = tail.last_chunk::<FIGURES>().ok_or_else(|| broken("shorter than any entry"))?;
    let (magic, rest) = figures.split_at(MAGIC.len());
    let (version, rest) = rest.split_at(4);
    if magic != MAGIC || version != VERSION.to_le_bytes() {
        return Err(broken("no entry of this version"));
    }
    let length = rest.first_chunk::<4>().map_or(0, |bytes| u32::from_le_bytes(*bytes) as usize);
    if length > LONGEST_JSON {
        return Err(broken("the label is too long"));
    }
    Ok(length)
}

fn read_end(file: &File, file_length: u64, wanted: u64) -> io::Result<Vec<u8>> {
    let length = wanted.min(file_length);
    let mut bytes = vec![0; length as usize];
    file.read_exact_at(&mut bytes, file_length - length)?;
    Ok(bytes)
}

/// Reads a body into memory. `InvalidData` if it is not what was written.
pub(crate) fn read_body(file: &File, sealed: &Sealed) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; sealed.length as usize];
    file.read_exact_at(&mut bytes, 0)?;
    if crc32fast::hash(&bytes) != sealed.crc {
        return Err(broken("the body is damaged"));
    }
    Ok(bytes)
}

/// Reads a body through. `InvalidData` if it is not what was written.
pub(crate) fn verify_body(file: &File, sealed: &Sealed) -> io::Result<()> {
    if body_crc(file, sealed.length)? == sealed.crc { Ok(()) } else { Err(broken("the body is damaged")) }
}

/// CRC-32 of the first `length` bytes.
pub(crate) fn body_crc(file: &File, length: u64) -> io::Result<u32> {
    let mut hasher = crc32fast::Hasher::new();
    let mut chunk = vec![0; CHUNK.min(length as usize)];
    let mut position = 0;
    while position < length {
        let wanted = chunk.len().min((length - position) as usize);
        file.read_exact_at(&mut chunk[..wanted], position)?;
        hasher.update(&chunk[..wanted]);
        position += wanted as u64;
    }
    Ok(hasher.finalize())
}

fn broken(what: &'static str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, what)
}
