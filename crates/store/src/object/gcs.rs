//! Google Cloud Storage.

use std::{sync::Arc, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http::{Method, Request, header, request};
use opendal::{Buffer, Error, Operator, services::Gcs};
use reqsign_core::{Context, HttpSend, Signer};
use reqsign_google::{RequestSigner, StaticCredentialProvider};
use reqwest::Client;
use stowage_core::location::Access;

use super::{
    parts::{Clients, Dialect, Multipart, PartProtocol, Sign, Wire},
    provider::{Facts, Provider, is_bucket_name},
    transport::{Note, other},
};
use crate::{
    Capabilities, StoreError,
    http_client::{self, check_base_url, encode_path},
    secret::Secret,
};

const SIGNED: Facts = Facts {
    name: "Google Cloud Storage",
    capabilities: Capabilities { public_access: true, list: true, presign: true, versions: false, adopts: false },
    parts: 10_000,
    // Its answers tell the MD5 in `x-goog-hash` and in the object's description.
    etag_is_md5: false,
    copies: true,
    metadata_identifiers: false,
};
/// Without a key nothing can be signed.
const ANONYMOUS: Facts = Facts { capabilities: Capabilities { presign: false, ..SIGNED.capabilities }, ..SIGNED };

const ENDPOINT: &str = "https://storage.googleapis.com";
const SCOPE: &str = "https://www.googleapis.com/auth/devstorage.read_write";
/// A token and what is told with it.
const LONGEST_TOKEN: usize = 64 << 10;

/// Connection settings of a Google Cloud Storage; kept sealed in the catalogue. Debug masks the secret.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GcsConfig {
    /// Default bucket.
    pub bucket: String,
    /// Further buckets that requests may name.
    #[serde(default)]
    pub allowed_buckets: Vec<String>,
    /// `https://…`; absent: Google.
    #[serde(default)]
    pub endpoint: Option<String>,
    /// The JSON text of a service account's key; absent: requests go out unsigned, for emulators.
    #[serde(default)]
    pub service_account: Option<Secret>,
}

/// What the key of a service account must hold. Other kinds of Google credentials name files, programs or hosts that
/// the server would then read, run or ask.
#[derive(serde::Deserialize)]
struct ServiceAccount {
    r#type: String,
    client_email: String,
    private_key: String,
}

impl GcsConfig {
    pub(super) fn check(&self) -> Result<(), String> {
        if let Some(endpoint) = &self.endpoint {
            check_base_url("endpoint", endpoint)?;
        }
        let Some(account) = &self.service_account else {
            return match self.endpoint {
                Some(_) => Ok(()),
                None => Err("`service_account` is missing: Google takes no unsigned requests".to_owned()),
            };
        };
        // The parser's own message would quote the text.
        let account: ServiceAccount = serde_json::from_str(account.reveal()).map_err(|_| {
            "`service_account` must be the JSON text of a key with `type`, `client_email` and `private_key`".to_owned()
        })?;
        if account.r#type != "service_account" || account.client_email.is_empty() || account.private_key.is_empty() {
            return Err("`service_account` must be a key of the type `service_account`".to_owned());
        }
        Ok(())
    }
}

#[async_trait::async_trait]
impl Provider for GcsConfig {
    fn facts(&self) -> &Facts {
        if self.service_account.is_some() { &SIGNED } else { &ANONYMOUS }
    }

    fn is_container_name(&self, name: &str) -> bool {
        is_bucket_name(name)
    }

    fn operator(&self, container: &str, access: Access) -> Result<Operator, Error> {
        let mut service = Gcs::default().bucket(container).disable_config_load().disable_vm_metadata();
        if let Some(endpoint) = &self.endpoint {
            service = service.endpoint(endpoint.trim_end_matches('/'));
        }
        service = match &self.service_account {
            Some(account) => service.credential(&BASE64_STANDARD.encode(account.reveal())),
            None => service.skip_signature(),
        };
        if access == Access::Public {
            service = service.predefined_acl("publicRead");
        }
        Operator::new(service)
    }

    /// Adds the disposition: to the headers that begin an upload of parts, or to the description of an object that is
    /// sent at once.
    async fn finish(&self, mut request: Request<Buffer>, note: &Note) -> Result<Request<Buffer>, Error> {
        let query = request.uri().query().unwrap_or_default();
        match &note.disposition {
            Some(disposition) if request.method() == Method::POST && query == "uploads" => {
                request.headers_mut().insert(header::CONTENT_DISPOSITION, disposition.clone());
                Ok(request)
            }
            Some(disposition) if query.starts_with("uploadType=multipart") => {
                let text = disposition.to_str().map_err(other)?;
                let (mut parts, body) = request.into_parts();
                let body = with_member(body, "contentDisposition", text)?;
                parts.headers.insert(header::CONTENT_LENGTH, body.len().into());
                Ok(Request::from_parts(parts, body))
            }
            _ => Ok(request),
        }
    }

    fn parts(&self, clients: &Clients) -> Arc<dyn PartProtocol> {
        let wire = match &self.service_account {
            Some(account) => {
                let context = Context::new().with_http_send(TokenRequests(clients.asking.clone()));
                let credentials = StaticCredentialProvider::new(account.reveal()).with_scope(SCOPE);
                let signer = Signer::new(context, credentials, RequestSigner::new("storage").with_scope(SCOPE));
                Wire::new(clients, signer, SIGNED.etag_is_md5)
            }
            None => Wire::new(clients, Unsigned, ANONYMOUS.etag_is_md5),
        };
        let dialect = Dialect {
            endpoint: self.endpoint.as_deref().unwrap_or(ENDPOINT).trim_end_matches('/').to_owned(),
            virtual_host_style: false,
            prefix: "x-goog-",
            headers: Vec::new(),
            presign: self.facts().capabilities.presign,
        };
        Arc::new(Multipart::new(wire, dialect))
    }

    /// opendal puts it into the URL as it is.
    fn presign_path(&self, key: &str) -> String {
        encode_path(key)
    }
}

/// For emulators.
struct Unsigned;

#[async_trait::async_trait]
impl Sign for Unsigned {
    async fn sign(&self, _head: &mut request::Parts, _valid_for: Option<Duration>) -> Result<(), StoreError> {
        Ok(())
    }
}

/// How the signer asks for access tokens.
#[derive(Debug)]
struct TokenRequests(Client);

impl HttpSend for TokenRequests {
    async fn http_send(&self, request: Request<Bytes>) -> reqsign_core::Result<http::Response<Bytes>> {
        let unexpected = |error: StoreError| reqsign_core::Error::unexpected(error.to_string());
        let request = reqwest::Request::try_from(request).map_err(http_client::unreachable).map_err(unexpected)?;
        let response = self.0.execute(request).await.map_err(http_client::unreachable).map_err(unexpected)?;
        let status = response.status();
        let body = http_client::body(response, LONGEST_TOKEN).await.map_err(unexpected)?;
        let mut answer = http::Response::new(Bytes::from(body));
        *answer.status_mut() = status;
        Ok(answer)
    }
}

/// Puts a member into the first JSON object of a body, which is never empty: it tells the media type.
fn with_member(body: Buffer, name: &str, value: &str) -> Result<Buffer, Error> {
    let mut chunks: Vec<Bytes> = body.collect();
    let opened = chunks.iter().enumerate().find_map(|(index, chunk)| {
        let brace = chunk.iter().position(|byte| *byte == b'{')?;
        Some((index, brace + 1))
    });
    if let Some((index, offset)) = opened {
        let rest = chunks[index].split_off(offset);
        let member = format!("\"{name}\":{},", serde_json::to_string(value).map_err(other)?);
        chunks.splice(index + 1..index + 1, [Bytes::from(member), rest]);
    }
    // Whoever reads an opendal buffer with an empty chunk never gets past it.
    chunks.retain(|chunk| !chunk.is_empty());
    Ok(chunks.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_put_into_the_description_and_nowhere_else() {
        let chunks = [&b"--b\r\ncontent-type: json\r\n\r\n{"[..], b"\"contentType\":\"a/b\"}\r\n--b\r\n{}"];
        let body = Buffer::from(chunks.map(Bytes::from_static).to_vec());
        let changed = with_member(body, "name", "a\"b").expect("text").to_bytes();
        let expected = "--b\r\ncontent-type: json\r\n\r\n{\"name\":\"a\\\"b\",\"contentType\":\"a/b\"}\r\n--b\r\n{}";
        assert_eq!(changed, expected);
    }
}
