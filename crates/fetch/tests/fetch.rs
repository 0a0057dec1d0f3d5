//! The fetcher against real sockets. 127.0.0.2 is "the internet" by the allow-list; 127.0.0.1, 127.0.0.3 and ::1 are internal.

mod limits;
mod support;

use std::{
    collections::VecDeque,
    io,
    net::IpAddr,
    sync::{Arc, Mutex},
};

use futures_util::{TryStreamExt, future::BoxFuture};
use http::HeaderMap;
use stowage_fetch::{FetchConfig, FetchError, FetchErrorKind, Fetched, Fetcher, Resolver};
use support::{Canary, Origin, Step, ok, redirect};

const PUBLIC_FAILURE: &str = "Could not fetch the url";

fn config() -> FetchConfig {
    FetchConfig {
        allow: vec!["127.0.0.2/32".parse().expect("a network")],
        // Any port: the address alone decides.
        ports: Vec::new(),
        ..FetchConfig::default()
    }
}

fn fetcher(config: FetchConfig) -> Fetcher {
    Fetcher::new(config).expect("a fetcher")
}

async fn get(url: &str) -> Result<Fetched, FetchError> {
    fetcher(config()).get(url, HeaderMap::new(), None).await
}

async fn get_body(fetcher: &Fetcher, url: &str) -> Result<Vec<u8>, FetchError> {
    let fetched = fetcher.get(url, HeaderMap::new(), None).await?;
    read(fetched).await
}

async fn read(fetched: Fetched) -> Result<Vec<u8>, FetchError> {
    let body: Vec<_> = fetched.body.try_collect().await?;
    Ok(body.concat())
}

fn refusal<T>(answer: Result<T, FetchError>) -> FetchError {
    match answer {
        Ok(_) => panic!("the fetch succeeded"),
        Err(error) => error,
    }
}

/// Answers with the next of its lists; the last one stays.
struct Scripted(Mutex<VecDeque<Vec<IpAddr>>>);

impl Scripted {
    fn new(answers: &[&[&str]]) -> Arc<Self> {
        let answers = answers
            .iter()
            .map(|answer| answer.iter().map(|text| text.parse().expect("an address")).collect())
            .collect();
        Arc::new(Self(Mutex::new(answers)))
    }
}

impl Resolver for Scripted {
    fn resolve(&self, _name: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        let mut answers = self.0.lock().expect("no panic");
        let answer = if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() };
        Box::pin(async move { Ok(answer.unwrap_or_default()) })
    }
}

#[tokio::test]
async fn fetches_a_file_with_its_headers() {
    let origin = Origin::answering(ok(
        "Content-Length: 5\r\nContent-Type: image/png; q=1\r\nContent-Disposition: attachment; filename=\"a.png\"\r\n",
        b"hello",
    ))
    .await;
    let mut headers = HeaderMap::new();
    headers.insert("x-token", "abc".parse().expect("a value"));
    headers.insert("host", "internal.example".parse().expect("a value"));
    headers.insert("transfer-encoding", "chunked".parse().expect("a value"));
    let url = origin.url("/a%20b?c=d#e");
    let fetched = fetcher(config()).get(&url, headers, None).await.expect("a file");
    assert_eq!(fetched.final_url, origin.url("/a%20b?c=d"));
    assert_eq!(fetched.content_type.as_deref(), Some("image/png; q=1"));
    assert_eq!(fetched.content_disposition.as_deref(), Some("attachment; filename=\"a.png\""));
    assert_eq!(fetched.content_length, Some(5));
    assert_eq!(read(fetched).await.expect("the body"), b"hello");

    let mut lines: Vec<_> = origin.requests()[0].trim_end().lines().map(str::to_owned).collect();
    lines.sort();
    assert_eq!(
        lines,
        [
            "GET /a%20b?c=d HTTP/1.1".to_owned(),
            "accept-encoding: identity".to_owned(),
            "accept: */*".to_owned(),
            format!("host: {}", origin.address),
            concat!("user-agent: Stowage/", env!("CARGO_PKG_VERSION")).to_owned(),
            "x-token: abc".to_owned(),
        ]
    );
}

/// Threats A1 and A2.
#[tokio::test]
async fn no_spelling_of_an_internal_address_is_dialled() {
    let four = Canary::start("127.0.0.1").await;
    let three = Canary::start("127.0.0.3").await;
    let six = Canary::start("::1").await;
    for (host, port) in [
        ("127.0.0.1", four.address.port()),
        ("127.1", four.address.port()),
        ("2130706433", four.address.port()),
        ("0x7f.1", four.address.port()),
        ("0177.0.0.1", four.address.port()),
        ("0.0.0.0", four.address.port()),
        ("0", four.address.port()),
        ("localhost", four.address.port()),
        ("LOCALHOST", four.address.port()),
        ("[::ffff:127.0.0.1]", four.address.port()),
        ("[::127.0.0.1]", four.address.port()),
        ("[2002:7f00:1::]", four.address.port()),
        ("[64:ff9b::7f00:1]", four.address.port()),
        ("127.0.0.3", three.address.port()),
        ("[::ffff:127.0.0.3]", three.address.port()),
        ("localhost", six.address.port()),
        ("[::1]", six.address.port()),
    ] {
        let error = refusal(get(&format!("http://{host}:{port}/")).await);
        assert_eq!(error.kind(), FetchErrorKind::Forbidden, "{host}: {}", error.detail());
    }
    for canary in [four, three, six] {
        canary.assert_untouched();
    }
}

/// Threat A8.
#[tokio::test]
async fn parser_confusion_dials_nobody() {
    let canary = Canary::start("127.0.0.3").await;
    let port = canary.address.port();
    for (url, kind) in [
        (format!("http://127.0.0.2@127.0.0.3:{port}/"), FetchErrorKind::InvalidUrl),
        (format!("http://127.0.0.2\\@127.0.0.3:{port}/"), FetchErrorKind::InvalidUrl),
        (format!("http:\\\\127.0.0.3:{port}"), FetchErrorKind::InvalidUrl),
        (format!("http://127.0.0\n.3:{port}/"), FetchErrorKind::InvalidUrl),
        (format!("http://127.0.0.3:{port}#@127.0.0.2/"), FetchErrorKind::Forbidden),
        (format!("http://127.0.0.3:{port}/?next=http://127.0.0.2/"), FetchErrorKind::Forbidden),
    ] {
        let error = refusal(get(&url).await);
        assert_eq!(error.kind(), kind, "{url:?}: {}", error.detail());
    }
    canary.assert_untouched();
}

/// Threat A4.
#[tokio::test]
async fn of_a_mixed_answer_only_the_permitted_address_is_dialled() {
    let origin = Origin::answering(ok("", b"public")).await;
    let resolver = Scripted::new(&[&["127.0.0.3", "::1", "127.0.0.2", "127.0.0.1"]]);
    let fetcher = Fetcher::with_resolver(config(), resolver).expect("a fetcher");
    let url = format!("http://mixed.example:{}/", origin.address.port());
    assert_eq!(get_body(&fetcher, &url).await.expect("the public one"), b"public");
    let host = format!("host: mixed.example:{}", origin.address.port());
    assert!(origin.requests()[0].contains(&host), "the name stays in the request");
}

#[tokio::test]
async fn a_name_without_permitted_address_is_forbidden() {
    let canary = Canary::start("127.0.0.3").await;
    let resolver = Scripted::new(&[&["127.0.0.3", "::ffff:127.0.0.3"]]);
    let fetcher = Fetcher::with_resolver(config(), resolver).expect("a fetcher");
    let url = format!("http://internal.example:{}/", canary.address.port());
    let error = refusal(get_body(&fetcher, &url).await);
    assert_eq!(error.kind(), FetchErrorKind::Forbidden);
    assert_eq!(error.to_string(), PUBLIC_FAILURE);
    canary.assert_untouched();
}

/// Threat A5: every connection goes to an address of the answer that was checked, also when a later answer differs.
#[tokio::test]
async fn rebinding_between_hops_reaches_nobody() {
    let canary = Canary::start("127.0.0.3").await;
    let port = canary.address.port();
    let origin = Origin::answering(redirect(302, &format!("http://flip.example:{port}/"))).await;
    let resolver = Scripted::new(&[&["127.0.0.2"], &["127.0.0.3"]]);
    let fetcher = Fetcher::with_resolver(config(), resolver).expect("a fetcher");
    let url = format!("http://flip.example:{}/", origin.address.port());
    let error = refusal(get_body(&fetcher, &url).await);
    assert_eq!(error.kind(), FetchErrorKind::Forbidden);
    assert_eq!(origin.requests().len(), 1);
    canary.assert_untouched();
}

#[tokio::test]
async fn the_checked_answer_is_the_dialled_one() {
    let origin = Origin::answering(ok("", b"pinned")).await;
    let resolver = Scripted::new(&[&["127.0.0.2"], &["127.0.0.3"]]);
    let fetcher = Fetcher::with_resolver(config(), resolver).expect("a fetcher");
    let url = format!("http://flip.example:{}/", origin.address.port());
    assert_eq!(get_body(&fetcher, &url).await.expect("first answer"), b"pinned");
    let error = refusal(get_body(&fetcher, &url).await);
    assert_eq!(error.kind(), FetchErrorKind::Forbidden);
    assert_eq!(origin.requests().len(), 1);
}

#[tokio::test]
async fn a_public_name_on_an_odd_port_is_forbidden() {
    let config = FetchConfig { ports: vec![80, 443], ..config() };
    let resolver = Scripted::new(&[&["8.8.8.8"]]);
    let fetcher = Fetcher::with_resolver(config, resolver).expect("a fetcher");
    let error = refusal(get_body(&fetcher, "http://odd.example:8080/").await);
    assert_eq!(error.kind(), FetchErrorKind::Forbidden);
}

/// Threat A6.
#[tokio::test]
async fn redirects_of_every_kind_are_followed() {
    for status in [301, 302, 303, 307, 308] {
        let origin = Origin::start("127.0.0.2", move |path| match path {
            "/start/here" => redirect(status, "../end?x=1"),
            _ => ok("", b"arrived"),
        })
        .await;
        let fetched = get(&origin.url("/start/here")).await.expect("a file");
        assert_eq!(fetched.final_url, origin.url("/end?x=1"));
        assert_eq!(read(fetched).await.expect("the body"), b"arrived");
    }
}

#[tokio::test]
async fn redirects_to_forbidden_places_stop_there() {
    let canary = Canary::start("127.0.0.3").await;
    let address = canary.address;
    for location in [
        format!("http://{address}/"),
        format!("//{address}/"),
        format!("/\\{address}/"),
        format!("http://127.0.0.2@{address}/"),
        format!("http://localhost:{}/", address.port()),
        "file:///etc/passwd".to_owned(),
        format!("gopher://{address}/_GET"),
        format!("ftp://{address}/"),
        "http://127.0.0.2:25/".to_owned(),
    ] {
        let target = location.clone();
        let origin = Origin::start("127.0.0.2", move |path| match path {
            "/1" => redirect(301, "/2"),
            "/2" => redirect(307, "/3"),
            _ => redirect(302, &target),
        })
        .await;
        let error = refusal(get(&origin.url("/1")).await);
        assert_eq!(error.kind(), FetchErrorKind::Forbidden, "{location}");
        assert_eq!(origin.requests().len(), 3);
    }
    canary.assert_untouched();
}

#[tokio::test]
async fn a_refresh_header_is_not_followed() {
    let canary = Canary::start("127.0.0.3").await;
    let header = format!("Refresh: 0; url=http://{}/\r\n", canary.address);
    let origin = Origin::answering(ok(&header, b"stay")).await;
    assert_eq!(get_body(&fetcher(config()), &origin.url("/")).await.expect("a file"), b"stay");
    canary.assert_untouched();
}

#[tokio::test]
async fn five_redirects_are_followed_and_not_six() {
    let origin = Origin::start("127.0.0.2", |path| match path {
        "/0" => ok("", b"end"),
        path => {
            let left: u32 = path[1..].parse().expect("a number");
            redirect(302, &format!("/{}", left - 1))
        }
    })
    .await;
    let fetcher = fetcher(config());
    assert_eq!(get_body(&fetcher, &origin.url("/5")).await.expect("five hops"), b"end");
    let error = refusal(get_body(&fetcher, &origin.url("/6")).await);
    assert_eq!((error.kind(), error.detail()), (FetchErrorKind::Failed, "more than 5 redirects"));
}

#[tokio::test]
async fn a_redirect_loop_ends() {
    let origin = Origin::answering(redirect(302, "/again")).await;
    assert_eq!(refusal(get(&origin.url("/")).await).kind(), FetchErrorKind::Failed);
    assert_eq!(origin.requests().len(), 6);
}

/// Threat A7: a detour does not bring the headers back.
#[tokio::test]
async fn headers_are_dropped_when_the_origin_changes_and_stay_dropped() {
    // Goes wherever the path says.
    let elsewhere = Origin::start("127.0.0.2", |path| redirect(302, &path[1..])).await;
    let detour = elsewhere.url("/");
    let first = Origin::start("127.0.0.2", move |path| match path.strip_prefix("/away/") {
        Some(back) => redirect(302, &format!("{detour}{back}")),
        None if path == "/end" => ok("", b"end"),
        None => redirect(302, &path.replacen("start", "away", 1)),
    })
    .await;
    let url = format!("{}{}", first.url("/start/"), first.url("/end"));
    let mut headers = HeaderMap::new();
    headers.insert("authorization", "Bearer secret".parse().expect("a value"));
    headers.insert("cookie", "secret".parse().expect("a value"));
    let fetched = fetcher(config()).get(&url, headers, None).await.expect("a file");
    assert_eq!(fetched.final_url, first.url("/end"));
    let secrets =
        |origin: &Origin| -> Vec<bool> { origin.requests().iter().map(|head| head.contains("secret")).collect() };
    assert_eq!(secrets(&first), [true, true, false]);
    assert_eq!(secrets(&elsewhere), [false]);
}

/// Threat A11. The test runs itself again with a proxy in the environment.
#[tokio::test]
async fn proxies_of_the_environment_are_ignored() {
    const URL: &str = "STOWAGE_TEST_PROXY_URL";
    if let Ok(url) = std::env::var(URL) {
        let body = get_body(&fetcher(config()), &url).await.expect("no proxy between");
        assert_eq!(body, b"direct");
        return;
    }
    let proxy = Canary::start("127.0.0.1").await;
    let origin = Origin::answering(ok("", b"direct")).await;
    let mut child = tokio::process::Command::new(std::env::current_exe().expect("this test binary"));
    child.args(["--exact", "proxies_of_the_environment_are_ignored"]).env(URL, origin.url("/"));
    for variable in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
        child.env(variable, format!("http://{}", proxy.address));
    }
    let output = child.output().await.expect("the child runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!(origin.requests().len(), 1);
    proxy.assert_untouched();
}

#[tokio::test]
async fn an_error_status_fails_with_the_status_in_the_detail_only() {
    for status in [302, 304, 404, 500] {
        let head = format!("HTTP/1.1 {status} Whatever\r\nContent-Length: 0\r\n\r\n");
        let origin = Origin::answering(vec![Step::Send(head.into_bytes())]).await;
        let error = refusal(get(&origin.url("/")).await);
        assert_eq!(error.kind(), FetchErrorKind::Failed);
        assert_eq!(error.detail(), format!("origin answered {status}"));
        assert_eq!(error.to_string(), PUBLIC_FAILURE);
    }
}

/// Threat A18.
#[tokio::test]
async fn forbidden_refused_and_broken_read_alike() {
    let canary = Canary::start("127.0.0.3").await;
    let forbidden = refusal(get(&format!("http://{}/", canary.address)).await);
    let broken = Origin::answering(vec![Step::Send(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec())]).await;
    let broken = refusal(get(&broken.url("/?secret=1")).await);
    let closed = Canary::start("127.0.0.2").await;
    let closed_url = format!("http://{}/?secret=1", closed.address);
    drop(closed);
    let refused = refusal(get(&closed_url).await);
    assert_eq!(forbidden.kind(), FetchErrorKind::Forbidden);
    for error in [forbidden, broken, refused] {
        assert_eq!(error.to_string(), PUBLIC_FAILURE);
        assert!(!error.detail().is_empty());
        assert!(!error.detail().contains("secret"), "queries stay out of the log");
    }
}
