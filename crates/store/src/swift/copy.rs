//! Copies inside a cluster: the bytes do not pass through this process.

use reqwest::{
    Method,
    header::{HeaderMap, HeaderValue},
};

use super::{
    account::Account,
    api::{Request, object_path},
    manifest::{Segment, SegmentNames, Stored, parts_prefix, segments_container, segments_prefix},
};
use crate::{ObjectKey, StoreError};

impl Account {
    /// Copies an object; `headers` replace those of the original.
    pub(super) async fn copy(
        &self,
        (from_container, from_key): (&str, &str),
        to: &ObjectKey,
        headers: HeaderMap,
    ) -> Result<(), StoreError> {
        let replaced = self.replaced_segments(to).await?;
        match self.stored(from_container, from_key).await? {
            Stored::Whole => self.copy_whole((from_container, from_key), to, headers).await?,
            Stored::Segments(segments) => self.copy_segments(&segments, to, headers).await?,
        }
        self.delete_replaced(replaced).await;
        Ok(())
    }

    async fn copy_whole(
        &self,
        (from_container, from_key): (&str, &str),
        to: &ObjectKey,
        headers: HeaderMap,
    ) -> Result<(), StoreError> {
        let container = to.container().as_str();
        let request = Request::object(Method::PUT, container, to.key())
            .headers(headers)
            .headers(copy_headers(from_container, from_key)?);
        self.send_for(container, &request).await.map(drop)
    }

    /// Two manifests must not share segments: removing one object would break the other.
    async fn copy_segments(&self, originals: &[Segment], to: &ObjectKey, headers: HeaderMap) -> Result<(), StoreError> {
        let container = to.container().as_str();
        let names = SegmentNames::new(to.key());
        let copies: Vec<_> = originals
            .iter()
            .enumerate()
            .map(|(number, original)| Segment {
                container: segments_container(container),
                name: names.name(number),
                ..original.clone()
            })
            .collect();
        let copied = async {
            for (original, copy) in originals.iter().zip(&copies) {
                let headers = copy_headers(&original.container, &original.name)?;
                self.put_segment(container, copy, headers, bytes::Bytes::new()).await?;
            }
            self.put_manifest(container, to.key(), headers, &copies).await
        }
        .await;
        if copied.is_err() {
            self.discard(container, &names, copies.len()).await;
        }
        copied
    }

    /// The segments that an overwritten object leaves behind: only those of this driver, nobody else refers to them.
    pub(super) async fn replaced_segments(&self, key: &ObjectKey) -> Result<Vec<Segment>, StoreError> {
        if !key.is_exact() {
            return Ok(Vec::new());
        }
        let container = segments_container(key.container().as_str());
        let own = [segments_prefix(key.key()), parts_prefix(key.key())];
        match self.stored(key.container().as_str(), key.key()).await {
            Ok(Stored::Segments(mut segments)) => {
                segments.retain(|segment| {
                    segment.container == container && own.iter().any(|prefix| segment.name.starts_with(prefix))
                });
                Ok(segments)
            }
            Ok(Stored::Whole) | Err(StoreError::NotFound) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Removes them after the new object is visible; what fails costs room, but breaks nothing.
    pub(super) async fn delete_replaced(&self, segments: Vec<Segment>) {
        let Some(container) = segments.first().map(|segment| segment.container.clone()) else { return };
        let names: Vec<_> = segments.into_iter().map(|segment| segment.name).collect();
        if let Err(error) = self.delete_segments(&container, &names).await {
            tracing::warn!(container, %error, "segments of an overwritten object are left at the provider");
        }
    }

    /// Removes the segments of an upload that comes to nothing.
    pub(super) async fn discard(&self, container: &str, names: &SegmentNames, count: usize) {
        let names: Vec<_> = (0..count).map(|number| names.name(number)).collect();
        if let Err(error) = self.delete_segments(&segments_container(container), &names).await {
            tracing::warn!(container, %error, "segments of an abandoned upload are left at the provider");
        }
    }
}

fn copy_headers(container: &str, key: &str) -> Result<HeaderMap, StoreError> {
    let source =
        HeaderValue::try_from(object_path(container, key)).map_err(|error| StoreError::Other(error.to_string()))?;
    let mut headers = HeaderMap::new();
    headers.insert("x-copy-from", source);
    // Without it the metadata of both would be mixed.
    headers.insert("x-fresh-metadata", HeaderValue::from_static("true"));
    Ok(headers)
}
