//! What every handler knows about the request it answers.

use std::sync::{Arc, Mutex, PoisonError};

use http::{Method, header, request::Parts};
use stowage_core::{handle::Handle, query::Query};

use super::{ApiError, connection::Peer, cors::CrossOrigin, routes::Route};
use crate::state::Server;

/// One request, its route found and its query read.
pub struct RequestContext {
    /// The running server.
    pub server: Arc<Server>,
    /// The row of the route table.
    pub route: &'static Route,
    /// Segments that stood for `{…}` in the pattern.
    pub segments: Vec<(&'static str, String)>,
    /// Method, target, headers.
    pub parts: Parts,
    /// The query string.
    pub query: Query,
    /// Identifies the request in the log and in `X-Request-Id`.
    pub request_id: String,
    /// The client's end of the connection.
    pub peer: Peer,
    cross_origin: Mutex<CrossOrigin>,
}

impl RequestContext {
    /// Puts the parts together.
    pub fn new(
        server: Arc<Server>,
        route: &'static Route,
        segments: Vec<(&'static str, String)>,
        parts: Parts,
        query: Query,
        request_id: String,
        peer: Peer,
    ) -> Self {
        Self { server, route, segments, parts, query, request_id, peer, cross_origin: Mutex::default() }
    }

    /// Decides who may read the answer, once the app is known.
    pub fn set_cross_origin(&self, cross_origin: CrossOrigin) {
        *self.cross_origin.lock().unwrap_or_else(PoisonError::into_inner) = cross_origin;
    }

    /// Who may read the answer.
    pub fn cross_origin(&self) -> CrossOrigin {
        self.cross_origin.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether only the head is wanted.
    pub fn is_head(&self) -> bool {
        self.parts.method == Method::HEAD
    }

    /// A header as text.
    pub fn header(&self, name: impl header::AsHeaderName) -> Option<&str> {
        self.parts.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The text of a `{name}` segment.
    pub fn segment(&self, name: &str) -> Option<&str> {
        self.segments.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_str())
    }

    /// The `{handle}` segment, `+ext` stripped. Text that cannot be a handle names no file: 404.
    pub fn handle(&self) -> Result<Handle, ApiError> {
        let text = self.segment("handle").unwrap_or_default();
        let text = text.split_once(['+', '%']).map_or(text, |(handle, _)| handle);
        Handle::parse(text).map_err(|_| ApiError::file_not_found())
    }

    /// Where emitted file URLs start: the configured delivery base, else the host that the request came to.
    pub fn delivery_base(&self) -> String {
        self.server.config.public_base.cdn.clone().unwrap_or_else(|| self.own_base())
    }

    /// Where clients go on with an upload: the configured upload base, else the host that the request came to. No `/` at its end.
    pub fn upload_base(&self) -> String {
        self.server.config.public_base.upload.clone().unwrap_or_else(|| self.own_base())
    }

    /// [`Self::upload_base`] without its scheme, `host[:port]`: some clients put `https://` in front of what they get (spec 03 §2).
    pub fn upload_host(&self) -> String {
        let base = self.upload_base();
        base.split_once("://").map_or(base.as_str(), |(_, host)| host).to_owned()
    }

    /// Scheme and host that the request came to.
    fn own_base(&self) -> String {
        let scheme = if self.peer.secure { "https" } else { "http" };
        // Only a plain host[:port] is echoed.
        let host = self.header(header::HOST).filter(|host| {
            !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte))
        });
        match host {
            Some(host) => format!("{scheme}://{host}"),
            None => format!("{scheme}://{}", self.server.address),
        }
    }

    /// The public URL of a file.
    pub fn file_url(&self, handle: &Handle) -> String {
        format!("{}/{handle}", self.delivery_base())
    }
}
