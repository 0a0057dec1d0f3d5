//! Requests that their holder may make directly at the provider.

use std::time::Duration;

use http::{HeaderMap, Uri};
use opendal::Operator;

use super::{ObjectStore, failure, write_options};
use crate::{ObjectKey, ObjectMeta, PresignedRequest, StoreError};

/// Longest life of a signature of S3 and Google; kept for Azure too.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);

pub(super) async fn get(
    store: &ObjectStore,
    operator: &Operator,
    container: &str,
    key: &str,
    valid_for: Duration,
) -> Result<PresignedRequest, StoreError> {
    check(store, valid_for)?;
    let provider = store.shared.operators.provider();
    if let Some(request) = provider.presign(container, key, None, valid_for) {
        return request;
    }
    let signed = operator.presign_read(&provider.presign_path(key), valid_for).await;
    signed.map(|request| told(request.uri(), request.header())).map_err(|error| failure(container, error))
}

pub(super) async fn put(
    store: &ObjectStore,
    operator: &Operator,
    key: &ObjectKey,
    meta: &ObjectMeta,
    valid_for: Duration,
) -> Result<PresignedRequest, StoreError> {
    check(store, valid_for)?;
    let (provider, container) = (store.shared.operators.provider(), key.container().as_str());
    if let Some(request) = provider.presign(container, key.key(), Some(meta), valid_for) {
        return request;
    }
    let path = provider.presign_path(key.key());
    let options = write_options(store.facts(), operator, meta);
    // Where the signature does not cover the disposition, it still has an effect.
    let unsigned = if options.content_disposition.is_none() { meta.disposition.clone() } else { None };
    let signed = operator.presign_write_options(&path, valid_for, options).await;
    let signed = signed.map_err(|error| failure(container, error))?;
    let mut request = told(signed.uri(), signed.header());
    request.headers.extend(unsigned.map(|text| ("content-disposition".to_owned(), text)));
    Ok(request)
}

fn check(store: &ObjectStore, valid_for: Duration) -> Result<(), StoreError> {
    if !store.facts().capabilities.presign {
        let name = store.facts().name;
        return Err(StoreError::Unsupported(format!("{name} storage has no key here to presign requests with")));
    }
    check_duration(valid_for)
}

pub(super) fn check_duration(valid_for: Duration) -> Result<(), StoreError> {
    if valid_for.is_zero() || valid_for > LONGEST {
        return Err(StoreError::Unsupported("a presigned request is valid for up to 7 days".to_owned()));
    }
    Ok(())
}

/// The URL, and the headers that the sender's HTTP client does not set by itself.
pub(super) fn told(uri: &Uri, headers: &HeaderMap) -> PresignedRequest {
    let headers = headers
        .iter()
        .filter(|(name, _)| !matches!(name.as_str(), "host" | "content-length"))
        .filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())))
        .collect();
    PresignedRequest { url: uri.to_string(), headers }
}
