//! What went wrong at a provider, in the terms of [`StoreError`].

use std::error::Error as _;

use opendal::{Error, ErrorKind};

use crate::StoreError;

pub(super) fn failure(bucket: &str, error: Error) -> StoreError {
    match error_code(error.message()) {
        Some("AccessControlListNotSupported") => {
            return StoreError::Unsupported(format!(
                "access=public cannot be stored in the bucket `{bucket}`: it does not allow access control lists"
            ));
        }
        Some("NoSuchBucket") => return StoreError::MissingContainer(bucket.to_owned()),
        Some("QuotaExceeded" | "XMinioStorageFull" | "XMinioAdminBucketQuotaExceeded") => {
            return StoreError::Full;
        }
        // A completed multipart upload answers 200 and may then tell of these.
        Some("InternalError" | "ServiceUnavailable" | "OperationAborted") => {
            return StoreError::Unavailable(error.to_string());
        }
        _ => {}
    }
    let text = error.to_string();
    match (error.kind(), status(&text)) {
        (ErrorKind::NotFound, _) => StoreError::NotFound,
        (ErrorKind::PermissionDenied, _) | (_, Some(401)) => StoreError::Denied(text),
        (ErrorKind::RateLimited, _) | (_, Some(408 | 429 | 499 | 500..)) => StoreError::Unavailable(text),
        // Refused, cut off or timed out: the cause is an error of the HTTP client.
        (_, None) if error.source().is_some() => StoreError::Unavailable(text),
        _ => StoreError::Other(text),
    }
}

/// The status of the answer. opendal gives it away only as text, and its retry layer forgets what was temporary.
fn status(text: &str) -> Option<u16> {
    let (_, rest) = text.split_once("response: Parts { status: ")?;
    rest.get(..3)?.parse().ok()
}

/// The `Code` of an S3 error document, as opendal prints it.
fn error_code(message: &str) -> Option<&str> {
    let (_, rest) = message.strip_prefix("S3Error")?.split_once("code: \"")?;
    Some(rest.split_once('"')?.0)
}
