//! The providers' own clients in a Python process: what a provider holds, told by somebody who does not know our drivers.

use std::process::Stdio;

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Map, Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
};

use crate::installed::installed;

const CLIENTS: &str = include_str!("clients/clients.py");

/// boto3, or the Python client of Azure, Google Cloud, OpenStack or Dropbox. Dropping it ends the process.
pub struct OfficialClient {
    _process: Child,
    questions: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl OfficialClient {
    /// Starts the client of a provider with settings as a store of that provider has them; `None`: it is not installed here.
    pub async fn start(provider: &str, settings: &[(String, String)]) -> Option<Self> {
        let python = installed("clients/bin/python")?;
        let mut process = Command::new(python)
            .args(["-c", CLIENTS])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("Python starts");
        let questions = process.stdin.take().expect("stdin is piped");
        let answers = BufReader::new(process.stdout.take().expect("stdout is piped")).lines();
        let mut client = Self { _process: process, questions, answers };
        let settings: Map<String, Value> =
            settings.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect();
        client.say(&json!({ "provider": provider, "settings": settings })).await;
        Some(client)
    }

    /// Puts an object.
    pub async fn put(&mut self, container: &str, key: &str, media_type: &str, content: &[u8]) {
        let content = BASE64_STANDARD.encode(content);
        self.ask(json!({
            "do": "put", "container": container, "key": key, "media_type": media_type, "content": content
        }))
        .await;
    }

    /// What is there under a key: `size`, `sha256` (hexadecimal), `media_type`, `disposition` and `metadata`.
    pub async fn get(&mut self, container: &str, key: &str) -> Value {
        self.ask(json!({ "do": "get", "container": container, "key": key })).await
    }

    /// Who may read an object, where the provider keeps a list of it (Google Cloud).
    pub async fn readers(&mut self, container: &str, key: &str) -> Value {
        self.ask(json!({ "do": "readers", "container": container, "key": key })).await["readers"].take()
    }

    async fn ask(&mut self, question: Value) -> Value {
        self.say(&question).await;
        let line = self.answers.next_line().await.expect("the client writes text").expect("the client runs");
        let answer: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(answer.get("error").is_none(), "{question}: {answer}");
        answer
    }

    async fn say(&mut self, line: &Value) {
        self.questions.write_all(format!("{line}\n").as_bytes()).await.expect("the client listens");
    }
}
