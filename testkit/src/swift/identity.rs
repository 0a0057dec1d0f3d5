//! A double of Identity v2.0 and Keystone v3 that grants real TempAuth tokens.

use std::sync::{Arc, Mutex, PoisonError};

use http_body_util::BodyExt;
use hyper::{Method, Request, StatusCode, body::Incoming};
use serde_json::{Value, json};

use super::{SwiftServer, token};
use crate::double::{Answer, Double, answer, json_answer};

/// How an [`Identity`] answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentityAnswer {
    /// With a good token.
    Good,
    /// With a token that Swift does not know, the first time; then with good ones.
    StaleFirst,
}

/// Identity v2.0 at `/v2.0` and Keystone v3 at `/v3`. Takes the passwords and keys `secret` of the user or credential
/// `tester`; the catalogue has the regions `ONE` (the Swift cluster) and `TWO` (nothing).
pub struct Identity {
    double: Double,
    requests: Arc<Mutex<Vec<Value>>>,
}

impl Identity {
    /// Starts it on a free port, in front of a Swift cluster.
    pub async fn start(swift: &SwiftServer, answer: IdentityAnswer) -> Self {
        let requests = Arc::new(Mutex::new(Vec::new()));
        let state = Arc::new(State { auth_url: swift.auth_url(), answer, requests: requests.clone() });
        let double = Double::start(move |request| {
            let state = state.clone();
            async move { state.respond(request).await }
        });
        Self { double: double.await, requests }
    }

    /// `http://127.0.0.1:PORT` followed by `path`.
    pub fn url(&self, path: &str) -> String {
        self.double.url(path)
    }

    /// The bodies of the requests so far.
    pub fn requests(&self) -> Vec<Value> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

struct State {
    auth_url: String,
    answer: IdentityAnswer,
    requests: Arc<Mutex<Vec<Value>>>,
}

impl State {
    async fn respond(&self, request: Request<Incoming>) -> Answer {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        let earlier = {
            let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
            requests.push(body.clone());
            requests.len() - 1
        };
        let auth = &body["auth"];
        let known = match head.uri.path() {
            _ if head.method != Method::POST => return answer(StatusCode::METHOD_NOT_ALLOWED),
            "/v2.0/tokens" => known_to_v2(auth),
            "/v3/auth/tokens" => known_to_v3(auth),
            _ => return answer(StatusCode::NOT_FOUND),
        };
        if !known {
            let error = json!({"error": {"code": 401, "title": "Unauthorized"}});
            return json_answer(StatusCode::UNAUTHORIZED, &error);
        }
        let (mut token, storage_url) = token(&self.auth_url).await;
        if self.answer == IdentityAnswer::StaleFirst && earlier == 0 {
            token = "AUTH_tkstale".to_owned();
        }
        if head.uri.path().starts_with("/v2.0") { v2(&token, &storage_url) } else { v3(&token, &storage_url) }
    }
}

fn known_to_v2(auth: &Value) -> bool {
    let password = json!({"username": "tester", "password": "secret"});
    let key = json!({"username": "tester", "apiKey": "secret"});
    (auth["passwordCredentials"] == password && (auth["tenantName"] == "test" || auth["tenantId"] == "AUTH_test"))
        || auth["RAX-KSKEY:apiKeyCredentials"] == key
}

fn known_to_v3(auth: &Value) -> bool {
    let identity = &auth["identity"];
    if identity["methods"] == json!(["application_credential"]) {
        return identity["application_credential"] == json!({"id": "tester", "secret": "secret"})
            && auth.get("scope").is_none();
    }
    let user = json!({"name": "tester", "password": "secret", "domain": {"name": "users"}});
    let project = json!({"name": "test", "domain": {"name": "projects"}});
    identity["methods"] == json!(["password"])
        && identity["password"]["user"] == user
        && auth["scope"]["project"] == project
}

fn v2(token: &str, storage_url: &str) -> Answer {
    json_answer(
        StatusCode::OK,
        &json!({"access": {
            "token": {"id": token, "expires": "2999-01-01T00:00:00Z"},
            "serviceCatalog": [
                {"type": "compute", "endpoints": [{"region": "ONE", "publicURL": "http://127.0.0.1:1/compute"}]},
                {"type": "object-store", "endpoints": [
                    {"region": "TWO", "publicURL": "http://127.0.0.1:1/two"},
                    {"region": "ONE", "publicURL": storage_url, "internalURL": "http://127.0.0.1:1/internal"},
                ]},
            ],
        }}),
    )
}

fn v3(token: &str, storage_url: &str) -> Answer {
    let mut answer = json_answer(
        StatusCode::CREATED,
        &json!({"token": {
            "expires_at": "2999-01-01T00:00:00.000000Z",
            "catalog": [{"type": "object-store", "endpoints": [
                {"interface": "internal", "region": "ONE", "url": "http://127.0.0.1:1/internal"},
                {"interface": "public", "region": "TWO", "url": "http://127.0.0.1:1/two"},
                {"interface": "public", "region": "ONE", "url": storage_url},
            ]}],
        }}),
    );
    let token = token.parse().expect("a token is a header value");
    answer.headers_mut().insert("X-Subject-Token", token);
    answer
}
