//! Multipart uploads as S3 invented them and Google's XML API has them too.

use std::time::Duration;

use http::{HeaderMap, Method};
use stowage_core::location::Access;

use super::{
    Part, PartProtocol,
    wire::{Ask, Wire, insert},
    xml,
};
use crate::{
    ObjectMeta, PresignedRequest, StoreError,
    http_client::encode_path,
    parts::{ListedPart, PartContent, PartReceipt, PartRules, Place},
};

/// User metadata of an object made of parts: the name of its upload. A lost answer leaves the question whether the object
/// under a key is that of this upload, and no ETag answers it for encrypted objects.
pub(in super::super) const MARK: &str = "stowage-upload";

/// Limits of S3, which Google has taken over.
const SMALLEST: u64 = 5 << 20;
const LARGEST: u64 = 5 << 30;
const MOST: u32 = 10_000;

/// Where providers of this protocol differ.
pub(in super::super) struct Dialect {
    /// `https://host[/path]`, without the bucket.
    pub(in super::super) endpoint: String,
    /// `bucket.host` instead of `host/bucket`.
    pub(in super::super) virtual_host_style: bool,
    /// `x-amz-` or `x-goog-`.
    pub(in super::super) prefix: &'static str,
    /// What else begins an upload.
    pub(in super::super) headers: Vec<(&'static str, String)>,
    pub(in super::super) presign: bool,
}

impl Dialect {
    fn url(&self, place: &Place, query: &str) -> String {
        let (bucket, key) = (&place.container, encode_path(&place.key));
        if self.virtual_host_style {
            let endpoint = self.endpoint.replacen("//", &format!("//{bucket}."), 1);
            format!("{endpoint}/{key}{query}")
        } else {
            format!("{}/{bucket}/{key}{query}", self.endpoint)
        }
    }

    fn metadata_header(&self, name: &str) -> String {
        format!("{}meta-{name}", self.prefix)
    }

    /// The facts of an object, which this protocol wants at its beginning.
    fn begin_headers(&self, place: &Place, meta: &ObjectMeta) -> Result<HeaderMap, StoreError> {
        let mut headers = HeaderMap::new();
        insert(&mut headers, "content-type", meta.media_type.as_str())?;
        if let Some(disposition) = &meta.disposition {
            insert(&mut headers, "content-disposition", disposition)?;
        }
        for (name, value) in &meta.user_metadata {
            insert(&mut headers, &self.metadata_header(name), value)?;
        }
        insert(&mut headers, &self.metadata_header(MARK), &place.name)?;
        if meta.access == Access::Public {
            insert(&mut headers, &format!("{}acl", self.prefix), "public-read")?;
        }
        for (name, value) in &self.headers {
            insert(&mut headers, name, value)?;
        }
        Ok(headers)
    }
}

pub(in super::super) struct Multipart {
    wire: Wire,
    dialect: Dialect,
}

impl Multipart {
    pub(in super::super) fn new(wire: Wire, dialect: Dialect) -> Self {
        Self { wire, dialect }
    }

    fn upload_url(&self, place: &Place) -> String {
        self.dialect.url(place, &format!("?uploadId={}", escaped(&place.id)))
    }

    fn part_url(&self, place: &Place, number: u32) -> String {
        self.dialect.url(place, &format!("?partNumber={number}&uploadId={}", escaped(&place.id)))
    }

    /// Whether the object under the key is that of the upload.
    async fn is_done(&self, place: &Place) -> bool {
        let head = Ask::new(Method::HEAD, self.dialect.url(place, ""));
        self.wire.ask(&place.container, &head).await.is_ok_and(|found| {
            let mark = found.headers.get(self.dialect.metadata_header(MARK));
            mark.is_some_and(|mark| mark.as_bytes() == place.name.as_bytes())
        })
    }
}

#[async_trait::async_trait]
impl PartProtocol for Multipart {
    fn rules(&self) -> PartRules {
        PartRules { smallest: SMALLEST, largest: LARGEST, count: MOST, presign: self.dialect.presign }
    }

    /// A repetition may begin two uploads, of which one stays empty.
    async fn begin(&self, place: &Place, meta: &ObjectMeta) -> Result<String, StoreError> {
        let mut ask = Ask::new(Method::POST, self.dialect.url(place, "?uploads"));
        ask.headers = self.dialect.begin_headers(place, meta)?;
        let answer = self.wire.ask(&place.container, &ask).await.map_err(|error| match error {
            StoreError::NotFound => StoreError::MissingContainer(place.container.clone()),
            error => error,
        })?;
        Ok(xml::read::<xml::Begun>(&answer.body)?.upload_id)
    }

    async fn put(&self, place: &Place, part: Part, content: PartContent) -> Result<PartReceipt, StoreError> {
        let url = self.part_url(place, part.number);
        let headers = self.wire.put(&place.container, &url, HeaderMap::new(), part, content).await?;
        let etag = headers.get(http::header::ETAG).and_then(|etag| etag.to_str().ok());
        etag.map(receipt).ok_or_else(|| StoreError::Other("the provider gives the part no ETag".to_owned()))
    }

    async fn list(&self, place: &Place) -> Result<Vec<ListedPart>, StoreError> {
        let mut parts = Vec::new();
        let mut url = self.upload_url(place);
        loop {
            let answer = self.wire.ask(&place.container, &Ask::new(Method::GET, url)).await?;
            let page: xml::Page = xml::read(&answer.body)?;
            let next = page.next_part_number_marker.filter(|_| page.is_truncated && !page.part.is_empty());
            parts.extend(page.part.into_iter().map(|part| ListedPart {
                number: part.part_number,
                size: part.size,
                receipt: receipt(&part.etag),
            }));
            let Some(marker) = next else { break };
            url = format!("{}&part-number-marker={}", self.upload_url(place), escaped(&marker));
        }
        parts.sort_by_key(|part| part.number);
        Ok(parts)
    }

    async fn complete(
        &self,
        place: &Place,
        _meta: &ObjectMeta,
        parts: &[(u32, u64, PartReceipt)],
    ) -> Result<(), StoreError> {
        let entry = |(number, _, receipt): &(u32, u64, PartReceipt)| xml::CompletePart {
            part_number: *number,
            etag: format!("\"{}\"", receipt.as_str()),
        };
        let mut ask = Ask::new(Method::POST, self.upload_url(place));
        insert(&mut ask.headers, "content-type", "application/xml")?;
        ask.body = xml::write(&xml::Complete { part: parts.iter().map(entry).collect() })?.into();
        match self.wire.ask(&place.container, &ask).await {
            Ok(_) => Ok(()),
            // An upload that is over is told in many ways, and an answer may get lost.
            Err(error) => self.is_done(place).await.then_some(()).ok_or(error),
        }
    }

    async fn abort(&self, place: &Place) -> Result<(), StoreError> {
        self.wire.ask(&place.container, &Ask::new(Method::DELETE, self.upload_url(place))).await.map(drop)
    }

    async fn presign(&self, place: &Place, part: Part, valid_for: Duration) -> Result<PresignedRequest, StoreError> {
        self.wire.presign(&self.part_url(place, part.number), part, valid_for).await
    }
}

fn receipt(etag: &str) -> PartReceipt {
    PartReceipt::from_catalogue(etag.trim_matches('"').to_owned())
}

/// A value in a query.
fn escaped(text: &str) -> String {
    encode_path(text).replace('/', "%2F")
}
