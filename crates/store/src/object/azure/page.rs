//! One page of a listing: opendal follows the marks of Azure's pages by itself to the end, and shows none of them.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures_util::stream;
use http::{Response, Uri, request::Parts};
use opendal::{Buffer, Error, HttpBody};

use crate::{
    http_client::encode_path,
    object::{
        PAGE,
        transport::{Page, other},
    },
};

const OPEN: &str = "<NextMarker>";
const CLOSE: &str = "</NextMarker>";

/// Asks for the page that begins at the mark.
pub(super) fn ask(parts: &mut Parts, page: &Mutex<Page>) -> Result<(), Error> {
    let mut uri = format!("{}&maxresults={PAGE}", parts.uri);
    if let Some(start) = &locked(page).start {
        uri += "&marker=";
        uri += &encode_path(start);
    }
    parts.uri = uri.parse::<Uri>().map_err(other)?;
    Ok(())
}

/// Keeps the mark of the next page and takes it out of the answer, so that the listing ends here.
pub(super) async fn end(response: Response<HttpBody>, page: &Mutex<Page>) -> Result<Response<HttpBody>, Error> {
    let (mut parts, mut body) = response.into_parts();
    let body = body.to_buffer().await?.to_bytes();
    let (body, next) = without_mark(&String::from_utf8_lossy(&body));
    locked(page).next = next;
    parts.headers.remove(http::header::CONTENT_LENGTH);
    let body = stream::iter([Ok(Buffer::from(Bytes::from(body)))]);
    Ok(Response::from_parts(parts, HttpBody::new(body, None)))
}

fn locked(page: &Mutex<Page>) -> MutexGuard<'_, Page> {
    page.lock().unwrap_or_else(PoisonError::into_inner)
}

fn without_mark(document: &str) -> (String, Option<String>) {
    let Some((head, rest)) = document.rsplit_once(OPEN) else {
        return (document.to_owned(), None);
    };
    let Some((mark, tail)) = rest.split_once(CLOSE) else {
        return (document.to_owned(), None);
    };
    let next = (!mark.is_empty()).then(|| unescape(mark));
    (format!("{head}{OPEN}{CLOSE}{tail}"), next)
}

/// The five entities of XML; the ampersand last, for it begins the others.
fn unescape(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&apos;", "'").replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_of_the_next_page_is_taken_out() {
        let page = "<A><Name>x</Name><NextMarker>a &amp;lt; b</NextMarker></A>";
        let (rest, next) = without_mark(page);
        assert_eq!(rest, "<A><Name>x</Name><NextMarker></NextMarker></A>");
        assert_eq!(next.as_deref(), Some("a &lt; b"));
        for last in ["<A><NextMarker /></A>", "<A><NextMarker></NextMarker></A>", "<A/>"] {
            assert_eq!(without_mark(last), (last.to_owned(), None));
        }
    }
}
