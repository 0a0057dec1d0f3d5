//! S3 and S3-compatible object stores.

use std::sync::Arc;

use opendal::{Error, Operator, services::S3};
use reqsign_aws_v4::{RequestSigner, StaticCredentialProvider};
use reqsign_core::{Context, Signer};
use stowage_core::location::Access;

use super::{
    parts::{Clients, Dialect, Multipart, PartProtocol, Wire},
    provider::{Facts, Provider, is_bucket_name},
};
use crate::{Capabilities, http_client::check_base_url, secret::Secret};

const DEFAULT_REGION: &str = "us-east-1";
/// Amazon's name that leads to the host of a region.
const AMAZON: &str = "https://s3.amazonaws.com";

const FACTS: Facts = Facts {
    name: "S3",
    capabilities: Capabilities { public_access: true, list: true, presign: true, versions: false, adopts: false },
    parts: 10_000,
    etag_is_md5: true,
    copies: true,
    metadata_identifiers: false,
};

/// Connection settings of an S3 store; kept sealed in the catalogue. Debug masks the secrets.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct S3Config {
    /// Default bucket.
    pub bucket: String,
    /// Further buckets that requests may name.
    #[serde(default)]
    pub allowed_buckets: Vec<String>,
    /// `https://…`; absent: AWS.
    #[serde(default)]
    pub endpoint: Option<String>,
    /// Region; absent: `us-east-1`.
    #[serde(default)]
    pub region: Option<String>,
    /// Access key id.
    pub access_key_id: String,
    /// Secret access key.
    pub secret_access_key: Secret,
    /// Token of temporary credentials.
    #[serde(default)]
    pub session_token: Option<Secret>,
    /// Encryption at rest; absent: what the bucket does by default.
    #[serde(default)]
    pub server_side_encryption: Option<S3Encryption>,
    /// Key id for `aws:kms`; absent: the key that AWS manages for the account.
    #[serde(default)]
    pub kms_key_id: Option<String>,
    /// `bucket.host` addressing instead of `host/bucket`.
    #[serde(default)]
    pub virtual_host_style: bool,
}

/// `x-amz-server-side-encryption`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum S3Encryption {
    /// With keys of S3.
    #[serde(rename = "AES256")]
    Aes256,
    /// With keys of AWS KMS.
    #[serde(rename = "aws:kms")]
    Kms,
}

impl S3Encryption {
    fn as_str(self) -> &'static str {
        match self {
            Self::Aes256 => "AES256",
            Self::Kms => "aws:kms",
        }
    }
}

impl S3Config {
    fn region(&self) -> &str {
        self.region.as_deref().unwrap_or(DEFAULT_REGION)
    }

    /// As opendal finds it.
    fn base_url(&self) -> String {
        match self.endpoint.as_deref().unwrap_or(AMAZON).trim_end_matches('/') {
            AMAZON => format!("https://s3.{}.amazonaws.com", self.region()),
            endpoint => endpoint.to_owned(),
        }
    }

    pub(super) fn check(&self) -> Result<(), String> {
        if self.access_key_id.is_empty() || self.secret_access_key.reveal().is_empty() {
            return Err("`access_key_id` and `secret_access_key` must not be empty".to_owned());
        }
        if self.kms_key_id.is_some() && self.server_side_encryption != Some(S3Encryption::Kms) {
            return Err("`kms_key_id` goes with `server_side_encryption = \"aws:kms\"` only".to_owned());
        }
        check_region(self.region())?;
        self.endpoint.as_deref().map_or(Ok(()), |endpoint| check_base_url("endpoint", endpoint).map(drop))
    }
}

/// A region becomes a part of host names and signatures as it is.
fn check_region(region: &str) -> Result<(), String> {
    let good = (1..=64).contains(&region.len())
        && region.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if good {
        Ok(())
    } else {
        Err("a region is made of letters, digits, `-` and `_`, for example `eu-west-1`".to_owned())
    }
}

/// Words and a number. Which ones there are changes over the years.
fn is_region_of_aws(region: &str) -> bool {
    let parts: Vec<&str> = region.split('-').collect();
    let Some((number, words)) = parts.split_last() else { return false };
    let is_word = |word: &&str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase());
    words.len() >= 2 && words.iter().all(is_word) && matches!(number.as_bytes(), [b'0'..=b'9'])
}

impl Provider for S3Config {
    fn facts(&self) -> &Facts {
        &FACTS
    }

    fn is_container_name(&self, name: &str) -> bool {
        is_bucket_name(name)
    }

    fn operator(&self, container: &str, access: Access) -> Result<Operator, Error> {
        let mut service = S3::default()
            .bucket(container)
            .region(self.region())
            .access_key_id(&self.access_key_id)
            .secret_access_key(self.secret_access_key.reveal())
            .disable_config_load()
            .disable_ec2_metadata();
        if let Some(endpoint) = &self.endpoint {
            service = service.endpoint(endpoint);
        }
        if let Some(token) = &self.session_token {
            service = service.session_token(token.reveal());
        }
        if let Some(encryption) = self.server_side_encryption {
            service = service.server_side_encryption(encryption.as_str());
        }
        if let Some(key) = &self.kms_key_id {
            service = service.server_side_encryption_aws_kms_key_id(key);
        }
        if self.virtual_host_style {
            service = service.enable_virtual_host_style();
        }
        if access == Access::Public {
            service = service.default_acl("public-read");
        }
        Operator::new(service)
    }

    fn parts(&self, clients: &Clients) -> Arc<dyn PartProtocol> {
        let mut credentials = StaticCredentialProvider::new(&self.access_key_id, self.secret_access_key.reveal());
        if let Some(token) = &self.session_token {
            credentials = credentials.with_session_token(token.reveal());
        }
        let signer = Signer::new(Context::new(), credentials, RequestSigner::new("s3", self.region()));
        let encryption = self
            .server_side_encryption
            .map(|encryption| ("x-amz-server-side-encryption", encryption.as_str().to_owned()));
        let key = self.kms_key_id.clone().map(|key| ("x-amz-server-side-encryption-aws-kms-key-id", key));
        let dialect = Dialect {
            endpoint: self.base_url(),
            virtual_host_style: self.virtual_host_style,
            prefix: "x-amz-",
            headers: encryption.into_iter().chain(key).collect(),
            presign: true,
        };
        Arc::new(Multipart::new(Wire::new(clients, signer, FACTS.etag_is_md5), dialect))
    }

    fn in_region(&self, region: &str) -> Result<Arc<dyn Provider>, String> {
        check_region(region)?;
        // Without an endpoint the region names a host.
        if self.endpoint.is_none() && !is_region_of_aws(region) {
            return Err("Amazon S3 has no such region; they are called like `eu-west-1`".to_owned());
        }
        Ok(Arc::new(Self { region: Some(region.to_owned()), ..self.clone() }))
    }
}
