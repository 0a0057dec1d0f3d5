//! S3 and S3-compatible object stores, on opendal. An [`ObjectId`] is `bucket/key`.

mod client;
mod failure;
mod writer;

use std::{collections::HashMap, fmt, ops::Range, sync::Arc};

use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use opendal::Operator;
use stowage_core::{handle::random_alphanumeric, location::Access};

use crate::{
    Blob, BlobStore, BlobWriter, Capabilities, ObjectId, ObjectKey, ObjectMeta, ObjectStat, StoreError, random,
};
use client::Client;
use failure::failure;
use writer::S3Writer;

/// Longest key that S3 takes, in bytes of UTF-8.
const LONGEST_KEY: usize = 1024;

/// Connection settings of an S3 store; kept sealed in the catalogue. Debug masks the secret.
#[derive(Clone, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct S3Config {
    /// Default bucket.
    pub bucket: String,
    /// Further buckets that requests may name.
    #[serde(default)]
    pub allowed_buckets: Vec<String>,
    /// `https://…`; absent: AWS.
    #[serde(default)]
    pub endpoint: Option<String>,
    /// Region; absent: `us-east-1`.
    #[serde(default)]
    pub region: Option<String>,
    /// Access key id.
    pub access_key_id: String,
    /// Secret access key.
    pub secret_access_key: String,
    /// `bucket.host` addressing instead of `host/bucket`.
    #[serde(default)]
    pub virtual_host_style: bool,
}

impl fmt::Debug for S3Config {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("S3Config")
            .field("bucket", &self.bucket)
            .field("allowed_buckets", &self.allowed_buckets)
            .field("endpoint", &self.endpoint)
            .field("region", &self.region)
            .field("access_key_id", &self.access_key_id)
            .field("secret_access_key", &"***")
            .field("virtual_host_style", &self.virtual_host_style)
            .finish()
    }
}

/// One S3 store: any of its buckets, private and public.
#[derive(Clone)]
pub struct S3Store {
    shared: Arc<Shared>,
}

struct Shared {
    client: Client,
    default_bucket: String,
    buckets: HashMap<String, Bucket>,
}

/// Access is a property of an operator, not of a write.
struct Bucket {
    private: Operator,
    public: Operator,
}

impl S3Store {
    /// Prepares the client; does not connect. Error: what is wrong with the settings.
    ///
    /// # Panics
    /// If the process has not installed a default `rustls` crypto provider.
    pub fn new(config: S3Config) -> Result<Self, String> {
        let names: Vec<String> = std::iter::once(&config.bucket).chain(&config.allowed_buckets).cloned().collect();
        let default_bucket = config.bucket.clone();
        let client = Client::new(config)?;
        let buckets = names
            .into_iter()
            .map(|name| {
                let bucket = Bucket {
                    private: client.operator(&name, Access::Private)?,
                    public: client.operator(&name, Access::Public)?,
                };
                Ok((name, bucket))
            })
            .collect::<Result<_, String>>()?;
        let shared = Shared { client, default_bucket, buckets };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The operator and the key of an object that was stored before. Its bucket may have left the settings since.
    fn locate<'id>(&self, id: &'id ObjectId) -> Result<(Operator, &'id str, &'id str), StoreError> {
        let (bucket, key) = id.as_str().split_once('/').ok_or(StoreError::NotFound)?;
        check_key(key).map_err(|_| StoreError::NotFound)?;
        let operator = match self.shared.buckets.get(bucket) {
            Some(known) => known.private.clone(),
            None => self.shared.client.operator(bucket, Access::Private).map_err(|_| StoreError::NotFound)?,
        };
        Ok((operator, bucket, key))
    }
}

#[async_trait::async_trait]
impl BlobStore for S3Store {
    fn capabilities(&self) -> Capabilities {
        Capabilities { public_access: true, versions: false }
    }

    fn planned_id(&self, key: &ObjectKey) -> Option<ObjectId> {
        Some(ObjectId::from_catalogue(format!("{}/{}", key.container(), key.key())))
    }

    async fn create(&self, key: &ObjectKey, meta: &ObjectMeta) -> Result<Box<dyn BlobWriter>, StoreError> {
        let container = key.container().as_str();
        let bucket =
            self.shared.buckets.get(container).ok_or_else(|| {
                StoreError::Unsupported(format!("this storage may not use the container `{container}`"))
            })?;
        check_key(key.key()).map_err(|problem| StoreError::Unsupported(problem.to_owned()))?;
        let operator = match meta.access {
            Access::Private => &bucket.private,
            Access::Public => &bucket.public,
        };
        let writer = S3Writer::create(operator, container, key.key(), meta).await?;
        Ok(Box::new(writer))
    }

    async fn open(&self, id: &ObjectId, range: Range<u64>) -> Result<Blob, StoreError> {
        if range.is_empty() {
            // There is no HTTP range for it, but the answer still depends on the object.
            return self.stat(id).await.map(|_| Blob::Memory(Bytes::new()));
        }
        let (operator, bucket, key) = self.locate(id)?;
        let bucket = bucket.to_owned();
        let expected = range.end - range.start;
        let chunks = async { operator.reader(key).await?.into_stream(range).await }
            .await
            .map_err(|error| failure(&bucket, error))?
            .map_ok(|buffer| buffer.to_bytes())
            .map_err(move |error| failure(&bucket, error));
        // The request is made with the first chunk, and the caller must learn now whether the object is there.
        let mut chunks = exactly(expected, chunks).boxed();
        let first = chunks.try_next().await?;
        let first = stream::iter(first.map(Ok));
        Ok(Blob::Stream(first.chain(chunks).boxed()))
    }

    async fn stat(&self, id: &ObjectId) -> Result<ObjectStat, StoreError> {
        let (operator, bucket, key) = self.locate(id)?;
        let metadata = operator.stat(key).await.map_err(|error| failure(bucket, error))?;
        Ok(ObjectStat { size: metadata.content_length() })
    }

    async fn delete(&self, id: &ObjectId) -> Result<(), StoreError> {
        let located = self.locate(id);
        if matches!(located, Err(StoreError::NotFound)) {
            return Ok(());
        }
        let (operator, bucket, key) = located?;
        operator.delete(key).await.map_err(|error| failure(bucket, error))
    }

    async fn check(&self) -> Result<(), StoreError> {
        const PROBE: &[u8] = b"stowage readiness probe";
        let name = random_alphanumeric(20, random::fill);
        let id = ObjectId::from_catalogue(format!("{}/.stowage-probe-{name}", self.shared.default_bucket));
        let (operator, bucket, key) = self.locate(&id)?;
        let written = operator.write(key, PROBE).await;
        written.map_err(|error| failure(bucket, error))?;
        let read = operator.read(key).await;
        self.delete(&id).await?;
        if read.map_err(|error| failure(bucket, error))?.to_bytes() != PROBE {
            return Err(StoreError::Other("the probe reads back differently".to_owned()));
        }
        Ok(())
    }
}

/// Refuses keys that S3 does not take, and those that would become other keys on the way: opendal trims white space and
/// drops empty segments, URLs drop dot segments.
fn check_key(key: &str) -> Result<(), &'static str> {
    if key.len() > LONGEST_KEY {
        return Err("the path and the file name together are too long: S3 takes keys of up to 1024 bytes");
    }
    if key.trim() != key {
        return Err("S3 storage takes no path or file name that begins or ends with white space");
    }
    if key.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
        return Err("S3 storage takes no path with empty or dot segments");
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
            _ => Err(StoreError::Other("the provider sent another length than the object's".to_owned())),
        }
    })
}
