//! Calls of Dropbox's HTTP API: with an access token that is renewed once, repeated when that may help, errors sorted.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use reqwest::{
    Client, RequestBuilder, Response, StatusCode,
    header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER},
};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::DropboxConfig;
use crate::{
    StoreError,
    http_client::{self, Failure, Granted, Renewing, Retries, check_base_url},
};

const API: &str = "https://api.dropboxapi.com";
const CONTENT: &str = "https://content.dropboxapi.com";
const LONGEST_ANSWER: usize = 16 << 20;

/// A file or folder as Dropbox tells it.
#[derive(Debug, serde::Deserialize)]
#[serde(tag = ".tag", rename_all = "snake_case")]
pub(super) enum Entry {
    File(File),
    Folder,
    Deleted,
}

/// A file as Dropbox tells it.
#[derive(Debug, serde::Deserialize)]
pub(super) struct File {
    pub(super) size: u64,
    pub(super) rev: String,
    pub(super) content_hash: Option<String>,
    pub(super) path_display: Option<String>,
    /// When Dropbox got it, RFC 3339.
    pub(super) server_modified: Option<String>,
}

/// A page of a folder.
#[derive(serde::Deserialize)]
pub(super) struct Folder {
    pub(super) entries: Vec<Entry>,
    pub(super) cursor: String,
    pub(super) has_more: bool,
}

/// A temporary link.
#[derive(serde::Deserialize)]
pub(super) struct Link {
    pub(super) link: String,
}

/// The answer of the token endpoint.
#[derive(serde::Deserialize)]
struct Token {
    access_token: String,
    expires_in: Option<u64>,
}

/// The connection to one account.
pub(super) struct Api {
    http: Client,
    config: DropboxConfig,
    api_url: String,
    content_url: String,
    token: Renewing<String>,
    retries: Retries,
}

impl Api {
    pub(super) fn new(http: Client, config: DropboxConfig) -> Result<Self, String> {
        let given = [config.app_key.as_str(), config.app_secret.reveal(), config.refresh_token.reveal()];
        if given.iter().any(|text| text.is_empty()) {
            return Err("`app_key`, `app_secret` and `refresh_token` must not be empty".to_owned());
        }
        let api_url = check_base_url("api_url", config.api_url.as_deref().unwrap_or(API))?;
        let content_url = check_base_url("content_url", config.content_url.as_deref().unwrap_or(CONTENT))?;
        Ok(Self { http, config, api_url, content_url, token: Renewing::default(), retries: Retries::default() })
    }

    /// A call whose argument and answer are JSON.
    pub(super) async fn call<T: DeserializeOwned>(&self, name: &str, argument: &Value) -> Result<T, StoreError> {
        let url = format!("{}/2/{name}", self.api_url);
        let response = self.send(|| self.http.post(&url).json(argument)).await?;
        read(response).await
    }

    /// A call whose request or answer is bytes.
    pub(super) async fn content(
        &self,
        name: &str,
        argument: &Value,
        headers: &[(HeaderName, &str)],
        body: Bytes,
    ) -> Result<Response, StoreError> {
        let url = format!("{}/2/{name}", self.content_url);
        let argument = header_safe(argument)?;
        self.send(|| {
            let request = self.http.post(&url).header("Dropbox-API-Arg", &argument).body(body.clone());
            let request = request.header(CONTENT_TYPE, "application/octet-stream");
            headers.iter().fold(request, |request, (name, value)| request.header(name, *value))
        })
        .await
    }

    /// Uploads bytes and reads the JSON answer.
    pub(super) async fn upload<T: DeserializeOwned>(
        &self,
        name: &str,
        argument: &Value,
        body: Bytes,
    ) -> Result<T, StoreError> {
        read(self.content(name, argument, &[], body).await?).await
    }

    async fn send(&self, request: impl Fn() -> RequestBuilder) -> Result<Response, StoreError> {
        self.retries.run(|| self.attempt(&request)).await
    }

    async fn attempt(&self, request: &impl Fn() -> RequestBuilder) -> Result<Response, Failure> {
        let send = async |token: &str| request().bearer_auth(token).send().await.map_err(http_client::unreachable);
        let token = self.token(None).await?;
        let mut response = send(&token).await?;
        if response.status() == StatusCode::UNAUTHORIZED {
            let token = self.token(Some(&token)).await?;
            response = send(&token).await?;
        }
        if response.status().is_success() { Ok(response) } else { Err(failure(response).await) }
    }

    async fn token(&self, refused: Option<&Arc<String>>) -> Result<Arc<String>, Failure> {
        self.token.get(refused, || self.refresh()).await
    }

    async fn refresh(&self) -> Result<Granted<String>, Failure> {
        let form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", self.config.refresh_token.reveal()),
            ("client_id", self.config.app_key.as_str()),
            ("client_secret", self.config.app_secret.reveal()),
        ];
        let request = self.http.post(format!("{}/oauth2/token", self.api_url)).form(&form);
        let response = request.send().await.map_err(http_client::unreachable)?;
        if response.status() == StatusCode::BAD_REQUEST {
            // OAuth's answer to a revoked refresh token or a wrong app.
            let text = http_client::error_text(response).await;
            return Err(StoreError::Denied(format!("Dropbox gives no access token: {text}")).into());
        }
        if !response.status().is_success() {
            return Err(failure(response).await);
        }
        let token: Token = read(response).await?;
        Ok(Granted { credential: token.access_token, valid_for: token.expires_in.map(Duration::from_secs) })
    }
}

async fn read<T: DeserializeOwned>(response: Response) -> Result<T, StoreError> {
    let body = http_client::body(response, LONGEST_ANSWER).await?;
    serde_json::from_slice(&body).map_err(|error| StoreError::Other(format!("unexpected answer: {error}")))
}

/// JSON as header value: everything that is not visible ASCII is escaped, as Dropbox asks.
fn header_safe(argument: &Value) -> Result<HeaderValue, StoreError> {
    let mut text = String::new();
    for character in argument.to_string().chars() {
        if matches!(character, ' '..='~') {
            text.push(character);
        } else {
            let mut units = [0; 2];
            character.encode_utf16(&mut units).iter().for_each(|unit| text += &format!("\\u{unit:04x}"));
        }
    }
    HeaderValue::try_from(text).map_err(|error| StoreError::Other(error.to_string()))
}

/// What an answer that is no success means.
async fn failure(response: Response) -> Failure {
    let status = response.status();
    let wish = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    let text = http_client::error_text(response).await;
    let error = sort(status.as_u16(), format!("{status}: {text}"));
    Failure { error, retry_after: wish.map(Duration::from_secs) }
}

fn sort(status: u16, text: String) -> StoreError {
    // `error_summary` is a path through the error's kinds, such as `path/not_found/..`.
    let tells = |kind: &str| text.contains(kind);
    match status {
        401 | 403 => StoreError::Denied(text),
        409 if tells("insufficient_space") => StoreError::Full,
        409 if tells("content_hash_mismatch") => StoreError::Corrupt(text),
        409 if tells("too_many_write_operations") => StoreError::Throttled(text),
        409 if tells("no_write_permission") || tells("no_permission") => StoreError::Denied(text),
        409 if tells("malformed_path") || tells("disallowed_name") => {
            StoreError::Unsupported("Dropbox storage does not take this path or file name".to_owned())
        }
        409 if tells("path/not_found") || tells("path_lookup/not_found") || tells("from_lookup/not_found") => {
            StoreError::NotFound
        }
        429 => StoreError::Throttled(text),
        408 | 500.. => StoreError::Unavailable(text),
        _ => StoreError::Other(text),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn arguments_in_headers_are_ascii() {
        let value = header_safe(&json!({"path": "/ü🦀\u{7f}"})).expect("a header value");
        assert_eq!(value, r#"{"path":"/\u00fc\ud83e\udd80\u007f"}"#);
    }

    #[test]
    fn every_refusal_has_its_cause() {
        let sorted = |status, summary: &str| sort(status, format!(r#"{{"error_summary": "{summary}"}}"#));
        assert!(matches!(sorted(401, "invalid_access_token/"), StoreError::Denied(_)));
        assert!(matches!(sorted(409, "path/not_found/.."), StoreError::NotFound));
        assert!(matches!(sorted(409, "path_lookup/not_found/"), StoreError::NotFound));
        assert!(matches!(sorted(409, "path/insufficient_space/."), StoreError::Full));
        assert!(matches!(sorted(409, "path/no_write_permission/"), StoreError::Denied(_)));
        assert!(matches!(sorted(409, "content_hash_mismatch/"), StoreError::Corrupt(_)));
        assert!(matches!(sorted(409, "path/conflict/file/"), StoreError::Other(_)));
        assert!(matches!(sorted(429, "too_many_requests/"), StoreError::Throttled(_)));
        assert!(matches!(sorted(503, ""), StoreError::Unavailable(_)));
    }
}
