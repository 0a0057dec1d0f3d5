//! PEM files: a chain, its key, and what a certificate says about itself.

use std::{
    fs,
    net::IpAddr,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::SystemTime,
};

use rustls::{
    InconsistentKeys,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    sign::CertifiedKey,
};
use x509_cert::{
    Certificate,
    der::Decode,
    ext::pkix::{SubjectAltName, name::GeneralName},
};

use super::{TlsError, provider};

const CERTIFICATE: &str = "tls.certificate";
const KEY: &str = "tls.key";

/// A certificate file and a key file.
pub(super) struct PemFiles {
    certificate: PathBuf,
    key: PathBuf,
    /// What the files held when they were last used.
    seen: Mutex<Contents>,
}

#[derive(PartialEq, Eq)]
struct Contents {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl PemFiles {
    pub(super) fn open(certificate: PathBuf, key: PathBuf) -> Result<(Self, CertifiedKey), TlsError> {
        let contents = Contents { certificate: read(CERTIFICATE, &certificate)?, key: read(KEY, &key)? };
        let certified = certified_key(&contents, &certificate, &key)?;
        Ok((Self { certificate, key, seen: Mutex::new(contents) }, certified))
    }

    /// The new certificate, if the files hold another one than at the last success. Contents are compared because renewal tools
    /// swap links and keep times.
    pub(super) fn changed(&self) -> Result<Option<CertifiedKey>, TlsError> {
        let contents = Contents { certificate: read(CERTIFICATE, &self.certificate)?, key: read(KEY, &self.key)? };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if *seen == contents {
            return Ok(None);
        }
        let certified = certified_key(&contents, &self.certificate, &self.key)?;
        *seen = contents;
        Ok(Some(certified))
    }
}

fn read(setting: &'static str, path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|cause| TlsError::Unreadable { setting, path: path.to_owned(), cause })
}

fn certified_key(contents: &Contents, certificate: &Path, key: &Path) -> Result<CertifiedKey, TlsError> {
    let unusable = |setting, path: &Path, reason: String| TlsError::Unusable { setting, path: path.to_owned(), reason };
    let chain = chain_of(&contents.certificate).map_err(|reason| unusable(CERTIFICATE, certificate, reason))?;
    let private = PrivateKeyDer::from_pem_slice(&contents.key)
        .map_err(|_| unusable(KEY, key, "it holds no private key in PEM form".to_owned()))?;
    CertifiedKey::from_der(chain, private, &provider()).map_err(|error| match error {
        rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            TlsError::Mismatch { key: key.to_owned(), certificate: certificate.to_owned() }
        }
        other => unusable(KEY, key, other.to_string()),
    })
}

/// The certificates of a PEM text, at least one, the first of which can be read.
fn chain_of(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let chain = chain.map_err(|error| format!("it is not PEM: {error}"))?;
    let first = chain.first().ok_or("it holds no certificate in PEM form")?;
    facts_of(first)?;
    Ok(chain)
}

/// What operators want to know of a certificate.
#[derive(Clone, Debug)]
pub struct CertificateFacts {
    /// Host names and addresses it is good for, as it lists them.
    pub names: Vec<String>,
    /// When it ends.
    pub expires: SystemTime,
}

/// Reads the first certificate of a PEM file; the error says what is wrong with the file.
pub fn facts_of_file(path: &Path) -> Result<CertificateFacts, String> {
    let pem = fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    let chain = chain_of(&pem).map_err(|reason| format!("{}: {reason}", path.display()))?;
    facts_of(&chain[0])
}

pub(super) fn facts_of(certificate: &CertificateDer<'_>) -> Result<CertificateFacts, String> {
    let unreadable = |error| format!("its first certificate cannot be read: {error}");
    let certificate = Certificate::from_der(certificate).map_err(unreadable)?.tbs_certificate;
    let alternatives = certificate.get::<SubjectAltName>().map_err(unreadable)?;
    let names = alternatives.map(|(_, names)| names.0).unwrap_or_default();
    Ok(CertificateFacts {
        names: names.iter().filter_map(name).collect(),
        expires: certificate.validity.not_after.to_system_time(),
    })
}

fn name(name: &GeneralName) -> Option<String> {
    match name {
        GeneralName::DnsName(name) => Some(name.to_string()),
        GeneralName::IpAddress(octets) => address(octets.as_bytes()).map(|address| address.to_string()),
        _ => None,
    }
}

fn address(octets: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(octets).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(octets).map(IpAddr::from)).ok()
}
