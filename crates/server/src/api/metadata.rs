//! File metadata in all its URL forms (spec 02 §4).

use std::{collections::BTreeMap, time::SystemTime};

use futures_util::TryStreamExt;
use http::Response;
use md5::Md5;
use serde_json::{Map, Value, json as value};
use sha1::Sha1;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};
use stowage_catalogue::{Derived, FileRow};
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
    ingest::{alias::AliasedObject, remote::content_of},
    state::Server,
};

/// Digests that can be asked for. SHA-256 is known from storing, unless the content was put together at its provider.
const DIGESTS: &[&str] = &["md5", "sha1", "sha224", "sha256", "sha384", "sha512"];

/// What is told when nothing particular is asked for: everything known without reading the content.
const DEFAULT_FIELDS: &[&str] =
    &["size", "mimetype", "filename", "uploaded", "writeable", "location", "path", "container", "key"];

/// The same for an object behind an alias. Where it lies is the operator's business.
const OBJECT_FIELDS: &[&str] = &["size", "mimetype", "filename", "uploaded", "writeable", "path", "key"];

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
    "alt",
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
        ("container" = Option<bool>, Query), ("key" = Option<bool>, Query), ("alt" = Option<bool>, Query),
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
    let asked_digests: Vec<_> = asked.iter().copied().filter(|field| DIGESTS.contains(field)).collect();
    let digests = digests(server, row, &asked_digests).await?;
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
            "alt" => value!(row.alt),
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

/// `imagesize` (spec 11 §1.6): the size of a picture as it is stored.
pub async fn image_size(
    server: &std::sync::Arc<Server>,
    row: &FileRow,
) -> Result<Option<Response<ResponseBody>>, ApiError> {
    let known = dimensions(server, row).await?;
    Ok(known.map(|(width, height)| json(&value!({ "height": height, "width": width }))))
}

/// Answers with what the provider of an object behind an alias tells; its content is not read, so other fields are `null`.
pub fn describe_object(authority: &Authority, object: &AliasedObject, asked: &[&'static str]) -> Answer {
    let asked = if asked.is_empty() { OBJECT_FIELDS } else { asked };
    if asked.contains(&"exif") {
        authority.allow_any(&[Call::Exif])?;
    }
    let modified = object.modified.and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
    let told = |field: &str| match field {
        "size" => value!(object.stat.size),
        "mimetype" => value!(object.media_type.as_str()),
        "filename" => value!(object.filename),
        "uploaded" => value!(modified.map(|since| since.as_secs() * 1000)),
        "writeable" | "cloud" => value!(false),
        "path" | "key" => value!(object.key),
        _ => Value::Null,
    };
    Ok(json(&Value::Object(asked.iter().map(|field| ((*field).to_owned(), told(field))).collect())))
}

/// The digests of spec 02 §4: kept ones, or all computed in one pass over the content and then remembered.
async fn digests(
    server: &std::sync::Arc<Server>,
    row: &FileRow,
    asked: &[&str],
) -> Result<BTreeMap<String, String>, ApiError> {
    let mut known = row.digests.clone();
    known.extend(row.sha256.map(|sha256| ("sha256".to_owned(), hex::encode(sha256))));
    if asked.iter().all(|name| known.contains_key(*name)) {
        return Ok(known);
    }
    let mut content = content_of(server, row).await?;
    let mut hashers = Hashers::default();
    while let Some(chunk) = content.try_next().await? {
        // Six digests of a chunk take more than a millisecond: off the threads that serve connections.
        hashers = tokio::task::spawn_blocking(move || hashers.with(&chunk)).await.map_err(ApiError::internal)?;
    }
    let derived = hashers.finish();
    let mut digests = derived.digests.clone();
    digests.extend(derived.sha256.map(|sha256| ("sha256".to_owned(), hex::encode(sha256))));
    remember(server, row, derived).await;
    Ok(digests)
}

/// All digests of one content at once.
#[derive(Default)]
struct Hashers {
    md5: Md5,
    sha1: Sha1,
    sha224: Sha224,
    sha256: Sha256,
    sha384: Sha384,
    sha512: Sha512,
}

impl Hashers {
    fn with(mut self, chunk: &[u8]) -> Self {
        self.md5.update(chunk);
        self.sha1.update(chunk);
        self.sha224.update(chunk);
        self.sha256.update(chunk);
        self.sha384.update(chunk);
        self.sha512.update(chunk);
        self
    }

    fn finish(self) -> Derived {
        let digests = [
            ("md5", hex::encode(self.md5.finalize())),
            ("sha1", hex::encode(self.sha1.finalize())),
            ("sha224", hex::encode(self.sha224.finalize())),
            ("sha384", hex::encode(self.sha384.finalize())),
            ("sha512", hex::encode(self.sha512.finalize())),
        ]
        .map(|(name, digest)| (name.to_owned(), digest));
        Derived { sha256: Some(self.sha256.finalize().into()), digests: digests.into(), dimensions: None }
    }
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
    remember(server, row, Derived { dimensions: Some(dimensions), ..Derived::default() }).await;
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
async fn remember(server: &std::sync::Arc<Server>, row: &FileRow, derived: Derived) {
    match server.catalogue.remember(&row.handle, row.version, derived).await {
        Ok(()) => server.file_changed(&row.handle),
        Err(error) => tracing::warn!(%error, "derived facts were not remembered"),
    }
}
