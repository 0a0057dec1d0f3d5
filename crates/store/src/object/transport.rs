//! The way of every request: each body that holds bytes of an object travels with its MD5, and the provider must
//! confirm it.

use std::sync::{Arc, Mutex};

use base64::{Engine, prelude::BASE64_STANDARD};
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use md5::{Digest, Md5};
use opendal::{Buffer, Error, ErrorKind, HttpBody, HttpTransport};
use opendal_http_transport_reqwest::ReqwestTransport;

use super::provider::Provider;
use crate::{ObjectMeta, StoreError};

/// Begins the message of an error that tells of other bytes at the provider than were sent.
pub(super) const CORRUPT: &str = "the provider has other bytes";
/// Longer bodies are hashed on a blocking thread.
const HASH_HERE: usize = 64 << 10;
const MD5_BYTES: usize = 16;
const CONTENT_MD5: &str = "content-md5";

/// What one operation needs in its requests beside what opendal puts there.
#[derive(Default)]
pub(super) struct Note {
    /// `Content-Disposition` of a new object, for providers to whom opendal does not tell it.
    pub(super) disposition: Option<HeaderValue>,
    /// A single page of a listing, for providers where opendal gives only all of them.
    pub(super) page: Option<Mutex<Page>>,
}

impl Note {
    pub(super) fn of_object(meta: &ObjectMeta) -> Result<Self, StoreError> {
        let disposition = meta.disposition.as_deref().map(HeaderValue::from_str).transpose();
        let disposition = disposition.map_err(|_| StoreError::Other("the disposition is no header".to_owned()))?;
        Ok(Self { disposition, page: None })
    }
}

/// The provider's marks of one page of a listing.
#[derive(Default)]
pub(super) struct Page {
    pub(super) start: Option<String>,
    pub(super) next: Option<String>,
}

pub(super) struct Transport {
    pub(super) http: ReqwestTransport,
    pub(super) provider: Arc<dyn Provider>,
    pub(super) note: Arc<Note>,
}

impl HttpTransport for Transport {
    async fn fetch(&self, mut request: Request<Buffer>) -> Result<Response<HttpBody>, Error> {
        let digest = match request.method() {
            &Method::PUT if !request.body().is_empty() => Some(md5(request.body().clone()).await?),
            _ => None,
        };
        if let Some(digest) = &digest {
            let value = HeaderValue::try_from(BASE64_STANDARD.encode(digest)).map_err(other)?;
            request.headers_mut().insert(CONTENT_MD5, value);
        }
        let request = self.provider.finish(request, &self.note).await?;
        let response = self.http.fetch(request).await?;
        if let Some(digest) = digest
            && response.status().is_success()
            && let Some(confirmed) = confirmed(response.headers(), self.provider.facts().etag_is_md5)
            && confirmed != digest
        {
            return Err(Error::new(
                ErrorKind::Unexpected,
                format!("{CORRUPT}: MD5 {} instead of {}", hex::encode(&confirmed), hex::encode(&digest)),
            ));
        }
        self.provider.received(response, &self.note).await
    }
}

/// The MD5 of a body.
async fn md5(body: Buffer) -> Result<Vec<u8>, Error> {
    let hash = |body: Buffer| {
        let mut hasher = Md5::new();
        for chunk in body {
            hasher.update(&chunk);
        }
        hasher.finalize().to_vec()
    };
    if body.len() <= HASH_HERE {
        return Ok(hash(body));
    }
    tokio::task::spawn_blocking(move || hash(body)).await.map_err(other)
}

/// The MD5 that the provider computed of what it received, if it tells one.
pub(super) fn confirmed(headers: &HeaderMap, etag_is_md5: bool) -> Option<Vec<u8>> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(digest) = text(CONTENT_MD5) {
        return BASE64_STANDARD.decode(digest).ok();
    }
    for hashes in headers.get_all("x-goog-hash") {
        let mut hashes = hashes.to_str().unwrap_or_default().split(',');
        if let Some(digest) = hashes.find_map(|hash| hash.trim().strip_prefix("md5=")) {
            return BASE64_STANDARD.decode(digest).ok();
        }
    }
    let keyed = text("x-amz-server-side-encryption").is_some_and(|method| method.starts_with("aws:"))
        || headers.contains_key("x-amz-server-side-encryption-customer-algorithm");
    if !etag_is_md5 || keyed {
        return None;
    }
    // That of an object of several parts is no hexadecimal number.
    hex::decode(text("etag")?.trim_matches('"')).ok().filter(|digest| digest.len() == MD5_BYTES)
}

/// An error of a step before the request.
pub(super) fn other(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(ErrorKind::Unexpected, error.to_string())
}
