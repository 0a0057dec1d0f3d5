//! Static large objects: a manifest under the key, segments in a container beside.

use bytes::Bytes;
use md5::{Digest, Md5};
use reqwest::{Method, header::HeaderMap};
use serde_json::json;
use sha2::Sha256;
use stowage_core::handle::random_alphanumeric;

use super::{
    account::Account,
    api::{self, Request},
};
use crate::{StoreError, http_client, random};

/// Swift's own limit of a manifest, and what is read of one.
const LONGEST_MANIFEST: usize = 8 << 20;
const UPLOAD_ID: usize = 20;
/// Containers of segments are named after the container of the objects.
pub(super) const SEGMENTS_SUFFIX: &str = "_segments";

/// Where the segments of `container` are.
pub(super) fn segments_container(container: &str) -> String {
    format!("{container}{SEGMENTS_SUFFIX}")
}

/// One piece of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) container: String,
    pub(super) name: String,
    /// MD5 in hexadecimal, which is its ETag.
    pub(super) md5: String,
    pub(super) size: u64,
}

impl Segment {
    fn path(&self) -> String {
        format!("/{}/{}", self.container, self.name)
    }
}

/// The names of an upload's segments: found again by the object's key, and never those of another upload.
#[derive(Clone, Debug)]
pub(super) struct SegmentNames {
    prefix: String,
}

impl SegmentNames {
    pub(super) fn new(key: &str) -> Self {
        Self { prefix: format!("{}{}/", segments_prefix(key), random_alphanumeric(UPLOAD_ID, random::fill)) }
    }

    pub(super) fn name(&self, number: usize) -> String {
        format!("{}{number:08}", self.prefix)
    }
}

/// All segments of a key begin with it. A digest, because a key may be as long as a segment's name.
pub(super) fn segments_prefix(key: &str) -> String {
    format!("{}/", hex::encode(Sha256::digest(key)))
}

/// All segments of a key that came as parts begin with it. Apart from the others: an upload of parts may go on for days
/// while other objects of its key come and go, and what they leave behind.
pub(super) fn parts_prefix(key: &str) -> String {
    format!("parts/{}", segments_prefix(key))
}

/// A manifest's entry as Swift lists it.
#[derive(serde::Deserialize)]
struct Entry {
    /// `/container/name`.
    name: String,
    bytes: u64,
    hash: String,
    /// A part of a segment only.
    #[serde(default)]
    range: Option<String>,
    /// The segment is a manifest itself.
    #[serde(default)]
    sub_slo: bool,
}

/// What is stored under a key, as far as copying and removing it go.
pub(super) enum Stored {
    /// Bytes in one piece, or something of another program that Swift alone understands.
    Whole,
    /// Whole segments.
    Segments(Vec<Segment>),
}

impl Account {
    /// What is under the key. `NotFound` if nothing is.
    pub(super) async fn stored(&self, container: &str, key: &str) -> Result<Stored, StoreError> {
        let head = self.api().send(&Request::object(Method::HEAD, container, key)).await?;
        if !is_large(&head) {
            return Ok(Stored::Whole);
        }
        let request = Request::object(Method::GET, container, key).query("multipart-manifest", "get");
        let body = http_client::body(self.api().send(&request).await?, LONGEST_MANIFEST).await?;
        let entries: Vec<Entry> = serde_json::from_slice(&body)
            .map_err(|error| StoreError::Other(format!("the manifest cannot be read: {error}")))?;
        let segments: Option<Vec<_>> = entries.into_iter().map(Entry::into_segment).collect();
        Ok(segments.map_or(Stored::Whole, Stored::Segments))
    }

    /// Stores one segment of an object in `container`; makes the segments' container when it is missing.
    pub(super) async fn put_segment(
        &self,
        container: &str,
        segment: &Segment,
        headers: HeaderMap,
        bytes: Bytes,
    ) -> Result<(), StoreError> {
        let request = Request::object(Method::PUT, &segment.container, &segment.name).headers(headers).body(bytes);
        let mut response = self.api().send(&request).await;
        if matches!(response, Err(StoreError::NotFound)) {
            self.create_segments_container(container).await?;
            response = self.api().send(&request).await;
        }
        check_etag(&response?, &segment.md5)
    }

    /// The same kind of storage as the container of the manifests, which must exist.
    pub(super) async fn create_segments_container(&self, container: &str) -> Result<(), StoreError> {
        let head = self.head_container(container).await?;
        let mut request = Request::container(Method::PUT, &segments_container(container));
        if let Some(policy) = head.headers().get("x-storage-policy") {
            request = request.header("x-storage-policy", policy.clone());
        }
        self.api().send(&request).await.map(drop)
    }

    /// Makes the segments one object, visible at once.
    pub(super) async fn put_manifest(
        &self,
        container: &str,
        key: &str,
        headers: HeaderMap,
        segments: &[Segment],
    ) -> Result<(), StoreError> {
        let entries: Vec<_> = segments
            .iter()
            .map(|segment| json!({"path": segment.path(), "etag": segment.md5, "size_bytes": segment.size}))
            .collect();
        let request = Request::object(Method::PUT, container, key)
            .query("multipart-manifest", "put")
            .headers(headers)
            .body(json!(entries).to_string().into());
        let response = self.api().send(&request).await?;
        check_etag(&response, &manifest_etag(segments))
    }

    /// Removes segments, as far as they are there; the first failure is told after all were tried.
    pub(super) async fn delete_segments(&self, container: &str, names: &[String]) -> Result<(), StoreError> {
        let mut result = Ok(());
        for name in names {
            let deleted = self.api().send(&Request::object(Method::DELETE, container, name)).await;
            if let Err(error) = deleted.map(drop).or_else(missing_is_fine) {
                result = Err(error);
            }
        }
        result
    }

    /// Removes what an upload that was cut off by a crash left.
    pub(super) async fn delete_leftovers(&self, container: &str, key: &str) -> Result<(), StoreError> {
        let (segments, prefix) = (segments_container(container), segments_prefix(key));
        let mut start = None;
        loop {
            let page = match self.list_page(&segments, &prefix, start.as_deref()).await {
                Err(StoreError::NotFound) => return Ok(()),
                page => page?,
            };
            let names: Vec<String> = page.objects.into_iter().map(|object| object.key).collect();
            self.delete_segments(&segments, &names).await?;
            start = page.next;
            if start.is_none() {
                return Ok(());
            }
        }
    }
}

impl Entry {
    fn into_segment(self) -> Option<Segment> {
        let (container, name) = self.name.strip_prefix('/')?.split_once('/')?;
        let whole = self.range.is_none() && !self.sub_slo;
        whole.then(|| Segment {
            container: container.to_owned(),
            name: name.to_owned(),
            md5: self.hash,
            size: self.bytes,
        })
    }
}

/// The ETag of the object made of the segments.
pub(super) fn manifest_etag(segments: &[Segment]) -> String {
    let mut digest = Md5::new();
    segments.iter().for_each(|segment| digest.update(&segment.md5));
    hex::encode(digest.finalize())
}

/// Whether the answer is about a static large object.
pub(super) fn is_large(response: &reqwest::Response) -> bool {
    api::header(response, "x-static-large-object").is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

/// Whether the provider has what was sent.
pub(super) fn check_etag(response: &reqwest::Response, expected: &str) -> Result<(), StoreError> {
    let found = api::header(response, "etag").unwrap_or_default().trim_matches('"');
    if found.eq_ignore_ascii_case(expected) {
        return Ok(());
    }
    Err(StoreError::Corrupt(format!("the provider has the ETag `{found}`, expected is `{expected}`")))
}

/// What was to be removed is not there, which is as good.
pub(super) fn missing_is_fine(error: StoreError) -> Result<(), StoreError> {
    match error {
        StoreError::NotFound => Ok(()),
        error => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_of_a_key_are_found_by_it_and_only_by_it() {
        let name = SegmentNames::new("a/b.txt").name(7);
        assert!(name.starts_with(&segments_prefix("a/b.txt")), "{name}");
        assert!(name.ends_with("/00000007"), "{name}");
        assert!(!name.starts_with(&segments_prefix("a")));
        assert_ne!(name, SegmentNames::new("a/b.txt").name(7));
        assert!(SegmentNames::new(&"x".repeat(1024)).name(999).len() < 1024);
    }

    #[test]
    fn only_whole_segments_can_be_taken_apart() {
        let entry = |more: &str| {
            let text = format!(r#"{{"name": "/c_segments/a/b", "bytes": 5, "hash": "h", "content_type": "x"{more}}}"#);
            serde_json::from_str::<Entry>(&text).expect("an entry").into_segment()
        };
        let segment = entry("").expect("a segment");
        assert_eq!((segment.container.as_str(), segment.name.as_str()), ("c_segments", "a/b"));
        assert!(entry(r#", "range": "0-4""#).is_none());
        assert!(entry(r#", "sub_slo": true"#).is_none());
    }
}
