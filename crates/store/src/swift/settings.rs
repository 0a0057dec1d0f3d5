//! Connection settings of a Swift store.

use stowage_core::location::ContainerName;

use crate::{http_client::check_base_url, secret::Secret};

/// Connection settings of an OpenStack Swift or Rackspace Cloud Files store; kept sealed in the catalogue. Debug masks
/// the secrets.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SwiftConfig {
    /// How tokens are got.
    pub auth: SwiftAuth,
    /// Region of the service catalogue; may be absent where the catalogue has one only.
    #[serde(default)]
    pub region: Option<String>,
    /// Default container; absent: the account's only one.
    #[serde(default)]
    pub container: Option<ContainerName>,
    /// Further containers that requests may name.
    #[serde(default)]
    pub allowed_containers: Vec<ContainerName>,
    /// The account's or the container's `Temp-URL-Key`, needed for presigned requests.
    #[serde(default)]
    pub temp_url_key: Option<Secret>,
    /// Digest of presigned requests.
    #[serde(default)]
    pub temp_url_digest: TempUrlDigest,
}

/// Digest of a TempURL signature; the cluster lists those that it takes under `/info`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TempUrlDigest {
    /// HMAC-SHA1: Rackspace and old clusters.
    Sha1,
    /// HMAC-SHA256.
    #[default]
    Sha256,
}

/// The ways to a token.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
#[serde(tag = "method", rename_all = "snake_case", deny_unknown_fields)]
pub enum SwiftAuth {
    /// TempAuth and other "v1" systems: `X-Auth-User` and `X-Auth-Key`.
    V1 {
        /// `https://host/auth/v1.0`.
        url: String,
        /// Usually `account:user`.
        user: String,
        /// Password.
        key: Secret,
    },
    /// Identity v2.0 with a password.
    V2Password {
        /// `https://host:5000/v2.0`.
        url: String,
        /// User name.
        username: String,
        /// Password.
        password: Secret,
        /// Tenant (project) name.
        #[serde(default)]
        tenant_name: Option<String>,
        /// Tenant (project) id, instead of its name.
        #[serde(default)]
        tenant_id: Option<String>,
    },
    /// Rackspace: Identity v2.0 with an API key.
    Rackspace {
        /// Absent: Rackspace's own.
        #[serde(default = "rackspace_identity")]
        url: String,
        /// User name.
        username: String,
        /// API key.
        api_key: Secret,
    },
    /// Keystone v3 with a password.
    V3Password {
        /// `https://host:5000/v3`.
        url: String,
        /// User name.
        username: String,
        /// Password.
        password: Secret,
        /// Domain of the user.
        #[serde(default = "default_domain")]
        user_domain: String,
        /// Project name.
        project: String,
        /// Domain of the project.
        #[serde(default = "default_domain")]
        project_domain: String,
    },
    /// Keystone v3 with an application credential.
    V3ApplicationCredential {
        /// `https://host:5000/v3`.
        url: String,
        /// Id of the credential.
        id: String,
        /// Secret of the credential.
        secret: Secret,
    },
}

fn rackspace_identity() -> String {
    "https://identity.api.rackspacecloud.com/v2.0".to_owned()
}

fn default_domain() -> String {
    "Default".to_owned()
}

impl SwiftConfig {
    /// What is wrong with the settings, if anything.
    pub(super) fn check(&self) -> Result<(), String> {
        let (url, name, secret) = match &self.auth {
            SwiftAuth::V1 { url, user, key } => (url, user, key),
            SwiftAuth::V2Password { url, username, password, .. }
            | SwiftAuth::V3Password { url, username, password, .. } => (url, username, password),
            SwiftAuth::Rackspace { url, username, api_key } => (url, username, api_key),
            SwiftAuth::V3ApplicationCredential { url, id, secret } => (url, id, secret),
        };
        check_base_url("auth.url", url)?;
        if name.is_empty() || secret.reveal().is_empty() {
            return Err("the user and the secret of `auth` must not be empty".to_owned());
        }
        if let SwiftAuth::V2Password { tenant_name: Some(_), tenant_id: Some(_), .. } = &self.auth {
            return Err("`auth` names the tenant by `tenant_name` or by `tenant_id`, not both".to_owned());
        }
        Ok(())
    }
}
