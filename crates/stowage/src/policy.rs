//! Policies that the command line makes (spec 04 §§2–4).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;
use stowage_core::{
    handle::AppSecret,
    policy::{SignedPolicy, sign},
};

use crate::failure::Failure;

/// The keys of a policy, in the order of the specification; absent ones are left out.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Claims {
    /// Unix seconds.
    pub(crate) expiry: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) call: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) handle: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) container: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) url: Option<String>,
    /// Bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) max_size: Option<u64>,
    /// Bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) min_size: Option<u64>,
}

impl Claims {
    /// Signs the claims.
    pub(crate) fn sign(&self, secret: &AppSecret) -> Result<SignedPolicy, Failure> {
        let json =
            serde_json::to_string(self).map_err(|error| Failure::Other(format!("cannot write the policy: {error}")))?;
        Ok(sign(secret, &json))
    }
}

/// Unix seconds after a time has passed from now.
pub(crate) fn expiry_in(time: Duration) -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    now.saturating_add(time).as_secs()
}
