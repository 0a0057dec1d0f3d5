//! OpenStack Swift and Rackspace Cloud Files. An [`ObjectId`] is `container/key`.

mod account;
mod api;
mod copy;
mod manifest;
mod parts;
mod session;
mod settings;
mod temp_url;
mod writer;

use std::{ops::Range, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::StreamExt;
use opendal::raw::Timestamp;
use reqwest::{
    Method, StatusCode,
    header::{CONTENT_LENGTH, HeaderValue, RANGE},
};
use stowage_core::{handle::random_alphanumeric, location::ContainerName};

use crate::{
    Blob, BlobStore, BlobWriter, Capabilities, Listing, ObjectId, ObjectKey, ObjectMeta, ObjectStat, PartStore,
    PresignedRequest, StoreError, http_client, random,
};
use account::{Account, check_key, object_headers};
use api::{Api, Request, header};
use manifest::{is_large, missing_is_fine};
use parts::SwiftParts;
use session::Sessions;
pub use settings::{SwiftAuth, SwiftConfig, TempUrlDigest};
use writer::SwiftWriter;

/// One account of a Swift cluster.
#[derive(Clone)]
pub struct SwiftStore {
    account: Arc<Account>,
}

impl SwiftStore {
    /// Prepares the client; does not connect. Error: what is wrong with the settings.
    ///
    /// # Panics
    /// If the process has not installed a default `rustls` crypto provider.
    pub fn new(config: SwiftConfig) -> Result<Self, String> {
        config.check()?;
        let http = http_client::client()?;
        let sessions = Sessions::new(http.clone(), config.auth, config.region);
        let temp_url = config.temp_url_key.map(|key| (key, config.temp_url_digest));
        let account = Account::new(
            Api::new(http, http_client::upload_client()?, sessions),
            config.container,
            config.allowed_containers,
            temp_url,
        );
        Ok(Self { account: Arc::new(account) })
    }

    /// The default container: that of the settings, otherwise the account's only one (containers of segments aside).
    /// Error: [`StoreError::Unsupported`] if there are several or none.
    pub async fn container(&self) -> Result<ContainerName, StoreError> {
        self.account.default_container().await.cloned()
    }
}

/// Container and key of an object that was stored before. Its container may have left the settings since.
fn locate(id: &ObjectId) -> Result<(&str, &str), StoreError> {
    let (container, key) = id.as_str().split_once('/').ok_or(StoreError::NotFound)?;
    check_key(key).map_err(|_| StoreError::NotFound)?;
    Ok((container, key))
}

fn object_id(key: &ObjectKey) -> ObjectId {
    ObjectId::from_catalogue(format!("{}/{}", key.container(), key.key()))
}

#[async_trait::async_trait]
impl BlobStore for SwiftStore {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            public_access: true,
            list: true,
            presign: self.account.temp_url().is_some(),
            versions: false,
            adopts: false,
        }
    }

    async fn detected_container(&self) -> Result<ContainerName, StoreError> {
        self.container().await
    }

    fn planned_id(&self, key: &ObjectKey) -> Option<ObjectId> {
        Some(object_id(key))
    }

    async fn create(&self, key: &ObjectKey, meta: &ObjectMeta) -> Result<Box<dyn BlobWriter>, StoreError> {
        self.account.check_target(key, meta.access).await?;
        Ok(Box::new(SwiftWriter::create(self.account.clone(), key, meta)?))
    }

    async fn open(&self, id: &ObjectId, range: Range<u64>) -> Result<Blob, StoreError> {
        if range.is_empty() {
            // There is no HTTP range for it, but the answer still depends on the object.
            return self.stat(id).await.map(|_| Blob::Memory(Bytes::new()));
        }
        let (container, key) = locate(id)?;
        let bytes = format!("bytes={}-{}", range.start, range.end - 1);
        let value = HeaderValue::try_from(bytes).map_err(|error| StoreError::Other(error.to_string()))?;
        let mut request = Request::object(Method::GET, container, key);
        request.headers.insert(RANGE, value);
        let response = self.account.send_for(container, &request).await?;
        if response.status() != StatusCode::PARTIAL_CONTENT {
            return Err(StoreError::Corrupt(format!("a range was answered with {}", response.status())));
        }
        Ok(Blob::Stream(http_client::exactly(range.end - range.start, response).boxed()))
    }

    async fn stat(&self, id: &ObjectId) -> Result<ObjectStat, StoreError> {
        let (container, key) = locate(id)?;
        let response = self.account.send_for(container, &Request::object(Method::HEAD, container, key)).await?;
        let text = |name| header(&response, name).map(str::to_owned);
        let size = text(CONTENT_LENGTH.as_str()).and_then(|length| length.parse().ok());
        Ok(ObjectStat {
            size: size.ok_or_else(|| StoreError::Other("the provider does not tell the object's length".to_owned()))?,
            media_type: text("content-type"),
            etag: text("etag").map(|etag| etag.trim_matches('"').to_owned()),
            modified: text("last-modified").and_then(|date| Some(Timestamp::parse_rfc2822(&date).ok()?.into())),
        })
    }

    async fn delete(&self, id: &ObjectId) -> Result<(), StoreError> {
        let Ok((container, key)) = locate(id) else { return Ok(()) };
        match self.account.api().send(&Request::object(Method::HEAD, container, key)).await {
            // An upload that was cut off by a crash is invisible, but its segments are there.
            Err(StoreError::NotFound) => self.account.delete_leftovers(container, key).await,
            Err(error) => Err(error),
            Ok(head) if is_large(&head) => self.account.delete_large(container, key).await,
            Ok(_) => {
                let deleted = self.account.api().send(&Request::object(Method::DELETE, container, key)).await;
                deleted.map(drop).or_else(missing_is_fine)
            }
        }
    }

    async fn copy(&self, from: &ObjectId, to: &ObjectKey, meta: &ObjectMeta) -> Result<ObjectId, StoreError> {
        self.account.check_target(to, meta.access).await?;
        self.account.copy(locate(from)?, to, object_headers(meta)?).await?;
        Ok(object_id(to))
    }

    async fn list(&self, container: &ContainerName, prefix: &str, start: Option<&str>) -> Result<Listing, StoreError> {
        self.account.check_container(container).await?;
        let container = container.as_str();
        self.account.list_page(container, prefix, start).await.map_err(|error| match error {
            StoreError::NotFound => StoreError::MissingContainer(container.to_owned()),
            error => error,
        })
    }

    async fn presign_get(&self, id: &ObjectId, valid_for: Duration) -> Result<PresignedRequest, StoreError> {
        let url = self.account.presign(&Method::GET, locate(id)?, valid_for).await?;
        Ok(PresignedRequest { url, headers: Vec::new() })
    }

    async fn presign_put(
        &self,
        key: &ObjectKey,
        meta: &ObjectMeta,
        valid_for: Duration,
    ) -> Result<PresignedRequest, StoreError> {
        self.account.check_target(key, meta.access).await?;
        let headers = object_headers(meta)?;
        let readable = headers.iter().map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.as_str().to_owned(), value)
        });
        let headers = readable.collect();
        let url = self.account.presign(&Method::PUT, (key.container().as_str(), key.key()), valid_for).await?;
        Ok(PresignedRequest { url, headers })
    }

    fn parts(&self) -> Option<Arc<dyn PartStore>> {
        Some(Arc::new(SwiftParts::new(self.account.clone())))
    }

    async fn check(&self) -> Result<(), StoreError> {
        const PROBE: &[u8] = b"stowage readiness probe";
        let container = self.account.default_container().await?;
        let id =
            ObjectId::from_catalogue(format!("{container}/.stowage-probe-{}", random_alphanumeric(20, random::fill)));
        let (container, key) = locate(&id)?;
        let written = Request::object(Method::PUT, container, key).body(Bytes::from_static(PROBE));
        self.account.send_for(container, &written).await?;
        let read = self.account.api().send(&Request::object(Method::GET, container, key)).await;
        self.delete(&id).await?;
        if http_client::body(read?, 2 * PROBE.len()).await? != PROBE {
            return Err(StoreError::Corrupt("the probe reads back differently".to_owned()));
        }
        Ok(())
    }
}
