//! What a new file is called and what type it has when several parties have an opinion (spec 01 §§1.2, 7).

use stowage_core::{filename::FileName, handle::Handle, media_type::MediaType, options::StoreOptions};

use super::Upload;
use crate::http::ApiError;

/// Types that say nothing about the content: a form's own type, or a client's "I don't know".
const MEANINGLESS: &[&str] = &[
    "application/x-www-form-urlencoded",
    "multipart/form-data",
    "application/octet-stream",
    // Amazon's word for it, on every object that was put without a type.
    "binary/octet-stream",
];

/// The name option, else the sender's name for it.
pub fn filename(options: &StoreOptions, upload: &Upload) -> Option<FileName> {
    options
        .filename
        .clone()
        .or_else(|| upload.name_hint.as_deref().and_then(FileName::from_hint))
        .or_else(|| upload.source_url.as_deref().and_then(FileName::from_url))
}

/// `mimetype` option, else the sender's type, else by extension, else by content, else `text/plain` for raw text.
pub fn media_type(options: &StoreOptions, upload: &Upload, filename: Option<&FileName>, head: &[u8]) -> MediaType {
    options
        .mimetype
        .clone()
        .or_else(|| declared(upload.type_hint.as_deref()))
        .or_else(|| filename.and_then(|name| MediaType::from_filename(name.as_str())))
        .or_else(|| stowage_media::sniff(head))
        .unwrap_or_else(|| {
            if upload.is_raw && is_text(head) { MediaType::text_plain() } else { MediaType::octet_stream() }
        })
}

/// The type that somebody tells, if it is one and says something.
pub fn declared(hint: Option<&str>) -> Option<MediaType> {
    let hint = MediaType::parse(hint?).ok()?;
    (!MEANINGLESS.contains(&hint.as_str())).then_some(hint)
}

/// A name for a file that came without one: the handle with the extension of the type.
pub fn generated(handle: &Handle, media_type: &MediaType) -> Result<FileName, ApiError> {
    let name = match media_type.extension() {
        Some(extension) => format!("{handle}.{extension}"),
        None => handle.to_string(),
    };
    FileName::parse(&name).map_err(ApiError::internal)
}

fn is_text(head: &[u8]) -> bool {
    let valid = match std::str::from_utf8(head) {
        Ok(_) => head,
        // A character cut in two at the end of the head is still text.
        Err(error) if error.error_len().is_none() => &head[..error.valid_up_to()],
        Err(_) => return false,
    };
    !valid.contains(&0)
}
