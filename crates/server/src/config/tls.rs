//! Settings of HTTPS and what follows from them.

use std::{fmt, net::SocketAddr, path::PathBuf, str::FromStr, time::Duration};

use super::PublicBase;

/// Longest host name that leaves room for a label in front of it (RFC 1035).
const MAX_NAME: usize = 240;

/// Port of HTTPS, which URLs leave out.
const HTTPS_PORT: u16 = 443;

/// First labels of the hosts that clients speak to below one name (spec 00 §3).
pub const DEVELOPMENT_LABELS: [&str; 7] = ["www", "upload", "cdn", "process", "cloud", "static", "api"];

/// HTTPS: by certificate files or by a development authority.
#[derive(Clone, Debug)]
pub struct TlsConfig {
    /// Where HTTPS is spoken beside `listen`; absent: at `listen` instead of plain HTTP.
    pub listen: Option<SocketAddr>,
    /// PEM file with the certificate chain.
    pub certificate: Option<PathBuf>,
    /// PEM file with its key.
    pub key: Option<PathBuf>,
    /// Host of a self-signed installation for development.
    pub development: Option<DevelopmentHost>,
    /// Longest handshake, seconds; default 10.
    pub handshake_timeout: Duration,
}

impl Default for TlsConfig {
    fn default() -> Self {
        Self {
            listen: None,
            certificate: None,
            key: None,
            development: None,
            handshake_timeout: Duration::from_secs(10),
        }
    }
}

impl TlsConfig {
    /// Finds what makes no sense together: the setting to change, and why.
    pub(super) fn check(&self) -> Result<(), (&'static str, &'static str)> {
        match (&self.certificate, &self.key, &self.development) {
            (Some(_), None, _) => Err(("tls.certificate", "`tls.key` must name the file with its private key")),
            (None, Some(_), _) => Err(("tls.key", "`tls.certificate` must name the file with its certificate")),
            (Some(_), Some(_), Some(_)) => {
                Err(("tls.development", "it is not for a server with `tls.certificate`; give one of both"))
            }
            (None, None, Some(_)) if self.listen.is_some() => {
                Err(("tls.listen", "`tls.development` has a port of its own, as in `fs.localhost:8443`"))
            }
            (None, None, None) if self.listen.is_some() => {
                Err(("tls.listen", "HTTPS also needs `tls.certificate` and `tls.key`"))
            }
            _ => Ok(()),
        }
    }

    /// Where HTTPS is spoken by a server that listens at `plain`, and whether plain HTTP is spoken there as well.
    pub(crate) fn addresses(&self, plain: SocketAddr) -> Addresses {
        if let Some(host) = &self.development {
            return Addresses { plain: Some(plain), secure: Some(SocketAddr::new(plain.ip(), host.port)) };
        }
        match (&self.certificate, self.listen) {
            (None, _) => Addresses { plain: Some(plain), secure: None },
            (Some(_), None) => Addresses { plain: None, secure: Some(plain) },
            (Some(_), secure) => Addresses { plain: Some(plain), secure },
        }
    }
}

/// What is listened on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Addresses {
    /// For plain HTTP.
    pub(crate) plain: Option<SocketAddr>,
    /// For HTTPS.
    pub(crate) secure: Option<SocketAddr>,
}

/// A host name for development and the port of its HTTPS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DevelopmentHost {
    /// Lower-case name, such as `fs.localhost`.
    pub name: String,
    /// Port; 0 picks a free one, 443 when none is given.
    pub port: u16,
}

impl DevelopmentHost {
    /// `https://LABEL.NAME[:PORT]`; without a label `https://NAME[:PORT]`.
    #[must_use]
    pub fn url(&self, label: Option<&str>) -> String {
        let label = label.map(|label| format!("{label}.")).unwrap_or_default();
        match self.port {
            HTTPS_PORT => format!("https://{label}{}", self.name),
            port => format!("https://{label}{}:{port}", self.name),
        }
    }
}

impl FromStr for DevelopmentHost {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, port) = match text.split_once(':') {
            Some((name, port)) => (name, port.parse().map_err(|_| format!("`{port}` is not a port"))?),
            None => (text, HTTPS_PORT),
        };
        let name = name.to_ascii_lowercase();
        let is_label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        if name.len() > MAX_NAME || !name.split('.').all(is_label) {
            return Err(format!("`{name}` is not a host name, such as fs.localhost"));
        }
        Ok(Self { name, port })
    }
}

impl fmt::Display for DevelopmentHost {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.name, self.port)
    }
}

impl PublicBase {
    /// Fills in the hosts of a development installation where nothing else is set.
    pub(crate) fn complete(&mut self, host: &DevelopmentHost) {
        let bases = [
            (&mut self.api, "www"),
            (&mut self.upload, "upload"),
            (&mut self.cdn, "cdn"),
            (&mut self.process, "process"),
            (&mut self.cloud, "cloud"),
            (&mut self.r#static, "static"),
        ];
        for (base, label) in bases {
            base.get_or_insert_with(|| host.url(Some(label)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn development_hosts_are_names_with_a_port() {
        let host: DevelopmentHost = "FS.localhost".parse().expect("a name");
        assert_eq!((host.url(None), host.to_string()), ("https://fs.localhost".into(), "fs.localhost:443".into()));
        let host: DevelopmentHost = "fs.localhost:8443".parse().expect("a name and a port");
        assert_eq!(host.url(Some("cdn")), "https://cdn.fs.localhost:8443");
        for wrong in ["", ":443", "fs..localhost", "-a", "fs.localhost:x", "https://fs", "a b", &"a.".repeat(130)] {
            assert!(wrong.parse::<DevelopmentHost>().is_err(), "{wrong:?} was accepted");
        }
    }

    #[test]
    fn the_configured_base_wins_over_the_development_host() {
        let mut base = PublicBase { cdn: Some("https://files.example".to_owned()), ..PublicBase::default() };
        base.complete(&DevelopmentHost { name: "fs.localhost".to_owned(), port: 443 });
        assert_eq!(base.cdn.as_deref(), Some("https://files.example"));
        assert_eq!(base.upload.as_deref(), Some("https://upload.fs.localhost"));
        assert_eq!(base.api.as_deref(), Some("https://www.fs.localhost"));
    }

    #[test]
    fn https_takes_the_place_of_plain_http_or_stands_beside_it() {
        let plain = SocketAddr::from(([127, 0, 0, 1], 80));
        let secure = SocketAddr::from(([127, 0, 0, 1], 443));
        let none = TlsConfig::default();
        assert_eq!(none.addresses(plain), Addresses { plain: Some(plain), secure: None });
        let mut files = TlsConfig { certificate: Some("c".into()), key: Some("k".into()), ..TlsConfig::default() };
        assert_eq!(files.addresses(plain), Addresses { plain: None, secure: Some(plain) });
        files.listen = Some(secure);
        assert_eq!(files.addresses(plain), Addresses { plain: Some(plain), secure: Some(secure) });
        let development = TlsConfig { development: "fs.localhost".parse().ok(), ..TlsConfig::default() };
        assert_eq!(development.addresses(plain), Addresses { plain: Some(plain), secure: Some(secure) });
    }
}
