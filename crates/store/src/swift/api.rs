//! Requests to the object store: with a token that is renewed once, repeated when that may help, errors sorted.

use std::time::Duration;

use bytes::Bytes;
use reqwest::{
    Body, Client, Method, Response, StatusCode,
    header::{CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER},
};

use super::session::{Session, Sessions};
use crate::{
    StoreError,
    http_client::{self, Failure, Retries, encode_path},
};

/// "Rate limited" of Swift's ratelimit middleware.
const RATE_LIMITED: u16 = 498;

/// A request that may be repeated, as all requests of the driver may: it names everything that it changes.
pub(super) struct Request {
    method: Method,
    /// Below the storage URL, escaped.
    path: String,
    query: Vec<(&'static str, String)>,
    pub(super) headers: HeaderMap,
    body: Bytes,
}

impl Request {
    /// About a container.
    pub(super) fn container(method: Method, container: &str) -> Self {
        Self::new(method, format!("/{}", encode_path(container)))
    }

    /// About an object.
    pub(super) fn object(method: Method, container: &str, key: &str) -> Self {
        Self::new(method, object_path(container, key))
    }

    /// About the account.
    pub(super) fn account(method: Method) -> Self {
        Self::new(method, String::new())
    }

    fn new(method: Method, path: String) -> Self {
        Self { method, path, query: Vec::new(), headers: HeaderMap::new(), body: Bytes::new() }
    }

    pub(super) fn query(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.query.push((name, value.into()));
        self
    }

    pub(super) fn header(mut self, name: &'static str, value: HeaderValue) -> Self {
        self.headers.insert(HeaderName::from_static(name), value);
        self
    }

    pub(super) fn headers(mut self, headers: HeaderMap) -> Self {
        self.headers.extend(headers);
        self
    }

    pub(super) fn body(mut self, body: Bytes) -> Self {
        self.body = body;
        self
    }
}

/// `/container/key`, escaped.
pub(super) fn object_path(container: &str, key: &str) -> String {
    format!("/{}/{}", encode_path(container), encode_path(key))
}

/// The connection to one account.
pub(super) struct Api {
    http: Client,
    /// For bodies that come slowly.
    uploads: Client,
    sessions: Sessions,
    retries: Retries,
}

impl Api {
    pub(super) fn new(http: Client, uploads: Client, sessions: Sessions) -> Self {
        Self { http, uploads, sessions, retries: Retries::default() }
    }

    /// The answer if it is a success. What is not there is [`StoreError::NotFound`], container or object.
    pub(super) async fn send(&self, request: &Request) -> Result<Response, StoreError> {
        self.retries.run(|| self.attempt(request)).await
    }

    /// Makes an object of a body that there is only once, so that nothing is repeated.
    pub(super) async fn upload(
        &self,
        (container, key): (&str, &str),
        headers: HeaderMap,
        length: u64,
        body: Body,
    ) -> Result<Response, StoreError> {
        let session = self.sessions.current().await.map_err(|failure| failure.error)?;
        let response = self
            .uploads
            .put(format!("{}{}", session.storage_url, object_path(container, key)))
            .headers(headers)
            .header("X-Auth-Token", &session.token)
            .header(CONTENT_LENGTH, length)
            .body(body)
            .send()
            .await
            .map_err(http_client::unreachable)?;
        if response.status() == StatusCode::UNAUTHORIZED {
            // Whoever sends the body again finds a new token.
            self.sessions.renew(&session).await.map_err(|failure| failure.error)?;
            return Err(StoreError::Unavailable("the token has ended".to_owned()));
        }
        if response.status().is_success() { Ok(response) } else { Err(failure(response).await.error) }
    }

    /// `https://host/v1/AUTH_account`.
    pub(super) async fn storage_url(&self) -> Result<String, StoreError> {
        let session = self.retries.run(|| self.sessions.current()).await?;
        Ok(session.storage_url.clone())
    }

    async fn attempt(&self, request: &Request) -> Result<Response, Failure> {
        let session = self.sessions.current().await?;
        let mut response = self.send_as(&session, request).await?;
        if response.status() == StatusCode::UNAUTHORIZED {
            let session = self.sessions.renew(&session).await?;
            response = self.send_as(&session, request).await?;
        }
        if response.status().is_success() { Ok(response) } else { Err(failure(response).await) }
    }

    async fn send_as(&self, session: &Session, request: &Request) -> Result<Response, StoreError> {
        let url = format!("{}{}", session.storage_url, request.path);
        self.http
            .request(request.method.clone(), url)
            .query(&request.query)
            .headers(request.headers.clone())
            .header("X-Auth-Token", &session.token)
            // Swift asks for it on every PUT, and the client leaves it out when there is no body.
            .header(CONTENT_LENGTH, request.body.len())
            .body(request.body.clone())
            .send()
            .await
            .map_err(http_client::unreachable)
    }
}

/// A header of an answer, if it is text.
pub(super) fn header<'response>(response: &'response Response, name: &str) -> Option<&'response str> {
    response.headers().get(name)?.to_str().ok()
}

/// What an answer that is no success means.
pub(super) async fn failure(response: Response) -> Failure {
    let status = response.status();
    let retry_after =
        header(&response, RETRY_AFTER.as_str()).and_then(|text| text.parse().ok()).map(Duration::from_secs);
    let transaction = header(&response, "x-trans-id").unwrap_or("none").to_owned();
    let text = http_client::error_text(response).await;
    let error = sort(status, format!("{status}, transaction {transaction}: {text}"));
    Failure { error, retry_after }
}

fn sort(status: StatusCode, text: String) -> StoreError {
    match status.as_u16() {
        401 | 403 => StoreError::Denied(text),
        404 => StoreError::NotFound,
        // Objects and segments are far below the limit of one request: what is too large is too large for a quota.
        413 | 507 => StoreError::Full,
        422 => StoreError::Corrupt(text),
        429 | RATE_LIMITED => StoreError::Throttled(text),
        408 | 499 | 500.. => StoreError::Unavailable(text),
        _ => StoreError::Other(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_has_its_cause() {
        let sorted = |status| sort(StatusCode::from_u16(status).expect("a status"), "why".to_owned());
        assert!(matches!(sorted(401), StoreError::Denied(_)));
        assert!(matches!(sorted(403), StoreError::Denied(_)));
        assert!(matches!(sorted(404), StoreError::NotFound));
        assert!(matches!(sorted(413), StoreError::Full));
        assert!(matches!(sorted(507), StoreError::Full));
        assert!(matches!(sorted(422), StoreError::Corrupt(_)));
        assert!(matches!(sorted(498), StoreError::Throttled(_)));
        assert!(matches!(sorted(429), StoreError::Throttled(_)));
        assert!(matches!(sorted(503), StoreError::Unavailable(_)));
        assert!(matches!(sorted(412), StoreError::Other(_)));
    }
}
