//! S3 and S3-compatible object stores.

use std::sync::Arc;

use opendal::{Error, Operator, services::S3};
use stowage_core::location::Access;

use super::provider::{Facts, Provider, is_bucket_name};
use crate::{Capabilities, http_client::check_base_url, secret::Secret};

const DEFAULT_REGION: &str = "us-east-1";

const FACTS: Facts = Facts {
    name: "S3",
    capabilities: Capabilities { public_access: true, list: true, presign: true, versions: false },
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
    pub(super) fn check(&self) -> Result<(), String> {
        if self.access_key_id.is_empty() || self.secret_access_key.reveal().is_empty() {
            return Err("`access_key_id` and `secret_access_key` must not be empty".to_owned());
        }
        if self.kms_key_id.is_some() && self.server_side_encryption != Some(S3Encryption::Kms) {
            return Err("`kms_key_id` goes with `server_side_encryption = \"aws:kms\"` only".to_owned());
        }
        check_region(self.region.as_deref().unwrap_or(DEFAULT_REGION))?;
        self.endpoint.as_deref().map_or(Ok(()), |endpoint| check_base_url("endpoint", endpoint).map(drop))
    }
}

/// A region becomes a part of host names and signatures as it is.
pub(super) fn check_region(region: &str) -> Result<(), String> {
    let good = (1..=64).contains(&region.len())
        && region.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if good {
        Ok(())
    } else {
        Err("a region is made of letters, digits, `-` and `_`, for example `eu-west-1`".to_owned())
    }
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
            .region(self.region.as_deref().unwrap_or(DEFAULT_REGION))
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

    fn in_region(&self, region: &str) -> Option<Arc<dyn Provider>> {
        Some(Arc::new(Self { region: Some(region.to_owned()), ..self.clone() }))
    }
}
