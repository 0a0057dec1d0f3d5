//! Content whose SHA-256 nobody knows yet, as after an upload whose parts were put together at the provider.

use stowage_testkit::{Fault, FaultProxy, S3Server, Way};

use super::{add_bucket_at, catalogue, files_by_store, migrated, output, read, texts};
use crate::{
    hostile::eventually,
    support::{get, server, store, text_of},
};

const CONTENT: &[u8] = &[b'c'; 100_000];

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_without_a_known_digest_is_read_back() {
    let s3 = S3Server::start("bucket").await;
    let proxy = FaultProxy::start(&s3.endpoint()).await;
    let server = server();
    let app = server.app("shop", &[]);
    let stored = store(&server, &app, "path=a.bin", CONTENT).await;
    add_bucket_at(&server, &proxy.url(), &s3, &app, "cloud");
    catalogue(&server).execute("UPDATE files SET sha256 = NULL", []).expect("an update");

    // The copy arrives as it is, but what comes back is longer than any other answer, and changed.
    proxy.fail(Fault::Flip(Way::Answer, 99_000));
    let output = output(&server, &["shop", "S3", "cloud"]).await;
    let (printed, complaint) = texts(&output);
    assert_eq!(output.status.code(), Some(1), "{printed}{complaint}");
    assert!(printed.contains("reads back differently"), "{printed}");
    assert!(proxy.struck() > 0 && files_by_store(&server)["S3"] == 1);

    proxy.heal();
    assert!(migrated(&server, &["shop", "S3", "cloud"]).await.contains("moved 1 files"));
    assert_eq!(files_by_store(&server)["cloud"], 1);
    eventually("the move is noticed", async || std::fs::read(s3.root().join("bucket/a.bin")).is_ok()).await;
    assert_eq!(read(&server, text_of(&stored, "handle")).await, CONTENT);
}

#[tokio::test]
async fn a_digest_is_computed_when_somebody_asks_for_it() {
    let server = server();
    let app = server.app("shop", &[]);
    let stored = store(&server, &app, "path=a.bin", CONTENT).await;
    let known = || {
        let sql = "SELECT sha256 IS NOT NULL AND etag IS sha256 FROM files";
        catalogue(&server).query_row(sql, [], |row| row.get::<_, bool>(0)).expect("a row")
    };
    assert!(known());
    catalogue(&server).execute("UPDATE files SET sha256 = NULL", []).expect("an update");
    let path = format!("/{}", text_of(&stored, "handle"));
    let tag = get(&server, &path).await.expect(200).header("etag").to_owned();
    let metadata = get(&server, &format!("{path}/metadata?size=true")).await.expect(200).json();
    assert_eq!((&metadata["size"], known()), (&CONTENT.len().into(), false));

    for _ in 0..2 {
        let metadata = get(&server, &format!("{path}/metadata?sha256=true")).await.expect(200).json();
        let sha256 = text_of(&metadata, "sha256");
        assert!(sha256.len() == 64 && tag == format!("\"{}\"", &sha256[..32]), "{sha256} {tag}");
        assert!(known(), "it is remembered");
    }
    assert_eq!(get(&server, &path).await.header("etag"), tag);
}
