//! The one table of settings: file, environment, `stowage config` and `docs/configuration.md` all follow from it.

use super::{Config, syntax};

/// One leaf of the configuration.
pub(super) struct Setting {
    /// Dotted name, as in the TOML file.
    pub(super) name: &'static str,
    /// How its value is written.
    pub(super) syntax: &'static str,
    /// What it does, one line of Markdown.
    pub(super) doc: &'static str,
    /// Whether its value must never be shown.
    pub(super) secret: bool,
    /// Reads a value into the configuration; the error says what is wrong.
    pub(super) read: fn(&mut Config, &str) -> Result<(), String>,
    /// The value as TOML; `None` when it is not set.
    pub(super) show: fn(&Config) -> Option<toml::Value>,
}

impl Setting {
    /// `a.b_c` → `STOWAGE_A_B_C`.
    pub(super) fn variable(&self) -> String {
        format!("STOWAGE_{}", self.name.to_ascii_uppercase().replace('.', "_"))
    }

    /// Table and key in the TOML file; the table is empty at the top level.
    pub(super) fn table_and_key(&self) -> (&'static str, &'static str) {
        self.name.split_once('.').unwrap_or(("", self.name))
    }
}

/// The setting of a dotted name.
pub(super) fn find(name: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.name == name)
}

macro_rules! setting {
    (secret $($rest:tt)*) => {
        Setting { secret: true, ..setting!($($rest)*) }
    };
    ($name:literal, $($field:ident).+, $syntax:ident, $doc:literal) => {
        Setting {
            name: $name,
            syntax: syntax::$syntax.name,
            doc: $doc,
            secret: false,
            read: |config, text| {
                config.$($field).+ = (syntax::$syntax.parse)(text)?;
                Ok(())
            },
            show: |config| (syntax::$syntax.show)(&config.$($field).+),
        }
    };
}

/// Every setting, in documentation order; settings of one table stand together, those of the top level first.
#[rustfmt::skip]
pub(super) const SETTINGS: &[Setting] = &[
    setting!("listen", listen, ADDRESS, "Address to listen on; port 0 picks a free one."),
    setting!("data", data, PATH, "Directory of the catalogue, the master key and the built-in local store. Default: `$XDG_DATA_HOME/stowage`, else `~/.local/share/stowage`, else `/var/lib/stowage`."),
    setting!(secret "master_key", master_key, MASTER_KEY, "Seals secrets at rest: 32 bytes in hex or base64. Default: the key file `master.key` in the data directory, created at the first start."),
    setting!("drain_timeout", drain_timeout, WAIT, "Longest wait for running requests after SIGTERM."),
    setting!("public_base.api", public_base.api, BASE_URL, "Base URL of the File and Store API in emitted URLs. Default of all `public_base` settings: the hosts of `tls.development`, else scheme and host of the request."),
    setting!("public_base.upload", public_base.upload, BASE_URL, "Base URL of resumable uploads."),
    setting!("public_base.cdn", public_base.cdn, HOST_URL, "Base URL of delivery: emitted file URLs are `<cdn>/<handle>`. No path, because the Java client takes the fourth piece between slashes as the handle."),
    setting!("public_base.process", public_base.process, BASE_URL, "Base URL of processing."),
    setting!("public_base.cloud", public_base.cloud, BASE_URL, "Base URL of cloud drives."),
    setting!("public_base.static", public_base.r#static, BASE_URL, "Base URL of static assets."),
    setting!("tls.certificate", tls.certificate, OPTIONAL_PATH, "PEM file with the certificate for HTTPS, followed by its intermediates. Read again when it changes and at SIGHUP."),
    setting!("tls.key", tls.key, OPTIONAL_PATH, "PEM file with its private key."),
    setting!("tls.listen", tls.listen, OPTIONAL_ADDRESS, "Address to listen on for HTTPS beside the plain `listen`. Not set: with a certificate, `listen` itself speaks HTTPS and nothing else."),
    setting!("tls.development", tls.development, DEVELOPMENT_HOST, "`NAME` or `NAME:PORT` (443): HTTPS beside `listen`, with certificates of a development CA kept in the data directory, for `NAME` and its `www. upload. cdn. process. cloud. static. api.`; `public_base` defaults to these hosts."),
    setting!("tls.handshake_timeout", tls.handshake_timeout, TIMEOUT, "Longest TLS handshake."),
    setting!("fetch.allow", fetch.allow, NETWORKS, "Networks that may be fetched from although they are not public, such as `10.0.0.0/8`."),
    setting!("fetch.ports", fetch.ports, PORTS, "Ports of public addresses that may be fetched from; empty: all but the well-known ones of other protocols."),
    setting!("fetch.connect_timeout", fetch.connect_timeout, TIMEOUT, "Longest TCP and TLS set-up of a fetch, per redirect hop."),
    setting!("fetch.header_timeout", fetch.header_timeout, TIMEOUT, "Longest wait for the response head of a fetch, per redirect hop."),
    setting!("fetch.idle_timeout", fetch.idle_timeout, TIMEOUT, "Longest silence inside the body of a fetch."),
    setting!("fetch.total_timeout", fetch.total_timeout, TIMEOUT, "Longest fetch, body included."),
    setting!("fetch.max_bytes", fetch.max_bytes, SIZE, "Largest body of a fetch."),
    setting!("fetch.max_redirects", fetch.max_redirects, COUNT_OR_NONE, "Most redirects a fetch follows."),
    setting!("limits.max_file_size", limits.max_file_size, SIZE, "Largest file; an app can set a lower limit."),
    setting!("limits.max_connections", limits.max_connections, COUNT, "Most open connections."),
    setting!("limits.header_timeout", limits.header_timeout, TIMEOUT, "From the first to the last byte of a request head; also the longest wait for the first byte."),
    setting!("limits.idle_timeout", limits.idle_timeout, TIMEOUT, "Longest silence of a client inside a body, either way."),
    setting!("limits.request_timeout", limits.request_timeout, TIMEOUT, "Longest life of one request."),
    setting!("limits.min_rate", limits.min_rate, RATE, "Slowest body accepted after `limits.rate_grace`, bytes per second on average; 0 accepts any."),
    setting!("limits.rate_grace", limits.rate_grace, WAIT, "Time from the first byte of a body before its rate is judged, for clients that start slowly."),
    setting!("limits.max_header_bytes", limits.max_header_bytes, HEADER_BUFFER, "Largest request head; at least 8KiB."),
    setting!("limits.max_url_bytes", limits.max_url_bytes, BUFFER, "Longest request target."),
    setting!("limits.max_fields", limits.max_fields, COUNT, "Most query parameters and form fields of a request."),
    setting!("limits.upload_lifetime", limits.upload_lifetime, TIMEOUT, "An unfinished upload is forgotten this long after its last byte; how a finished one ended is remembered as long."),
    setting!("limits.max_open_uploads", limits.max_open_uploads, COUNT, "Most unfinished uploads of one app."),
    setting!("limits.max_field_bytes", limits.max_field_bytes, BUFFER, "Largest form field that is not the file, and largest JSON or urlencoded command."),
    setting!("images.workers", images.workers, COUNT_OR_NONE, "Worker processes that decode and encode pictures; 0: one per core."),
    setting!("images.memory", images.memory, SIZE, "Memory that the running jobs together are expected to stay within; further ones wait."),
    setting!("images.queue_timeout", images.queue_timeout, TIMEOUT, "Longest wait for a worker; past it the answer is 503 with `Retry-After`."),
    setting!("images.time_limit", images.time_limit, TIMEOUT, "Longest job; a worker that takes longer is killed."),
    setting!("images.max_bytes", images.max_bytes, SIZE, "Largest source of a job."),
    setting!("images.max_pixels", images.max_pixels, RATE, "Most pixels of a source, all frames of an animation added up."),
    setting!("images.max_output_pixels", images.max_output_pixels, RATE, "Most pixels of a result, and of anything between source and result."),
    setting!("images.max_frames", images.max_frames, COUNT, "Most frames of an animation."),
    setting!("images.max_sources", images.max_sources, COUNT, "Most sources of one request, with the files that its tasks name."),
    setting!("images.max_archive_bytes", images.max_archive_bytes, SIZE, "Most bytes that the sources of one `zip` have together."),
    setting!("cache.directory", cache.directory, OPTIONAL_PATH, "Directory of kept results and originals. Default: `cache` in the data directory. It may be emptied while the server is stopped."),
    setting!("cache.disk", cache.disk, SIZE, "Bytes of results and originals kept on disk."),
    setting!("cache.memory", cache.memory, SIZE, "Bytes of small results kept in memory as well."),
    setting!("cache.remote_fresh", cache.remote_fresh, TIMEOUT, "How long a result made from a URL elsewhere, and its original, count as up to date; the task `cache=expiry:…` says it for one URL."),
    setting!("cache.remote_stale", cache.remote_stale, WAIT, "How long after that such a result is still answered while it is made anew in the background."),
    setting!("log.format", log.format, LOG_FORMAT, "How log lines look."),
    setting!("log.level", log.level, LOG_LEVEL, "Least important lines that are logged."),
    setting!("log.access", log.access, BOOLEAN, "One line per request."),
    setting!("security.strict_patterns", security.strict_patterns, BOOLEAN, "Anchor all four patterns of a policy at both ends, instead of `path` and `url` at the start only."),
    setting!("compatibility.invalid_application_ok", compatibility.invalid_application_ok, BOOLEAN, "Answer a missing or unknown API key with status 200 and `Invalid Application`, as the vendor once did."),
];
