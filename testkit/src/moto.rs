//! A second S3 implementation: moto.

use crate::installed::Program;

/// A moto server on a loopback port of its own that keeps everything in memory. It takes any credentials.
pub struct Moto {
    program: Program,
}

impl Moto {
    /// Starts it; `None`: it is not installed here.
    pub async fn start() -> Option<Self> {
        let arguments =
            |port: u16| ["-H", "127.0.0.1", "-p"].map(str::to_owned).into_iter().chain([port.to_string()]).collect();
        let program = Program::start("moto/bin/moto_server", arguments, "/moto-api/").await?;
        Some(Self { program })
    }

    /// `http://127.0.0.1:PORT`.
    pub fn endpoint(&self) -> String {
        self.program.endpoint()
    }

    /// Makes an empty bucket.
    pub async fn create_bucket(&self, name: &str) {
        let response = reqwest::Client::new().put(format!("{}/{name}", self.endpoint())).send().await;
        let response = response.expect("the server answers");
        assert!(response.status().is_success(), "{response:?}");
    }
}
