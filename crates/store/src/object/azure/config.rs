//! Settings of an Azure store, in the three forms in which Azure hands them out.

use super::Credentials;
use crate::{http_client::check_base_url, secret::Secret};

/// Connection settings of an Azure Blob Storage; kept sealed in the catalogue. Debug masks the secrets.
/// Either `connection_string`, or `account` with `account_key` or `sas_token`.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AzureConfig {
    /// Default container.
    pub container: String,
    /// Further containers that requests may name.
    #[serde(default)]
    pub allowed_containers: Vec<String>,
    /// Name of the storage account.
    #[serde(default)]
    pub account: Option<String>,
    /// One of the account's two keys, base64.
    #[serde(default)]
    pub account_key: Option<Secret>,
    /// A shared access signature with the permissions `racwdl`, for the account or for its containers.
    #[serde(default)]
    pub sas_token: Option<Secret>,
    /// A connection string with a key or a SAS token.
    #[serde(default)]
    pub connection_string: Option<Secret>,
    /// `https://…`; absent: `https://ACCOUNT.blob.core.windows.net`, or what the connection string says.
    #[serde(default)]
    pub endpoint: Option<String>,
}

impl AzureConfig {
    /// Endpoint and credentials.
    pub(super) fn resolve(&self) -> Result<(String, Credentials), String> {
        let mut given = Parts {
            account: self.account.clone(),
            key: self.account_key.clone(),
            token: self.sas_token.clone(),
            endpoint: None,
        };
        if let Some(text) = &self.connection_string {
            if given.account.is_some() || given.key.is_some() || given.token.is_some() {
                return Err(
                    "`connection_string` already names the account and its secret: give nothing beside it".to_owned()
                );
            }
            given = parse_connection_string(text.reveal())?;
        }
        let endpoint = match self.endpoint.clone().or(given.endpoint) {
            Some(endpoint) => endpoint,
            None => account_endpoint("https", given.account.as_deref().unwrap_or_default(), "core.windows.net")?,
        };
        let credentials = match (given.account, given.key, given.token) {
            (Some(account), Some(key), None) => Credentials::Key { account, key: checked_key(key)? },
            (_, None, Some(token)) => Credentials::SasToken(checked_token(&token)?),
            _ => {
                return Err(
                    "give `account` with either `account_key` or `sas_token`, or a `connection_string`".to_owned()
                );
            }
        };
        Ok((check_base_url("endpoint", &endpoint)?, credentials))
    }
}

#[derive(Default)]
struct Parts {
    account: Option<String>,
    key: Option<Secret>,
    token: Option<Secret>,
    endpoint: Option<String>,
}

/// `Name=value;…`, values may hold `=`. Errors never quote the text.
fn parse_connection_string(text: &str) -> Result<Parts, String> {
    let mut parts = Parts::default();
    let (mut protocol, mut suffix) = ("https", "core.windows.net");
    for field in text.split(';').map(str::trim).filter(|field| !field.is_empty()) {
        let (name, value) = field.split_once('=').ok_or("`connection_string` must be made of `Name=value;`")?;
        match name.to_ascii_lowercase().as_str() {
            "accountname" => parts.account = Some(value.to_owned()),
            "accountkey" => parts.key = Some(Secret::new(value)),
            "sharedaccesssignature" => parts.token = Some(Secret::new(value)),
            "blobendpoint" => parts.endpoint = Some(value.to_owned()),
            "defaultendpointsprotocol" => protocol = value,
            "endpointsuffix" => suffix = value,
            // Endpoints of the other services of the account.
            _ => {}
        }
    }
    if parts.endpoint.is_none()
        && let Some(account) = &parts.account
    {
        parts.endpoint = Some(account_endpoint(protocol, account, suffix)?);
    }
    Ok(parts)
}

/// The name of an account becomes a part of a host name.
fn account_endpoint(protocol: &str, account: &str, suffix: &str) -> Result<String, String> {
    let good = (3..=24).contains(&account.len())
        && account.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    if good {
        Ok(format!("{protocol}://{account}.blob.{suffix}"))
    } else {
        Err("the name of a storage account has 3 to 24 lower-case letters and digits".to_owned())
    }
}

fn checked_key(key: Secret) -> Result<Secret, String> {
    use base64::{Engine, prelude::BASE64_STANDARD};
    match BASE64_STANDARD.decode(key.reveal()) {
        Ok(bytes) if !bytes.is_empty() => Ok(key),
        _ => Err("`account_key` is not base64".to_owned()),
    }
}

/// The token becomes the query of a URL.
fn checked_token(token: &Secret) -> Result<Secret, String> {
    let text = token.reveal().trim_start_matches('?');
    if text.contains("sig=") && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
        Ok(Secret::new(text))
    } else {
        Err("`sas_token` must be a query string with `sig=`".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(json: &str) -> Result<(String, Credentials), String> {
        let config: AzureConfig = serde_json::from_str(json).expect("settings");
        config.resolve()
    }

    fn key(account: &str) -> Credentials {
        Credentials::Key { account: account.to_owned(), key: Secret::new("a2V5") }
    }

    #[test]
    fn settings_come_in_three_forms() {
        let endpoint = "https://acme.blob.core.windows.net".to_owned();
        let token = Credentials::SasToken(Secret::new("sv=1&sig=x%2B"));
        for (json, expected) in [
            (r#"{"container":"c","account":"acme","account_key":"a2V5"}"#, (endpoint.clone(), key("acme"))),
            (r#"{"container":"c","account":"acme","sas_token":"?sv=1&sig=x%2B"}"#, (endpoint.clone(), token)),
            (
                r#"{"container":"c","connection_string":"DefaultEndpointsProtocol=https;AccountName=acme;AccountKey=a2V5;EndpointSuffix=core.windows.net"}"#,
                (endpoint, key("acme")),
            ),
            (
                r#"{"container":"c","connection_string":"BlobEndpoint=http://127.0.0.1:1/dev/;AccountName=dev;AccountKey=a2V5;QueueEndpoint=http://127.0.0.1:2/dev"}"#,
                ("http://127.0.0.1:1/dev".to_owned(), key("dev")),
            ),
            (
                r#"{"container":"c","connection_string":"BlobEndpoint=https://h;SharedAccessSignature=sv=1&sig=y"}"#,
                ("https://h".to_owned(), Credentials::SasToken(Secret::new("sv=1&sig=y"))),
            ),
        ] {
            assert_eq!(resolve(json), Ok(expected), "{json}");
        }
    }

    #[test]
    fn half_or_contradicting_settings_are_refused() {
        for json in [
            r#"{"container":"c"}"#,
            r#"{"container":"c","account":"acme"}"#,
            r#"{"container":"c","account_key":"a2V5"}"#,
            r#"{"container":"c","account":"acme","account_key":"a2V5","sas_token":"sig=x"}"#,
            r#"{"container":"c","account":"acme","account_key":"not base64"}"#,
            r#"{"container":"c","account":"acme","sas_token":"no signature"}"#,
            r#"{"container":"c","account":"evil.host/","account_key":"a2V5"}"#,
            r#"{"container":"c","account":"acme","account_key":"a2V5","endpoint":"ftp://h"}"#,
            r#"{"container":"c","account":"acme","connection_string":"AccountName=acme;AccountKey=a2V5"}"#,
            r#"{"container":"c","connection_string":"nonsense"}"#,
        ] {
            assert!(resolve(json).is_err(), "{json}");
        }
    }
}
