//! Every setting of the server: flag > environment > file > default. Read here and nowhere else.
//!
//! The structs say what the server works with, [`settings`] declares how each leaf is named, read, shown and documented, [`load`] puts the
//! sources together, [`render`] prints them for people.

mod error;
mod load;
mod render;
mod settings;
mod syntax;
mod tls;
mod units;
mod work;

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

pub use error::{ConfigError, Origin};
pub use load::{Loaded, Overrides};
pub use render::{effective, reference};
pub use tls::{DEVELOPMENT_LABELS, DevelopmentHost, TlsConfig};
pub use units::{parse_duration, parse_size};
pub use work::{CacheConfig, ImagesConfig};

/// The effective configuration. Every leaf `a.b` is `[a] b` in the TOML file and `STOWAGE_A_B` in the environment.
#[derive(Clone)]
pub struct Config {
    /// Address to listen on; port 0 picks one. Default `127.0.0.1:8080`.
    pub listen: SocketAddr,
    /// Data directory. Default `$XDG_DATA_HOME/stowage` or `~/.local/share/stowage`.
    pub data: PathBuf,
    /// Seals secrets at rest: 32 bytes in hex or base64. Absent: the key file `master.key` in the data directory.
    pub master_key: Option<String>,
    /// Longest wait for running requests after SIGTERM. `drain_timeout`, seconds, default 30.
    pub drain_timeout: Duration,
    /// Emitted URLs.
    pub public_base: PublicBase,
    /// HTTPS.
    pub tls: TlsConfig,
    /// Outbound fetches.
    pub fetch: stowage_fetch::FetchConfig,
    /// Limits of inbound requests.
    pub limits: Limits,
    /// Work on pictures.
    pub images: ImagesConfig,
    /// What is kept of it.
    pub cache: CacheConfig,
    /// Logging.
    pub log: LogConfig,
    /// Security rules of the whole server.
    pub security: SecurityConfig,
    /// Deviations from good manners that old clients need.
    pub compatibility: CompatibilityConfig,
}

/// Base URLs used whenever the server emits one (spec 00 §4); absent: the hosts of `tls.development`, else the scheme and host of the request.
#[derive(Clone, Debug, Default)]
pub struct PublicBase {
    /// File API.
    pub api: Option<String>,
    /// Upload host.
    pub upload: Option<String>,
    /// Delivery host: emitted file URLs are `<cdn>/<handle>`.
    pub cdn: Option<String>,
    /// Processing host.
    pub process: Option<String>,
    /// Cloud drives host.
    pub cloud: Option<String>,
    /// Static assets host.
    pub r#static: Option<String>,
}

/// Limits of inbound requests (threats D, L).
#[derive(Clone, Debug)]
pub struct Limits {
    /// Largest file in bytes. `limits.max_file_size`, default 5 TiB.
    pub max_file_size: u64,
    /// Open connections. Default 4096.
    pub max_connections: usize,
    /// From accept to the last byte of the request head, seconds; default 10. Also the longest wait for the first byte.
    pub header_timeout: Duration,
    /// Longest silence of a client inside a body, either way, seconds; default 30.
    pub idle_timeout: Duration,
    /// Longest life of one request, seconds; default 86400.
    pub request_timeout: Duration,
    /// Slowest body accepted after `rate_grace`, bytes per second on average; default 1024.
    pub min_rate: u64,
    /// Time before the average rate of a body is judged, for clients that start slowly; default 30 s.
    pub rate_grace: Duration,
    /// Size of a request head in bytes; default 65536.
    pub max_header_bytes: usize,
    /// Longest request target in bytes; default 16384.
    pub max_url_bytes: usize,
    /// Query parameters and form fields; default 100.
    pub max_fields: usize,
    /// An unfinished upload is forgotten this long after its last byte; default 24 h. How an upload ended is remembered as long.
    pub upload_lifetime: Duration,
    /// Unfinished uploads of one app; default 10000.
    pub max_open_uploads: usize,
    /// Size of a form field that is not the file, and of a JSON or urlencoded command, bytes; default 65536.
    pub max_field_bytes: usize,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Logging.
#[derive(Clone, Debug)]
pub struct LogConfig {
    /// `text` (default) or `json`.
    pub format: LogFormat,
    /// `error`, `warn`, `info` (default), `debug` or `trace`.
    pub level: tracing::Level,
    /// One line per request; default true.
    pub access: bool,
}

/// Security rules of the whole server.
#[derive(Clone, Debug, Default)]
pub struct SecurityConfig {
    /// Anchor all four policy patterns at both ends; default false (see docs/security.md).
    pub strict_patterns: bool,
}

/// Deviations that old clients need.
#[derive(Clone, Debug, Default)]
pub struct CompatibilityConfig {
    /// Answer a missing or unknown API key with status 200 and `Invalid Application`, as the vendor once did; default false.
    pub invalid_application_ok: bool,
}

const KIB: u64 = 1024;
const TIB: u64 = 1 << 40;

impl std::fmt::Debug for Config {
    /// Leaves out what may hold the master key.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Config").field("listen", &self.listen).field("data", &self.data).finish_non_exhaustive()
    }
}

impl Config {
    /// The defaults of every setting over a given data directory.
    #[must_use]
    pub fn defaults(data: PathBuf) -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            data,
            master_key: None,
            drain_timeout: Duration::from_secs(30),
            public_base: PublicBase::default(),
            tls: TlsConfig::default(),
            fetch: stowage_fetch::FetchConfig::default(),
            limits: Limits::default(),
            images: ImagesConfig::default(),
            cache: CacheConfig::default(),
            log: LogConfig::default(),
            security: SecurityConfig::default(),
            compatibility: CompatibilityConfig::default(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_file_size: 5 * TIB,
            max_connections: 4096,
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(30),
            request_timeout: Duration::from_secs(86_400),
            min_rate: KIB,
            rate_grace: Duration::from_secs(30),
            max_header_bytes: 65_536,
            max_url_bytes: 16_384,
            max_fields: 100,
            upload_lifetime: Duration::from_secs(86_400),
            max_open_uploads: 10_000,
            max_field_bytes: 65_536,
        }
    }
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { format: LogFormat::Text, level: tracing::Level::INFO, access: true }
    }
}
