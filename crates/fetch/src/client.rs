//! The client: one request per hop, every hop checked anew.

use std::{error::Error, sync::Arc};

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use reqwest::{Client, Response, redirect};
use url::Url;

use crate::{
    FetchConfig, FetchError, Fetched,
    body::{BodyLimits, Deadline, limited},
    guard::{CheckedUrl, Guard, Reach, keeps_headers},
    resolver::{GuardedResolver, Resolver, SystemResolver},
};

/// Request headers that say how this hop talks; a caller's version of them could smuggle or mislead.
const OWN_HEADERS: &[HeaderName] = &[
    header::ACCEPT_ENCODING,
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::EXPECT,
    header::HOST,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Guarded outbound HTTP client; cheap to clone.
#[derive(Clone)]
pub struct Fetcher {
    config: Arc<FetchConfig>,
    guard: Arc<Guard>,
    /// For ports that may be dialled on any public address.
    public: Client,
    /// For all other ports.
    allowed_only: Client,
}

impl Fetcher {
    /// Builds the client. Installs *ring* as the TLS provider of the process if there is none. Error: what the TLS set-up complains about.
    pub fn new(config: FetchConfig) -> Result<Self, String> {
        Self::with_resolver(config, Arc::new(SystemResolver))
    }

    /// Like [`Fetcher::new`] with another source of addresses than the operating system.
    pub fn with_resolver(config: FetchConfig, resolver: Arc<dyn Resolver>) -> Result<Self, String> {
        // Fails only if a provider is installed already, which serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let guard = Arc::new(Guard { allow: config.allow.clone(), ports: config.ports.clone() });
        let client = |reach| {
            let resolver = GuardedResolver { guard: Arc::clone(&guard), reach, inner: Arc::clone(&resolver) };
            build_client(&config, resolver).map_err(describe)
        };
        Ok(Self {
            public: client(Reach::Public)?,
            allowed_only: client(Reach::AllowedOnly)?,
            config: Arc::new(config),
            guard,
        })
    }

    /// Fetches `url` with extra request headers (dropped when a redirect changes host, port or downgrades the scheme). Success is a 2xx head.
    /// `max_bytes` lowers the configured limit. Headers that belong to the connection, such as `Host`, are left out.
    pub async fn get(&self, url: &str, headers: HeaderMap, max_bytes: Option<u64>) -> Result<Fetched, FetchError> {
        let deadline = Deadline::start(self.config.total_timeout);
        let max_bytes = max_bytes.map_or(self.config.max_bytes, |limit| limit.min(self.config.max_bytes));
        let (url, response) = self.follow(url, headers, deadline).await?;
        if !response.status().is_success() {
            let status = response.status().as_u16();
            return Err(FetchError::failed(format!("origin answered {status}")));
        }
        let content_length = response.content_length();
        if content_length.is_some_and(|length| length > max_bytes) {
            return Err(FetchError::too_large(max_bytes));
        }
        let limits = BodyLimits { deadline, idle_timeout: self.config.idle_timeout, max_bytes };
        Ok(Fetched {
            final_url: url.into(),
            content_type: text_header(&response, header::CONTENT_TYPE),
            content_disposition: text_header(&response, header::CONTENT_DISPOSITION),
            content_length,
            body: limited(response.bytes_stream(), limits),
        })
    }

    async fn follow(
        &self,
        url: &str,
        mut headers: HeaderMap,
        deadline: Deadline,
    ) -> Result<(Url, Response), FetchError> {
        for name in OWN_HEADERS {
            headers.remove(name);
        }
        let mut target = self.guard.check_url(url)?;
        let mut redirects = 0;
        loop {
            let response = self.request(&target, headers.clone(), deadline).await?;
            let Some(location) = redirect_location(&response)? else {
                return Ok((target.url, response));
            };
            if redirects == self.config.max_redirects {
                return Err(FetchError::failed(format!("more than {redirects} redirects")));
            }
            redirects += 1;
            let next = self.guard.check_redirect(&target.url, &location)?;
            if !keeps_headers(&target.url, &next.url) {
                headers.clear();
            }
            target = next;
        }
    }

    async fn request(
        &self,
        target: &CheckedUrl,
        headers: HeaderMap,
        deadline: Deadline,
    ) -> Result<Response, FetchError> {
        let client = match target.reach {
            Reach::Public => &self.public,
            Reach::AllowedOnly => &self.allowed_only,
        };
        let answer = client.get(target.url.clone()).headers(headers).header(header::ACCEPT_ENCODING, "identity").send();
        // Connecting has its own, inner limit.
        let limit = self.config.connect_timeout.saturating_add(self.config.header_timeout);
        deadline.within(limit, "response head", answer).await?.map_err(request_error)
    }
}

fn build_client(config: &FetchConfig, resolver: GuardedResolver) -> reqwest::Result<Client> {
    Client::builder()
        .user_agent(concat!("Stowage/", env!("CARGO_PKG_VERSION")))
        .dns_resolver(Arc::new(resolver))
        .redirect(redirect::Policy::none())
        .referer(false)
        .no_proxy()
        .connect_timeout(config.connect_timeout)
        .tcp_nodelay(true)
        // A fetch is one of a kind: a kept connection would only be a stale one.
        .pool_max_idle_per_host(0)
        .build()
}

/// Where the response points to; `None` if it is no redirect.
fn redirect_location(response: &Response) -> Result<Option<String>, FetchError> {
    let redirects = matches!(
        response.status(),
        StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT
    );
    let Some(location) = response.headers().get(header::LOCATION).filter(|_| redirects) else {
        return Ok(None);
    };
    // Browsers accept raw UTF-8 here, so origins send it.
    let location =
        String::from_utf8(location.as_bytes().to_vec()).map_err(|_| FetchError::failed("location is not UTF-8"))?;
    Ok(Some(location))
}

fn text_header(response: &Response, name: HeaderName) -> Option<String> {
    let value: &HeaderValue = response.headers().get(name)?;
    Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
}

/// A refusal of the resolver arrives wrapped in errors of the HTTP client.
fn request_error(error: reqwest::Error) -> FetchError {
    let refusal = causes(&error).find_map(|cause| cause.downcast_ref::<FetchError>());
    match refusal {
        Some(refusal) => refusal.clone(),
        None if error.is_builder() => FetchError::invalid_url(describe(error)),
        None => FetchError::failed(describe(error)),
    }
}

/// The error with all its causes, for the log. Without the URL, whose query may hold secrets.
pub(crate) fn describe(error: reqwest::Error) -> String {
    let error = error.without_url();
    let texts: Vec<String> = causes(&error).map(ToString::to_string).collect();
    texts.join(": ")
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}
