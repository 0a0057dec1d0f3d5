//! Azure Blob Storage. Requests are signed here and not by opendal: so the signature covers the checksum and the
//! disposition, and a presigned request opens one object for a time instead of giving away the whole SAS token.

mod config;
mod page;

use std::{sync::Arc, time::Duration};

use http::{HeaderName, Method, Request, Response, header};
use opendal::{Buffer, Error, HttpBody, Operator, services::Azblob};
use reqsign_azure_storage::{
    RequestSigner, ServiceSasResource, ServiceSharedAccessSignature, StaticCredentialProvider,
};
use reqsign_core::{Context, Signer, time::Timestamp};
use stowage_core::location::Access;

use super::{
    parts::{Blocks, Clients, PartProtocol, Wire},
    provider::{Facts, Provider},
    transport::{Note, other},
};
use crate::{Capabilities, ObjectMeta, PresignedRequest, StoreError, http_client::encode_path, secret::Secret};
pub use config::AzureConfig;

const DISPOSITION: &str = "x-ms-blob-content-disposition";

const WITH_KEY: Facts = Facts {
    name: "Azure",
    // Azure opens whole containers to the public, not single objects.
    capabilities: Capabilities { public_access: false, list: true, presign: true, versions: false, adopts: false },
    parts: 50_000,
    etag_is_md5: false,
    // A copy may still be pending when Azure answers, and becomes readable later.
    copies: false,
    metadata_identifiers: true,
};
/// A SAS token can be passed on only as a whole.
const WITH_TOKEN: Facts = Facts { capabilities: Capabilities { presign: false, ..WITH_KEY.capabilities }, ..WITH_KEY };

/// What requests are signed with.
#[derive(Debug, PartialEq, Eq)]
enum Credentials {
    Key { account: String, key: Secret },
    SasToken(Secret),
}

pub(super) struct Azure {
    endpoint: String,
    credentials: Credentials,
    signer: Signer<reqsign_azure_storage::Credential>,
}

impl Azure {
    pub(super) fn new(config: &AzureConfig) -> Result<Self, String> {
        let (endpoint, credentials) = config.resolve()?;
        let provider = match &credentials {
            Credentials::Key { account, key } => StaticCredentialProvider::new_shared_key(account, key.reveal()),
            Credentials::SasToken(token) => StaticCredentialProvider::new_sas_token(token.reveal()),
        };
        let signer = Signer::new(Context::new(), provider, RequestSigner::new());
        Ok(Self { endpoint, credentials, signer })
    }

    fn signed_url(
        &self,
        container: &str,
        key: &str,
        permissions: &str,
        valid_for: Duration,
    ) -> Result<String, StoreError> {
        let Credentials::Key { account, key: secret } = &self.credentials else {
            return Err(StoreError::Unsupported("presigned requests need the key of the Azure account".to_owned()));
        };
        let resource = ServiceSasResource::Blob { container: container.to_owned(), blob: key.to_owned() };
        let mut signature = ServiceSharedAccessSignature::new(
            account.clone(),
            secret.reveal().to_owned(),
            resource,
            permissions.to_owned(),
            Timestamp::now() + valid_for,
        );
        if self.endpoint.starts_with("https:") {
            signature = signature.with_protocol("https");
        }
        let query: Vec<_> = signature
            .token()
            .map_err(|error| StoreError::Other(error.to_string()))?
            .into_iter()
            .map(|(name, value)| format!("{name}={}", encode_path(&value)))
            .collect();
        Ok(format!("{}/{container}/{}?{}", self.endpoint, encode_path(key), query.join("&")))
    }
}

#[async_trait::async_trait]
impl Provider for Azure {
    fn facts(&self) -> &Facts {
        match self.credentials {
            Credentials::Key { .. } => &WITH_KEY,
            Credentials::SasToken(_) => &WITH_TOKEN,
        }
    }

    fn is_container_name(&self, name: &str) -> bool {
        (1..=63).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    }

    fn operator(&self, container: &str, _access: Access) -> Result<Operator, Error> {
        Operator::new(Azblob::default().endpoint(&self.endpoint).container(container).skip_signature())
    }

    fn parts(&self, clients: &Clients) -> Arc<dyn PartProtocol> {
        let wire = Wire::new(clients, self.signer.clone(), WITH_KEY.etag_is_md5);
        Arc::new(Blocks::new(wire, self.endpoint.clone(), list_headers))
    }

    async fn finish(&self, request: Request<Buffer>, note: &Note) -> Result<Request<Buffer>, Error> {
        let (mut parts, body) = request.into_parts();
        let query = parts.uri.query().unwrap_or_default();
        // Blocks have no disposition: the request that makes an object of them has.
        if parts.method == Method::PUT
            && !query.starts_with("comp=block&")
            && let Some(disposition) = &note.disposition
        {
            parts.headers.insert(HeaderName::from_static(DISPOSITION), disposition.clone());
        }
        if let Some(page) = &note.page {
            page::ask(&mut parts, page)?;
        }
        self.signer.sign(&mut parts, None).await.map_err(other)?;
        Ok(Request::from_parts(parts, body))
    }

    async fn received(&self, response: Response<HttpBody>, note: &Note) -> Result<Response<HttpBody>, Error> {
        match &note.page {
            Some(page) if response.status().is_success() => page::end(response, page).await,
            _ => Ok(response),
        }
    }

    fn presign(
        &self,
        container: &str,
        key: &str,
        put: Option<&ObjectMeta>,
        valid_for: Duration,
    ) -> Option<Result<PresignedRequest, StoreError>> {
        let permissions = if put.is_some() { "cw" } else { "r" };
        let headers = put.map(put_headers).unwrap_or_default();
        let url = self.signed_url(container, key, permissions, valid_for);
        Some(url.map(|url| PresignedRequest { url, headers }))
    }
}

fn put_headers(meta: &ObjectMeta) -> Vec<(String, String)> {
    let kind = ("x-ms-blob-type".to_owned(), "BlockBlob".to_owned());
    [kind].into_iter().chain(fact_headers(header::CONTENT_TYPE.as_str(), meta)).collect()
}

/// For an object made of blocks: the request's own content is the list of them.
fn list_headers(meta: &ObjectMeta) -> Vec<(String, String)> {
    fact_headers("x-ms-blob-content-type", meta)
}

fn fact_headers(media_type: &str, meta: &ObjectMeta) -> Vec<(String, String)> {
    let mut headers = vec![(media_type.to_owned(), meta.media_type.as_str().to_owned())];
    headers.extend(meta.disposition.iter().map(|text| (DISPOSITION.to_owned(), text.clone())));
    let metadata = super::metadata(&WITH_KEY, meta);
    headers.extend(metadata.into_iter().map(|(name, value)| (format!("x-ms-meta-{name}"), value)));
    headers
}
