//! File metadata in all its URL forms (spec 02 §4).

use std::collections::BTreeMap;

use futures_util::TryStreamExt;
use md5::Md5;
use serde_json::{Map, Value, json as value};
use sha1::Sha1;
use sha2::{Digest, Sha224, Sha384, Sha512};
use stowage_catalogue::FileRow;
use stowage_core::policy::Call;

use super::{
    Answer,
    answer::json,
    read::{blob_of, find},
};
use crate::{
    http::{
        ApiError, ResponseBody,
        authorise::{Authority, Credentials, authorise},
        context::RequestContext,
    },
    ingest::remote::content_of,
    state::Server,
};

/// Digests other than SHA-256, which is always known.
const DIGESTS: &[&str] = &["md5", "sha1", "sha224", "sha384", "sha512"];

/// What is told when nothing particular is asked for: everything known without reading the content.
const DEFAULT_FIELDS: &[&str] =
    &["size", "mimetype", "filename", "uploaded", "writeable", "location", "path", "container", "key"];

/// Every field that can be asked for.
const FIELDS: &[&str] = &[
    "size",
    "mimetype",
    "filename",
    "width",
    "height",
    "uploaded",
    "writeable",
    "cloud",
    "source_url",
    "md5",
    "sha1",
    "sha224",
    "sha256",
    "sha384",
    "sha512",
    "location",
    "path",
    "container",
    "key",
    "exif",
];

/// Answers the File API forms of metadata.
#[utoipa::path(get, path = "/api/file/{handle}/metadata", operation_id = "readMetadata", tag = "File API",
    params(
        ("handle" = String, Path, description = "File handle"),
        ("size" = Option<bool>, Query), ("mimetype" = Option<bool>, Query), ("filename" = Option<bool>, Query),
        ("width" = Option<bool>, Query), ("height" = Option<bool>, Query), ("uploaded" = Option<bool>, Query),
        ("writeable" = Option<bool>, Query), ("cloud" = Option<bool>, Query), ("source_url" = Option<bool>, Query),
        ("md5" = Option<bool>, Query), ("sha1" = Option<bool>, Query), ("sha224" = Option<bool>, Query), ("sha256" = Option<bool>, Query),
        ("sha384" = Option<bool>, Query), ("sha512" = Option<bool>, Query), ("location" = Option<bool>, Query), ("path" = Option<bool>, Query),
        ("container" = Option<bool>, Query), ("key" = Option<bool>, Query),
        ("exif" = Option<bool>, Query, description = "Needs the call `exif` in the policy when the app has security on"),
        ("policy" = Option<String>, Query, description = "Needed with `signature` when the app has security on: call `stat`"),
        ("signature" = Option<String>, Query),
    ),
    responses((status = 200, description = "The fields asked for, or all that are known without reading the content"),
        (status = 403, description = "Policy error"), (status = 404, description = "No such file")))]
pub async fn read_metadata(context: &RequestContext) -> Answer {
    let handle = context.handle()?;
    let (app, file) = find(context, &handle).await?;
    let authority = authorise(context, &app, context.route.needs, &Credentials::of_request(context))?;
    authority.check_handle(&handle)?;
    describe(context, &authority, &file.row, &asked_in_query(context)).await
}

/// Fields whose query flag is `true`; `sourceUrl` is the JavaScript library's spelling.
pub fn asked_in_query(context: &RequestContext) -> Vec<&'static str> {
    let asked = |field: &&&'static str| {
        context.query.flag(field) || (**field == "source_url" && context.query.flag("sourceUrl"))
    };
    FIELDS.iter().filter(asked).copied().collect()
}

/// Fields named in a `metadata=[…]` task; unknown names are refused with the wire text of spec 10 §7.
pub fn asked_in_task(names: &[String]) -> Result<Vec<&'static str>, ApiError> {
    let known = |name: &String| {
        FIELDS.iter().find(|field| field.eq_ignore_ascii_case(name)).copied().ok_or_else(|| {
            let name: String = name.chars().take(40).collect();
            ApiError::invalid_body(format!("invalid parameter `{name}` for `metadata` task"))
        })
    };
    names.iter().map(known).collect()
}

/// Answers with the fields asked for.
pub async fn describe(
    context: &RequestContext,
    authority: &Authority,
    row: &FileRow,
    asked: &[&'static str],
) -> Answer {
    let asked = if asked.is_empty() { DEFAULT_FIELDS } else { asked };
    if asked.contains(&"exif") {
        authority.allow_any(&[Call::Exif])?;
    }
    let server = &context.server;
    let digests =
        if asked.iter().any(|field| DIGESTS.contains(field)) { digests(server, row).await? } else { BTreeMap::new() };
    let dimensions =
        if asked.contains(&"width") || asked.contains(&"height") { dimensions(server, row).await? } else { None };
    let mut answer = Map::new();
    for field in asked {
        let told = match *field {
            "size" => value!(row.size),
            "mimetype" => value!(row.mimetype),
            "filename" => value!(row.filename),
            "width" => value!(dimensions.map(|(width, _)| width)),
            "height" => value!(dimensions.map(|(_, height)| height)),
            "uploaded" => value!(row.uploaded),
            "writeable" => value!(true),
            "cloud" => value!(false),
            "source_url" => value!(row.source_url),
            "sha256" => value!(hex::encode(row.sha256)),
            "location" => value!(row.location.as_str()),
            "path" | "key" => value!(row.key),
            "container" => value!(row.container),
            "exif" => exif(server, row).await?,
            digest => value!(digests.get(digest)),
        };
        answer.insert((*field).to_owned(), told);
    }
    Ok(json(&Value::Object(answer)))
}

/// The digests of spec 02 §4: kept ones, or computed in one pass over the content and then remembered.
async fn digests(server: &std::sync::Arc<Server>, row: &FileRow) -> Result<BTreeMap<String, String>, ApiError> {
    if DIGESTS.iter().all(|name| row.digests.contains_key(*name)) {
        return Ok(row.digests.clone());
    }
    let mut content = content_of(server, row).await?;
    let (mut md5, mut sha1, mut sha224, mut sha384, mut sha512) =
        (Md5::new(), Sha1::new(), Sha224::new(), Sha384::new(), Sha512::new());
    while let Some(chunk) = content.try_next().await? {
        // Five digests of a chunk take a millisecond: off the threads that serve connections.
        (md5, sha1, sha224, sha384, sha512) = tokio::task::spawn_blocking(move || {
            md5.update(&chunk);
            sha1.update(&chunk);
            sha224.update(&chunk);
            sha384.update(&chunk);
            sha512.update(&chunk);
            (md5, sha1, sha224, sha384, sha512)
        })
        .await
        .map_err(ApiError::internal)?;
    }
    let digests: BTreeMap<String, String> = [
        ("md5", hex::encode(md5.finalize())),
        ("sha1", hex::encode(sha1.finalize())),
        ("sha224", hex::encode(sha224.finalize())),
        ("sha384", hex::encode(sha384.finalize())),
        ("sha512", hex::encode(sha512.finalize())),
    ]
    .into_iter()
    .map(|(name, digest)| (name.to_owned(), digest))
    .collect();
    remember(server, row, digests.clone(), None).await;
    Ok(digests)
}

/// Width and height, read from the file once and then remembered.
pub async fn dimensions(server: &std::sync::Arc<Server>, row: &FileRow) -> Result<Option<(u32, u32)>, ApiError> {
    if let Some(known) = row.dimensions {
        return Ok(known);
    }
    let head = beginning(server, row, stowage_media::SNIFF_BYTES).await?;
    let mut dimensions = stowage_media::dimensions(&head);
    // The size of some formats stands behind long metadata.
    if dimensions.is_none() && row.mimetype.starts_with("image/") && row.size > head.len() as u64 {
        let more = beginning(server, row, stowage_media::PROBE_BYTES).await?;
        dimensions = stowage_media::dimensions(&more);
    }
    remember(server, row, BTreeMap::new(), Some(dimensions)).await;
    Ok(dimensions)
}

async fn exif(server: &std::sync::Arc<Server>, row: &FileRow) -> Result<Value, ApiError> {
    let bytes = beginning(server, row, stowage_media::PROBE_BYTES).await?;
    tokio::task::spawn_blocking(move || stowage_media::exif(&bytes)).await.map_err(ApiError::internal)
}

async fn beginning(server: &std::sync::Arc<Server>, row: &FileRow, limit: usize) -> Result<Vec<u8>, ApiError> {
    let length = row.size.min(limit as u64);
    let blob = blob_of(server, row, 0..length).await?;
    let mut chunks = http_body_util::BodyStream::new(ResponseBody::from_blob(blob, length));
    let mut bytes = Vec::new();
    while let Some(frame) = chunks.try_next().await? {
        if let Ok(chunk) = frame.into_data() {
            bytes.extend_from_slice(&chunk);
        }
    }
    Ok(bytes)
}

/// A failure to remember only means computing again.
async fn remember(
    server: &std::sync::Arc<Server>,
    row: &FileRow,
    digests: BTreeMap<String, String>,
    dimensions: Option<Option<(u32, u32)>>,
) {
    match server.catalogue.remember(&row.handle, row.version, digests, dimensions).await {
        Ok(()) => server.file_changed(&row.handle),
        Err(error) => tracing::warn!(%error, "derived facts were not remembered"),
    }
}
