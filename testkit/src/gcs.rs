//! Google Cloud Storage: `fake-gcs-server`.

use serde_json::json;

use crate::installed::Program;

const PROGRAM: &str = "gcs/fake-gcs-server";

/// A `fake-gcs-server` on a loopback port of its own that keeps everything in memory. It takes any signature, has no
/// uploads of parts through the XML API, and does not take presigned PUTs.
pub struct GcsServer {
    program: Program,
}

impl GcsServer {
    /// Starts it; `None`: it is not installed here.
    pub async fn start() -> Option<Self> {
        let arguments = |port: u16| {
            let place = format!("127.0.0.1:{port}");
            format!(
                "-scheme http -host 127.0.0.1 -port {port} -backend memory -external-url http://{place} -public-host {place}"
            )
            .split(' ')
            .map(str::to_owned)
            .collect()
        };
        let program = Program::start(PROGRAM, arguments, "/storage/v1/b").await?;
        Some(Self { program })
    }

    /// `http://127.0.0.1:PORT`.
    pub fn endpoint(&self) -> String {
        self.program.endpoint()
    }

    /// Makes an empty bucket.
    pub async fn create_bucket(&self, name: &str) {
        let url = format!("{}/storage/v1/b?project=test", self.endpoint());
        let response = reqwest::Client::new().post(url).json(&json!({ "name": name })).send().await;
        let response = response.expect("the server answers");
        assert!(response.status().is_success(), "{response:?}");
    }
}
