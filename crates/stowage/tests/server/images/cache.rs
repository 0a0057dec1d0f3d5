//! What is kept of results and of originals from elsewhere.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use futures_util::future::join_all;
use stowage_imaging::{Bitmap, Format};
use stowage_testkit::{Origin, Reply};

use super::{BLUE, GREEN, RED, Shown, fetching, figure, jobs, origin_of, quarters, still, stored};
use crate::{
    hostile::{encoded, eventually},
    support::{App, HttpAnswer, Stowage, client, get, send, server, store, text_of},
};

fn plain(colour: [u8; 3]) -> Vec<u8> {
    let [red, green, blue] = colour;
    still(Format::Png, &Bitmap::filled(40, 20, [red, green, blue, u8::MAX]))
}

/// A result is a file like any other: it has a tag, a date, and parts.
#[tokio::test]
async fn a_result_is_made_once() {
    let mut server = server();
    let app = server.app("shop", &[]);
    let handle = stored(&server, &app, "a.png", still(Format::Png, &quarters(40, 20))).await;
    let path = format!("/resize=width:20/{handle}");
    let cold = join_all((0..16).map(|_| get(&server, &path))).await;
    let first = cold.into_iter().map(|answer| answer.expect(200)).reduce(|first, next| {
        assert_eq!((&first.body, first.header("etag")), (&next.body, next.header("etag")));
        first
    });
    let first = first.expect("sixteen answers");
    assert_eq!(jobs(&server).await, 1);
    // Another way to say the same.
    let same = get(&server, &format!("/resize=fit:clip,w:20/{handle}")).await.expect(200);
    assert_eq!((jobs(&server).await, &same.body), (1, &first.body));
    let request = || client().get(format!("{}{path}", server.url()));
    let unchanged = send(request().header("if-none-match", first.header("etag"))).await.expect(304);
    assert!(unchanged.body.is_empty());
    send(request().header("if-modified-since", first.header("last-modified"))).await.expect(304);
    let part = send(request().header("range", "bytes=1-4")).await.expect(206);
    assert_eq!(part.header("content-range"), format!("bytes 1-4/{}", first.body.len()));
    assert_eq!(part.body, &first.body[1..5]);
    send(request().header("range", "bytes=999999-")).await.expect(416);
    let head = send(client().head(format!("{}{path}", server.url()))).await.expect(200);
    assert_eq!((head.header("content-length"), head.body.len()), (first.body.len().to_string().as_str(), 0));
    assert_eq!(jobs(&server).await, 1);
    // Twice more because nothing is kept of it, and nothing that is kept is looked at.
    for made in [2, 3] {
        let fresh = get(&server, &format!("/cache=false/resize=width:20/{handle}")).await.expect(200);
        assert_eq!((fresh.header("cache-control"), &fresh.body), ("no-store", &first.body));
        assert_eq!(jobs(&server).await, made);
    }
    assert!(figure(&server, "stowage_cache_hits_total").await >= 5);
    // What was written to disk outlives the process.
    eventually("the result is on disk", async || figure(&server, "stowage_cache_disk_entries").await == 1).await;
    server.kill_and_restart();
    let again = get(&server, &path).await.expect(200);
    assert_eq!((&again.body, again.header("etag")), (&first.body, first.header("etag")));
    assert_eq!(jobs(&server).await, 0);
}

async fn overwrite(server: &Stowage, app: &App, handle: &str, content: Vec<u8>) {
    let request = client().post(format!("{}/api/file/{handle}", server.url())).basic_auth("app", Some(&app.secret));
    send(request.header("content-type", "image/png").body(content)).await.expect(200);
}

/// Nobody gets what was made of an older content, or of a file that is gone.
#[tokio::test]
async fn results_go_with_their_source() {
    let server = server();
    let app = server.app("shop", &[]);
    let (base, mark) =
        (stored(&server, &app, "a.png", plain(RED)).await, stored(&server, &app, "m.png", plain(GREEN)).await);
    let small = format!("/resize=width:20/{base}");
    let marked = format!("/watermark=file:{mark},size:50/{base}");
    let middle = async |path: &str, colour: [u8; 3]| {
        Shown::of(&get(&server, path).await.expect(200).body).shows((0.5, 0.5), colour, path);
    };
    middle(&small, RED).await;
    middle(&marked, GREEN).await;
    overwrite(&server, &app, &base, plain(BLUE)).await;
    middle(&small, BLUE).await;
    overwrite(&server, &app, &mark, plain(RED)).await;
    middle(&marked, RED).await;
    let delete = |handle: &str| {
        send(client().delete(format!("{}/api/file/{handle}", server.url())).basic_auth("app", Some(&app.secret)))
    };
    delete(&mark).await.expect(200);
    get(&server, &marked).await.expect(404);
    middle(&small, BLUE).await;
    delete(&base).await.expect(200);
    get(&server, &small).await.expect(404);
    eventually("the files of the cache are gone", async || figure(&server, "stowage_cache_disk_entries").await == 0)
        .await;
}

/// A file elsewhere is fetched once for all sizes, by each app for itself.
#[tokio::test]
async fn originals_are_fetched_once() {
    let origin = origin_of("image/png", plain(RED)).await;
    let server = fetching(&[]);
    let (shop, other) = (server.app("shop", &[]), server.app("other", &[]));
    let ask = async |app: &App, tasks: &str| -> HttpAnswer {
        get(&server, &format!("/{}{tasks}/{}", app.key, encoded(&origin.url("/a.png")))).await.expect(200)
    };
    for tasks in ["/resize=width:20", "/resize=width:10", "/flip", "", "/imagesize", "/resize=width:20"] {
        ask(&shop, tasks).await;
    }
    assert_eq!((origin.received().len(), jobs(&server).await), (1, 4));
    ask(&other, "/resize=width:20").await;
    assert_eq!((origin.received().len(), jobs(&server).await), (2, 5));
    // Nothing is shared among the results of stored files either.
    let file = |app: &App| format!("filename=a.png&key={}", app.key);
    let handles = [
        text_of(&store(&server, &shop, &file(&shop), plain(BLUE)).await, "handle").to_owned(),
        text_of(&store(&server, &other, &file(&other), plain(BLUE)).await, "handle").to_owned(),
    ];
    for handle in handles {
        get(&server, &format!("/resize=width:5/{handle}")).await.expect(200);
    }
    assert_eq!(jobs(&server).await, 7);
}

/// What is past its time is answered at once, and made anew behind that.
#[tokio::test]
async fn old_results_are_renewed_in_the_background() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = asked.clone();
    let origin = Origin::start("127.0.0.2", move |_| {
        let colour = if counter.fetch_add(1, Ordering::SeqCst) == 0 { RED } else { BLUE };
        Reply::ok("image/png", &plain(colour))
    })
    .await;
    let server = fetching(&[("STOWAGE_CACHE_REMOTE_FRESH", "1ms")]);
    let app = server.app("shop", &[]);
    let path = format!("/{}/resize=width:20/{}", app.key, encoded(&origin.url("/a.png")));
    let colour = async || Shown::of(&get(&server, &path).await.expect(200).body).at((0.5, 0.5));
    assert_eq!(colour().await, [255, 0, 0, 255]);
    assert_eq!(colour().await, [255, 0, 0, 255], "the old one while the new one is made");
    eventually("the new one is there", async || colour().await == [0, 0, 255, 255]).await;
    assert!(figure(&server, "stowage_cache_stale_total").await >= 1);
}

/// A failure is nobody's answer but that of who met it.
#[tokio::test]
async fn failures_are_not_kept() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = asked.clone();
    let origin = Origin::start("127.0.0.2", move |_| match counter.fetch_add(1, Ordering::SeqCst) {
        0 => Reply::status("404 Not Found"),
        1 => Reply::ok("image/png", b"no picture at all"),
        _ => Reply::ok("image/png", &plain(RED)),
    })
    .await;
    let server = fetching(&[("STOWAGE_CACHE_REMOTE_FRESH", "1ms"), ("STOWAGE_CACHE_REMOTE_STALE", "0s")]);
    let app = server.app("shop", &[]);
    let path = format!("/{}/resize=width:20/{}", app.key, encoded(&origin.url("/a.png")));
    assert_eq!(get(&server, &path).await.expect(400).header("x-stowage-error"), "url_not_fetched");
    assert_eq!(get(&server, &path).await.expect(400).header("x-stowage-error"), "unsupported_input");
    eventually("it works once the origin does", async || get(&server, &path).await.status == 200).await;
}
