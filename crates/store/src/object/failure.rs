//! What went wrong at a provider, in the terms of [`StoreError`].

use std::error::Error as _;

use opendal::{Error, ErrorKind};

use super::transport::CORRUPT;
use crate::StoreError;

/// For requests about an object that may be missing.
pub(super) fn failure(container: &str, error: Error) -> StoreError {
    if error.message().starts_with(CORRUPT) {
        return StoreError::Corrupt(error.message().to_owned());
    }
    let text = without_signatures(&error.to_string());
    if let Some(known) = coded(container, error_code(error.message()), &text) {
        return known;
    }
    match (error.kind(), status(&text)) {
        (ErrorKind::NotFound, _) => StoreError::NotFound,
        (ErrorKind::PermissionDenied, _) => StoreError::Denied(text),
        (ErrorKind::RateLimited, _) => StoreError::Throttled(text),
        (ErrorKind::Unsupported, _) => StoreError::Unsupported(text),
        // The answer to a HEAD request has no code.
        (_, Some(301)) => StoreError::WrongRegion(container.to_owned()),
        (_, Some(status)) => of_status(status, text),
        // Refused, cut off or timed out: the cause is an error of the HTTP client.
        (_, None) if error.source().is_some() => StoreError::Unavailable(text),
        _ => StoreError::Other(text),
    }
}

/// What the provider's own name for the failure means; `None`: the status decides.
pub(super) fn coded(container: &str, code: &str, text: &str) -> Option<StoreError> {
    let own = || text.to_owned();
    Some(match code {
        "AccessControlListNotSupported" => no_public_access(container),
        // Google answers with prose only: uniform access of a bucket, and the prevention of public access.
        _ if text.contains("uniform bucket-level access") || text.contains("public access prevention") => {
            no_public_access(container)
        }
        "NoSuchBucket" | "ContainerNotFound" => StoreError::MissingContainer(container.to_owned()),
        _ if text.contains("The specified bucket does not exist") => StoreError::MissingContainer(container.to_owned()),
        "PermanentRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException" => {
            StoreError::WrongRegion(container.to_owned())
        }
        "QuotaExceeded" | "XMinioStorageFull" | "XMinioAdminBucketQuotaExceeded" => StoreError::Full,
        "BadDigest" | "Md5Mismatch" | "InvalidMd5" => StoreError::Corrupt(own()),
        "SlowDown"
        | "RequestLimitExceeded"
        | "TooManyRequests"
        | "ServerBusy"
        | "rateLimitExceeded"
        | "userRateLimitExceeded" => StoreError::Throttled(own()),
        // A completed multipart upload answers 200 and may then tell of these.
        "InternalError" | "ServiceUnavailable" | "OperationAborted" | "OperationTimedOut" | "ContainerBeingDeleted" => {
            StoreError::Unavailable(own())
        }
        // Google's answer to a key that was revoked.
        _ if text.contains("invalid_grant") => StoreError::Denied(own()),
        _ => return None,
    })
}

/// What the status of an answer means that is no success.
pub(super) fn of_status(status: u16, text: String) -> StoreError {
    match status {
        401 | 403 => StoreError::Denied(text),
        404 => StoreError::NotFound,
        429 => StoreError::Throttled(text),
        507 => StoreError::Full,
        408 | 499 | 500.. => StoreError::Unavailable(text),
        _ => StoreError::Other(text),
    }
}

/// For requests that need no object: what is missing then is the container.
pub(super) fn of_container(container: &str, error: Error) -> StoreError {
    match failure(container, error) {
        StoreError::NotFound => StoreError::MissingContainer(container.to_owned()),
        other => other,
    }
}

/// For requests that make an object.
pub(super) use of_container as of_write;

fn no_public_access(container: &str) -> StoreError {
    StoreError::Unsupported(format!(
        "access=public cannot be stored in the container `{container}`: it does not allow access control lists"
    ))
}

/// Takes the signatures out of URLs: that of an Azure SAS token opens the store to everybody who reads the log.
pub(super) fn without_signatures(text: &str) -> String {
    let mut parts = text.split("sig=");
    let mut clean = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|letter: char| !letter.is_ascii_alphanumeric() && !"%+/=-_.".contains(letter));
        clean += "sig=***";
        clean += &part[end.unwrap_or(part.len())..];
    }
    clean
}

/// The status of the answer. opendal gives it away only as text, and its retry layer forgets what was temporary.
fn status(text: &str) -> Option<u16> {
    let (_, rest) = text.split_once("response: Parts { status: ")?;
    rest.get(..3)?.parse().ok()
}

/// The provider's own name for the failure, as opendal prints it: `code` of S3 and Azure, `reason` of Google; empty if
/// there is none.
fn error_code(message: &str) -> &str {
    let field = if message.starts_with("GcsErrorResponse") { "reason: \"" } else { "code: \"" };
    message.split_once(field).and_then(|(_, rest)| rest.split_once('"')).map_or("", |(code, _)| code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_taken_out_of_urls() {
        let text = "send, context: { url: http://h/c/k?sv=1&sig=aB%2F+/=&se=2 }; again sig=x";
        assert_eq!(without_signatures(text), "send, context: { url: http://h/c/k?sv=1&sig=***&se=2 }; again sig=***");
        assert_eq!(without_signatures("nothing"), "nothing");
    }
}
