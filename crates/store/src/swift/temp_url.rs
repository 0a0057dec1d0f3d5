//! TempURL: requests that anybody may make for a while.

use std::time::{Duration, SystemTime};

use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::percent_decode_str;
use reqwest::{Method, Url};
use sha1::Sha1;
use sha2::Sha256;

use super::{TempUrlDigest, api::object_path};
use crate::{StoreError, secret::Secret};

/// A signed URL for one method on one object.
pub(super) fn sign(
    (key, digest): (&Secret, TempUrlDigest),
    method: &Method,
    storage_url: &str,
    (container, object): (&str, &str),
    valid_for: Duration,
) -> Result<String, StoreError> {
    let url = format!("{storage_url}{}", object_path(container, object));
    let account = Url::parse(storage_url).map_err(|error| StoreError::Other(format!("the storage URL: {error}")))?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let expires = (now + valid_for).as_secs();
    // Swift signs the path as it is after decoding.
    let account = percent_decode_str(account.path().trim_end_matches('/')).decode_utf8_lossy();
    let text = format!("{method}\n{expires}\n{account}/{container}/{object}");
    let signature = match digest {
        TempUrlDigest::Sha1 => mac::<Hmac<Sha1>>(key, &text),
        TempUrlDigest::Sha256 => mac::<Hmac<Sha256>>(key, &text),
    };
    Ok(format!("{url}?temp_url_sig={signature}&temp_url_expires={expires}"))
}

fn mac<M: Mac + KeyInit>(key: &Secret, text: &str) -> String {
    let mut mac = <M as KeyInit>::new_from_slice(key.reveal().as_bytes()).expect("HMAC takes keys of any length");
    mac.update(text.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}
