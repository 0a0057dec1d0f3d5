//! What a client is told when something goes wrong.
//!
//! An [`ApiError`] has a status, a stable `code` (header `X-Stowage-Error`, key `code` in JSON), and a message that keeps the
//! wire text of the spec and says what to change. The cause goes to the log with the request id and never to the client.

use std::{borrow::Cow, time::Duration};

use http::{HeaderValue, Response, StatusCode, header};
use stowage_catalogue::CatalogueError;
use stowage_core::{options::InvalidOption, policy::PolicyError};
use stowage_fetch::{FetchError, FetchErrorKind};
use stowage_store::StoreError;

use super::body::ResponseBody;

/// When a 503 is worth another try, unless somebody knows better.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Shape of an error body (spec 00 §5.2): plain text for the File and Store API, JSON elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorFormat {
    /// One line of `text/plain`.
    Text,
    /// `{"error": …, "code": …}`.
    Json,
    /// As S3 answers (spec 03 §5): clients put parts as if to S3.
    Xml,
}

/// An answer that is not a success.
#[derive(Clone, Debug)]
pub struct ApiError {
    /// 4xx or 5xx (200 only for the `invalid_application_ok` compatibility switch).
    pub status: StatusCode,
    /// Stable identifier of the condition.
    pub code: &'static str,
    /// For the client; ASCII after [`ApiError::into_response`].
    pub message: Cow<'static, str>,
    /// For the log.
    pub cause: Option<String>,
    /// When a 503 is worth another try.
    pub retry_after: Duration,
}

impl ApiError {
    /// Any status.
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self { status, code, message: message.into(), cause: None, retry_after: RETRY_AFTER }
    }

    /// 400 naming the parameter and what to change.
    pub fn invalid_parameter(parameter: &str, reason: impl std::fmt::Display) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_parameter", format!("invalid parameter `{parameter}`: {reason}"))
    }

    /// 400 of a body that cannot be read in the announced form.
    pub fn invalid_body(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_body", message)
    }

    /// 400: nothing to store.
    pub fn no_content() -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "no_content",
            "no content: send the file as the multipart field `fileUpload`, as the raw body, or name a `url`",
        )
    }

    /// 404 of the File API (spec 02 §7, 04 §8).
    pub fn file_not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "file_not_found", "File not found")
    }

    /// 413 of the app's or the server's limit.
    pub fn too_large(limit: u64) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too_large",
            format!("the file is larger than the limit of {limit} bytes"),
        )
    }

    /// 500 whose cause stays in the log.
    pub fn internal(cause: impl std::fmt::Display) -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "internal error; the server's log has the cause under this request id",
        )
        .because(cause)
    }

    /// Adds the cause for the log.
    pub fn because(mut self, cause: impl std::fmt::Display) -> Self {
        self.cause = Some(cause.to_string());
        self
    }

    /// Writes the answer. Errors are never cached.
    pub fn into_response(self, format: ErrorFormat) -> Response<ResponseBody> {
        let message = ascii(&self.message);
        let (content_type, body) = match format {
            ErrorFormat::Text => ("text/plain; charset=utf-8", message),
            ErrorFormat::Json => {
                ("application/json", serde_json::json!({ "error": message, "code": self.code }).to_string())
            }
            ErrorFormat::Xml => ("application/xml", xml(self.code, &message)),
        };
        let mut response = Response::new(ResponseBody::from(body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert("x-stowage-error", HeaderValue::from_static(self.code));
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(self.retry_after.as_secs().max(1)));
        }
        response
    }
}

fn xml(code: &str, message: &str) -> String {
    let code = match code {
        "md5_mismatch" => "BadDigest",
        "body_truncated" => "IncompleteBody",
        "body_timeout" => "RequestTimeout",
        "upload_not_found" => "NoSuchUpload",
        "too_large" => "EntityTooLarge",
        "invalid_parameter" => "InvalidArgument",
        other => other,
    };
    let message = message.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    )
}

/// filestack-js on Node decodes text bodies byte by byte as Latin-1 (spec 00 §5.2): keep them visible ASCII.
fn ascii(message: &str) -> String {
    if message.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return message.to_owned();
    }
    message.chars().flat_map(char::escape_default).collect()
}

impl From<InvalidOption> for ApiError {
    fn from(error: InvalidOption) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_parameter", error.to_string())
    }
}

impl From<PolicyError> for ApiError {
    fn from(error: PolicyError) -> Self {
        let code = match &error {
            PolicyError::Missing => "policy_missing",
            PolicyError::BadSignature => "policy_signature",
            PolicyError::Malformed(_) => "policy_malformed",
            PolicyError::Expired => "policy_expired",
            PolicyError::CallNotAllowed(_) => "policy_call",
            PolicyError::Mismatch(_) => "policy_mismatch",
        };
        Self::new(StatusCode::FORBIDDEN, code, error.to_string())
    }
}

impl From<FetchError> for ApiError {
    fn from(error: FetchError) -> Self {
        let (status, code) = match error.kind() {
            FetchErrorKind::InvalidUrl => (StatusCode::BAD_REQUEST, "invalid_url"),
            // One public answer for both, so that the server is no oracle of what its network holds (threat A18).
            FetchErrorKind::Forbidden | FetchErrorKind::Failed => (StatusCode::BAD_REQUEST, "url_not_fetched"),
            FetchErrorKind::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
        };
        Self::new(status, code, error.to_string()).because(error.detail())
    }
}

impl From<CatalogueError> for ApiError {
    fn from(error: CatalogueError) -> Self {
        match error {
            CatalogueError::NotFound => Self::file_not_found(),
            CatalogueError::Claimed => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "object_claimed",
                "a file of this storage key is being moved to this store; try again later",
            ),
            CatalogueError::Full => full().because("catalogue"),
            other => Self::internal(other),
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound => Self::file_not_found().because("the object is missing from its store"),
            StoreError::Full => full().because("store"),
            StoreError::Unsupported(reason) => Self::new(StatusCode::BAD_REQUEST, "store_unsupported", reason),
            StoreError::MissingContainer(container) => Self::new(
                StatusCode::BAD_REQUEST,
                "container_missing",
                "the store has no such container; create it at the provider or name another",
            )
            .because(container),
            StoreError::WrongRegion(container) => Self::invalid_parameter(
                "region",
                "the container is in another region; name that one, or leave it out if the store is set up for it",
            )
            .because(container),
            StoreError::Denied(cause) => Self::new(
                StatusCode::BAD_GATEWAY,
                "store_denied",
                "the storage provider refused the server's credentials; check them with `stowage doctor`",
            )
            .because(cause),
            StoreError::Unavailable(cause) => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "store_unavailable",
                "the storage provider is unavailable; try again later",
            )
            .because(cause),
            StoreError::Throttled(cause) => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "store_throttled",
                "the storage provider asks for fewer requests; try again later",
            )
            .because(cause),
            StoreError::Corrupt(cause) => Self::new(
                StatusCode::BAD_GATEWAY,
                "store_corrupt",
                "what the storage provider holds is not what was sent; nothing was stored, send it again",
            )
            .because(cause),
            StoreError::Other(cause) => Self::internal(cause),
        }
    }
}

fn full() -> ApiError {
    ApiError::new(StatusCode::INSUFFICIENT_STORAGE, "storage_full", "the server's storage is full; nothing was stored")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_leave_as_ascii() {
        assert_eq!(ascii("plain `text`"), "plain `text`");
        assert_eq!(ascii("naïve\r\n"), "na\\u{ef}ve\\r\\n");
    }
}
