//! What only Dropbox stores do: tokens, sessions, paths, and errors of a provider.

use std::time::Duration;

use stowage_core::location::{Access, ContainerName};
use stowage_store::{
    BlobStore, ObjectId, ObjectMeta, StoreError,
    dropbox::{DropboxConfig, DropboxStore},
    secret::Secret,
};

use crate::common::{
    AN_HOUR, BUCKET, Backend, Fixture, Gap, Remote, Residue, install_tls_provider, key, key_in, meta, pattern, put_as,
    read,
};

const LARGE: usize = 20 << 20;

/// The double, in this process.
pub(crate) struct Dropbox;

#[async_trait::async_trait]
impl Backend for Dropbox {
    async fn start() -> Option<Self> {
        Some(Self)
    }

    async fn fixture(&self) -> Fixture {
        let (double, own) = start().await;
        let remote = Remote::new(double.url(), |url| store(settings(url)));
        Fixture { gaps: &[Gap::Case], remote, ..Fixture::new(own, BUCKET, Residue::Listing, double) }
    }
}

async fn start() -> (stowage_testkit::Dropbox, DropboxStore) {
    install_tls_provider();
    let double = stowage_testkit::Dropbox::start().await;
    let store = store(settings(&double.url()));
    (double, store)
}

fn settings(url: &str) -> DropboxConfig {
    DropboxConfig {
        app_key: stowage_testkit::Dropbox::APP_KEY.to_owned(),
        app_secret: Secret::new(stowage_testkit::Dropbox::APP_SECRET),
        refresh_token: Secret::new(stowage_testkit::Dropbox::REFRESH_TOKEN),
        root: "/Apps/Stowage".to_owned(),
        container: ContainerName::parse(BUCKET).expect("a good container name"),
        allowed_containers: Vec::new(),
        api_url: Some(url.to_owned()),
        content_url: Some(url.to_owned()),
    }
}

fn store(config: DropboxConfig) -> DropboxStore {
    DropboxStore::new(config).expect("good settings")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_double_satisfies_the_official_client() {
    stowage_testkit::Dropbox::start().await.check_with_official_client().await;
}

#[tokio::test]
async fn a_container_is_a_folder_below_the_root() {
    let (double, store) = start().await;
    put_as(&store, &key("some/Path.txt"), &meta(None), &pattern(10)).await.expect("stored");
    assert_eq!(double.paths(), ["/Apps/Stowage/files/some/Path.txt"]);
    let outside = put_as(&store, &key_in("elsewhere", "a.txt"), &meta(None), &pattern(10)).await;
    assert!(matches!(outside, Err(StoreError::Unsupported(_))), "{outside:?}");
}

#[tokio::test]
async fn one_token_serves_until_it_ends() {
    let (double, store) = start().await;
    let id = put_as(&store, &key("a.bin"), &meta(None), &pattern(10)).await.expect("stored");
    store.stat(&id).await.expect("there");
    assert_eq!(double.counts().0, 1);
    double.end_tokens();
    let stats = futures_util::future::join_all((0..8).map(|_| store.stat(&id))).await;
    assert!(stats.iter().all(Result::is_ok), "{stats:?}");
    assert_eq!(double.counts().0, 2, "one that ended, and one that all share");
}

#[tokio::test]
async fn a_revoked_grant_is_denied_with_its_cause() {
    let (double, _) = start().await;
    for (config, cause) in [
        (DropboxConfig { refresh_token: Secret::new("revoked"), ..settings(&double.url()) }, "invalid_grant"),
        (DropboxConfig { app_secret: Secret::new("wrong"), ..settings(&double.url()) }, "invalid_client"),
    ] {
        let result = store(config.clone()).check().await;
        assert!(matches!(&result, Err(StoreError::Denied(text)) if text.contains(cause)), "{result:?}");
        assert!(!format!("{config:?}").contains("secret\""), "{config:?}");
    }
}

#[tokio::test]
async fn large_files_go_in_sessions_and_small_ones_do_not() {
    let (double, store) = start().await;
    for (length, sessions) in [(0, 0), (8 << 20, 0), ((8 << 20) + 1, 1), (16 << 20, 2), (LARGE, 3)] {
        let id = put_as(&store, &key("a.bin"), &meta(None), &pattern(length)).await.expect("stored");
        assert_eq!(double.sessions_started(), sessions, "{length}");
        assert_eq!(store.stat(&id).await.expect("there").size, length as u64);
    }
}

#[tokio::test]
async fn throttled_calls_are_repeated_after_the_pause_that_dropbox_asks_for() {
    let (double, store) = start().await;
    let id = put_as(&store, &key("a.bin"), &meta(None), &pattern(10)).await.expect("stored");
    double.throttle(1);
    let begun = std::time::Instant::now();
    store.stat(&id).await.expect("there");
    assert!(begun.elapsed() >= Duration::from_secs(1), "{:?}", begun.elapsed());
    double.throttle(1000);
    let result = store.stat(&id).await;
    assert!(matches!(result, Err(StoreError::Throttled(_))), "{result:?}");
}

#[tokio::test]
async fn an_object_with_another_hash_is_not_acknowledged() {
    let (double, store) = start().await;
    for length in [10, LARGE] {
        double.tell_wrong_hashes(1);
        let stored = put_as(&store, &key(""), &meta(None), &pattern(length)).await;
        assert!(matches!(stored, Err(StoreError::Corrupt(_))), "{stored:?}");
        assert!(double.paths().is_empty(), "{:?}", double.paths());
    }
}

#[tokio::test]
async fn an_overwritten_object_is_replaced_by_uploads_and_copies() {
    let (_double, store) = start().await;
    let other = put_as(&store, &key("other.bin"), &meta(None), &pattern(30)).await.expect("stored");
    let same = key("same.bin");
    for length in [10, 20] {
        let id = put_as(&store, &same, &meta(None), &pattern(length)).await.expect("stored");
        assert_eq!(store.stat(&id).await.expect("there").size, length as u64);
    }
    let id = store.copy(&other, &same, &meta(None)).await.expect("copied");
    assert_eq!(read(&store, &id, 0..30).await.expect("readable"), pattern(30));
}

#[tokio::test]
async fn a_folder_is_no_object() {
    let (double, store) = start().await;
    put_as(&store, &key("folder/a.bin"), &meta(None), &pattern(10)).await.expect("stored");
    let folder = ObjectId::from_catalogue(format!("{BUCKET}/folder"));
    assert!(matches!(store.stat(&folder).await, Err(StoreError::NotFound)));
    store.delete(&folder).await.expect("no object is removed");
    assert_eq!(double.paths().len(), 1);
}

#[tokio::test]
async fn what_dropbox_cannot_do_is_said() {
    let (_double, store) = start().await;
    let public = ObjectMeta { access: Access::Public, ..meta(None) };
    for (path, meta) in [("a.bin", public), ("trailing space /a.bin", meta(None)), (&*"x".repeat(256), meta(None))] {
        let refused = store.create(&key(path), &meta).await.map(drop);
        assert!(matches!(refused, Err(StoreError::Unsupported(_))), "{path}: {refused:?}");
    }
    let id = put_as(&store, &key("a.bin"), &meta(None), &pattern(10)).await.expect("stored");
    let short = store.presign_get(&id, AN_HOUR).await;
    assert!(matches!(short, Err(StoreError::Unsupported(_))), "a link outlives an hour: {short:?}");
    let link = store.presign_get(&id, 4 * AN_HOUR).await.expect("a link of four hours");
    let answer = reqwest::get(link.url).await.expect("an answer");
    assert_eq!(answer.bytes().await.expect("a body"), pattern(10));
}

#[tokio::test]
async fn an_unreachable_provider_is_unavailable() {
    install_tls_provider();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    drop(listener);
    let result = store(settings(&url)).check().await;
    assert!(matches!(result, Err(StoreError::Unavailable(_))), "{result:?}");
}

#[test]
fn settings_are_checked() {
    install_tls_provider();
    let good = settings("http://127.0.0.1:1");
    for bad in [
        DropboxConfig { app_key: String::new(), ..good.clone() },
        DropboxConfig { refresh_token: Secret::new(""), ..good.clone() },
        DropboxConfig { root: "Apps".to_owned(), ..good.clone() },
        DropboxConfig { root: "/a/../b".to_owned(), ..good.clone() },
        DropboxConfig { api_url: Some("ftp://host".to_owned()), ..good.clone() },
    ] {
        assert!(DropboxStore::new(bad.clone()).is_err(), "{bad:?}");
    }
}
