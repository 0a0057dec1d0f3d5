//! What went wrong at a provider, in the terms of [`StoreError`].

use opendal::{Error, ErrorKind};

use crate::StoreError;

/// opendal gives no access to the status, only to its text in the error's context.
const UNAUTHORIZED: &str = "status: 401";

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
        _ => {}
    }
    let text = error.to_string();
    match error.kind() {
        ErrorKind::NotFound => StoreError::NotFound,
        ErrorKind::PermissionDenied => StoreError::Denied(text),
        ErrorKind::RateLimited => StoreError::Unavailable(text),
        _ if text.contains(UNAUTHORIZED) => StoreError::Denied(text),
        // Persistent is what a temporary error becomes when the retries are used up.
        _ if error.is_temporary() || error.is_persistent() => StoreError::Unavailable(text),
        _ => StoreError::Other(text),
    }
}

/// The `Code` of an S3 error document, as opendal prints it.
fn error_code(message: &str) -> Option<&str> {
    let (_, rest) = message.strip_prefix("S3Error")?.split_once("code: \"")?;
    Some(rest.split_once('"')?.0)
}
