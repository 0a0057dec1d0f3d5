//! The only crate that dials an address which a user named: resolve, check every address, connect to the checked address, again at every
//! redirect (threats A1–A13, A18).

mod address;
mod body;
mod client;
mod error;
mod guard;
mod network;
mod resolver;

use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::BoxStream;

pub use client::Fetcher;
pub use error::{FetchError, FetchErrorKind};
pub use network::{Network, NetworkError};
pub use resolver::Resolver;

/// Limits and exceptions of outbound fetches.
#[derive(Clone, Debug)]
pub struct FetchConfig {
    /// Networks that may be dialled although they are not public, e.g. `127.0.0.2/32`. Any port but the well-known non-HTTP ones.
    pub allow: Vec<Network>,
    /// Ports of public addresses that may be dialled; empty: any but the well-known non-HTTP ones.
    pub ports: Vec<u16>,
    /// TCP and TLS set-up, per hop.
    pub connect_timeout: Duration,
    /// From request to response head, per hop; what connecting left of its time is added.
    pub header_timeout: Duration,
    /// Longest silence inside a body.
    pub idle_timeout: Duration,
    /// Whole fetch, body included.
    pub total_timeout: Duration,
    /// Largest body in bytes.
    pub max_bytes: u64,
    /// Most redirects followed.
    pub max_redirects: usize,
}

impl Default for FetchConfig {
    fn default() -> Self {
        Self {
            allow: Vec::new(),
            ports: vec![80, 443],
            connect_timeout: Duration::from_secs(10),
            header_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(30),
            total_timeout: Duration::from_secs(60 * 60),
            max_bytes: 5 << 30,
            max_redirects: 5,
        }
    }
}

/// A response whose head has arrived and whose body is still to be read.
pub struct Fetched {
    /// URL after redirects, without fragment.
    pub final_url: String,
    /// `Content-Type` as sent.
    pub content_type: Option<String>,
    /// `Content-Disposition` as sent.
    pub content_disposition: Option<String>,
    /// Announced length in bytes; the body ends in an error if it was not kept.
    pub content_length: Option<u64>,
    /// Body; never decompressed; ends in an error on truncation, timeout or size.
    pub body: BoxStream<'static, Result<Bytes, FetchError>>,
}
