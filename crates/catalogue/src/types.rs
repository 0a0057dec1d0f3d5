//! The rows as the rest of Stowage sees them.

use std::{collections::BTreeMap, fmt};

use stowage_core::{
    app::AppSettings,
    handle::{ApiKey, AppSecret, Handle},
    location::{Access, Location},
};

/// Row id of an app.
pub type AppId = i64;
/// Row id of a configured store.
pub type StoreId = i64;

/// The driver of the built-in stores; those of all apps share one place on disk.
pub(crate) const LOCAL: &str = "local";

/// One application, its secret unsealed.
#[derive(Clone, Debug)]
pub struct App {
    /// Row id.
    pub id: AppId,
    /// Operator's name for it, unique.
    pub name: String,
    /// Public key.
    pub key: ApiKey,
    /// Secret.
    pub secret: AppSecret,
    /// Settings.
    pub settings: AppSettings,
    /// Unix milliseconds.
    pub created: i64,
}

/// A store of an app; `config` is the driver's JSON, sealed at rest.
#[derive(Clone)]
pub struct StoreRow {
    /// Row id.
    pub id: StoreId,
    /// Owner.
    pub app: AppId,
    /// Operator's name for it, unique among the current stores of the app; also the alias in `src://NAME/path`.
    pub name: String,
    /// Location whose requests it serves; `None`: only by its name.
    pub location: Option<Location>,
    /// Name of the driver.
    pub provider: String,
    /// Driver settings (may hold credentials; Debug masks it).
    pub config: serde_json::Value,
}

/// A store to be added.
#[derive(Clone)]
pub struct NewStore {
    /// 1 to 64 letters, digits, `-`, `_` and `.`.
    pub name: String,
    /// Location that it is to serve.
    pub location: Option<Location>,
    /// Name of the driver.
    pub provider: String,
    /// Driver settings.
    pub config: serde_json::Value,
}

impl NewStore {
    /// The server's own disk behind a location, under the location's name.
    pub fn built_in(location: Location) -> Self {
        let config = serde_json::json!({});
        Self { name: location.to_string(), location: Some(location), provider: LOCAL.to_owned(), config }
    }
}

impl fmt::Debug for StoreRow {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("StoreRow")
            .field("id", &self.id)
            .field("app", &self.app)
            .field("name", &self.name)
            .field("location", &self.location)
            .field("provider", &self.provider)
            .field("config", &"***")
            .finish()
    }
}

/// One stored file.
#[derive(Clone, Debug, PartialEq)]
pub struct FileRow {
    /// Public handle.
    pub handle: Handle,
    /// Owner.
    pub app: AppId,
    /// Store that holds the bytes.
    pub store: StoreId,
    /// Location at storing time.
    pub location: Location,
    /// Reported container.
    pub container: String,
    /// Region of the container where the request named one; `None`: as the store's settings say.
    pub region: Option<String>,
    /// Reported storage key.
    pub key: String,
    /// The driver's name for the bytes.
    pub object: String,
    /// File name.
    pub filename: String,
    /// Media type.
    pub mimetype: String,
    /// Bytes.
    pub size: u64,
    /// Identity of this content: equal exactly where the content is. SHA-256 where that was known at storing time.
    pub etag: [u8; 32],
    /// SHA-256 of the content; `None` until somebody computes it for content that was put together from parts at its provider.
    pub sha256: Option<[u8; 32]>,
    /// Other digests computed so far: name (`md5`, `sha1`, …) → lower-case hex.
    pub digests: BTreeMap<String, String>,
    /// Image width and height once probed; `Some(None)`: probed, not an image.
    pub dimensions: Option<Option<(u32, u32)>>,
    /// First stored, unix milliseconds with fraction lost.
    pub uploaded: i64,
    /// Content last changed, unix milliseconds.
    pub modified: i64,
    /// Grows with every overwrite.
    pub version: i64,
    /// URL it was imported from.
    pub source_url: Option<String>,
    /// What somebody who cannot see it is told (spec 03 §7).
    pub alt: Option<String>,
    /// Upload tags.
    pub tags: BTreeMap<String, String>,
    /// Access at the provider, kept by overwrites.
    pub access: Access,
}

/// What an overwrite changes.
#[derive(Clone, Debug)]
pub struct NewContent {
    /// New object.
    pub object: String,
    /// Bytes.
    pub size: u64,
    /// Identity of the content, as in [`FileRow::etag`].
    pub etag: [u8; 32],
    /// SHA-256, if known.
    pub sha256: Option<[u8; 32]>,
    /// Digests computed while storing.
    pub digests: BTreeMap<String, String>,
    /// New type, if the caller asked for one.
    pub mimetype: Option<String>,
    /// Unix milliseconds.
    pub modified: i64,
}

/// What was found out about a content by reading it.
#[derive(Clone, Debug, Default)]
pub struct Derived {
    /// Its SHA-256.
    pub sha256: Option<[u8; 32]>,
    /// Other digests, as in [`FileRow::digests`].
    pub digests: BTreeMap<String, String>,
    /// As in [`FileRow::dimensions`].
    pub dimensions: Option<Option<(u32, u32)>>,
}

/// The wish to switch a file, and all live files of its key, to a copy of its content in another store.
#[derive(Clone, Debug)]
pub struct FileMove {
    /// The row whose content was copied, as it was then.
    pub file: FileRow,
    /// The store that has the copy.
    pub store: StoreId,
    /// The location that this store serves; `None` leaves the files' as it is.
    pub location: Option<Location>,
    /// The container of the copy. The key stays.
    pub container: String,
    /// The intent that protects the copy, where it has one.
    pub intent: Option<i64>,
    /// What becomes of the original.
    pub old_object: OldObject,
}

/// What becomes of an object that was moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OldObject {
    /// It stays in its store for good.
    Keep,
    /// It is garbage from this time on (unix ms): readers who saw the row before the switch finish first.
    RemoveAt(i64),
}

/// What came of a [`FileMove`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MoveOutcome {
    /// The files are (or could be) switched.
    Done {
        /// The file and the others of its key.
        files: u64,
    },
    /// The file was overwritten, deleted or moved, or the intent is gone: the copy is void.
    Changed,
    /// Another file has the key in the new store.
    Taken,
}

/// What a store holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreUsage {
    /// Live files.
    pub files: u64,
    /// Their sizes, bytes.
    pub bytes: u64,
}

/// An upload in parts, under way or ended.
#[derive(Clone, Debug, PartialEq)]
pub struct UploadRow {
    /// Its unguessable id.
    pub id: String,
    /// Owner.
    pub app: AppId,
    /// The store that the file goes to.
    pub store: StoreId,
    /// Where and as what the file will be stored: JSON, opaque here.
    pub plan: String,
    /// Announced bytes in all, once known.
    pub size: Option<u64>,
    /// Bytes of a regular part, once one was announced.
    pub slot: Option<u64>,
    /// The provider's name of the unfinished object, once begun there.
    pub at_provider: Option<String>,
    /// What the first bytes look like: a media type, empty for none.
    pub sniffed: Option<String>,
    /// The object that the provider was asked to put together: a crash may have come before its row was committed.
    pub object: Option<String>,
    /// The file that came of it.
    pub handle: Option<Handle>,
    /// When it is forgotten, unix ms.
    pub expires: i64,
    /// Number and content (JSON, opaque here) of each part that has arrived.
    pub parts: Vec<(u32, String)>,
}

/// What an arriving part changes; `None` leaves a value as it is.
#[derive(Clone, Debug, Default)]
pub struct UploadChange {
    /// Announced bytes in all.
    pub size: Option<u64>,
    /// Bytes of a regular part.
    pub slot: Option<u64>,
    /// The provider's name of the unfinished object.
    pub at_provider: Option<String>,
    /// What the first bytes look like.
    pub sniffed: Option<String>,
    /// The object that the provider is about to put together.
    pub object: Option<String>,
    /// New expiry, unix ms.
    pub expires: i64,
    /// Parts that are new or different.
    pub parts: Vec<(u32, String)>,
}

/// Who writes or removes an object. There is at most one living process of each kind; both hold a lock file as long as they live,
/// so what is left of a dead one can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claimant {
    /// The server. Its requests exclude each other in memory.
    Server,
    /// A command that moves files to another store.
    Mover,
}

impl Claimant {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Mover => "mover",
        }
    }
}

/// Bytes nobody needs any more, to be removed from their store.
#[derive(Clone, Debug, PartialEq)]
pub struct Garbage {
    /// Row id.
    pub id: i64,
    /// Store.
    pub store: StoreId,
    /// Object.
    pub object: String,
    /// Region to look for it in, as in [`FileRow::region`].
    pub region: Option<String>,
}

/// How well group commit works, counted since this catalogue was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statistics {
    /// Changes made durable.
    pub commits: u64,
    /// Transactions (disk flushes) they took.
    pub batches: u64,
}
