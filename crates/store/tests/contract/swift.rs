//! What only Swift stores do: tokens, segments, containers, access, and errors of a provider.

mod hostile;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use stowage_core::location::{Access, ContainerName};
use stowage_store::{
    BlobStore, ObjectId, ObjectMeta, StoreError,
    secret::Secret,
    swift::{SwiftAuth, SwiftConfig, SwiftStore, TempUrlDigest},
};
use stowage_testkit::{Identity, IdentityAnswer, Origin, Reply, SwiftServer};

use crate::common::{
    BUCKET, Backend, Fixture, Remote, Residue, install_tls_provider, key, key_in, meta, pattern, put_as, read,
};

const TEMP_URL_KEY: &str = "temp-url-test-key";
const LARGE: usize = 20 << 20;

/// A running cluster; each fixture has a container of its own.
pub(crate) struct Swift {
    server: Arc<SwiftServer>,
    fixtures: AtomicUsize,
}

#[async_trait::async_trait]
impl Backend for Swift {
    async fn start() -> Option<Self> {
        let server = Arc::new(server()?);
        server.request("POST", "", &[("X-Account-Meta-Temp-URL-Key", TEMP_URL_KEY)]).await;
        Some(Self { server, fixtures: AtomicUsize::new(0) })
    }

    async fn fixture(&self) -> Fixture {
        let container = format!("{BUCKET}-{}", self.fixtures.fetch_add(1, Ordering::Relaxed));
        self.server.request("PUT", &format!("/{container}"), &[]).await;
        let segments = name(&format!("{container}_segments"));
        let config = SwiftConfig {
            container: Some(name(&container)),
            allowed_containers: vec![segments.clone()],
            ..settings(&self.server)
        };
        let own = store(config.clone());
        // TempAuth tells a storage URL with the host that it was asked by.
        let remote = Remote::new(self.server.auth_url(), move |url| {
            let auth = v1(&format!("{url}/auth/v1.0"), SwiftServer::USER, SwiftServer::KEY);
            store(SwiftConfig { auth, ..config.clone() })
        });
        Fixture {
            remote,
            metadata_prefix: "x-object-meta-",
            ..Fixture::new(own, &container, Residue::ListingAndBeside(segments), self.server.clone())
        }
    }
}

fn server() -> Option<SwiftServer> {
    install_tls_provider();
    SwiftServer::start()
}

async fn server_with(containers: &[&str]) -> Option<SwiftServer> {
    let server = server()?;
    for container in containers {
        server.request("PUT", &format!("/{container}"), &[]).await;
    }
    Some(server)
}

fn name(text: &str) -> ContainerName {
    ContainerName::parse(text).expect("a good container name")
}

fn settings(server: &SwiftServer) -> SwiftConfig {
    settings_with(v1(&server.auth_url(), SwiftServer::USER, SwiftServer::KEY))
}

fn settings_with(auth: SwiftAuth) -> SwiftConfig {
    SwiftConfig {
        auth,
        region: None,
        container: Some(name(BUCKET)),
        allowed_containers: Vec::new(),
        temp_url_key: Some(Secret::new(TEMP_URL_KEY)),
        temp_url_digest: TempUrlDigest::Sha256,
    }
}

fn v1(url: &str, user: &str, key: &str) -> SwiftAuth {
    SwiftAuth::V1 { url: url.to_owned(), user: user.to_owned(), key: Secret::new(key) }
}

fn store(config: SwiftConfig) -> SwiftStore {
    SwiftStore::new(config).expect("good settings")
}

async fn list(store: &SwiftStore, container: &str) -> Vec<String> {
    let page = store.list(&name(container), "", None).await.expect("a listing");
    page.objects.into_iter().map(|object| object.key).collect()
}

async fn assert_works(store: &SwiftStore) {
    let bytes = pattern(1000);
    let id = put_as(store, &key("a.bin"), &meta(None), &bytes).await.expect("stored");
    assert_eq!(read(store, &id, 0..1000).await.expect("readable"), bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_identity_service_opens_the_store() {
    let Some(server) = server_with(&[BUCKET]).await else { return };
    let identity = Identity::start(&server, IdentityAnswer::Good).await;
    let (v2, v3) = (identity.url("/v2.0"), identity.url("/v3"));
    let (tester, secret) = (|| "tester".to_owned(), || Secret::new("secret"));
    let tenant = |tenant_name: Option<&str>, tenant_id: Option<&str>| SwiftAuth::V2Password {
        url: v2.clone(),
        username: tester(),
        password: secret(),
        tenant_name: tenant_name.map(str::to_owned),
        tenant_id: tenant_id.map(str::to_owned),
    };
    let ways = [
        v1(&server.auth_url(), SwiftServer::USER, SwiftServer::KEY),
        tenant(Some("test"), None),
        tenant(None, Some("AUTH_test")),
        SwiftAuth::Rackspace { url: format!("{v2}/"), username: tester(), api_key: secret() },
        SwiftAuth::V3Password {
            url: v3.clone(),
            username: tester(),
            password: secret(),
            user_domain: "users".to_owned(),
            project: "test".to_owned(),
            project_domain: "projects".to_owned(),
        },
        SwiftAuth::V3ApplicationCredential { url: v3.clone(), id: tester(), secret: secret() },
    ];
    for auth in ways {
        let store = store(SwiftConfig { region: Some("one".to_owned()), ..settings_with(auth.clone()) });
        assert_works(&store).await;
        assert!(!format!("{auth:?}").contains("secret\""), "{auth:?}");
    }
    let asked = identity.requests().len();
    assert_eq!(asked, 5, "one token for each store that asks this service");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_credentials_permissions_and_regions_are_told_apart() {
    let Some(server) = server_with(&[BUCKET]).await else { return };
    let identity = Identity::start(&server, IdentityAnswer::Good).await;
    let rackspace = |key: &str| SwiftAuth::Rackspace {
        url: identity.url("/v2.0"),
        username: "tester".to_owned(),
        api_key: Secret::new(key),
    };
    for auth in [
        v1(&server.auth_url(), SwiftServer::USER, "wrong"),
        v1(&server.auth_url(), SwiftServer::POWERLESS_USER, SwiftServer::POWERLESS_KEY),
        rackspace("wrong"),
    ] {
        let result = store(settings_with(auth.clone())).check().await;
        assert!(matches!(result, Err(StoreError::Denied(_))), "{auth:?}: {result:?}");
    }
    for (region, hint) in [(None, "ONE"), (Some("THREE".to_owned()), "THREE")] {
        let result = store(SwiftConfig { region, ..settings_with(rackspace("secret")) }).check().await;
        let text = result.expect_err("no region").to_string();
        assert!(text.contains(hint), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_token_is_renewed_once_for_all() {
    let Some(server) = server_with(&[BUCKET]).await else { return };
    let identity = Identity::start(&server, IdentityAnswer::StaleFirst).await;
    let auth = SwiftAuth::V3ApplicationCredential {
        url: identity.url("/v3"),
        id: "tester".to_owned(),
        secret: Secret::new("secret"),
    };
    let store = store(SwiftConfig { region: Some("ONE".to_owned()), ..settings_with(auth) });
    let bytes = pattern(6 << 20);
    let tasks: Vec<_> = (0..8)
        .map(|number| {
            let (store, bytes) = (store.clone(), bytes.clone());
            tokio::spawn(async move { put_as(&store, &key(&format!("{number}.bin")), &meta(None), &bytes).await })
        })
        .collect();
    for task in tasks {
        let id = task.await.expect("the task ends well").expect("stored");
        assert_eq!(store.stat(&id).await.expect("there").size, bytes.len() as u64);
    }
    assert_eq!(identity.requests().len(), 2, "one token that is refused, and one that all share");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_about_to_end_is_not_used() {
    install_tls_provider();
    let origin = Origin::start("127.0.0.1", |request| {
        if request.target != "/auth" {
            return Reply::status("204 No Content");
        }
        let host = request.header("host").expect("a host");
        format!(
            "HTTP/1.1 200 OK\r\nX-Auth-Token: t\r\nX-Auth-Token-Expires: 100\r\nX-Storage-Url: http://{host}/v1/a\r\n\
             Content-Length: 0\r\nConnection: close\r\n\r\n"
        )
        .into()
    })
    .await;
    let store = store(settings_with(v1(&origin.url("/auth"), "user", "key")));
    let id = ObjectId::from_catalogue("files/a.bin".to_owned());
    for _ in 0..2 {
        store.stat(&id).await.expect("there");
    }
    let asked = origin.received().iter().filter(|request| request.target == "/auth").count();
    assert_eq!(asked, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn large_objects_have_segments_of_their_own_that_go_with_them() {
    let Some(server) = server_with(&[BUCKET]).await else { return };
    let segments = format!("{BUCKET}_segments");
    let store = store(SwiftConfig { allowed_containers: vec![name(&segments)], ..settings(&server) });
    let bytes = pattern(LARGE);

    let id = put_as(&store, &key("same.bin"), &meta(None), &bytes).await.expect("stored");
    let first = list(&store, &segments).await;
    assert_eq!(first.len(), 3);
    assert_eq!(list(&store, BUCKET).await, ["same.bin"], "segments are not among the objects");

    let copied = store.copy(&id, &key("copy.bin"), &meta(None)).await.expect("copied");
    assert_eq!(list(&store, &segments).await.len(), 6);

    put_as(&store, &key("same.bin"), &meta(None), &bytes.slice(1..)).await.expect("overwritten by a large one");
    let second = list(&store, &segments).await;
    assert_eq!(second.len(), 6);
    assert!(first.iter().all(|segment| !second.contains(segment)), "the overwritten segments are gone");
    assert!(read(&store, &copied, 0..LARGE as u64).await.expect("the copy is whole") == bytes);

    put_as(&store, &key("same.bin"), &meta(None), &pattern(10)).await.expect("overwritten by a small one");
    assert_eq!(list(&store, &segments).await.len(), 3);
    store.copy(&id, &key("copy.bin"), &meta(None)).await.expect("overwritten by a copy");
    assert_eq!(list(&store, &segments).await.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_crash_left_is_removed_by_the_planned_id() {
    let Some(server) = server_with(&[BUCKET]).await else { return };
    let segments = format!("{BUCKET}_segments");
    let settings = SwiftConfig { allowed_containers: vec![name(&segments)], ..settings(&server) };
    let (store, crashed) = (store(settings.clone()), store(settings));
    let other = put_as(&store, &key("other.bin"), &meta(None), &pattern(LARGE)).await.expect("stored");

    let lost = key("lost.bin");
    // A runtime that is gone removes nothing, as a process that is gone.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let uploading = lost.clone();
    let upload = runtime.spawn(async move {
        let mut writer = crashed.create(&uploading, &meta(None)).await.expect("a writer");
        for _ in 0..5 {
            writer.write(pattern(8 << 20)).await.expect("taken");
        }
        std::mem::forget(writer);
    });
    upload.await.expect("the upload is cut off");
    runtime.shutdown_background();
    assert!(list(&store, &segments).await.len() > 3, "segments of both");

    let planned = store.planned_id(&lost).expect("a remote driver plans its ids");
    store.delete(&planned).await.expect("removed");
    assert_eq!(list(&store, &segments).await.len(), 3, "those of the other object");
    assert_eq!(store.stat(&other).await.expect("there").size, LARGE as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_only_container_is_the_default() {
    let Some(server) = server().map(|server| (store(SwiftConfig { container: None, ..settings(&server) }), server))
    else {
        return;
    };
    let (store, server) = server;
    assert!(matches!(store.container().await, Err(StoreError::Unsupported(_))), "no container yet");
    server.request("PUT", &format!("/{BUCKET}"), &[]).await;
    server.request("PUT", &format!("/{BUCKET}_segments"), &[]).await;
    assert_eq!(store.container().await.expect("the only one"), name(BUCKET));
    assert_works(&store).await;
    server.request("PUT", "/second", &[]).await;
    assert_works(&store).await;

    let later = self::store(SwiftConfig { container: None, ..settings(&server) });
    assert!(matches!(later.container().await, Err(StoreError::Unsupported(_))), "two containers");
}

#[tokio::test(flavor = "multi_thread")]
async fn containers_are_missing_or_not_allowed() {
    let Some(server) = server_with(&["elsewhere"]).await else { return };
    let store = store(settings(&server));
    for length in [10, LARGE] {
        let stored = put_as(&store, &key("a.bin"), &meta(None), &pattern(length)).await;
        assert!(matches!(stored, Err(StoreError::MissingContainer(_))), "{length}: {stored:?}");
    }
    let id = ObjectId::from_catalogue(format!("{BUCKET}/a.bin"));
    let stat = store.stat(&id).await;
    assert!(matches!(stat, Err(StoreError::MissingContainer(_))), "{stat:?}");
    let listing = store.list(&name(BUCKET), "", None).await;
    assert!(matches!(listing, Err(StoreError::MissingContainer(_))), "{listing:?}");
    let stored = put_as(&store, &key_in("elsewhere", "a.bin"), &meta(None), &pattern(10)).await;
    assert!(matches!(stored, Err(StoreError::Unsupported(_))), "{stored:?}");
    assert!(matches!(store.check().await, Err(StoreError::MissingContainer(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn public_objects_need_a_public_container() {
    let Some(server) = server_with(&[BUCKET]).await else { return };
    let store = store(settings(&server));
    let public = ObjectMeta { access: Access::Public, ..meta(None) };
    let bytes = pattern(100);
    let stored = put_as(&store, &key("a.bin"), &public, &bytes).await;
    assert!(matches!(&stored, Err(StoreError::Unsupported(why)) if why.contains(BUCKET)), "{stored:?}");

    server.request("POST", &format!("/{BUCKET}"), &[("X-Container-Read", ".r:*,.rlistings")]).await;
    put_as(&store, &key("a.bin"), &public, &bytes).await.expect("stored");
    let (_, storage_url) = server.token().await;
    let anybody = reqwest::get(format!("{storage_url}/{BUCKET}/a.bin")).await.expect("an answer");
    assert_eq!(anybody.bytes().await.expect("a body"), bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_container_is_full() {
    let Some(server) = server_with(&[BUCKET]).await else { return };
    server.request("POST", &format!("/{BUCKET}"), &[("X-Container-Meta-Quota-Bytes", "1000")]).await;
    let store = store(settings(&server));
    let stored = put_as(&store, &key("a.bin"), &meta(None), &pattern(2000)).await;
    assert!(matches!(stored, Err(StoreError::Full)), "{stored:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn old_clusters_take_sha1_signatures() {
    let Some(server) = server_with(&[BUCKET]).await else { return };
    server.request("POST", "", &[("X-Account-Meta-Temp-URL-Key", TEMP_URL_KEY)]).await;
    let store = store(SwiftConfig { temp_url_digest: TempUrlDigest::Sha1, ..settings(&server) });
    let bytes = pattern(100);
    let id = put_as(&store, &key("ä b.bin"), &meta(None), &bytes).await.expect("stored");
    let request = store.presign_get(&id, std::time::Duration::from_secs(60)).await.expect("a request");
    let answer = reqwest::get(request.url).await.expect("an answer");
    assert_eq!(answer.bytes().await.expect("a body"), bytes);
}

#[tokio::test]
async fn an_unreachable_provider_is_unavailable() {
    install_tls_provider();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}/auth", listener.local_addr().expect("an address"));
    drop(listener);
    let result = store(settings_with(v1(&url, "user", "key"))).check().await;
    assert!(matches!(result, Err(StoreError::Unavailable(_))), "{result:?}");
}

#[test]
fn settings_are_checked() {
    install_tls_provider();
    for auth in [v1("ftp://host", "user", "key"), v1("http://host", "", "key"), v1("http://host", "user", "")] {
        assert!(SwiftStore::new(settings_with(auth.clone())).is_err(), "{auth:?}");
    }
}

#[tokio::test]
async fn keys_that_swift_does_not_take_are_refused() {
    install_tls_provider();
    let store = store(settings_with(v1("http://127.0.0.1:1", "user", "key")));
    let long = key(&"x".repeat(1024));
    assert!(store.create(&long, &meta(None)).await.is_ok());
    let folder = key(&format!("{}/", "x".repeat(1020)));
    let refused = store.create(&folder, &meta(None)).await.map(drop);
    assert!(matches!(refused, Err(StoreError::Unsupported(_))), "{refused:?}");
    let too_long = ObjectMeta { length: Some(1 << 40), ..meta(Some(0)) };
    let refused = store.create(&key("a.bin"), &too_long).await.map(drop);
    assert!(matches!(refused, Err(StoreError::Unsupported(_))), "{refused:?}");
}
