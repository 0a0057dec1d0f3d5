//! Requests about parts: signed, repeated where that may help, their failures sorted.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, request};
use reqsign_core::{Signer, SigningCredential};
use reqwest::{Body, Client, Response};

use super::{
    super::{
        failure::{coded, of_status, without_signatures},
        presign::told,
        transport::confirmed,
    },
    Part, xml,
};
use crate::{
    PresignedRequest, StoreError,
    http_client::{self, Failure, Retries},
    parts::{PartContent, checked},
};

/// A page of parts, the longest answer, is far below.
const LONGEST_ANSWER: usize = 4 << 20;

/// Makes a request the store's own: by headers, or by the query for as long as it is valid.
#[async_trait::async_trait]
pub(in super::super) trait Sign: Send + Sync {
    async fn sign(&self, head: &mut request::Parts, valid_for: Option<Duration>) -> Result<(), StoreError>;
}

#[async_trait::async_trait]
impl<Credential: SigningCredential> Sign for Signer<Credential> {
    async fn sign(&self, head: &mut request::Parts, valid_for: Option<Duration>) -> Result<(), StoreError> {
        Signer::sign(self, head, valid_for).await.map_err(|error| {
            let text = format!("the request cannot be signed: {error}");
            // Google is asked for a token, and says so when the key was revoked.
            if text.contains("invalid_grant") { StoreError::Denied(text) } else { StoreError::Unavailable(text) }
        })
    }
}

/// A request that has the same effect when it is repeated.
pub(super) struct Ask {
    pub(super) method: Method,
    pub(super) url: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Ask {
    pub(super) fn new(method: Method, url: String) -> Self {
        Self { method, url, headers: HeaderMap::new(), body: Bytes::new() }
    }

    fn head(&self) -> Result<request::Parts, StoreError> {
        let mut headers = self.headers.clone();
        if self.method == Method::POST || self.method == Method::PUT {
            headers.insert(http::header::CONTENT_LENGTH, self.body.len().into());
        }
        head(self.method.clone(), &self.url, headers)
    }
}

/// Headers and body of a success.
pub(super) struct Answer {
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

/// Shared by all stores of a provider.
#[derive(Clone)]
pub(in super::super) struct Clients {
    pub(in super::super) asking: Client,
    /// For the content of parts, which may come slowly.
    pub(in super::super) uploading: Client,
}

pub(in super::super) struct Wire {
    clients: Clients,
    signer: Box<dyn Sign>,
    retries: Retries,
    etag_is_md5: bool,
}

impl Wire {
    pub(in super::super) fn new(clients: &Clients, signer: impl Sign + 'static, etag_is_md5: bool) -> Self {
        Self { clients: clients.clone(), signer: Box::new(signer), retries: Retries::default(), etag_is_md5 }
    }

    pub(super) async fn ask(&self, container: &str, ask: &Ask) -> Result<Answer, StoreError> {
        self.retries.run(|| self.attempt(container, ask)).await
    }

    async fn attempt(&self, container: &str, ask: &Ask) -> Result<Answer, Failure> {
        let mut head = ask.head()?;
        self.signer.sign(&mut head, None).await?;
        let response = send(&self.clients.asking, head, ask.body.clone().into()).await?;
        if !response.status().is_success() {
            return Err(failure(container, response).await.into());
        }
        let headers = response.headers().clone();
        let body = http_client::body(response, LONGEST_ANSWER).await?;
        match xml::error_code(&body) {
            Some(code) => Err(sorted(container, 200, Some(&code), &body).into()),
            None => Ok(Answer { headers, body }),
        }
    }

    /// Sends the content of a part; gives the headers of the answer once the provider has confirmed what it has.
    pub(super) async fn put(
        &self,
        container: &str,
        url: &str,
        mut headers: HeaderMap,
        part: Part,
        content: PartContent,
    ) -> Result<HeaderMap, StoreError> {
        headers.extend(part_headers(part)?);
        let mut head = head(Method::PUT, url, headers)?;
        self.signer.sign(&mut head, None).await?;
        let (content, verdict) = checked(content, part.length, part.md5).await?;
        let body = if part.length == 0 { Body::default() } else { Body::wrap_stream(content) };
        let answered = async {
            let response = send(&self.clients.uploading, head, body).await?;
            if response.status().is_success() { Ok(response) } else { Err(failure(container, response).await) }
        };
        let (answered, headers) = match answered.await {
            Ok(response) => (Ok(()), response.headers().clone()),
            Err(error) => (Err(error), HeaderMap::new()),
        };
        let digest = verdict.digest(answered)?;
        match confirmed(&headers, self.etag_is_md5) {
            Some(told) if told != digest => {
                let (told, digest) = (hex::encode(told), hex::encode(digest));
                Err(StoreError::Corrupt(format!("the provider has a part with the MD5 {told} instead of {digest}")))
            }
            _ => Ok(headers),
        }
    }

    /// A PUT of a part that its holder may make; the provider takes no other length and no other bytes than announced.
    pub(super) async fn presign(
        &self,
        url: &str,
        part: Part,
        valid_for: Duration,
    ) -> Result<PresignedRequest, StoreError> {
        let mut head = head(Method::PUT, url, part_headers(part)?)?;
        self.signer.sign(&mut head, Some(valid_for)).await?;
        Ok(told(&head.uri, &head.headers))
    }
}

fn part_headers(part: Part) -> Result<HeaderMap, StoreError> {
    let mut headers = HeaderMap::new();
    headers.insert(http::header::CONTENT_LENGTH, part.length.into());
    if let Some(md5) = part.md5 {
        use base64::{Engine, prelude::BASE64_STANDARD};
        insert(&mut headers, "content-md5", &BASE64_STANDARD.encode(md5))?;
    }
    Ok(headers)
}

/// Error: a value that no header can hold.
pub(super) fn insert(headers: &mut HeaderMap, name: &str, value: &str) -> Result<(), StoreError> {
    let known = HeaderName::try_from(name).ok().zip(HeaderValue::try_from(value).ok());
    let (known, value) = known.ok_or_else(|| StoreError::Unsupported(format!("`{name}` cannot be kept as it is")))?;
    headers.insert(known, value);
    Ok(())
}

fn head(method: Method, url: &str, headers: HeaderMap) -> Result<request::Parts, StoreError> {
    let request = Request::builder().method(method).uri(url).body(());
    let (mut head, ()) = request.map_err(|error| StoreError::Other(error.to_string()))?.into_parts();
    head.headers = headers;
    Ok(head)
}

async fn send(client: &Client, head: request::Parts, body: Body) -> Result<Response, StoreError> {
    let request = Request::from_parts(head, body);
    let request = reqwest::Request::try_from(request).map_err(http_client::unreachable)?;
    client.execute(request).await.map_err(http_client::unreachable)
}

async fn failure(container: &str, response: Response) -> StoreError {
    let status = response.status().as_u16();
    let azure = response.headers().get("x-ms-error-code").and_then(|code| code.to_str().ok()).map(str::to_owned);
    let text = http_client::error_text(response).await;
    let code = azure.or_else(|| xml::error_code(text.as_bytes()));
    sorted(container, status, code.as_deref(), text.as_bytes())
}

fn sorted(container: &str, status: u16, code: Option<&str>, document: &[u8]) -> StoreError {
    let code = code.unwrap_or_default();
    let text = without_signatures(&format!("{status} {code}: {}", String::from_utf8_lossy(document)));
    match code {
        "NoSuchUpload" | "InvalidPart" | "InvalidBlockList" => StoreError::NotFound,
        "EntityTooSmall" => StoreError::Unsupported("a part other than the last one is too short".to_owned()),
        _ => coded(container, code, &text).unwrap_or_else(|| of_status(status, text)),
    }
}
