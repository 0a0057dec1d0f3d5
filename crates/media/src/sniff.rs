//! Media type by content.

use file_format::FileFormat;
use stowage_core::media_type::MediaType;

use crate::{SNIFF_BYTES, markup, zip};

/// Signature of Matroska and WebM.
const EBML: &[u8] = b"\x1a\x45\xdf\xa3";

/// Where the library's name of a type is not the one that people and other software use.
const CORRECTIONS: &[(&str, &str)] = &[
    ("application/mp4", "video/mp4"),
    ("application/x-id3v2", "audio/mpeg"),
    ("audio/matroska", "audio/x-matroska"),
    ("audio/opus", "audio/ogg"),
    ("audio/vnd.wave", "audio/wav"),
    ("audio/x-m4a", "audio/mp4"),
    ("image/apng", "image/png"),
    ("image/avif-sequence", "image/avif"),
    ("image/vnd.microsoft.icon", "image/x-icon"),
    ("video/matroska", "video/x-matroska"),
];

/// Media type by magic, from the first bytes; `None` when the content tells nothing (plain text, unknown).
pub fn sniff(head: &[u8]) -> Option<MediaType> {
    let head = head.get(..SNIFF_BYTES).unwrap_or(head);
    let name = markup::sniff(head)
        .or_else(|| zip::sniff(head))
        .map(str::to_owned)
        .or_else(|| by_signature(head))
        .or_else(|| by_container(head).map(str::to_owned))?;
    let corrected = CORRECTIONS.iter().find(|(wrong, _)| *wrong == name);
    MediaType::parse(corrected.map_or(&name, |(_, right)| right)).ok()
}

fn by_signature(head: &[u8]) -> Option<String> {
    let format = FileFormat::from_bytes(head);
    let unknown = matches!(
        format,
        FileFormat::ArbitraryBinaryData
            | FileFormat::Empty
            | FileFormat::ExtensibleBinaryMetaLanguage
            | FileFormat::PlainText
    );
    (!unknown && is_plausible(format, head)).then(|| format.media_type().to_owned())
}

/// Some signatures are words of a text as well.
fn is_plausible(format: FileFormat, head: &[u8]) -> bool {
    match format {
        FileFormat::PortableArbitraryMap
        | FileFormat::PortableBitmap
        | FileFormat::PortableFloatmap
        | FileFormat::PortableGraymap
        | FileFormat::PortablePixmap => head.get(3).is_some_and(|byte| byte.is_ascii_digit() || b"# \n".contains(byte)),
        FileFormat::Bzip
        | FileFormat::Bzip2
        | FileFormat::MsDosExecutable
        | FileFormat::Mtv
        | FileFormat::Musepack
        | FileFormat::Seqbox
        | FileFormat::SmallWebFormat
        | FileFormat::Zoo
        | FileFormat::Zpaq => head.iter().any(|byte| matches!(byte, 0..=8 | 14..=31)),
        _ => true,
    }
}

/// Containers whose tracks are beyond the head, where the library gives up.
fn by_container(head: &[u8]) -> Option<&'static str> {
    if head.get(4..8) == Some(b"ftyp") {
        return Some("video/mp4");
    }
    let header = head.starts_with(EBML).then(|| head.get(..64).unwrap_or(head))?;
    let is_webm = header.windows(4).any(|window| window == b"webm");
    Some(if is_webm { "video/webm" } else { "video/x-matroska" })
}
