//! What most tests need.

use serde_json::Value;
use stowage_core::{handle::AppSecret, policy};
pub(crate) use stowage_testkit::{App, Stowage, client};

/// A server with embedded defaults.
pub(crate) fn server() -> Stowage {
    Stowage::start(env!("CARGO_BIN_EXE_stowage"))
}

/// A server with `STOWAGE_…` variables.
pub(crate) fn server_with(environment: &[(&str, &str)]) -> Stowage {
    Stowage::start_with(env!("CARGO_BIN_EXE_stowage"), environment)
}

/// `policy=…&signature=…` of a policy given as JSON.
pub(crate) fn signed(app: &App, json: &str) -> String {
    let signed = policy::sign(&AppSecret::new(app.secret.clone()), json);
    format!("policy={}&signature={}", signed.policy, signed.signature)
}

/// Stores raw bytes and gives the answer's JSON.
pub(crate) async fn store(server: &Stowage, app: &App, query: &str, content: impl Into<reqwest::Body>) -> Value {
    let url = format!("{}/api/store/S3?key={}&{query}", server.url(), app.key);
    let response = client().post(url).body(content).send().await.expect("the server answers");
    let status = response.status();
    let text = response.text().await.expect("the answer is text");
    assert_eq!(status, 200, "{text}");
    serde_json::from_str(&text).expect("the answer is JSON")
}
