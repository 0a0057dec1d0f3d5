//! Storage aliases `src://NAME/path` (spec 02 §3.4): objects of the app's own stores that never passed through Stowage.

use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt};
use http::StatusCode;
use stowage_catalogue::App;
use stowage_core::storage_path::StoragePath;
use stowage_store::{Blob, ObjectId, ObjectKey, ObjectStat, StoreError};

use super::Upload;
use crate::{
    http::{ApiError, ResponseBody, context::RequestContext},
    stores::OpenStore,
};

/// An object behind an alias.
pub struct AliasedObject {
    /// Its store.
    pub store: Arc<OpenStore>,
    /// Its name there.
    pub id: ObjectId,
    /// What the provider knows of it.
    pub stat: ObjectStat,
    /// Last segment of the path.
    pub filename: String,
}

/// Finds what `NAME/path` names: the object of that key in the default container of the app's store NAME.
pub async fn find(context: &RequestContext, app: &App, path: &str) -> Result<AliasedObject, ApiError> {
    let invalid = |reason: String| ApiError::invalid_parameter("url", reason);
    let (name, path) = path.split_once('/').ok_or_else(|| invalid("an alias reads src://NAME/path".to_owned()))?;
    let path = StoragePath::parse(path)
        .map_err(|error| invalid(error.to_string()))?
        .filter(|path| !path.is_folder())
        .ok_or_else(|| invalid("an alias names one object: src://NAME/path".to_owned()))?;
    let store = context.server.stores.named(app, name).await?.ok_or_else(|| {
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
    let stat = store.driver.stat(&id).await.map_err(|error| match error {
        StoreError::NotFound => ApiError::file_not_found(),
        other => other.into(),
    })?;
    let filename = path.as_str().rsplit('/').next().unwrap_or_default().to_owned();
    Ok(AliasedObject { store, id, stat, filename })
}

/// Opens an aliased object as an upload.
pub async fn open(context: &RequestContext, app: &App, path: &str, url: &str) -> Result<Upload, ApiError> {
    let object = find(context, app, path).await?;
    let size = object.stat.size;
    let blob = if size == 0 {
        Blob::Memory(bytes::Bytes::new())
    } else {
        object.store.driver.open(&object.id, 0..size).await?
    };
    let content = http_body_util::BodyStream::new(ResponseBody::from_blob(blob, size))
        .map_err(ApiError::from)
        .try_filter_map(async |frame| Ok(frame.into_data().ok()));
    Ok(Upload {
        content: content.boxed(),
        length: Some(size),
        name_hint: Some(object.filename),
        type_hint: object.stat.media_type,
        source_url: Some(url.to_owned()),
        expected_md5: None,
        is_raw: false,
    })
}
