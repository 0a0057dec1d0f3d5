//! Ways around the check of the first URL.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use stowage_testkit::{Origin, Reply};

use super::{Canary, Fixture};
use crate::hostile::Answer;

#[tokio::test]
async fn redirects_are_checked_at_every_hop() {
    let fixture = Fixture::start(&[]).await;
    let canary = Canary::start().await;
    let before = fixture.watched.stored().await;
    let port = canary.port;
    // /hops/N leads through N more hops to the target in the query.
    let origin = Origin::start("127.0.0.2", |request| {
        let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
        let mut words = path.trim_start_matches('/').split('/');
        let status = words.next().unwrap_or("302");
        let location = match words.next().and_then(|hops| hops.parse().ok()).unwrap_or(0) {
            0 => String::from_utf8(URL_SAFE_NO_PAD.decode(query).expect("base64")).expect("a URL"),
            hops @ 1..=99_u32 => format!("/{status}/{}?{query}", hops - 1),
            _ => request.target.clone(),
        };
        format!("HTTP/1.1 {status} Moved\r\nLocation: {location}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    })
    .await;
    let lead = |status: u16, hops: u32, target: &str| {
        origin.url(&format!("/{status}/{hops}?{}", URL_SAFE_NO_PAD.encode(target)))
    };
    let internal = format!("http://127.0.0.3:{port}/");
    for (case, url) in [301, 302, 303, 307, 308].map(|status| (format!("status {status}"), lead(status, 0, &internal)))
    {
        fixture.all_doors_refuse(&url).await;
        canary.assert_silent(&case);
    }
    let first_door =
        async |url: &str| Answer::of(fixture.doors(url).remove(0).1.send().await.expect("an answer")).await;
    for target in [
        format!("//127.0.0.3:{port}/"),
        format!("http://localhost:{port}/"),
        format!("http://[::ffff:127.0.0.1]:{port}/"),
        format!("http://2130706433:{port}/"),
        format!("http://127.0.0.2@127.0.0.3:{port}/"),
        format!("http:\\\\127.0.0.3:{port}/"),
        "file:///etc/passwd".to_owned(),
        format!("gopher://127.0.0.3:{port}/_x"),
        format!("ftp://127.0.0.3:{port}/"),
        "data:text/plain,x".to_owned(),
        "http://127.0.0.2:6379/".to_owned(),
    ] {
        for hops in [0, 3] {
            let answer = first_door(&lead(302, hops, &target)).await;
            answer.refuses(&format!("{hops} hops to {target}"), 400, "Could not fetch the url");
            canary.assert_silent(&target);
        }
    }
    let good = Origin::start("127.0.0.2", |_| Reply::ok("text/plain", b"arrived")).await;
    first_door(&lead(302, 5, &good.url("/"))).await.refuses("six redirects", 400, "Could not fetch the url");
    first_door(&lead(302, 1_000, "")).await.refuses("a loop", 400, "Could not fetch the url");
    assert!(good.received().is_empty());
    fixture.nothing_happened(&before).await;
    let answer = first_door(&lead(302, 4, &good.url("/"))).await;
    assert_eq!(answer.status, 200, "five redirects are followed: {answer:?}");
}

#[tokio::test]
async fn proxies_of_the_environment_and_refresh_headers_are_ignored() {
    let canary = Canary::start().await;
    let proxy = format!("http://127.0.0.3:{}", canary.port);
    let names = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
    let fixture = Fixture::start(&names.map(|name| (name, proxy.as_str()))).await;
    let refresh =
        format!("HTTP/1.1 200 OK\r\nRefresh: 0; url={proxy}/\r\nContent-Length: 7\r\nConnection: close\r\n\r\ncontent");
    let origin = Origin::start("127.0.0.2", move |_| refresh.clone()).await;
    let sent = origin.url("/a%0d%0aX-Evil:%20yes?b=%0a");
    for (door, request) in fixture.doors(&sent).into_iter().chain(fixture.json_doors(&sent)) {
        let answer = Answer::of(request.send().await.expect(door)).await;
        assert_eq!(answer.status, 200, "{door}: {answer:?}");
    }
    canary.assert_silent("proxy");
    let received = origin.received();
    assert!(received.len() == 14 && received.iter().all(|request| request.header("X-Evil").is_none()), "{received:?}");
}
