//! Files elsewhere: their sizes, their delivery, and as what is sent when something fails (spec 10 §§3, 6.4).

use serde_json::json;
use stowage_testkit::{Origin, Reply};

use crate::{
    hostile::encoded,
    support::{allowing, get, png, security_segment, server_with, signed, store, text_of},
};

const MISSING: &str = "AAAAAAAAAAAAAAAAAAAA";

async fn origin() -> Origin {
    Origin::start("127.0.0.2", |request| match request.target.as_str() {
        "/a.png" => Reply::ok("image/png", &png()),
        "/a.txt" => Reply::ok("text/plain", b"from afar"),
        _ => Reply::status("404 Not Found"),
    })
    .await
}

#[tokio::test]
async fn files_elsewhere_are_measured_and_delivered() {
    let origin = origin().await;
    let server = server_with(&[("STOWAGE_FETCH_ALLOW", "127.0.0.2/32")]);
    let key = server.app("shop", &[]).key;
    let picture = origin.url("/a.png");
    let size = get(&server, &format!("/{key}/imagesize/{picture}")).await.expect(200);
    assert_eq!(size.json(), json!({ "width": 3, "height": 2 }));
    for url in [picture.clone(), format!("%22{picture}%22"), encoded(&picture)] {
        let answer = get(&server, &format!("/{key}/{url}")).await.expect(200);
        assert_eq!((answer.header("content-type"), &answer.body), ("image/png", &png()), "{url}");
    }
    assert_eq!(origin.received().len(), 1, "one fetch serves all");
    let text = get(&server, &format!("/{key}/{}", origin.url("/a.txt"))).await.expect(200);
    assert_eq!((text.text(), text.header("x-content-type-options")), ("from afar", "nosniff"));
    get(&server, &format!("/{key}/imagesize/{}", origin.url("/a.txt"))).await.expect(400);
    let gone = get(&server, &format!("/{key}/{}", origin.url("/gone.png"))).await.expect(400);
    assert_eq!(gone.json()["code"], "url_not_fetched");
    // Nobody is known by it.
    get(&server, &format!("/{picture}")).await.expect(400);
}

/// `imagesize` tells the size at its place in the chain, of a file elsewhere as of a stored one.
#[tokio::test]
async fn imagesize_in_a_chain() {
    let origin = origin().await;
    let server = server_with(&[("STOWAGE_FETCH_ALLOW", "127.0.0.2/32")]);
    let app = server.app("shop", &[]);
    let handle = text_of(&store(&server, &app, "filename=a.png", png()).await, "handle").to_owned();
    let subjects = [format!("/{}", origin.url("/a.png")), format!("/{handle}")];
    for (tasks, width, height) in [
        ("imagesize", 3, 2),
        ("rotate=deg:90/imagesize", 2, 3),
        ("resize=width:30,height:30,fit:scale/flip/imagesize", 30, 30),
        ("quality=value:50/imagesize", 3, 2),
        ("imagesize/output=format:jpg", 3, 2),
        ("auto_image/imagesize", 3, 2),
        ("cache=expiry:60/imagesize", 3, 2),
        ("imagesize/cache=false", 3, 2),
        ("resize=width:1/cache=false/imagesize", 1, 1),
        ("content=filename:size.json/imagesize", 3, 2),
        ("resize=width:1/content=filename:size.json/imagesize", 1, 1),
        ("fallback=handle:AAAAAAAAAAAAAAAAAAAA/resize=width:1/imagesize", 1, 1),
    ] {
        for subject in &subjects {
            let answer = get(&server, &format!("/{}/{tasks}{subject}", app.key)).await.expect(200);
            assert_eq!(answer.text(), format!("{{\"height\":{height},\"width\":{width}}}"), "{tasks}{subject}");
            assert_eq!(answer.header("content-type"), "application/json", "{tasks}{subject}");
        }
    }
    for tasks in ["imagesize/flip", "imagesize/metadata", "metadata/imagesize", "zip/imagesize", "minify_css/imagesize"]
    {
        for subject in &subjects {
            let answer = get(&server, &format!("/{}/{tasks}{subject}", app.key)).await;
            let case = format!("{tasks}{subject}");
            super::assert_refused(&answer, "unsupported_conversion", "Unsupported conversion: ", &case);
        }
    }
    let size = get(&server, &format!("/{}/resize=width:1/imagesize/store{}", app.key, subjects[0])).await.expect(200);
    let stored = get(&server, &format!("/{}", text_of(&size.json(), "handle"))).await.expect(200);
    assert_eq!((stored.text(), stored.header("content-type")), ("{\"height\":1,\"width\":1}", "application/json"));
}

/// Addresses that are not permitted are not dialled, whatever is asked of them.
#[tokio::test]
async fn private_addresses_stay_closed() {
    let origin = Origin::start("127.0.0.3", |_| Reply::ok("image/png", &png())).await;
    let server = server_with(&[("STOWAGE_FETCH_ALLOW", "127.0.0.2/32")]);
    let app = server.app("shop", &[]);
    let handle = text_of(&store(&server, &app, "filename=a.png", png()).await, "handle").to_owned();
    let (key, url) = (&app.key, origin.url("/a.png"));
    for path in [
        format!("/{key}/{url}"),
        format!("/{key}/imagesize/{url}"),
        format!("/{key}/zip/[{handle},{url}]"),
        format!("/{key}/minify_css/{}", origin.url("/a.css")),
        format!("/{key}/watermark=file:{}/{handle}", encoded(&url)),
    ] {
        assert_eq!(get(&server, &path).await.expect(400).json()["code"], "url_not_fetched", "{path}");
    }
    get(&server, &format!("/{key}/fallback=handle:{}/{MISSING}", encoded(&url))).await.expect(404);
    let convert = format!("/api/file/{handle}/convert?watermark={}", encoded(&url));
    get(&server, &convert).await.expect(400);
    assert!(origin.received().is_empty());
}

#[tokio::test]
async fn a_fallback_may_lie_elsewhere() {
    let origin = origin().await;
    let server = server_with(&[("STOWAGE_FETCH_ALLOW", "127.0.0.2/32")]);
    let (open, secured) = (server.app("open", &[]), server.app("secured", &["--security"]));
    let spare = encoded(&origin.url("/a.txt"));
    let handle = text_of(&store(&server, &open, "filename=a.txt", "hello").await, "handle").to_owned();
    for (path, cache) in [
        (format!("/{}/fallback=handle:{spare}/{MISSING}", open.key), "no-cache"),
        (format!("/{}/fallback=handle:{spare},cache:60/{MISSING}", open.key), "public, max-age=60"),
        (format!("/imagesize/fallback=handle:{spare}/{handle}"), "no-cache"),
        (format!("/{}/fallback=handle:{spare}/{}", open.key, origin.url("/gone.png")), "no-cache"),
    ] {
        let answer = get(&server, &path).await.expect(200);
        assert_eq!((answer.text(), answer.header("cache-control")), ("from afar", cache), "{path}");
    }
    // Without an app nothing is fetched, and a failing fallback leaves the first error.
    get(&server, &format!("/fallback=handle:{spare}/{MISSING}")).await.expect(404);
    let gone = encoded(&origin.url("/gone.txt"));
    get(&server, &format!("/{}/fallback=handle:{gone}/{MISSING}", open.key)).await.expect(404);
    // The policy says where a secured app may fetch from.
    let path = |security: &str| format!("/{}/{security}/fallback=handle:{spare}/{MISSING}", secured.key);
    get(&server, &path(&security_segment(&secured, &allowing(&["read"])))).await.expect(200);
    let elsewhere = r#"{"expiry":4102444800,"call":["read"],"url":"https://example.com/.*"}"#;
    get(&server, &path(&security_segment(&secured, elsewhere))).await.expect(404);
    get(&server, &format!("/{}/fallback=handle:{spare}/{MISSING}", secured.key)).await.expect(404);

    // A file of another app comes with its own policy.
    let query = signed(&secured, &allowing(&["store"]));
    let secret = store(&server, &secured, &format!("filename=s.txt&{query}"), "secret").await;
    let reference = format!("{}?{}", text_of(&secret, "handle"), signed(&secured, &allowing(&["read"])));
    let answer = get(&server, &format!("/fallback=handle:{}/{MISSING}", encoded(&reference))).await.expect(200);
    assert_eq!(answer.text(), "secret");
}
