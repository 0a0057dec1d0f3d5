//! From a provider's name and settings to its driver: the one table of providers.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use stowage_core::location::ContainerName;

use crate::{
    BlobStore,
    dropbox::DropboxStore,
    guard::{GuardLimits, Guarded},
    local::LocalStore,
    object::ObjectStore,
    swift::SwiftStore,
};

/// A kind of storage that Stowage can keep files in.
#[derive(Debug)]
pub struct Provider {
    /// As the catalogue and the command line name it.
    pub name: &'static str,
    /// For people.
    pub summary: &'static str,
    /// What can be configured.
    pub settings: &'static [Setting],
    open: fn(Value, &LocalStore) -> Result<OpenedStore, String>,
}

/// One setting of a provider. A dot leads into a nested object: `auth.url`.
#[derive(Debug)]
pub struct Setting {
    /// Name in the settings.
    pub name: &'static str,
    /// How its text is read and shown.
    pub kind: SettingKind,
    /// For people.
    pub help: &'static str,
}

/// How a setting's text is read and shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettingKind {
    /// As it is.
    Text,
    /// As it is, and never shown again.
    Secret,
    /// Separated by commas.
    List,
    /// `true` or `false`.
    Flag,
}

/// A store that is ready for use.
pub struct OpenedStore {
    /// Its driver.
    pub driver: Arc<dyn BlobStore>,
    /// Where requests may store in it.
    pub containers: Containers,
}

impl std::fmt::Debug for OpenedStore {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("OpenedStore").field("containers", &self.containers).finish_non_exhaustive()
    }
}

/// Where requests may store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Containers {
    /// Names without a meaning at the provider: any will do.
    Any,
    /// The default one first, then the others that requests may name.
    Listed(Vec<ContainerName>),
}

/// Every provider.
pub const PROVIDERS: &[Provider] = &[
    Provider { name: "local", summary: "the server's own disk", settings: &[], open: local },
    Provider { name: "s3", summary: "Amazon S3, or a service that speaks its protocol", settings: S3, open: s3 },
    Provider { name: "azure", summary: "Azure Blob Storage", settings: AZURE, open: azure },
    Provider { name: "gcs", summary: "Google Cloud Storage", settings: GCS, open: gcs },
    Provider { name: "swift", summary: "OpenStack Swift, Rackspace Cloud Files", settings: SWIFT, open: swift },
    Provider { name: "dropbox", summary: "Dropbox", settings: DROPBOX, open: dropbox },
];

const fn text(name: &'static str, help: &'static str) -> Setting {
    Setting { name, kind: SettingKind::Text, help }
}
const fn secret(name: &'static str, help: &'static str) -> Setting {
    Setting { name, kind: SettingKind::Secret, help }
}
const fn list(name: &'static str, help: &'static str) -> Setting {
    Setting { name, kind: SettingKind::List, help }
}
const fn flag(name: &'static str, help: &'static str) -> Setting {
    Setting { name, kind: SettingKind::Flag, help }
}

const S3: &[Setting] = &[
    text("bucket", "default bucket (required)"),
    list("allowed_buckets", "further buckets that requests may name"),
    text("endpoint", "URL of the service [default: Amazon]"),
    text("region", "region of the buckets [default: us-east-1]"),
    text("access_key_id", "access key id (required)"),
    secret("secret_access_key", "secret access key (required)"),
    secret("session_token", "token of temporary credentials"),
    text("server_side_encryption", "AES256 or aws:kms [default: what the bucket does]"),
    text("kms_key_id", "key for aws:kms"),
    flag("virtual_host_style", "address buckets as BUCKET.HOST instead of HOST/BUCKET"),
];
const AZURE: &[Setting] = &[
    text("container", "default container (required)"),
    list("allowed_containers", "further containers that requests may name"),
    text("account", "name of the storage account"),
    secret("account_key", "key of the account"),
    secret("sas_token", "shared access signature, instead of the key"),
    secret("connection_string", "connection string, instead of account and key or token"),
    text("endpoint", "URL of the service [default: of the account]"),
];
const GCS: &[Setting] = &[
    text("bucket", "default bucket (required)"),
    list("allowed_buckets", "further buckets that requests may name"),
    secret("service_account", "JSON text of a service account's key (required but for emulators); @FILE reads a file"),
    text("endpoint", "URL of an emulator [default: Google]"),
];
const SWIFT: &[Setting] = &[
    text("auth.method", "v1, v2_password, rackspace, v3_password or v3_application_credential (required)"),
    text("auth.url", "URL of the authentication service (required but for rackspace)"),
    text("auth.user", "v1: user, usually ACCOUNT:USER"),
    secret("auth.key", "v1: password"),
    text("auth.username", "v2, v3, rackspace: user name"),
    secret("auth.password", "v2, v3: password"),
    secret("auth.api_key", "rackspace: API key"),
    text("auth.tenant_name", "v2: tenant"),
    text("auth.tenant_id", "v2: tenant, by id"),
    text("auth.project", "v3: project"),
    text("auth.user_domain", "v3: domain of the user [default: Default]"),
    text("auth.project_domain", "v3: domain of the project [default: Default]"),
    text("auth.id", "application credential: id"),
    secret("auth.secret", "application credential: secret"),
    text("region", "region of the service catalogue"),
    text("container", "default container [default: the account's only one]"),
    list("allowed_containers", "further containers that requests may name"),
    secret("temp_url_key", "Temp-URL key of the account, for presigned requests"),
    text("temp_url_digest", "sha1 or sha256 [default: sha256]"),
];
const DROPBOX: &[Setting] = &[
    text("app_key", "key of the app in Dropbox's console (required)"),
    secret("app_secret", "its secret (required)"),
    secret("refresh_token", "refresh token of the account (required)"),
    text("root", "folder that holds the containers, such as /Apps/Stowage"),
    text("container", "default container: a folder below the root (required)"),
    list("allowed_containers", "further containers that requests may name"),
    text("api_url", "[default: https://api.dropboxapi.com]"),
    text("content_url", "[default: https://content.dropboxapi.com]"),
];

impl Provider {
    /// By name.
    pub fn named(name: &str) -> Option<&'static Self> {
        PROVIDERS.iter().find(|provider| provider.name == name)
    }

    /// Opens a store; does not connect. Error: what is wrong with the settings, without quoting a credential.
    pub fn open(&self, settings: Value, local: &LocalStore) -> Result<OpenedStore, String> {
        (self.open)(settings, local)
    }

    /// Settings from `name=value` texts. Error: the name that is wrong, and why.
    pub fn settings_from_text(&self, pairs: &[(String, String)]) -> Result<Value, String> {
        let mut settings = Map::new();
        for (name, value) in pairs {
            let setting = self.settings.iter().find(|setting| setting.name == name).ok_or_else(|| {
                let known: Vec<&str> = self.settings.iter().map(|setting| setting.name).collect();
                format!("provider {} has no setting `{name}`; it has: {}", self.name, known.join(", "))
            })?;
            insert(&mut settings, name, setting.kind.read(name, value)?);
        }
        Ok(Value::Object(settings))
    }

    /// The settings that are set, as texts, credentials masked.
    pub fn settings_as_text(&self, settings: &Value) -> Vec<(&'static str, String)> {
        let shown = |setting: &'static Setting| {
            let value = setting.name.split('.').try_fold(settings, |value, name| value.get(name))?;
            if value.is_null() {
                return None;
            }
            Some((setting.name, setting.kind.show(value)))
        };
        self.settings.iter().filter_map(shown).collect()
    }
}

fn insert(settings: &mut Map<String, Value>, name: &str, value: Value) {
    match name.split_once('.') {
        None => {
            settings.insert(name.to_owned(), value);
        }
        Some((outer, inner)) => {
            let nested = settings.entry(outer).or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(nested) = nested {
                insert(nested, inner, value);
            }
        }
    }
}

impl SettingKind {
    fn read(self, name: &str, text: &str) -> Result<Value, String> {
        match self {
            Self::Text | Self::Secret => Ok(Value::from(text)),
            Self::List => Ok(text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(Value::from).collect()),
            Self::Flag => match text {
                "true" => Ok(Value::Bool(true)),
                "false" => Ok(Value::Bool(false)),
                _ => Err(format!("`{name}` must be true or false")),
            },
        }
    }

    fn show(self, value: &Value) -> String {
        match (self, value) {
            (Self::Secret, _) => "********".to_owned(),
            (_, Value::String(text)) => text.clone(),
            (_, Value::Array(items)) => items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(","),
            (_, other) => other.to_string(),
        }
    }
}

fn local(_: Value, local: &LocalStore) -> Result<OpenedStore, String> {
    // Its own disk needs no guard against a provider that hangs.
    Ok(OpenedStore { driver: Arc::new(local.clone()), containers: Containers::Any })
}

fn s3(settings: Value, _: &LocalStore) -> Result<OpenedStore, String> {
    let config: crate::object::S3Config = read(settings)?;
    let containers = listed(Some(&config.bucket), &config.allowed_buckets)?;
    Ok(guarded(ObjectStore::s3(config)?, containers))
}

fn azure(settings: Value, _: &LocalStore) -> Result<OpenedStore, String> {
    let config: crate::object::AzureConfig = read(settings)?;
    let containers = listed(Some(&config.container), &config.allowed_containers)?;
    Ok(guarded(ObjectStore::azure(config)?, containers))
}

fn gcs(settings: Value, _: &LocalStore) -> Result<OpenedStore, String> {
    let config: crate::object::GcsConfig = read(settings)?;
    let containers = listed(Some(&config.bucket), &config.allowed_buckets)?;
    Ok(guarded(ObjectStore::gcs(config)?, containers))
}

fn swift(settings: Value, _: &LocalStore) -> Result<OpenedStore, String> {
    let config: crate::swift::SwiftConfig = read(settings)?;
    let default = config.container.as_ref().map(ContainerName::as_str);
    let others: Vec<String> = config.allowed_containers.iter().map(ToString::to_string).collect();
    let containers = listed(default, &others)?;
    Ok(guarded(SwiftStore::new(config)?, containers))
}

fn dropbox(settings: Value, _: &LocalStore) -> Result<OpenedStore, String> {
    let config: crate::dropbox::DropboxConfig = read(settings)?;
    let others: Vec<String> = config.allowed_containers.iter().map(ToString::to_string).collect();
    let containers = listed(Some(config.container.as_str()), &others)?;
    Ok(guarded(DropboxStore::new(config)?, containers))
}

fn guarded(driver: impl BlobStore + 'static, containers: Containers) -> OpenedStore {
    OpenedStore { driver: Arc::new(Guarded::new(Arc::new(driver), GuardLimits::default())), containers }
}

fn listed(default: Option<&str>, others: &[String]) -> Result<Containers, String> {
    let names = default.into_iter().chain(others.iter().map(String::as_str));
    let names = names.map(|name| ContainerName::parse(name).map_err(|reason| format!("`{name}`: {reason}")));
    Ok(Containers::Listed(names.collect::<Result<_, _>>()?))
}

fn read<T: DeserializeOwned>(settings: Value) -> Result<T, String> {
    // The parser names fields and types; values appear only for wrong words such as an encryption that does not exist.
    serde_json::from_value(settings).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn texts_become_settings_and_settings_texts() {
        let swift = Provider::named("swift").expect("a provider");
        let given = [("auth.method", "v1"), ("auth.key", "hush"), ("allowed_containers", "a, b")];
        let settings = swift.settings_from_text(&pairs(&given)).expect("known settings");
        let expected =
            serde_json::json!({ "auth": { "method": "v1", "key": "hush" }, "allowed_containers": ["a", "b"] });
        assert_eq!(settings, expected);
        let shown = swift.settings_as_text(&settings);
        let expected = [("auth.method", "v1"), ("auth.key", "********"), ("allowed_containers", "a,b")];
        assert_eq!(shown, expected.map(|(name, text)| (name, text.to_owned())));
    }

    #[test]
    fn unknown_and_missing_settings_are_named() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let directory = tempfile::tempdir().expect("a directory");
        let local = LocalStore::open(directory.path(), 1).expect("a local store");
        let s3 = Provider::named("s3").expect("a provider");
        let unknown = s3.settings_from_text(&pairs(&[("buckit", "b")])).expect_err("unknown");
        assert!(unknown.contains("`buckit`") && unknown.contains("bucket"), "{unknown}");
        let settings = s3.settings_from_text(&pairs(&[("bucket", "b")])).expect("known");
        let missing = s3.open(settings, &local).expect_err("no credentials");
        assert!(missing.contains("access_key_id"), "{missing}");
        let flag = s3.settings_from_text(&pairs(&[("virtual_host_style", "yes")])).expect_err("no flag");
        assert!(flag.contains("virtual_host_style"), "{flag}");
    }
}
