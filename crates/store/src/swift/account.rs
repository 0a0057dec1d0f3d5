//! One account: which containers may be used, what travels with an object, and the requests that drivers share.

use std::time::Duration;

use reqwest::{
    Method, Response,
    header::{CONTENT_DISPOSITION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue},
};
use serde::de::DeserializeOwned;
use stowage_core::location::{Access, ContainerName};
use tokio::sync::OnceCell;

use super::{
    api::{Api, Request, header},
    manifest::SEGMENTS_SUFFIX,
    settings::TempUrlDigest,
    temp_url,
};
use crate::{ListedObject, Listing, ObjectKey, ObjectMeta, StoreError, http_client, secret::Secret};

/// Longest key that Swift takes, in bytes of UTF-8.
const LONGEST_KEY: usize = 1024;
const PAGE: usize = 1000;
/// A page of names of up to 1024 bytes, each byte escaped.
const LONGEST_PAGE: usize = 16 << 20;
/// The container's read list has it when anybody may read.
const ANYBODY: &str = ".r:*";

pub(super) struct Account {
    api: Api,
    container: Option<ContainerName>,
    only_container: OnceCell<ContainerName>,
    allowed: Vec<ContainerName>,
    temp_url: Option<(Secret, TempUrlDigest)>,
}

/// A listing's entry, of containers as well as of objects.
#[derive(serde::Deserialize)]
pub(super) struct Entry {
    pub(super) name: String,
    #[serde(default)]
    pub(super) bytes: u64,
    /// MD5 of an object in one piece, in hexadecimal.
    #[serde(default)]
    pub(super) hash: String,
}

/// The answer to the removal of a large object.
#[derive(serde::Deserialize)]
struct Removal {
    #[serde(rename = "Response Status")]
    status: String,
    #[serde(rename = "Errors", default)]
    errors: Vec<(String, String)>,
}

impl Account {
    pub(super) fn new(
        api: Api,
        container: Option<ContainerName>,
        allowed: Vec<ContainerName>,
        temp_url: Option<(Secret, TempUrlDigest)>,
    ) -> Self {
        Self { api, container, only_container: OnceCell::new(), allowed, temp_url }
    }

    pub(super) fn api(&self) -> &Api {
        &self.api
    }

    pub(super) fn temp_url(&self) -> Option<&(Secret, TempUrlDigest)> {
        self.temp_url.as_ref()
    }

    pub(super) async fn default_container(&self) -> Result<&ContainerName, StoreError> {
        match &self.container {
            Some(container) => Ok(container),
            None => self.only_container.get_or_try_init(|| self.find_only_container()).await,
        }
    }

    async fn find_only_container(&self) -> Result<ContainerName, StoreError> {
        let request = Request::account(Method::GET).query("format", "json");
        let entries: Vec<Entry> = self.json(&request).await?;
        let names = entries.into_iter().map(|entry| entry.name);
        let names: Vec<_> = names.filter(|name| !name.ends_with(SEGMENTS_SUFFIX)).collect();
        let problem = match names.as_slice() {
            [only] => return ContainerName::parse(only).map_err(|problem| StoreError::Other(problem.to_owned())),
            [] => "the account has no container",
            _ => "the account has several containers, and the storage's settings name none",
        };
        Err(StoreError::Unsupported(problem.to_owned()))
    }

    /// Refuses containers that are neither the default nor allowed.
    pub(super) async fn check_container(&self, container: &ContainerName) -> Result<(), StoreError> {
        if self.allowed.contains(container) || self.default_container().await? == container {
            return Ok(());
        }
        Err(StoreError::Unsupported(format!("this storage may not use the container `{container}`")))
    }

    /// Refuses what cannot be stored under the key.
    pub(super) async fn check_target(&self, key: &ObjectKey, access: Access) -> Result<(), StoreError> {
        check_key(key.key()).map_err(|problem| StoreError::Unsupported(problem.to_owned()))?;
        self.check_container(key.container()).await?;
        if access == Access::Public {
            self.check_public(key.container().as_str()).await?;
        }
        Ok(())
    }

    /// Swift knows no access of single objects.
    async fn check_public(&self, container: &str) -> Result<(), StoreError> {
        let head = self.head_container(container).await?;
        let readers = header(&head, "x-container-read").unwrap_or_default();
        if readers.split(',').any(|reader| reader.trim() == ANYBODY) {
            return Ok(());
        }
        Err(StoreError::Unsupported(format!(
            "access=public cannot be stored in the container `{container}`: it is not readable by anybody (`{ANYBODY}`)"
        )))
    }

    pub(super) async fn head_container(&self, container: &str) -> Result<Response, StoreError> {
        self.api.send(&Request::container(Method::HEAD, container)).await.map_err(|error| match error {
            StoreError::NotFound => StoreError::MissingContainer(container.to_owned()),
            error => error,
        })
    }

    /// Sends a request about an object; tells whether the object or its container is missing.
    pub(super) async fn send_for(&self, container: &str, request: &Request) -> Result<Response, StoreError> {
        match self.api.send(request).await {
            Err(StoreError::NotFound) => {
                Err(self.head_container(container).await.err().unwrap_or(StoreError::NotFound))
            }
            result => result,
        }
    }

    /// A page of a listing; `NotFound` if there is no such container.
    pub(super) async fn list_page(
        &self,
        container: &str,
        prefix: &str,
        start: Option<&str>,
    ) -> Result<Listing, StoreError> {
        let (entries, next) = self.entries(container, prefix, start).await?;
        let objects = entries.into_iter().map(|entry| ListedObject { key: entry.name, size: entry.bytes });
        Ok(Listing { objects: objects.collect(), next })
    }

    /// The same with all that Swift tells, and where the next page starts.
    pub(super) async fn entries(
        &self,
        container: &str,
        prefix: &str,
        start: Option<&str>,
    ) -> Result<(Vec<Entry>, Option<String>), StoreError> {
        let mut request = Request::container(Method::GET, container)
            .query("format", "json")
            .query("limit", PAGE.to_string())
            .query("prefix", prefix);
        if let Some(start) = start {
            request = request.query("marker", start);
        }
        let entries: Vec<Entry> = self.json(&request).await?;
        let next = entries.get(PAGE - 1).map(|last| last.name.clone());
        Ok((entries, next))
    }

    /// Removes a manifest with its segments.
    pub(super) async fn delete_large(&self, container: &str, key: &str) -> Result<(), StoreError> {
        let request = Request::object(Method::DELETE, container, key)
            .query("multipart-manifest", "delete")
            .header("accept", HeaderValue::from_static("application/json"));
        let removal: Removal = match self.json(&request).await {
            Err(StoreError::NotFound) => return Ok(()),
            removal => removal?,
        };
        // The answer itself is always 200.
        if removal.errors.is_empty() && (removal.status.starts_with("200") || removal.status.starts_with("404")) {
            return Ok(());
        }
        Err(StoreError::Unavailable(format!("removing segments: {}, {:?}", removal.status, removal.errors)))
    }

    /// A URL that allows one method on one object.
    pub(super) async fn presign(
        &self,
        method: &Method,
        object: (&str, &str),
        valid_for: Duration,
    ) -> Result<String, StoreError> {
        let unsupported = || StoreError::Unsupported("this storage has no key for presigned requests".to_owned());
        let (key, digest) = self.temp_url().ok_or_else(unsupported)?;
        temp_url::sign((key, *digest), method, &self.api.storage_url().await?, object, valid_for)
    }

    async fn json<T: DeserializeOwned>(&self, request: &Request) -> Result<T, StoreError> {
        let body = http_client::body(self.api.send(request).await?, LONGEST_PAGE).await?;
        serde_json::from_slice(&body).map_err(|error| StoreError::Other(format!("unexpected answer: {error}")))
    }
}

/// Refuses keys that Swift does not take, and those that become other keys on the way: URLs drop dot segments.
pub(super) fn check_key(key: &str) -> Result<(), &'static str> {
    if key.len() > LONGEST_KEY {
        return Err("the path and the file name together are too long: Swift takes names of up to 1024 bytes");
    }
    if key.is_empty() || key.split('/').any(|segment| matches!(segment, "." | "..")) {
        return Err("Swift storage takes no path with dot segments");
    }
    Ok(())
}

/// What travels with the bytes.
pub(super) fn object_headers(meta: &ObjectMeta) -> Result<HeaderMap, StoreError> {
    let invalid = |name: &str| StoreError::Unsupported(format!("Swift storage cannot keep the metadata `{name}`"));
    let mut headers = HeaderMap::new();
    let mut insert = |name: HeaderName, text: &str| {
        let value = HeaderValue::from_bytes(text.as_bytes()).map_err(|_| invalid(name.as_str()))?;
        headers.insert(name, value);
        Ok::<(), StoreError>(())
    };
    insert(CONTENT_TYPE, meta.media_type.as_str())?;
    if let Some(disposition) = &meta.disposition {
        insert(CONTENT_DISPOSITION, disposition)?;
    }
    for (name, value) in &meta.user_metadata {
        let header = HeaderName::try_from(format!("x-object-meta-{name}")).map_err(|_| invalid(name))?;
        insert(header, value)?;
    }
    Ok(headers)
}
