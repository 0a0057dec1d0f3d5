//! HTTP for the drivers that speak their provider's protocol themselves: one client, bounded bodies, retries.

mod renewing;
mod retries;

use std::{error::Error as _, time::Duration};

use bytes::Bytes;
use futures_util::{Stream, TryStreamExt, stream};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Client, ClientBuilder, Response, Url, redirect};

use crate::StoreError;
pub(crate) use renewing::{Granted, Renewing};
pub(crate) use retries::{Failure, Retries};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest silence; for an upload it also covers sending one piece.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(120);
/// Bytes of an error document that go to the log.
const ERROR_TEXT: usize = 1024;

/// RFC 3986 unreserved characters and the slash stay; everything else is escaped.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// Requests carry credentials and the customer's bytes: they follow no redirect and no ambient proxy.
pub(crate) fn client() -> Result<Client, String> {
    build(builder().read_timeout(SILENCE_TIMEOUT))
}

/// For bodies that come as slowly as somebody sends them: the silence of the provider counts from the beginning of the
/// request, so that whoever waits must tell the silence of the one from that of the other.
pub(crate) fn upload_client() -> Result<Client, String> {
    build(builder())
}

fn builder() -> ClientBuilder {
    Client::builder().redirect(redirect::Policy::none()).no_proxy().connect_timeout(CONNECT_TIMEOUT)
}

fn build(builder: ClientBuilder) -> Result<Client, String> {
    builder.build().map_err(|error| format!("the HTTP client cannot be made: {error}"))
}

/// A path escaped for a URL, slashes kept.
pub(crate) fn encode_path(path: &str) -> String {
    utf8_percent_encode(path, PATH).to_string()
}

/// Accepts `https://host[:port][/path]` (or `http`), without credentials, query or fragment; gives it without a trailing slash.
pub(crate) fn check_base_url(name: &str, text: &str) -> Result<String, String> {
    let url = Url::parse(text).map_err(|error| format!("`{name}` is not a URL: {error}"))?;
    let plain = matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    if plain {
        Ok(text.trim_end_matches('/').to_owned())
    } else {
        Err(format!("`{name}` must look like `https://host[:port]/path`"))
    }
}

/// No answer, or a broken one: trying again may help.
pub(crate) fn unreachable(error: reqwest::Error) -> StoreError {
    // The URL may hold a signature, and the interesting part is what lies beneath.
    let error = error.without_url();
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    StoreError::Unavailable(text)
}

/// A whole body of at most `limit` bytes.
pub(crate) async fn body(mut response: Response, limit: usize) -> Result<Vec<u8>, StoreError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
        if bytes.len() + chunk.len() > limit {
            return Err(StoreError::Other(format!("the provider answered with more than {limit} bytes")));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// The beginning of an error document, for the log.
pub(crate) async fn error_text(mut response: Response) -> String {
    let mut bytes = Vec::new();
    while bytes.len() < ERROR_TEXT {
        match response.chunk().await {
            Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
            _ => break,
        }
    }
    bytes.truncate(ERROR_TEXT);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The body as chunks that fail at the end if they were not `expected` bytes together: nobody may take a shortened
/// object for a whole one.
pub(crate) fn exactly(expected: u64, response: Response) -> impl Stream<Item = Result<Bytes, StoreError>> {
    let chunks = response.bytes_stream().map_err(unreachable);
    stream::try_unfold((Box::pin(chunks), expected), |(mut chunks, left)| async move {
        match chunks.try_next().await? {
            Some(chunk) if chunk.len() as u64 <= left => {
                let left = left - chunk.len() as u64;
                Ok(Some((chunk, (chunks, left))))
            }
            None if left == 0 => Ok(None),
            _ => Err(StoreError::Corrupt("the provider sent another length than the object's".to_owned())),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_escaped_to_the_last_odd_character() {
        assert_eq!(encode_path("dir one/ü+&%?#[~'.txt"), "dir%20one/%C3%BC%2B%26%25%3F%23%5B~%27.txt");
    }

    #[test]
    fn base_urls_have_nothing_but_a_place() {
        assert_eq!(check_base_url("url", "https://host:5000/v3/").as_deref(), Ok("https://host:5000/v3"));
        for bad in ["host", "ftp://host", "https://user@host", "https://:pw@host", "https://host?a", "https://host#a"] {
            assert!(check_base_url("url", bad).is_err(), "{bad}");
        }
    }
}
