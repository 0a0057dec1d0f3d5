//! Tokens: got once, shared by all requests, renewed before they end.

mod timestamp;
mod token;

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use reqwest::{Client, Response, StatusCode, header::HeaderValue};
use serde_json::Value;

use super::{SwiftAuth, api};
use crate::{
    StoreError,
    http_client::{self, Failure, Granted, Renewing},
};

/// Catalogues of large clouds are long.
const LONGEST_ANSWER: usize = 4 << 20;
/// A token that has ended by this machine's clock may still be good: the provider decides with a 401.
const DOUBTFUL: Duration = Duration::from_secs(240);

/// The right to make requests, and where.
pub(super) struct Session {
    pub(super) token: HeaderValue,
    /// `https://host/v1/AUTH_account`, without a trailing slash.
    pub(super) storage_url: String,
}

impl Session {
    fn new(token: &str, storage_url: &str) -> Result<Self, StoreError> {
        let mut token =
            HeaderValue::from_str(token).map_err(|_| StoreError::Other("the token is no header value".to_owned()))?;
        token.set_sensitive(true);
        let storage_url = http_client::check_base_url("storage URL", storage_url).map_err(StoreError::Other)?;
        Ok(Self { token, storage_url })
    }
}

/// Keeps the current session.
pub(super) struct Sessions {
    http: Client,
    auth: SwiftAuth,
    region: Option<String>,
    current: Renewing<Session>,
}

impl Sessions {
    pub(super) fn new(http: Client, auth: SwiftAuth, region: Option<String>) -> Self {
        Self { http, auth, region, current: Renewing::default() }
    }

    pub(super) async fn current(&self) -> Result<Arc<Session>, Failure> {
        self.current.get(None, || self.authenticate()).await
    }

    /// A session other than the one that the provider has just refused.
    pub(super) async fn renew(&self, refused: &Arc<Session>) -> Result<Arc<Session>, Failure> {
        self.current.get(Some(refused), || self.authenticate()).await
    }

    async fn authenticate(&self) -> Result<Granted<Session>, Failure> {
        let response = token::request(&self.http, &self.auth).send().await.map_err(http_client::unreachable)?;
        if !response.status().is_success() {
            return Err(refusal(response).await);
        }
        let session = match &self.auth {
            SwiftAuth::V1 { .. } => v1_session(&response),
            SwiftAuth::V2Password { .. } | SwiftAuth::Rackspace { .. } => {
                let answer = json(response).await?;
                self.catalogue_session(token::v2(&answer))
            }
            SwiftAuth::V3Password { .. } | SwiftAuth::V3ApplicationCredential { .. } => {
                let token = api::header(&response, "x-subject-token").map(str::to_owned);
                let answer = json(response).await?;
                self.catalogue_session(token.and_then(|token| token::v3(token, &answer)))
            }
        };
        Ok(session?)
    }

    fn catalogue_session(&self, granted: Option<token::FromCatalogue>) -> Result<Granted<Session>, StoreError> {
        let granted =
            granted.ok_or_else(|| StoreError::Other("the identity service's answer has no token".to_owned()))?;
        let url = token::choose(&granted.endpoints, self.region.as_deref()).map_err(StoreError::Other)?;
        let end = granted.expires.and_then(|text| timestamp::parse(&text));
        let valid_for = end.map(|end| end.duration_since(SystemTime::now()).unwrap_or(DOUBTFUL));
        Ok(Granted { credential: Session::new(&granted.token, url)?, valid_for })
    }
}

async fn json(response: Response) -> Result<Value, StoreError> {
    let body = http_client::body(response, LONGEST_ANSWER).await?;
    serde_json::from_slice(&body)
        .map_err(|error| StoreError::Other(format!("the identity service's answer is no JSON: {error}")))
}

fn v1_session(response: &Response) -> Result<Granted<Session>, StoreError> {
    let missing = |name| StoreError::Other(format!("the answer to the authentication has no {name}"));
    let token = api::header(response, "x-auth-token").ok_or_else(|| missing("X-Auth-Token"))?;
    let storage_url = api::header(response, "x-storage-url").ok_or_else(|| missing("X-Storage-Url"))?;
    let seconds = api::header(response, "x-auth-token-expires").and_then(|seconds| seconds.parse().ok());
    Ok(Granted { credential: Session::new(token, storage_url)?, valid_for: seconds.map(Duration::from_secs) })
}

/// Identity services answer wrong credentials with 401, a wrong project or user sometimes with 400 or 404.
async fn refusal(response: Response) -> Failure {
    match response.status() {
        status @ (StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND) => {
            let text = http_client::error_text(response).await;
            StoreError::Denied(format!("the identity service answered {status}: {text}")).into()
        }
        _ => api::failure(response).await,
    }
}
