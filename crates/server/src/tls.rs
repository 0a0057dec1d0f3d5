//! Certificates of the HTTPS listener: from files that may be renewed at any time, or from a development authority of the server's own.

mod certificate;
mod development;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
};

use certificate::PemFiles;
pub use certificate::{CertificateFacts, facts_of_file};
pub use development::AUTHORITY_FILE;
use development::Development;
use rustls::{
    ServerConfig,
    crypto::{CryptoProvider, ring},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use tokio::signal::unix::Signal;

use crate::config::TlsConfig;

/// How often the files are looked at, besides at SIGHUP. Long enough to cost nothing, short enough to wait for.
const REFRESH_INTERVAL: Duration = Duration::from_secs(5);

/// Why there is no certificate to serve with; the text names the setting.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file that cannot be read.
    #[error("{setting}: cannot read {}: {cause}", path.display())]
    Unreadable {
        /// `tls.certificate` or `tls.key`.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause.
        cause: std::io::Error,
    },
    /// A file that holds something else.
    #[error("{setting}: {}: {reason}", path.display())]
    Unusable {
        /// `tls.certificate` or `tls.key`.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A certificate and a key that belong to others.
    #[error("tls.key: {} is not the key of the first certificate in {}", key.display(), certificate.display())]
    Mismatch {
        /// The key file.
        key: PathBuf,
        /// The certificate file.
        certificate: PathBuf,
    },
    /// The development authority cannot be made or kept.
    #[error("tls.development: {0}")]
    Development(String),
}

/// The certificate of the HTTPS listener. Connections under way keep theirs; each new one gets the newest.
pub struct Certificates {
    source: Source,
    current: RwLock<Arc<CertifiedKey>>,
    /// Why the newest files are not used, so that it is logged once.
    complaint: Mutex<Option<String>>,
}

enum Source {
    Files(PemFiles),
    Development(Box<Development>),
}

impl Certificates {
    /// Opens what the settings name; `None` without TLS. `data` is where a development authority is kept.
    pub fn open(config: &TlsConfig, data: &Path) -> Result<Option<Arc<Self>>, TlsError> {
        let (source, first) = match (&config.certificate, &config.key, &config.development) {
            (Some(certificate), Some(key), _) => {
                let (files, first) = PemFiles::open(certificate.clone(), key.clone())?;
                (Source::Files(files), first)
            }
            (_, _, Some(host)) => {
                let (development, first) = Development::open(data, &host.name)?;
                (Source::Development(Box::new(development)), first)
            }
            _ => return Ok(None),
        };
        Ok(Some(Arc::new(Self { source, current: RwLock::new(Arc::new(first)), complaint: Mutex::default() })))
    }

    /// What rustls needs to serve with them: TLS 1.2 (the Java client needs it) and 1.3, HTTP/2 and HTTP/1.1.
    pub fn server_config(self: Arc<Self>) -> Result<ServerConfig, rustls::Error> {
        let builder = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
        let mut config = builder.with_no_client_auth().with_cert_resolver(self);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }

    /// Keeps the certificate up to date for as long as it is polled; at once at each `reload` signal.
    pub async fn keep_fresh(self: Arc<Self>, mut reload: Signal) {
        loop {
            // A closed signal stream must not turn this into a busy loop, so the interval is waited for as well.
            let _ = tokio::time::timeout(REFRESH_INTERVAL, reload.recv()).await;
            let certificates = self.clone();
            let _ = tokio::task::spawn_blocking(move || certificates.refresh()).await;
        }
    }

    /// Takes over what has changed. A certificate that cannot be used leaves the one before in force.
    fn refresh(&self) {
        let renewed = match &self.source {
            Source::Files(files) => files.changed(),
            Source::Development(development) => development.renewed(),
        };
        let complaint = match renewed {
            Ok(None) => return,
            Ok(Some(renewed)) => {
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(renewed);
                tracing::info!("a new TLS certificate is in use");
                None
            }
            Err(error) => Some(error.to_string()),
        };
        let mut last = self.complaint.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(text) = complaint.as_ref().filter(|text| last.as_ref() != Some(*text)) {
            tracing::error!("the new TLS certificate is not used, the one before stays: {text}");
        }
        *last = complaint;
    }
}

impl ResolvesServerCert for Certificates {
    /// Whatever name the client asks for: a client that wants another one will say so better than a cut connection.
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.read().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Certificates").finish_non_exhaustive()
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}
