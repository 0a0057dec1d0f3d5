//! A double of Dropbox's HTTP API: files in memory, upload sessions, listings with cursors, and faults on demand.

mod files;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{
    Request, StatusCode,
    body::Incoming,
    header::{AUTHORIZATION, CONTENT_RANGE, HeaderValue, RANGE, RETRY_AFTER},
    http::request::Parts,
};
use serde_json::{Value, json};

use crate::{
    double::{Answer, Double, answer, json_answer},
    installed::installed,
};
use files::{Files, Refusal};

const OFFICIAL_CLIENT: &str = include_str!("dropbox/official_client.py");

/// A Dropbox account on a free loopback port; its hosts for calls, for content and for links are one. Paths are compared
/// without regard to case, as Dropbox does.
pub struct Dropbox {
    double: Double,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    files: Files,
    /// Access tokens granted so far.
    granted: usize,
    /// How many of them have ended, the oldest first.
    ended: usize,
    throttled: usize,
    wrong_hashes: usize,
    requests: usize,
    sessions_started: usize,
}

impl Dropbox {
    /// App key.
    pub const APP_KEY: &str = "test-app";
    /// App secret.
    pub const APP_SECRET: &str = "test-app-secret";
    /// Refresh token.
    pub const REFRESH_TOKEN: &str = "test-refresh-token";

    /// Starts it empty.
    pub async fn start() -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let shared = state.clone();
        let double = Double::start(move |request: Request<Incoming>| {
            let shared = shared.clone();
            async move {
                let (head, body) = request.into_parts();
                let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
                lock(&shared).respond(&head, body)
            }
        });
        Self { double: double.await, state }
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        self.double.url("")
    }

    /// Lets Dropbox's own Python SDK use the double; panics with what it does not like. Returns without a check where
    /// the SDK is not installed.
    pub async fn check_with_official_client(&self) {
        let Some(python) = installed("clients/bin/python") else { return };
        let url = self.url();
        let port = url.rsplit(':').next().unwrap_or_default();
        let arguments = ["-c", OFFICIAL_CLIENT, port, Self::APP_KEY, Self::APP_SECRET, Self::REFRESH_TOKEN];
        let output = tokio::process::Command::new(python).args(arguments).output().await.expect("Python starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Makes every access token end.
    pub fn end_tokens(&self) {
        let mut state = lock(&self.state);
        state.ended = state.granted;
    }

    /// Answers the next `count` calls with 429 and `Retry-After: 1`.
    pub fn throttle(&self, count: usize) {
        lock(&self.state).throttled = count;
    }

    /// Tells another content hash for the next `count` uploads, as if the bytes had been changed on the way.
    pub fn tell_wrong_hashes(&self, count: usize) {
        lock(&self.state).wrong_hashes = count;
    }

    /// Access tokens that were granted, and calls that were made with them.
    pub fn counts(&self) -> (usize, usize) {
        let state = lock(&self.state);
        (state.granted, state.requests)
    }

    /// Upload sessions that were started.
    pub fn sessions_started(&self) -> usize {
        lock(&self.state).sessions_started
    }

    /// Paths of all files, as they were written.
    pub fn paths(&self) -> Vec<String> {
        lock(&self.state).files.paths()
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    fn respond(&mut self, head: &Parts, body: Bytes) -> Answer {
        let path = head.uri.path();
        if path == "/oauth2/token" {
            return self.grant(head, &body);
        }
        if let Some(path) = path.strip_prefix("/link/") {
            let path = String::from_utf8(hex::decode(path).unwrap_or_default()).unwrap_or_default();
            return self.download(head, &path);
        }
        let token = header(head, AUTHORIZATION.as_str()).and_then(|value| value.strip_prefix("Bearer access-"));
        let token = token.and_then(|number| number.parse::<usize>().ok());
        if !token.is_some_and(|number| (self.ended + 1..=self.granted).contains(&number)) {
            return refuse(StatusCode::UNAUTHORIZED, "expired_access_token/.", json!({".tag": "expired_access_token"}));
        }
        self.requests += 1;
        if self.throttled > 0 {
            self.throttled -= 1;
            let error = json!({"reason": {".tag": "too_many_requests"}, "retry_after": 1});
            let mut answer = refuse(StatusCode::TOO_MANY_REQUESTS, "too_many_requests/.", error);
            answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
            return answer;
        }
        let name = path.strip_prefix("/2/files/").unwrap_or_default();
        let in_header = header(head, "dropbox-api-arg").map(str::as_bytes);
        let Ok(argument) = serde_json::from_slice::<Value>(in_header.unwrap_or(&body)) else {
            return answer(StatusCode::BAD_REQUEST);
        };
        if name == "download" {
            return self.download(head, argument["path"].as_str().unwrap_or_default());
        }
        if name == "get_temporary_link" {
            return self.link(head, argument["path"].as_str().unwrap_or_default());
        }
        match self.call(name, &argument, body) {
            Ok(value) => json_answer(StatusCode::OK, &value),
            Err(refusal) => refuse(StatusCode::CONFLICT, &refusal.summary, refusal.error),
        }
    }

    fn call(&mut self, name: &str, argument: &Value, body: Bytes) -> Result<Value, Refusal> {
        let path = argument["path"].as_str().unwrap_or_default();
        match name {
            "upload" => {
                files::check_hash(argument, &body)?;
                let told = self.files.put(argument, body)?;
                Ok(self.perhaps_wrong(told))
            }
            "upload_session/start" => {
                files::check_hash(argument, &body)?;
                self.sessions_started += 1;
                Ok(json!({"session_id": self.files.start_session(body)}))
            }
            "upload_session/append_v2" => self.files.append(argument, &body).map(|()| Value::Null),
            "upload_session/finish" => {
                let told = self.files.finish(argument, &body)?;
                Ok(self.perhaps_wrong(told))
            }
            "get_metadata" => self.files.metadata(path),
            "delete_v2" => self.files.delete(path),
            "copy_v2" => self.files.copy(argument),
            "list_folder" => self.files.list(argument),
            "list_folder/continue" => self.files.list_on(argument),
            _ => Err(Refusal::new("unknown_route/", json!({".tag": "other"}))),
        }
    }

    fn perhaps_wrong(&mut self, mut told: Value) -> Value {
        if self.wrong_hashes > 0 {
            self.wrong_hashes -= 1;
            told["content_hash"] = json!("00".repeat(32));
        }
        told
    }

    /// OAuth's refresh: form-encoded, errors with status 400.
    fn grant(&mut self, head: &Parts, body: &[u8]) -> Answer {
        let form: Vec<(String, String)> =
            reqwest::Url::parse(&format!("http://form/?{}", String::from_utf8_lossy(body)))
                .map(|url| url.query_pairs().into_owned().collect())
                .unwrap_or_default();
        let encoded = header(head, "content-type") == Some("application/x-www-form-urlencoded");
        let field = |name: &str| form.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str());
        if !encoded || field("grant_type") != Some("refresh_token") {
            let error = json!({"error": "unsupported_grant_type"});
            return json_answer(StatusCode::BAD_REQUEST, &error);
        }
        if field("client_id") != Some(Dropbox::APP_KEY) || field("client_secret") != Some(Dropbox::APP_SECRET) {
            let error = json!({"error": "invalid_client", "error_description": "Invalid client_id or client_secret"});
            return json_answer(StatusCode::BAD_REQUEST, &error);
        }
        if field("refresh_token") != Some(Dropbox::REFRESH_TOKEN) {
            let error = json!({"error": "invalid_grant", "error_description": "refresh token is invalid or revoked"});
            return json_answer(StatusCode::BAD_REQUEST, &error);
        }
        self.granted += 1;
        let token = format!("access-{}", self.granted);
        json_answer(StatusCode::OK, &json!({"access_token": token, "token_type": "bearer", "expires_in": 14_400}))
    }

    fn link(&self, head: &Parts, path: &str) -> Answer {
        let host = header(head, "host").unwrap_or_default();
        let link = format!("http://{host}/link/{}", hex::encode(path));
        match self.files.metadata(path) {
            Ok(metadata) => json_answer(StatusCode::OK, &json!({"metadata": metadata, "link": link})),
            Err(refusal) => refuse(StatusCode::CONFLICT, &refusal.summary, refusal.error),
        }
    }

    fn download(&self, head: &Parts, path: &str) -> Answer {
        let (bytes, metadata) = match self.files.get(path) {
            Ok(found) => found,
            Err(refusal) => return refuse(StatusCode::CONFLICT, &refusal.summary, refusal.error),
        };
        let length = bytes.len();
        let range = header(head, RANGE.as_str()).and_then(|range| {
            let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
            let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
            Some((first, last.min(length.saturating_sub(1))))
        });
        let result = metadata.to_string().replace(|character: char| !character.is_ascii(), "?");
        let result = HeaderValue::try_from(result).expect("ASCII is a header value");
        let mut answer = answer(StatusCode::OK);
        answer.headers_mut().insert("dropbox-api-result", result);
        match range {
            None => *answer.body_mut() = Full::new(bytes),
            Some((first, _)) if first >= length => *answer.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE,
            Some((first, last)) => {
                *answer.status_mut() = StatusCode::PARTIAL_CONTENT;
                let told = HeaderValue::try_from(format!("bytes {first}-{last}/{length}")).expect("a header value");
                answer.headers_mut().insert(CONTENT_RANGE, told);
                *answer.body_mut() = Full::new(bytes.slice(first..=last));
            }
        }
        answer
    }
}

fn header<'head>(head: &'head Parts, name: &str) -> Option<&'head str> {
    head.headers.get(name)?.to_str().ok()
}

fn refuse(status: StatusCode, summary: &str, error: Value) -> Answer {
    json_answer(status, &json!({"error_summary": summary, "error": error}))
}
