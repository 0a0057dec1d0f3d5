//! HTTP client of the commands that talk to a running server. It dials the user's own server only, hence no guard as for fetched URLs.

use std::time::Duration;

use reqwest::{RequestBuilder, Response, StatusCode, Url, redirect};
use stowage_core::{
    handle::{AppSecret, Handle},
    policy::Call,
};

use crate::{
    failure::Failure,
    policy::{Claims, expiry_in},
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest silence while waiting for the server; it may be fetching a URL or syncing a large file.
const READ_TIMEOUT: Duration = Duration::from_secs(300);
/// Life of the policies that are signed on the way.
const POLICY_LIFE: Duration = Duration::from_secs(300);
/// Longest part of an error answer that is shown, in characters.
const SHOWN_ERROR: usize = 300;

/// How to reach the server, and as whom.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Server")]
pub(crate) struct Connection {
    /// URL of the server
    #[arg(
        long,
        value_name = "URL",
        env = "STOWAGE_SERVER",
        hide_env_values = true,
        default_value = "http://127.0.0.1:8080"
    )]
    server: Url,
    /// Secret of the application; signs a policy that allows just this call for five minutes. Prefer the variable: others can see arguments
    #[arg(long, value_name = "SECRET", env = "STOWAGE_SECRET", hide_env_values = true)]
    secret: Option<String>,
}

impl Connection {
    /// Talks to the server of `url` instead.
    pub(crate) fn toward(self, url: &Url) -> Self {
        Self { server: url.clone(), ..self }
    }
}

/// A client of one server.
pub(crate) struct Client {
    http: reqwest::Client,
    server: Url,
    secret: Option<AppSecret>,
}

impl Client {
    /// Prepares a client; does not connect.
    pub(crate) fn new(connection: Connection) -> Result<Self, Failure> {
        let secret = connection.secret.filter(|secret| !secret.is_empty());
        Ok(Self {
            http: http_client(&connection.server)?,
            server: connection.server,
            secret: secret.map(AppSecret::new),
        })
    }

    /// The HTTP client below.
    pub(crate) fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// URL of a path below the server's base.
    pub(crate) fn url(&self, path: &str) -> Url {
        let mut url = self.server.clone();
        let base = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{base}{path}"));
        url
    }

    /// Adds a policy for exactly these calls (and this handle), if the secret is known.
    pub(crate) fn authorise(&self, url: &mut Url, calls: &[Call], handle: Option<&Handle>) -> Result<(), Failure> {
        let Some(secret) = &self.secret else {
            return Ok(());
        };
        let claims = Claims {
            expiry: expiry_in(POLICY_LIFE),
            call: calls.iter().map(|call| call.as_str()).collect(),
            handle: handle.map(ToString::to_string),
            ..Claims::default()
        };
        let signed = claims.sign(secret)?;
        url.query_pairs_mut().append_pair("policy", &signed.policy).append_pair("signature", &signed.signature);
        Ok(())
    }
}

/// Sends a request; anything but success is a failure that tells what the server said.
pub(crate) async fn send(request: RequestBuilder) -> Result<Response, Failure> {
    let response = request.send().await.map_err(|error| broken(&error))?;
    if response.status().is_success() {
        return Ok(response);
    }
    let status = response.status();
    let location = response.headers().get(reqwest::header::LOCATION);
    let hint = match status {
        StatusCode::UNAUTHORIZED => "; check --key (STOWAGE_KEY)".to_owned(),
        StatusCode::FORBIDDEN => "; give the right app secret with STOWAGE_SECRET or --secret".to_owned(),
        _ if status.is_redirection() => location
            .and_then(|location| location.to_str().ok())
            .map(|location| format!("; it sends to {location}: is --server right?"))
            .unwrap_or_default(),
        _ => String::new(),
    };
    let text = response.text().await.unwrap_or_default();
    let words: Vec<&str> = text.split_whitespace().collect();
    let text: String = words.join(" ").chars().take(SHOWN_ERROR).collect();
    Err(Failure::Answer(format!("the server answered {status}: {text}{hint}")))
}

/// Tells of a connection that failed, without the query, which holds the policy.
pub(crate) fn broken(error: &reqwest::Error) -> Failure {
    let server = error.url().map(|url| url.origin().ascii_serialization()).unwrap_or_default();
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    Failure::Unreachable(if error.is_connect() {
        format!("cannot reach {server}: {cause}; is the server running, and is --server (STOWAGE_SERVER) right?")
    } else {
        format!("the exchange with {server} broke off: {cause}")
    })
}

fn http_client(server: &Url) -> Result<reqwest::Client, Failure> {
    let builder = reqwest::Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(READ_TIMEOUT)
        .redirect(redirect::Policy::none())
        .user_agent(concat!("stowage/", env!("CARGO_PKG_VERSION")));
    let builder = if server.scheme() == "http" {
        // Plain HTTP must work on machines without CA certificates, where the system's verifier cannot be built.
        builder.tls_certs_only([])
    } else {
        builder
    };
    builder.build().map_err(|error| Failure::Other(format!("cannot set up TLS: {error}; install ca-certificates")))
}
