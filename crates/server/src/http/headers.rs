//! Headers of answers that carry a file (spec 02 §2; threats F1–F4, B8).

use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, HeaderValue, header};
use stowage_catalogue::FileRow;
use stowage_core::{
    disposition::{self, Disposition},
    media_type::MediaType,
};

/// Name of the file, for clients that do not read `Content-Disposition` (spec 02 §2, Java).
pub const X_FILE_NAME: HeaderName = HeaderName::from_static("x-file-name");

/// Nothing in an active document may run, load or submit anything.
const SANDBOX: HeaderValue =
    HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox");

/// The headers that follow from the row alone, for an inline answer.
pub fn of_file(row: &FileRow) -> HeaderMap {
    let media_type = MediaType::parse(&row.mimetype).unwrap_or_else(|_| MediaType::octet_stream());
    let mut headers = of_content(&media_type, &row.filename);
    headers.insert(header::ETAG, text(&format!("\"{}\"", &hex::encode(row.etag)[..32])));
    headers.insert(header::LAST_MODIFIED, text(&httpdate::fmt_http_date(modified(row))));
    headers
}

/// The headers that follow from type and name; active types are locked up.
pub fn of_content(media_type: &MediaType, filename: &str) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(16);
    headers.insert(header::CONTENT_TYPE, text(media_type.as_str()));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(X_FILE_NAME, text(&file_name_text(filename)));
    let disposition = if media_type.is_active() { Disposition::Attachment } else { Disposition::Inline };
    headers.insert(header::CONTENT_DISPOSITION, text(&disposition::header_value(disposition, filename)));
    if media_type.is_active() {
        headers.insert(header::CONTENT_SECURITY_POLICY, SANDBOX);
    }
    headers
}

/// Turns an inline answer into a download.
pub fn make_attachment(headers: &mut HeaderMap, filename: &str) {
    headers.insert(header::CONTENT_DISPOSITION, text(&disposition::header_value(Disposition::Attachment, filename)));
}

/// Shows an active document in place. Only for what the server made itself; its sandbox stays.
pub fn make_inline(headers: &mut HeaderMap, filename: &str) {
    headers.insert(header::CONTENT_DISPOSITION, text(&disposition::header_value(Disposition::Inline, filename)));
}

/// Gives an answer another file name (`content` task); an attachment stays one.
pub fn rename(headers: &mut HeaderMap, filename: &str, download: bool) {
    let was_attachment =
        headers.get(header::CONTENT_DISPOSITION).is_some_and(|value| value.as_bytes().starts_with(b"attachment"));
    let disposition = if download || was_attachment { Disposition::Attachment } else { Disposition::Inline };
    headers.insert(header::CONTENT_DISPOSITION, text(&disposition::header_value(disposition, filename)));
    headers.insert(X_FILE_NAME, text(&file_name_text(filename)));
}

/// When the content last changed, whole seconds.
pub fn modified(row: &FileRow) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(row.modified / 1000).unwrap_or(0))
}

/// A name that is not plain ASCII travels percent-encoded: header values are ASCII.
fn file_name_text(name: &str) -> String {
    if name.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return name.to_owned();
    }
    percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC).to_string()
}

fn text(value: &str) -> HeaderValue {
    HeaderValue::from_str(value).unwrap_or_else(|_| HeaderValue::from_static(""))
}
