//! Objects in parts: segments that a manifest makes one object at the end. Nothing begins an upload at Swift, so its name
//! is ours, and its segments are those that begin with it.

use std::{collections::HashSet, sync::Arc, time::Duration};

use reqwest::{
    Body, Method,
    header::{ETAG, HeaderMap, HeaderValue},
};

use super::{
    account::{Account, object_headers},
    api::Request,
    manifest::{Segment, Stored, check_etag, parts_prefix, segments_container},
    object_id,
};
use crate::{
    ObjectId, ObjectKey, ObjectMeta, PartStore, PresignedRequest, StoreError,
    parts::{ListedPart, PartContent, PartReceipt, PartRules, PartUpload, Place, checked},
};

/// Segments of a manifest that every cluster allows.
const MOST: u32 = 1000;
/// Largest object in one piece that every cluster takes, Rackspace's in decimal.
const LARGEST: u64 = 5_000_000_000;

pub(super) struct SwiftParts {
    account: Arc<Account>,
}

/// Where the segments of an upload are.
struct Segments {
    container: String,
    prefix: String,
}

impl Segments {
    fn of(place: &Place) -> Self {
        let prefix = format!("{}{}/", parts_prefix(&place.key), place.name);
        Self { container: segments_container(&place.container), prefix }
    }

    fn name(&self, number: u32) -> String {
        format!("{}{number:08}", self.prefix)
    }

    fn segment(&self, (number, size, receipt): &(u32, u64, PartReceipt)) -> Segment {
        let (container, md5) = (self.container.clone(), receipt.as_str().to_owned());
        Segment { container, name: self.name(*number), md5, size: *size }
    }
}

impl SwiftParts {
    pub(super) fn new(account: Arc<Account>) -> Self {
        Self { account }
    }

    /// Every segment of the upload. Empty if there are none.
    async fn held(&self, segments: &Segments) -> Result<Vec<(String, ListedPart)>, StoreError> {
        let mut held = Vec::new();
        let mut start = None;
        loop {
            let page = self.account.entries(&segments.container, &segments.prefix, start.as_deref()).await;
            let (entries, next) = match page {
                Err(StoreError::NotFound) => return Ok(held),
                page => page?,
            };
            held.extend(entries.into_iter().filter_map(|entry| {
                let number = entry.name.strip_prefix(&segments.prefix)?.parse().ok()?;
                let receipt = PartReceipt::from_catalogue(entry.hash);
                Some((entry.name, ListedPart { number, size: entry.bytes, receipt }))
            }));
            start = next;
            if start.is_none() {
                return Ok(held);
            }
        }
    }

    /// Names of the segments that the object under the key is made of, whoever made it.
    async fn in_use(&self, place: &Place) -> Result<Vec<String>, StoreError> {
        match self.account.stored(&place.container, &place.key).await {
            Ok(Stored::Segments(segments)) => Ok(segments.into_iter().map(|segment| segment.name).collect()),
            Ok(Stored::Whole) | Err(StoreError::NotFound) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Removes the segments of the upload that no object is made of.
    async fn discard_unused(&self, place: &Place, used: &[String]) -> Result<(), StoreError> {
        let segments = Segments::of(place);
        let used: HashSet<_> = used.iter().collect();
        let names = self.held(&segments).await?.into_iter().map(|(name, _)| name);
        let unused: Vec<_> = names.filter(|name| !used.contains(name)).collect();
        self.account.delete_segments(&segments.container, &unused).await
    }

    async fn put_object(&self, key: &ObjectKey, headers: HeaderMap, segments: &[Segment]) -> Result<(), StoreError> {
        let (container, key) = (key.container().as_str(), key.key());
        if segments.is_empty() {
            let request = Request::object(Method::PUT, container, key).headers(headers);
            return self.account.send_for(container, &request).await.map(drop);
        }
        self.account.put_manifest(container, key, headers, segments).await
    }
}

#[async_trait::async_trait]
impl PartStore for SwiftParts {
    fn rules(&self) -> PartRules {
        // An address binds no length and lives on behind the end of the upload: its holder could change a finished object.
        PartRules { smallest: 1, largest: LARGEST, count: MOST, presign: false }
    }

    async fn begin(&self, key: &ObjectKey, meta: &ObjectMeta) -> Result<PartUpload, StoreError> {
        self.account.check_target(key, meta.access).await?;
        // What cannot be kept is refused now, and not after all parts have come.
        object_headers(meta)?;
        self.account.create_segments_container(key.container().as_str()).await?;
        Place::new(key).upload()
    }

    async fn put(
        &self,
        upload: &PartUpload,
        number: u32,
        length: u64,
        md5: Option<[u8; 16]>,
        content: PartContent,
    ) -> Result<PartReceipt, StoreError> {
        self.rules().check(number, length)?;
        let segments = Segments::of(&Place::of(upload)?);
        let (content, verdict) = checked(content, length, md5).await?;
        if length == 0 {
            // A manifest takes no empty segment, and the object needs none.
            return Ok(PartReceipt::from_catalogue(String::new()));
        }
        let place = (&*segments.container, &*segments.name(number));
        let answer = self.account.api().upload(place, etag(md5)?, length, Body::wrap_stream(content)).await;
        let (answered, response) = match answer {
            Ok(response) => (Ok(()), Some(response)),
            Err(error) => (Err(error), None),
        };
        let digest = hex::encode(verdict.digest(answered)?);
        response.map_or(Ok(()), |response| check_etag(&response, &digest))?;
        Ok(PartReceipt::from_catalogue(digest))
    }

    async fn list(&self, upload: &PartUpload) -> Result<Vec<ListedPart>, StoreError> {
        let held = self.held(&Segments::of(&Place::of(upload)?)).await?;
        Ok(held.into_iter().map(|(_, part)| part).collect())
    }

    async fn complete(
        &self,
        upload: &PartUpload,
        key: &ObjectKey,
        meta: &ObjectMeta,
        parts: &[(u32, u64, PartReceipt)],
    ) -> Result<ObjectId, StoreError> {
        let place = Place::of_key(upload, key)?;
        let own = Segments::of(&place);
        let segments: Vec<_> = parts.iter().filter(|part| part.1 > 0).map(|part| own.segment(part)).collect();
        let names: Vec<_> = segments.iter().map(|segment| segment.name.clone()).collect();
        // Done before: then nothing that is under the key may be taken for something replaced.
        if names.is_empty() || self.in_use(&place).await? != names {
            let replaced = self.account.replaced_segments(key).await?;
            self.put_object(key, object_headers(meta)?, &segments).await.map_err(missing_parts)?;
            self.account.delete_replaced(replaced).await;
        }
        if let Err(error) = self.discard_unused(&place, &names).await {
            tracing::warn!(container = own.container, %error, "parts that no object is made of are left at the provider");
        }
        Ok(object_id(key))
    }

    async fn abort(&self, upload: &PartUpload) -> Result<(), StoreError> {
        let Ok(place) = Place::of(upload) else { return Ok(()) };
        let used = self.in_use(&place).await?;
        self.discard_unused(&place, &used).await
    }

    async fn presign(
        &self,
        _: &PartUpload,
        _: u32,
        _: u64,
        _: Option<[u8; 16]>,
        _: Duration,
    ) -> Result<PresignedRequest, StoreError> {
        Err(StoreError::Unsupported("Swift takes no parts but through this server".to_owned()))
    }
}

/// Makes Swift compare what arrives.
fn etag(md5: Option<[u8; 16]>) -> Result<HeaderMap, StoreError> {
    let value = md5.map(|md5| HeaderValue::try_from(hex::encode(md5))).transpose();
    let value = value.map_err(|error| StoreError::Other(error.to_string()))?;
    Ok(value.into_iter().map(|value| (ETAG, value)).collect())
}

/// Swift refuses a manifest whose segments are not those that it has.
fn missing_parts(error: StoreError) -> StoreError {
    match error {
        StoreError::Other(text) if text.starts_with("400") => StoreError::NotFound,
        error => error,
    }
}
