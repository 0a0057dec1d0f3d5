//! Dropbox. An [`ObjectId`] is `container/key`; the file is `/root/container/key`, so a container is a folder.
//!
//! Dropbox compares paths without regard to case: keys that differ only in it are one object. It keeps neither media types
//! nor other metadata.

mod api;
mod content_hash;
mod writer;

use std::{ops::Range, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use opendal::raw::Timestamp;
use reqwest::{StatusCode, header::RANGE};
use serde_json::json;
use stowage_core::{
    handle::random_alphanumeric,
    location::{Access, ContainerName},
    media_type::MediaType,
};

use crate::{
    Blob, BlobStore, BlobWriter, Capabilities, ListedObject, Listing, ObjectId, ObjectKey, ObjectMeta, ObjectStat,
    PresignedRequest, StoreError, http_client, random, secret::Secret,
};
use api::{Api, Entry, Folder};
use writer::DropboxWriter;

/// How long Dropbox's temporary links live; nobody can shorten it.
const TEMPORARY_LINK: Duration = Duration::from_secs(4 * 3600);
const PAGE: u32 = 1000;

/// Connection settings of a Dropbox store; kept sealed in the catalogue. Debug masks the secrets.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DropboxConfig {
    /// Key of the app in Dropbox's console.
    pub app_key: String,
    /// Its secret.
    pub app_secret: Secret,
    /// Refresh token of the account (offline access).
    pub refresh_token: Secret,
    /// Folder that holds the containers, such as `/Apps/Stowage`; absent: the root of what the app may see.
    #[serde(default)]
    pub root: String,
    /// Default container.
    pub container: ContainerName,
    /// Further containers that requests may name.
    #[serde(default)]
    pub allowed_containers: Vec<ContainerName>,
    /// Absent: `https://api.dropboxapi.com`.
    #[serde(default)]
    pub api_url: Option<String>,
    /// Absent: `https://content.dropboxapi.com`.
    #[serde(default)]
    pub content_url: Option<String>,
}

/// One Dropbox account.
#[derive(Clone)]
pub struct DropboxStore {
    shared: Arc<Shared>,
}

struct Shared {
    api: Api,
    /// Without a trailing slash.
    root: String,
    container: ContainerName,
    allowed: Vec<ContainerName>,
}

impl Shared {
    fn path(&self, container: &str, key: &str) -> String {
        format!("{}/{container}/{key}", self.root)
    }

    fn object_path(&self, id: &ObjectId) -> Result<String, StoreError> {
        let (container, key) = id.as_str().split_once('/').ok_or(StoreError::NotFound)?;
        check_key(key).map_err(|_| StoreError::NotFound)?;
        Ok(self.path(container, key))
    }

    fn check_container(&self, container: &ContainerName) -> Result<(), StoreError> {
        if *container == self.container || self.allowed.contains(container) {
            return Ok(());
        }
        Err(StoreError::Unsupported(format!("this storage may not use the container `{container}`")))
    }

    fn check_target(&self, key: &ObjectKey, meta: &ObjectMeta) -> Result<(), StoreError> {
        check_key(key.key()).map_err(|problem| StoreError::Unsupported(problem.to_owned()))?;
        if meta.access == Access::Public {
            return Err(StoreError::Unsupported("access=public is not possible in Dropbox storage".to_owned()));
        }
        self.check_container(key.container())
    }
}

impl DropboxStore {
    /// Prepares the client; does not connect. Error: what is wrong with the settings.
    ///
    /// # Panics
    /// If the process has not installed a default `rustls` crypto provider.
    pub fn new(config: DropboxConfig) -> Result<Self, String> {
        let root = config.root.trim_end_matches('/').to_owned();
        if !root.is_empty() && (!root.starts_with('/') || check_key(&root[1..]).is_err()) {
            return Err("`root` must look like `/folder/folder`".to_owned());
        }
        let (container, allowed) = (config.container.clone(), config.allowed_containers.clone());
        let api = Api::new(http_client::client()?, config)?;
        Ok(Self { shared: Arc::new(Shared { api, root, container, allowed }) })
    }

    /// Copies through this process: the way that replaces the target in one step.
    async fn copy_bytes(&self, from: &ObjectId, to: &ObjectKey, meta: &ObjectMeta) -> Result<ObjectId, StoreError> {
        let size = self.stat(from).await?.size;
        let mut writer = self.create(to, meta).await?;
        match self.open(from, 0..size).await? {
            Blob::Stream(mut chunks) => {
                while let Some(chunk) = chunks.try_next().await? {
                    writer.write(chunk).await?;
                }
            }
            Blob::Memory(bytes) => writer.write(bytes).await?,
            Blob::File { .. } => return Err(StoreError::Other("Dropbox has no local files".to_owned())),
        }
        writer.commit().await
    }
}

fn object_id(key: &ObjectKey) -> ObjectId {
    ObjectId::from_catalogue(format!("{}/{}", key.container(), key.key()))
}

#[async_trait::async_trait]
impl BlobStore for DropboxStore {
    fn capabilities(&self) -> Capabilities {
        Capabilities { public_access: false, list: true, presign: false, versions: false, adopts: false }
    }

    fn planned_id(&self, key: &ObjectKey) -> Option<ObjectId> {
        Some(object_id(key))
    }

    async fn create(&self, key: &ObjectKey, meta: &ObjectMeta) -> Result<Box<dyn BlobWriter>, StoreError> {
        self.shared.check_target(key, meta)?;
        Ok(Box::new(DropboxWriter::new(self.shared.clone(), key)))
    }

    async fn open(&self, id: &ObjectId, range: Range<u64>) -> Result<Blob, StoreError> {
        if range.is_empty() {
            // There is no HTTP range for it, but the answer still depends on the object.
            return self.stat(id).await.map(|_| Blob::Memory(Bytes::new()));
        }
        let argument = json!({"path": self.shared.object_path(id)?});
        let bytes = format!("bytes={}-{}", range.start, range.end - 1);
        let response = self.shared.api.content("files/download", &argument, &[(RANGE, &bytes)], Bytes::new()).await?;
        if response.status() != StatusCode::PARTIAL_CONTENT {
            return Err(StoreError::Corrupt(format!("a range was answered with {}", response.status())));
        }
        Ok(Blob::Stream(http_client::exactly(range.end - range.start, response).boxed()))
    }

    async fn stat(&self, id: &ObjectId) -> Result<ObjectStat, StoreError> {
        let argument = json!({"path": self.shared.object_path(id)?});
        match self.shared.api.call("files/get_metadata", &argument).await? {
            Entry::File(file) => {
                let modified = file.server_modified.and_then(|date| Some(date.parse::<Timestamp>().ok()?.into()));
                Ok(ObjectStat { size: file.size, media_type: None, etag: Some(file.rev), modified })
            }
            Entry::Folder | Entry::Deleted => Err(StoreError::NotFound),
        }
    }

    async fn delete(&self, id: &ObjectId) -> Result<(), StoreError> {
        // A folder must not go with all that is in it because an object's key was its path.
        match self.stat(id).await {
            Err(StoreError::NotFound) => return Ok(()),
            stat => stat?,
        };
        let argument = json!({"path": self.shared.object_path(id)?});
        match self.shared.api.call::<serde_json::Value>("files/delete_v2", &argument).await {
            Err(StoreError::NotFound) => Ok(()),
            result => result.map(drop),
        }
    }

    async fn copy(&self, from: &ObjectId, to: &ObjectKey, meta: &ObjectMeta) -> Result<ObjectId, StoreError> {
        self.shared.check_target(to, meta)?;
        // Dropbox copies to free paths only.
        if to.is_exact() {
            return self.copy_bytes(from, to, meta).await;
        }
        let target = self.shared.path(to.container().as_str(), to.key());
        let argument = json!({"from_path": self.shared.object_path(from)?, "to_path": target, "autorename": false});
        self.shared.api.call::<serde_json::Value>("files/copy_v2", &argument).await?;
        Ok(object_id(to))
    }

    async fn list(&self, container: &ContainerName, prefix: &str, start: Option<&str>) -> Result<Listing, StoreError> {
        self.shared.check_container(container)?;
        let base = self.shared.path(container.as_str(), "");
        let page: Result<Folder, _> = match start {
            Some(cursor) => self.shared.api.call("files/list_folder/continue", &json!({"cursor": cursor})).await,
            None => {
                let folder = format!("{base}{}", prefix.rsplit_once('/').map_or("", |(folder, _)| folder));
                let argument = json!({"path": folder.trim_end_matches('/'), "recursive": true, "limit": PAGE});
                self.shared.api.call("files/list_folder", &argument).await
            }
        };
        // Folders come with their first file and may go with their last one: one that is not there is empty.
        let page = match page {
            Err(StoreError::NotFound) => return Ok(Listing::default()),
            page => page?,
        };
        let wanted = prefix.to_lowercase();
        let objects = page.entries.into_iter().filter_map(|entry| match entry {
            Entry::File(file) => {
                let key = file.path_display.as_deref()?.get(base.len()..)?.to_owned();
                key.to_lowercase().starts_with(&wanted).then_some(ListedObject { key, size: file.size })
            }
            Entry::Folder | Entry::Deleted => None,
        });
        Ok(Listing { objects: objects.collect(), next: page.has_more.then_some(page.cursor) })
    }

    async fn presign_get(&self, id: &ObjectId, valid_for: Duration) -> Result<PresignedRequest, StoreError> {
        if valid_for < TEMPORARY_LINK {
            return Err(StoreError::Unsupported("Dropbox's links live for four hours, not shorter".to_owned()));
        }
        let argument = json!({"path": self.shared.object_path(id)?});
        let link: api::Link = self.shared.api.call("files/get_temporary_link", &argument).await?;
        Ok(PresignedRequest { url: link.link, headers: Vec::new() })
    }

    async fn presign_put(&self, _: &ObjectKey, _: &ObjectMeta, _: Duration) -> Result<PresignedRequest, StoreError> {
        Err(StoreError::Unsupported("Dropbox storage has no presigned uploads".to_owned()))
    }

    async fn check(&self) -> Result<(), StoreError> {
        const PROBE: &[u8] = b"stowage readiness probe";
        let name = format!(".stowage-probe-{}", random_alphanumeric(20, random::fill));
        let key = ObjectKey::existing(self.shared.container.clone(), name);
        let meta = ObjectMeta {
            media_type: MediaType::octet_stream(),
            access: Access::Private,
            length: Some(PROBE.len() as u64),
            disposition: None,
            user_metadata: Vec::new(),
        };
        let mut writer = self.create(&key, &meta).await?;
        writer.write(Bytes::from_static(PROBE)).await?;
        let id = writer.commit().await?;
        let argument = json!({"path": self.shared.object_path(&id)?});
        let read = self.shared.api.content("files/download", &argument, &[], Bytes::new()).await;
        self.delete(&id).await?;
        if http_client::body(read?, 2 * PROBE.len()).await? != PROBE {
            return Err(StoreError::Corrupt("the probe reads back differently".to_owned()));
        }
        Ok(())
    }
}

/// Refuses what Dropbox refuses in any case, or takes for another path.
fn check_key(key: &str) -> Result<(), &'static str> {
    /// Longest name of a file or folder, in characters.
    const LONGEST_NAME: usize = 255;
    let problem = |segment: &str| {
        matches!(segment, "" | "." | "..") || segment.ends_with(' ') || segment.chars().count() > LONGEST_NAME
    };
    if key.contains('\\') || key.split('/').any(problem) {
        return Err(
            "Dropbox storage takes no names that are empty, dots, end with a space, have a backslash or more than 255 characters",
        );
    }
    Ok(())
}
