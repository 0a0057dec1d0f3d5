//! A certificate authority for development: made once, kept in the data directory, trusted by whoever names its file.

use std::{
    fs::{self, File},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::Path,
    sync::Mutex,
    time::{Duration, SystemTime},
};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::{
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    sign::CertifiedKey,
};

use super::{TlsError, certificate::facts_of, provider};
use crate::config::DEVELOPMENT_LABELS;

/// The authority's certificate in the data directory: what clients are told to trust.
pub const AUTHORITY_FILE: &str = "development-ca.pem";
/// Its key, mode 0600.
const KEY_FILE: &str = "development-ca.key";

const DAY: Duration = Duration::from_secs(86_400);
const AUTHORITY_LIFE: Duration = Duration::from_secs(10 * 365 * 86_400);
/// Browsers refuse server certificates that live longer than some 400 days.
const LEAF_LIFE: Duration = Duration::from_secs(90 * 86_400);
/// A certificate is replaced when it has less than this to live.
const RENEWAL: Duration = Duration::from_secs(30 * 86_400);

/// The authority and the certificate it issued for a name.
pub(super) struct Development {
    name: String,
    issuer: Issuer<'static, KeyPair>,
    /// End of the certificate in use.
    expires: Mutex<SystemTime>,
}

impl Development {
    /// Opens the authority in `data`, making it if there is none or if it ends soon, and issues a certificate for `name`.
    pub(super) fn open(data: &Path, name: &str) -> Result<(Self, CertifiedKey), TlsError> {
        let key = match authority_key(data) {
            Some(key) => key,
            None => create_authority(data)?,
        };
        let issuer = Issuer::new(authority_params(), key);
        let (first, expires) = issue(&issuer, name)?;
        Ok((Self { name: name.to_owned(), issuer, expires: Mutex::new(expires) }, first))
    }

    /// A new certificate when the one in use ends soon.
    pub(super) fn renewed(&self) -> Result<Option<CertifiedKey>, TlsError> {
        let mut expires = self.expires.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if *expires > SystemTime::now() + RENEWAL {
            return Ok(None);
        }
        let (renewed, end) = issue(&self.issuer, &self.name)?;
        *expires = end;
        Ok(Some(renewed))
    }
}

/// The key of the authority in the data directory, if its certificate belongs to it and outlives those it will issue.
fn authority_key(data: &Path) -> Option<KeyPair> {
    let key = fs::read_to_string(data.join(KEY_FILE)).ok()?;
    let certificate = CertificateDer::from_pem_file(data.join(AUTHORITY_FILE)).ok()?;
    let expires = facts_of(&certificate).ok()?.expires;
    let private = PrivateKeyDer::from_pem_slice(key.as_bytes()).ok()?;
    CertifiedKey::from_der(vec![certificate], private, &provider()).ok()?;
    if expires < SystemTime::now() + LEAF_LIFE + RENEWAL {
        tracing::warn!("the development CA ends soon and is replaced: its clients must trust the new one");
        return None;
    }
    KeyPair::from_pem(&key).ok()
}

fn create_authority(data: &Path) -> Result<KeyPair, TlsError> {
    let key = KeyPair::generate().map_err(failed)?;
    let certificate = authority_params().self_signed(&key).map_err(failed)?;
    write(&data.join(KEY_FILE), 0o600, &key.serialize_pem())?;
    write(&data.join(AUTHORITY_FILE), 0o644, &certificate.pem())?;
    Ok(key)
}

/// Replaces a file; a new file gets the mode from its first byte on.
fn write(path: &Path, mode: u32, text: &str) -> Result<(), TlsError> {
    let replace = || {
        if let Err(error) = fs::remove_file(path)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            return Err(error);
        }
        let mut file = File::options().write(true).create_new(true).mode(mode).open(path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    replace().map_err(|error| TlsError::Development(format!("cannot write {}: {error}", path.display())))
}

fn authority_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = common_name("Stowage development CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
    params.not_before = (SystemTime::now() - DAY).into();
    params.not_after = (SystemTime::now() + AUTHORITY_LIFE).into();
    params
}

/// A certificate for every host of the name, and its end.
fn issue(issuer: &Issuer<'static, KeyPair>, name: &str) -> Result<(CertifiedKey, SystemTime), TlsError> {
    let hosts = DEVELOPMENT_LABELS.iter().map(|label| format!("{label}.{name}"));
    let own = [name, "localhost", "127.0.0.1", "::1"].map(str::to_owned);
    let expires = SystemTime::now() + LEAF_LIFE;
    let mut params = CertificateParams::new(hosts.chain(own).collect::<Vec<_>>()).map_err(failed)?;
    params.distinguished_name = common_name(name);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    // A client's clock may be a little behind.
    params.not_before = (SystemTime::now() - DAY).into();
    params.not_after = expires.into();
    let key = KeyPair::generate().map_err(failed)?;
    let certificate = params.signed_by(&key, issuer).map_err(failed)?;
    let private = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).map_err(failed)?;
    let certified = CertifiedKey::from_der(vec![certificate.der().clone()], private, &provider()).map_err(failed)?;
    Ok((certified, expires))
}

fn common_name(text: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    // The field holds no more (RFC 5280, ub-common-name); the names that count are the alternative ones.
    name.push(DnType::CommonName, text.chars().take(64).collect::<String>());
    name
}

fn failed(error: impl std::fmt::Display) -> TlsError {
    TlsError::Development(error.to_string())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_authority_is_made_once_and_its_key_is_private() {
        let data = tempfile::tempdir().expect("a directory");
        let read = |file: &str| fs::read(data.path().join(file)).expect("the file");
        Development::open(data.path(), "fs.localhost").expect("an authority");
        let (authority, key) = (read(AUTHORITY_FILE), read(KEY_FILE));
        let mode = fs::metadata(data.path().join(KEY_FILE)).expect("the key").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        Development::open(data.path(), "other.localhost").expect("the same authority");
        assert!(read(AUTHORITY_FILE) == authority && read(KEY_FILE) == key);
        // Half of it, or a certificate of another key, is no authority.
        fs::remove_file(data.path().join(KEY_FILE)).expect("removed");
        Development::open(data.path(), "fs.localhost").expect("a new authority");
        assert!(read(AUTHORITY_FILE) != authority);
        fs::write(data.path().join(AUTHORITY_FILE), authority).expect("written");
        Development::open(data.path(), "fs.localhost").expect("a new authority");
        assert!(authority_key(data.path()).is_some());
    }

    #[test]
    fn a_certificate_is_renewed_before_it_ends_and_names_every_host() {
        let data = tempfile::tempdir().expect("a directory");
        let (development, first) = Development::open(data.path(), "fs.localhost").expect("an authority");
        let facts = facts_of(&first.cert[0]).expect("a certificate");
        for name in ["cdn.fs.localhost", "upload.fs.localhost", "fs.localhost", "localhost", "127.0.0.1", "::1"] {
            assert!(facts.names.iter().any(|known| known == name), "{name}: {facts:?}");
        }
        assert!(development.renewed().expect("no failure").is_none(), "it is new");
        *development.expires.lock().expect("not poisoned") = SystemTime::now() + DAY;
        assert!(development.renewed().expect("no failure").is_some());
        assert!(development.renewed().expect("no failure").is_none(), "it is new again");
    }
}
