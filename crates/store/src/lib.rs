//! Where bytes live: one trait, its drivers, and the only code that builds object keys.
//!
//! Invariant: knows neither apps nor policies nor HTTP statuses.

pub mod dropbox;
pub mod guard;
mod http_client;
pub mod key;
pub mod local;
pub mod object;
pub mod parts;
mod random;
pub mod registry;
pub mod secret;
pub mod swift;

use std::{
    ops::Range,
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use futures_util::stream::BoxStream;
use stowage_core::{
    location::{Access, ContainerName},
    media_type::MediaType,
};

pub use key::{ObjectId, ObjectKey};
pub use parts::PartStore;

/// What travels with an object to the provider.
#[derive(Clone, Debug)]
pub struct ObjectMeta {
    /// Media type kept by the provider.
    pub media_type: MediaType,
    /// Access at the provider.
    pub access: Access,
    /// Exact length in bytes when it is known before the first byte.
    pub length: Option<u64>,
    /// `Content-Disposition` kept by the provider where it can, so that direct downloads are named.
    pub disposition: Option<String>,
    /// User metadata kept by the provider where it can: lower-case ASCII names, visible ASCII values.
    pub user_metadata: Vec<(String, String)>,
}

/// What a driver enforces (not what an API merely accepts).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// `access=public` has an effect.
    pub public_access: bool,
    /// [`BlobStore::list`] works.
    pub list: bool,
    /// [`BlobStore::presign_get`] and [`BlobStore::presign_put`] work.
    pub presign: bool,
    /// Writing the same key again leaves the old [`ObjectId`] readable until it is deleted (local disk); otherwise the bytes behind the id change.
    pub versions: bool,
    /// [`BlobStore::adopt`] works for files on the store's own file system.
    pub adopts: bool,
}

/// Facts about a stored object, as its provider tells them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectStat {
    /// Length in bytes.
    pub size: u64,
    /// Media type, where the provider keeps one.
    pub media_type: Option<String>,
    /// The provider's version mark of the content (ETag, revision), opaque.
    pub etag: Option<String>,
    /// When the content last changed, where the provider tells it.
    pub modified: Option<SystemTime>,
}

/// One object of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedObject {
    /// Key inside the container.
    pub key: String,
    /// Length in bytes.
    pub size: u64,
}

/// A page of a listing, in the provider's order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// The objects.
    pub objects: Vec<ListedObject>,
    /// Where the next page starts; `None` after the last one.
    pub next: Option<String>,
}

/// A request that its holder may make directly at the provider until it expires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PresignedRequest {
    /// URL with the signature.
    pub url: String,
    /// Headers that must be sent along, name and value.
    pub headers: Vec<(String, String)>,
}

/// Bytes of an object, as cheap as the driver can give them.
pub enum Blob {
    /// Small: already in memory.
    Memory(Bytes),
    /// A local file, to be read from `range.start` to `range.end`.
    File {
        /// Open for reading.
        file: std::fs::File,
        /// Half-open byte range.
        range: Range<u64>,
    },
    /// Chunks from a remote provider.
    Stream(BoxStream<'static, Result<Bytes, StoreError>>),
}

/// Why a store could not do what was asked; the cause is for the log, never for a client.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No such object.
    #[error("object not found")]
    NotFound,
    /// No room: ENOSPC, EDQUOT, or a provider's quota.
    #[error("the store is full")]
    Full,
    /// Credentials or permission refused.
    #[error("the store refused the credentials or the permission: {0}")]
    Denied(String),
    /// The bucket or container does not exist.
    #[error("missing container: {0}")]
    MissingContainer(String),
    /// The bucket or container (its name) is in another region than the request went to. Nothing was stored.
    #[error("the container {0} is in another region")]
    WrongRegion(String),
    /// The provider asks for fewer requests (429, SlowDown).
    #[error("the store is throttling: {0}")]
    Throttled(String),
    /// Unreachable, timed out, 5xx: trying again later may help.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// What arrived or came back is not what was sent (checksum, length). Nothing was stored.
    #[error("the store's checksum does not fit: {0}")]
    Corrupt(String),
    /// The request cannot be done by this store (for example `access=public` where ACLs are forbidden). Shown to the client.
    #[error("{0}")]
    Unsupported(String),
    /// Anything else.
    #[error("store failure: {0}")]
    Other(String),
}

/// A driver. `Ok` of [`BlobWriter::commit`] means durable.
#[async_trait::async_trait]
pub trait BlobStore: Send + Sync {
    /// What this driver enforces.
    fn capabilities(&self) -> Capabilities;
    /// The same store with its requests going to a region that a request named (spec 01 §1.1, `region`). Ids are the same in both.
    /// `Unsupported` where a region cannot be named or is no region's name; what uses the wrong one fails with `WrongRegion`.
    fn in_region(&self, _region: &str) -> Result<Arc<dyn BlobStore>, StoreError> {
        Err(StoreError::Unsupported("this storage takes no `region`; leave it out".to_owned()))
    }
    /// The id that `commit` will give, where it is known before: remote drivers, whose abandoned writes must be found again after a crash.
    fn planned_id(&self, _key: &ObjectKey) -> Option<ObjectId> {
        None
    }
    /// The only container of the account, for stores that are configured without one.
    async fn detected_container(&self) -> Result<ContainerName, StoreError> {
        Err(StoreError::Unsupported("this storage needs a default container in its settings".to_owned()))
    }
    /// Begins a new object. Nothing is visible under the key before `commit`.
    async fn create(&self, key: &ObjectKey, meta: &ObjectMeta) -> Result<Box<dyn BlobWriter>, StoreError>;
    /// Opens a half-open byte range (inside the object's size, which the caller knows from the catalogue).
    async fn open(&self, id: &ObjectId, range: Range<u64>) -> Result<Blob, StoreError>;
    /// What the provider knows of an object.
    async fn stat(&self, id: &ObjectId) -> Result<ObjectStat, StoreError>;
    /// Removes an object; a missing one is success.
    async fn delete(&self, id: &ObjectId) -> Result<(), StoreError>;
    /// Copies an object inside the store, at the provider where it can; durable when it returns.
    async fn copy(&self, from: &ObjectId, to: &ObjectKey, meta: &ObjectMeta) -> Result<ObjectId, StoreError>;
    /// Objects of a container whose key begins with `prefix`, from `start` (the `next` of the page before) on, at most 1000.
    /// `Unsupported` unless [`Capabilities::list`].
    async fn list(&self, container: &ContainerName, prefix: &str, start: Option<&str>) -> Result<Listing, StoreError>;
    /// A GET of the object that anybody may make within `valid_for`. `Unsupported` unless [`Capabilities::presign`].
    async fn presign_get(&self, id: &ObjectId, valid_for: Duration) -> Result<PresignedRequest, StoreError>;
    /// A PUT of the object that anybody may make within `valid_for`. `Unsupported` unless [`Capabilities::presign`].
    async fn presign_put(
        &self,
        key: &ObjectKey,
        meta: &ObjectMeta,
        valid_for: Duration,
    ) -> Result<PresignedRequest, StoreError>;
    /// Where the provider itself keeps parts of unfinished objects: the way to them, free to outlive this borrow.
    fn parts(&self) -> Option<Arc<dyn PartStore>> {
        None
    }
    /// Takes a finished file in as an object without copying it, by a second name for it (a hard link): durable when it
    /// returns. `staged` stays, for the caller to remove once the catalogue names the object, so that a crash between the
    /// two loses nothing; nobody may write the file any more. `Unsupported`, with the file untouched, unless
    /// [`Capabilities::adopts`] and the file is on the store's file system; `NotFound` if there is no such file.
    async fn adopt(&self, _staged: &Path) -> Result<ObjectId, StoreError> {
        Err(StoreError::Unsupported("this storage takes no files in place".to_owned()))
    }
    /// A cheap write-and-read-back check for readiness probes and `doctor`; leaves nothing behind.
    async fn check(&self) -> Result<(), StoreError>;
}

/// An object being written. Dropping it without `commit` leaves nothing behind (best effort; a crash leaves work for the sweep).
#[async_trait::async_trait]
pub trait BlobWriter: Send {
    /// Appends; waits when the disk or the network is behind (bounded memory).
    async fn write(&mut self, chunk: Bytes) -> Result<(), StoreError>;
    /// Makes the object durable and names it.
    async fn commit(self: Box<Self>) -> Result<ObjectId, StoreError>;
    /// Throws away what was written.
    async fn abort(self: Box<Self>);
}
