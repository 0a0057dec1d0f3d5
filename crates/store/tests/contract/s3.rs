//! What only S3 stores do: settings, credentials, buckets, access, and errors of a provider.

use bytes::Bytes;
use opendal::{HttpTransporter, OperationContext, Operator, services};
use opendal_http_transport_reqwest::ReqwestTransport;
use stowage_core::{location::Access, media_type::MediaType};
use stowage_store::{
    BlobStore, ObjectId, ObjectMeta, StoreError,
    object::{ObjectStore, S3Config, S3Encryption},
    secret::Secret,
};
use tokio::net::TcpListener;

use crate::common::{
    BUCKET, Backend, S3, files_below, install_tls_provider, key, key_in, meta, pattern, put_as, read, s3_config,
    s3_config_at, s3_server, write,
};
use crate::double::{Answer, Double};

fn store(config: S3Config) -> ObjectStore {
    ObjectStore::s3(config).expect("good settings")
}

fn settings(endpoint: &str) -> S3Config {
    s3_config_at(endpoint.to_owned(), "id", "very secret")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_shows_nothing_before_the_commit() {
    let fixture = S3.fixture().await;
    for (path, length) in [("small.bin", 100), ("large.bin", 20 << 20)] {
        let id = ObjectId::from_catalogue(format!("{BUCKET}/{path}"));
        let mut writer = fixture.store.create(&key(path), &meta(None)).await.expect("a writer");
        write(&mut *writer, &pattern(length)).await.expect("the bytes are taken");
        assert!(matches!(fixture.store.stat(&id).await, Err(StoreError::NotFound)));
        assert_eq!(writer.commit().await.expect("stored"), id);
        assert_eq!(fixture.store.stat(&id).await.expect("visible").size, length as u64);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exact_key_is_overwritten() {
    let fixture = S3.fixture().await;
    let path = key("same/path.txt");
    for content in ["first", "other"] {
        let content = Bytes::from_static(content.as_bytes());
        let id = put_as(&*fixture.store, &path, &meta(None), &content).await.expect("stored");
        assert_eq!(read(&*fixture.store, &id, 0..5).await.expect("readable"), content);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_media_type_is_kept_by_the_provider() {
    let server = s3_server().await;
    let store = store(s3_config(&server));
    let service = services::S3::default()
        .bucket(BUCKET)
        .endpoint(&server.endpoint())
        .region("us-east-1")
        .access_key_id(server.access_key_id())
        .secret_access_key(server.secret_access_key());
    let transport = HttpTransporter::new(ReqwestTransport::new(reqwest::Client::new()));
    let provider = Operator::new(service)
        .expect("good settings")
        .with_context(OperationContext::new().with_http_transport(transport));
    for (path, length) in [("small.png", 100), ("large.png", 20 << 20)] {
        let meta = ObjectMeta { media_type: MediaType::parse("image/png").expect("a media type"), ..meta(None) };
        put_as(&store, &key(path), &meta, &pattern(length)).await.expect("stored");
        let stat = provider.stat(path).await.expect("the object is there");
        assert_eq!(stat.content_type(), Some("image/png"), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_credentials_are_denied() {
    let server = s3_server().await;
    let wrong_secret = S3Config { secret_access_key: Secret::new("wrong"), ..s3_config(&server) };
    let wrong_id = S3Config { access_key_id: "nobody".to_owned(), ..s3_config(&server) };
    for config in [wrong_secret, wrong_id] {
        let secret = config.secret_access_key.clone();
        let store = store(config);
        let written = put_as(&store, &key("a.bin"), &meta(None), &pattern(10)).await;
        match written {
            Err(StoreError::Denied(text)) => assert!(!text.contains(secret.reveal()), "{text}"),
            other => panic!("{other:?}"),
        }
        assert!(matches!(store.check().await, Err(StoreError::Denied(_))));
    }
    assert!(files_below(server.root()).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_does_not_exist_is_named() {
    let server = s3_server().await;
    let store = store(S3Config { bucket: "nowhere".to_owned(), ..s3_config(&server) });
    for result in
        [put_as(&store, &key_in("nowhere", "a.bin"), &meta(None), &pattern(10)).await.err(), store.check().await.err()]
    {
        assert!(matches!(&result, Some(StoreError::MissingContainer(name)) if name == "nowhere"), "{result:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_configured_buckets_are_written_to() {
    let server = s3_server().await;
    std::fs::create_dir(server.root().join("second")).expect("the bucket is made");
    std::fs::create_dir(server.root().join("private")).expect("the bucket is made");
    let both = store(S3Config { allowed_buckets: vec!["second".to_owned()], ..s3_config(&server) });
    let id = put_as(&both, &key_in("second", "a.bin"), &meta(None), &pattern(10)).await.expect("stored");
    assert_eq!(id.as_str(), "second/a.bin");
    match both.create(&key_in("private", "a.bin"), &meta(None)).await.err() {
        Some(StoreError::Unsupported(text)) => assert!(text.contains("`private`"), "{text}"),
        other => panic!("{other:?}"),
    }
    // What was stored stays readable when the bucket leaves the settings.
    let one = store(s3_config(&server));
    assert_eq!(read(&one, &id, 0..10).await.expect("readable"), pattern(10));
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_would_become_other_keys_are_refused() {
    let fixture = S3.fixture().await;
    let long = "x".repeat(1010) + "/";
    for path in [" leading", "trailing ", "trailing\u{3000}", &*long] {
        let refused = fixture.store.create(&key(path), &meta(None)).await.err();
        assert!(matches!(refused, Some(StoreError::Unsupported(_))), "{path:?}: {refused:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_id_reaches_no_other_object() {
    let fixture = S3.fixture().await;
    let id = put_as(&*fixture.store, &key("secret"), &meta(None), &pattern(6)).await.expect("stored");
    for hostile in [
        "..",
        "files",
        "files/",
        "/secret",
        "../files/secret",
        "files/../files/secret",
        "files//secret",
        "files/./secret",
        "files/ secret",
        "files?x=/secret",
        "files%2f/secret",
        "fi\0les/secret",
        "@/secret",
        "",
    ] {
        let hostile = ObjectId::from_catalogue(hostile.to_owned());
        assert!(matches!(read(&*fixture.store, &hostile, 0..6).await, Err(StoreError::NotFound)), "{hostile:?}");
        assert!(matches!(fixture.store.stat(&hostile).await, Err(StoreError::NotFound)), "{hostile:?}");
        fixture.store.delete(&hostile).await.expect("nothing to remove");
    }
    assert_eq!(fixture.store.stat(&id).await.expect("still there").size, 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_shorter_than_the_range_fails_at_its_end() {
    let fixture = S3.fixture().await;
    let id = put_as(&*fixture.store, &key("short"), &meta(None), &pattern(50)).await.expect("stored");
    let result = read(&*fixture.store, &id, 0..100).await;
    assert!(matches!(result, Err(StoreError::Other(_))), "{result:?}");
}

#[test]
fn settings_are_checked_and_never_show_the_secret() {
    install_tls_provider();
    let good = || settings("https://s3.example.com:9000");
    let shown = format!("{:?}", good());
    assert!(!shown.contains("very secret") && shown.contains("s3.example.com"), "{shown}");
    assert!(ObjectStore::s3(good()).is_ok());
    assert!(ObjectStore::s3(S3Config { endpoint: None, ..good() }).is_ok());
    for endpoint in
        ["", "s3.example.com", "ftp://s3.example.com", "https://user:pass@s3.example.com", "https://h?x", "file:///etc"]
    {
        assert!(ObjectStore::s3(settings(endpoint)).is_err(), "{endpoint}");
    }
    for bucket in ["", ".", "..", "a/b", "a?b", "a b", "a%b"] {
        assert!(ObjectStore::s3(S3Config { bucket: bucket.to_owned(), ..good() }).is_err(), "{bucket}");
        let allowed_buckets = vec![bucket.to_owned()];
        assert!(ObjectStore::s3(S3Config { allowed_buckets, ..good() }).is_err(), "{bucket}");
    }
    let kms_key_id = Some("key".to_owned());
    assert!(ObjectStore::s3(S3Config { kms_key_id: kms_key_id.clone(), ..good() }).is_err());
    let server_side_encryption = Some(S3Encryption::Kms);
    assert!(ObjectStore::s3(S3Config { kms_key_id, server_side_encryption, ..good() }).is_ok());
    assert!(ObjectStore::s3(S3Config { region: Some("x.evil".to_owned()), ..good() }).is_err());
    assert!(ObjectStore::s3(S3Config { access_key_id: String::new(), ..good() }).is_err());
    assert!(ObjectStore::s3(S3Config { secret_access_key: Secret::new(""), ..good() }).is_err());
}

#[test]
fn settings_are_read_strictly() {
    let text = r#"{"bucket":"b","access_key_id":"i","secret_access_key":"s"}"#;
    let config: S3Config = serde_json::from_str(text).expect("the least settings");
    assert_eq!(config.endpoint, None);
    assert!(!config.virtual_host_style);
    let misspelt = text.replace("{", r#"{"end_point":"x","#);
    assert!(serde_json::from_str::<S3Config>(&misspelt).is_err());
}

/// A provider that gives one S3 error document to everything.
struct Provider(Double);

impl Provider {
    async fn answering(status: &'static str, code: &'static str) -> Self {
        let body = format!("<Error><Code>{code}</Code><Message>no</Message></Error>");
        Self(Double::start(move |_| Answer { status, body: body.clone(), ..Answer::default() }).await)
    }

    async fn put(&self, access: Access) -> Option<StoreError> {
        let meta = ObjectMeta { access, ..meta(None) };
        put_as(&store(settings(&self.0.endpoint)), &key("a.bin"), &meta, &Bytes::new()).await.err()
    }

    fn requests(&self) -> usize {
        self.0.asked().len()
    }
}

#[tokio::test]
async fn answers_of_a_provider_become_the_right_errors() {
    for (status, code, expected) in [
        ("401 Unauthorized", "Unauthorized", "Denied"),
        ("403 Forbidden", "SignatureDoesNotMatch", "Denied"),
        ("404 Not Found", "NoSuchBucket", "MissingContainer"),
        ("507 Insufficient Storage", "XMinioStorageFull", "Full"),
        ("403 Forbidden", "QuotaExceeded", "Full"),
        ("400 Bad Request", "InvalidArgument", "Other"),
        ("301 Moved Permanently", "PermanentRedirect", "WrongRegion"),
        ("400 Bad Request", "AuthorizationHeaderMalformed", "WrongRegion"),
    ] {
        let provider = Provider::answering(status, code).await;
        let error = format!("{:?}", provider.put(Access::Private).await.expect("an error"));
        assert!(error.starts_with(expected), "{status} {code}: {error}");
        assert_eq!(provider.requests(), 1, "{status} {code} is final");
    }
}

#[tokio::test]
async fn passing_failures_are_tried_again_a_few_times() {
    async fn assert_tried_again(status: &'static str, code: &'static str, expected: &str) {
        let provider = Provider::answering(status, code).await;
        let error = format!("{:?}", provider.put(Access::Private).await.expect("an error"));
        assert!(error.starts_with(expected), "{status}: {error}");
        assert_eq!(provider.requests(), 4, "{status}");
    }
    tokio::join!(
        assert_tried_again("503 Slow Down", "SlowDown", "Throttled"),
        assert_tried_again("500 Oops", "InternalError", "Unavailable"),
        assert_tried_again("429 Wait", "TooManyRequests", "Throttled"),
    );
}

#[tokio::test]
async fn a_bucket_without_access_lists_refuses_public_objects_in_clear_words() {
    let provider = Provider::answering("400 Bad Request", "AccessControlListNotSupported").await;
    match provider.put(Access::Public).await {
        Some(StoreError::Unsupported(text)) => {
            assert!(text.contains("access=public") && text.contains(BUCKET), "{text}");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_unreachable_provider_is_unavailable() {
    install_tls_provider();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
    drop(listener);
    let result = store(settings(&endpoint)).check().await;
    assert!(matches!(result, Err(StoreError::Unavailable(_))), "{result:?}");
}
