//! Storage aliases `src://NAME/path` (spec 02 §3.4): objects of the app's own stores that never passed through Stowage.

use std::{
    ops::Range,
    sync::Arc,
    time::{Duration, SystemTime},
};

use http::{HeaderMap, HeaderValue, StatusCode, header};
use stowage_catalogue::App;
use stowage_core::{media_type::MediaType, storage_path::StoragePath};
use stowage_store::{Blob, ObjectId, ObjectKey, ObjectStat, StoreError};

use super::{Upload, naming, remote};
use crate::{
    http::{ApiError, ResponseBody, context::RequestContext, headers},
    stores::{NamedStore, OpenStore},
};

/// An object behind an alias.
pub struct AliasedObject {
    store: Arc<OpenStore>,
    id: ObjectId,
    /// What the provider knows of it.
    pub stat: ObjectStat,
    /// Key inside its container.
    pub key: String,
    /// Last segment of the key.
    pub filename: String,
    /// As the provider tells, else as the name says.
    pub media_type: MediaType,
    /// When the content last changed, whole seconds, where the provider tells it.
    pub modified: Option<SystemTime>,
    /// Headers of every answer that carries its content.
    pub headers: HeaderMap,
}

impl AliasedObject {
    /// Opens a half-open range of its content.
    pub async fn open(&self, range: Range<u64>) -> Result<Blob, ApiError> {
        if range.is_empty() {
            return Ok(Blob::Memory(bytes::Bytes::new()));
        }
        Ok(self.store.driver.open(&self.id, range).await?)
    }
}

/// Finds what `NAME/path` names: the object of that key in the default container of the app's store NAME.
pub async fn find(context: &RequestContext, app: &App, path: &str) -> Result<AliasedObject, ApiError> {
    let invalid = |reason: String| ApiError::invalid_parameter("url", reason);
    let (name, path) = path.split_once('/').ok_or_else(|| invalid("an alias reads src://NAME/path".to_owned()))?;
    let path = StoragePath::parse(path)
        .map_err(|error| invalid(error.to_string()))?
        .filter(|path| !path.is_folder())
        .ok_or_else(|| invalid("an alias names one object: src://NAME/path".to_owned()))?;
    let NamedStore { store, serves_uploads } = context.server.stores.named(app, name).await?.ok_or_else(|| {
        ApiError::new(
            StatusCode::BAD_REQUEST,
            "alias_not_configured",
            "this app has no store of the name in `src://NAME/path`; `stowage store list` shows them",
        )
    })?;
    let key = ObjectKey::existing(store.default_container().await?, path.as_str().to_owned());
    let id = store.driver.planned_id(&key).ok_or_else(|| {
        ApiError::from(StoreError::Unsupported(
            "the server's own disk has no paths; read its files by handle".to_owned(),
        ))
    })?;
    // Without a policy only the key, which is public, would stand between a guessed path and somebody's upload.
    if serves_uploads && !app.settings.security {
        return Err(ApiError::new(
            StatusCode::FORBIDDEN,
            "alias_needs_security",
            "uploads go into this store, so its objects are read by path only where the app has security switched on",
        ));
    }
    let stat = store.driver.stat(&id).await.map_err(|error| match error {
        StoreError::NotFound => ApiError::file_not_found(),
        other => other.into(),
    })?;
    let key = path.as_str().to_owned();
    let filename = key.rsplit('/').next().unwrap_or_default().to_owned();
    let media_type = naming::declared(stat.media_type.as_deref())
        .or_else(|| MediaType::from_filename(&filename))
        .unwrap_or_else(MediaType::octet_stream);
    let modified = stat.modified.and_then(whole_seconds);
    let mut headers = headers::of_content(&media_type, &filename);
    headers.extend(stat.etag.as_deref().and_then(entity_tag).map(|tag| (header::ETAG, tag)));
    headers.extend(modified.and_then(http_date).map(|date| (header::LAST_MODIFIED, date)));
    Ok(AliasedObject { store, id, stat, key, filename, media_type, modified, headers })
}

/// As HTTP's dates are; it has none before 1970.
fn whole_seconds(time: SystemTime) -> Option<SystemTime> {
    let seconds = time.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs();
    Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
}

fn http_date(time: SystemTime) -> Option<HeaderValue> {
    HeaderValue::from_str(&httpdate::fmt_http_date(time)).ok()
}

/// Providers write their tags with quotes and without; one that HTTP has no way to write is left out.
fn entity_tag(told: &str) -> Option<HeaderValue> {
    let (weak, opaque) = told.strip_prefix("W/").map_or(("", told), |opaque| ("W/", opaque));
    let opaque = opaque.trim_matches('"');
    let fits = !opaque.is_empty() && opaque.bytes().all(|byte| matches!(byte, b'!' | b'#'..=b'~'));
    if !fits {
        return None;
    }
    HeaderValue::from_str(&format!("{weak}\"{opaque}\"")).ok()
}

/// Opens an aliased object as an upload.
pub async fn open(context: &RequestContext, app: &App, path: &str, url: &str) -> Result<Upload, ApiError> {
    let object = find(context, app, path).await?;
    let size = object.stat.size;
    let content = remote::chunks(ResponseBody::from_blob(object.open(0..size).await?, size));
    Ok(Upload {
        content,
        length: Some(size),
        name_hint: Some(object.filename),
        type_hint: object.stat.media_type,
        source_url: Some(url.to_owned()),
        expected_md5: None,
        is_raw: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_of_providers_become_tags_of_answers() {
        for (told, expected) in [
            ("\"abc\"", Some("\"abc\"")),
            ("0x8DABC", Some("\"0x8DABC\"")),
            ("W/\"abc\"", Some("W/\"abc\"")),
            ("", None),
            ("\"a\"b\"", None),
            ("a b", None),
            ("a\r\nSet-Cookie: x", None),
        ] {
            let tag = entity_tag(told);
            assert_eq!(tag.as_ref().and_then(|tag| tag.to_str().ok()), expected, "{told:?}");
        }
    }
}
