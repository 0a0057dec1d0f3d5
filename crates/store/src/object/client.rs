//! The connection to a provider: checked settings, one HTTP client, and operators made from both.

use std::time::Duration;

use opendal::{HttpTransporter, OperationContext, Operator, layers::RetryLayer, services::S3};
use opendal_http_transport_reqwest::ReqwestTransport;
use reqwest::{Url, redirect};
use stowage_core::location::Access;

use super::S3Config;

const DEFAULT_REGION: &str = "us-east-1";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest silence; for an upload it also covers sending one part.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(120);

/// Everything needed to make operators.
pub(super) struct Client {
    config: S3Config,
    transport: HttpTransporter,
}

impl Client {
    pub(super) fn new(config: S3Config) -> Result<Self, String> {
        if config.access_key_id.is_empty() || config.secret_access_key.is_empty() {
            return Err("`access_key_id` and `secret_access_key` must not be empty".to_owned());
        }
        if let Some(endpoint) = &config.endpoint {
            check_endpoint(endpoint)?;
        }
        // Requests are signed for one host and hold the customer's bytes: they follow no redirect and no ambient proxy.
        let http = reqwest::Client::builder()
            .redirect(redirect::Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(SILENCE_TIMEOUT)
            .build()
            .map_err(|error| format!("the HTTP client cannot be made: {error}"))?;
        Ok(Self { config, transport: HttpTransporter::new(ReqwestTransport::new(http)) })
    }

    pub(super) fn operator(&self, bucket: &str, access: Access) -> Result<Operator, String> {
        check_bucket(bucket)?;
        let config = &self.config;
        let mut service = S3::default()
            .bucket(bucket)
            .region(config.region.as_deref().unwrap_or(DEFAULT_REGION))
            .access_key_id(&config.access_key_id)
            .secret_access_key(&config.secret_access_key)
            .disable_config_load()
            .disable_ec2_metadata();
        if let Some(endpoint) = &config.endpoint {
            service = service.endpoint(endpoint);
        }
        if config.virtual_host_style {
            service = service.enable_virtual_host_style();
        }
        if access == Access::Public {
            service = service.default_acl("public-read");
        }
        let operator = Operator::new(service)
            .map_err(|error| format!("the bucket `{bucket}` cannot be used: {}", error.message()))?;
        let context = OperationContext::new().with_http_transport(self.transport.clone());
        Ok(operator.with_context(context).layer(retries()))
    }
}

/// Repeats what failed for a passing reason. Every request here has the same effect when it is repeated: parts and
/// objects are sent again with the same name and the same bytes.
fn retries() -> RetryLayer {
    RetryLayer::new()
        .with_max_times(3)
        .with_min_delay(Duration::from_millis(100))
        .with_max_delay(Duration::from_secs(5))
        .with_factor(4.0)
        .with_jitter()
}

fn check_endpoint(endpoint: &str) -> Result<(), String> {
    let url = Url::parse(endpoint).map_err(|error| format!("`endpoint` is not a URL: {error}"))?;
    let plain = matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    if plain { Ok(()) } else { Err("`endpoint` must look like `https://host[:port]`".to_owned()) }
}

/// The name becomes a part of URLs as it is.
fn check_bucket(name: &str) -> Result<(), String> {
    let good = (1..=255).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte))
        && name.bytes().any(|byte| byte != b'.');
    if good {
        Ok(())
    } else {
        Err(format!("`{}` is not a bucket name: letters, digits, `.`, `-` and `_`", name.escape_debug()))
    }
}
