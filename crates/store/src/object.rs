//! Object stores that opendal speaks to: S3, Azure Blob Storage, Google Cloud Storage. An [`ObjectId`] is `container/key`.

mod azure;
mod copy;
mod failure;
mod gcs;
mod listing;
mod operators;
mod parts;
mod presign;
mod provider;
mod s3;
mod transport;
mod writer;

use std::{collections::HashMap, ops::Range, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use opendal::{Operator, options::WriteOptions};
use stowage_core::{
    handle::random_alphanumeric,
    location::{Access, ContainerName},
};

use crate::{
    Blob, BlobStore, BlobWriter, Capabilities, Listing, ObjectId, ObjectKey, ObjectMeta, ObjectStat, PartStore,
    PresignedRequest, StoreError, random,
};
pub use azure::AzureConfig;
use failure::failure;
pub use gcs::GcsConfig;
use operators::Operators;
use parts::ObjectParts;
use provider::{Facts, Provider};
pub use s3::{S3Config, S3Encryption};
use transport::Note;
use writer::ObjectWriter;

/// Longest key in bytes of UTF-8: of S3 and Google; Azure takes as many characters.
const LONGEST_KEY: usize = 1024;
/// Objects of a page of a listing.
const PAGE: usize = 1000;

/// One store: any of its containers, private and public.
#[derive(Clone)]
pub struct ObjectStore {
    shared: Arc<Shared>,
}

struct Shared {
    operators: Operators,
    /// The first one is the default.
    containers: Vec<String>,
}

impl ObjectStore {
    /// Prepares a store on S3 or a compatible service; does not connect. Error: what is wrong with the settings.
    ///
    /// # Panics
    /// If the process has not installed a default `rustls` crypto provider; so do the other two.
    pub fn s3(config: S3Config) -> Result<Self, String> {
        config.check()?;
        let containers = containers(&config.bucket, &config.allowed_buckets);
        Self::new(Arc::new(config), containers)
    }

    /// Prepares a store on Azure Blob Storage; does not connect. Error: what is wrong with the settings.
    pub fn azure(config: AzureConfig) -> Result<Self, String> {
        let containers = containers(&config.container, &config.allowed_containers);
        Self::new(Arc::new(azure::Azure::new(&config)?), containers)
    }

    /// Prepares a store on Google Cloud Storage; does not connect. Error: what is wrong with the settings.
    pub fn gcs(config: GcsConfig) -> Result<Self, String> {
        config.check()?;
        let containers = containers(&config.bucket, &config.allowed_buckets);
        Self::new(Arc::new(config), containers)
    }

    fn new(provider: Arc<dyn Provider>, containers: Vec<String>) -> Result<Self, String> {
        let operators = Operators::new(provider)?;
        for container in &containers {
            operators.plain(container, Access::Private)?;
        }
        Ok(Self { shared: Arc::new(Shared { operators, containers }) })
    }

    fn facts(&self) -> &Facts {
        self.shared.operators.provider().facts()
    }

    /// The operator for new objects, if requests may name the container.
    fn operator(&self, container: &str, access: Access, note: Note) -> Result<Operator, StoreError> {
        if !self.shared.containers.iter().any(|known| known == container) {
            return Err(StoreError::Unsupported(format!("this storage may not use the container `{container}`")));
        }
        self.shared.operators.with_note(container, access, note).map_err(StoreError::Other)
    }

    /// The operator and the key of an object that was stored before. Its container may have left the settings since.
    fn locate<'id>(&self, id: &'id ObjectId) -> Result<(Operator, &'id str, &'id str), StoreError> {
        let (container, key) = id.as_str().split_once('/').ok_or(StoreError::NotFound)?;
        check_key(key).map_err(|_| StoreError::NotFound)?;
        let operator = self.shared.operators.plain(container, Access::Private).map_err(|_| StoreError::NotFound)?;
        Ok((operator, container, key))
    }

    fn check_new_key(&self, key: &str) -> Result<(), StoreError> {
        check_key(key).map_err(|problem| StoreError::Unsupported(format!("{} storage {problem}", self.facts().name)))
    }
}

#[async_trait::async_trait]
impl BlobStore for ObjectStore {
    fn capabilities(&self) -> Capabilities {
        self.facts().capabilities
    }

    fn in_region(&self, region: &str) -> Result<Arc<dyn BlobStore>, StoreError> {
        let operators = self.shared.operators.in_region(region).map_err(StoreError::Unsupported)?;
        let containers = self.shared.containers.clone();
        Ok(Arc::new(Self { shared: Arc::new(Shared { operators, containers }) }))
    }

    fn planned_id(&self, key: &ObjectKey) -> Option<ObjectId> {
        Some(id(key.container().as_str(), key.key()))
    }

    async fn create(&self, key: &ObjectKey, meta: &ObjectMeta) -> Result<Box<dyn BlobWriter>, StoreError> {
        self.check_new_key(key.key())?;
        let note = Note::of_object(meta)?;
        let operator = self.operator(key.container().as_str(), meta.access, note)?;
        let writer = ObjectWriter::create(operator, self.facts(), key, meta).await?;
        Ok(Box::new(writer))
    }

    async fn open(&self, id: &ObjectId, range: Range<u64>) -> Result<Blob, StoreError> {
        if range.is_empty() {
            // There is no HTTP range for it, but the answer still depends on the object.
            return self.stat(id).await.map(|_| Blob::Memory(Bytes::new()));
        }
        let (operator, container, key) = self.locate(id)?;
        let container = container.to_owned();
        let expected = range.end - range.start;
        let chunks = async { operator.reader(key).await?.into_stream(range).await }
            .await
            .map_err(|error| failure(&container, error))?
            .map_ok(|buffer| buffer.to_bytes())
            .map_err(move |error| failure(&container, error));
        // The request is made with the first chunk, and the caller must learn now whether the object is there.
        let mut chunks = exactly(expected, chunks).boxed();
        let first = chunks.try_next().await?;
        let first = stream::iter(first.map(Ok));
        Ok(Blob::Stream(first.chain(chunks).boxed()))
    }

    async fn stat(&self, id: &ObjectId) -> Result<ObjectStat, StoreError> {
        let (operator, container, key) = self.locate(id)?;
        let metadata = operator.stat(key).await.map_err(|error| failure(container, error))?;
        Ok(ObjectStat {
            size: metadata.content_length(),
            media_type: metadata.content_type().map(str::to_owned),
            etag: metadata.etag().map(str::to_owned),
            modified: metadata.last_modified().map(Into::into),
        })
    }

    async fn delete(&self, id: &ObjectId) -> Result<(), StoreError> {
        let located = self.locate(id);
        if matches!(located, Err(StoreError::NotFound)) {
            return Ok(());
        }
        let (operator, container, key) = located?;
        operator.delete(key).await.map_err(|error| failure(container, error))
    }

    async fn copy(&self, from: &ObjectId, to: &ObjectKey, meta: &ObjectMeta) -> Result<ObjectId, StoreError> {
        copy::copy(self, from, to, meta).await
    }

    async fn list(&self, container: &ContainerName, prefix: &str, start: Option<&str>) -> Result<Listing, StoreError> {
        listing::page(self, container.as_str(), prefix, start).await
    }

    async fn presign_get(&self, id: &ObjectId, valid_for: Duration) -> Result<PresignedRequest, StoreError> {
        let (operator, container, key) = self.locate(id)?;
        presign::get(self, &operator, container, key, valid_for).await
    }

    async fn presign_put(
        &self,
        key: &ObjectKey,
        meta: &ObjectMeta,
        valid_for: Duration,
    ) -> Result<PresignedRequest, StoreError> {
        self.check_new_key(key.key())?;
        let operator = self.operator(key.container().as_str(), meta.access, Note::default())?;
        presign::put(self, &operator, key, meta, valid_for).await
    }

    fn parts(&self) -> Option<Arc<dyn PartStore>> {
        Some(Arc::new(ObjectParts::new(self.clone(), self.shared.operators.parts())))
    }

    async fn check(&self) -> Result<(), StoreError> {
        const PROBE: &[u8] = b"stowage readiness probe";
        let name = random_alphanumeric(20, random::fill);
        let id = id(&self.shared.containers[0], &format!(".stowage-probe-{name}"));
        let (operator, container, key) = self.locate(&id)?;
        let written = operator.write(key, PROBE).await;
        written.map_err(|error| failure::of_write(container, error))?;
        let read = operator.read(key).await;
        self.delete(&id).await?;
        if read.map_err(|error| failure(container, error))?.to_bytes() != PROBE {
            return Err(StoreError::Corrupt("the probe reads back differently".to_owned()));
        }
        Ok(())
    }
}

fn id(container: &str, key: &str) -> ObjectId {
    ObjectId::from_catalogue(format!("{container}/{key}"))
}

fn containers(default: &str, allowed: &[String]) -> Vec<String> {
    std::iter::once(default).chain(allowed.iter().map(String::as_str)).map(str::to_owned).collect()
}

/// User metadata with names that the provider takes.
fn metadata(facts: &Facts, meta: &ObjectMeta) -> HashMap<String, String> {
    let name = |name: &String| if facts.metadata_identifiers { name.replace('-', "_") } else { name.clone() };
    meta.user_metadata.iter().map(|(key, value)| (name(key), value.clone())).collect()
}

/// The facts of an object, as far as opendal tells them to this provider.
fn write_options(facts: &Facts, operator: &Operator, meta: &ObjectMeta) -> WriteOptions {
    let knows_disposition = operator.info().capability().write_with_content_disposition;
    WriteOptions {
        content_type: Some(meta.media_type.as_str().to_owned()),
        content_disposition: meta.disposition.clone().filter(|_| knows_disposition),
        user_metadata: Some(metadata(facts, meta)),
        ..WriteOptions::default()
    }
}

/// Refuses keys that providers do not take, and those that would become other keys on the way: opendal trims white
/// space and drops empty segments, URLs drop dot segments.
fn check_key(key: &str) -> Result<(), &'static str> {
    if key.len() > LONGEST_KEY {
        return Err("takes keys of up to 1024 bytes: the path and the file name together are too long");
    }
    if key.trim() != key {
        return Err("takes no path or file name that begins or ends with white space");
    }
    if key.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
        return Err("takes no path with empty or dot segments");
    }
    Ok(())
}

/// Passes the chunks on and fails at the end if they were not `expected` bytes together: nobody may take a shortened
/// object for a whole one.
fn exactly(
    expected: u64,
    chunks: impl Stream<Item = Result<Bytes, StoreError>> + Unpin,
) -> impl Stream<Item = Result<Bytes, StoreError>> {
    stream::try_unfold((chunks, expected), |(mut chunks, left)| async move {
        match chunks.try_next().await? {
            Some(chunk) if chunk.len() as u64 <= left => {
                let left = left - chunk.len() as u64;
                Ok(Some((chunk, (chunks, left))))
            }
            None if left == 0 => Ok(None),
            _ => Err(StoreError::Corrupt("the provider sent another length than the object's".to_owned())),
        }
    })
}
