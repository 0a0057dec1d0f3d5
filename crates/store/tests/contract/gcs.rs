//! What only Google stores do, and `fake-gcs-server` for the contract.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use bytes::Bytes;
use stowage_store::{
    BlobStore, ObjectMeta, StoreError,
    object::{GcsConfig, ObjectStore},
    secret::Secret,
};
use stowage_testkit::GcsServer;

use crate::{
    common::{AN_HOUR, Backend, Fixture, Gap, Remote, Residue, install_tls_provider, key_in, meta, pattern, put_as},
    every_driver::ODD_PATHS,
};

pub(crate) struct Gcs {
    server: Arc<GcsServer>,
    buckets: AtomicUsize,
}

impl Gcs {
    async fn new_bucket(&self) -> String {
        let bucket = format!("bucket-{}", self.buckets.fetch_add(1, Ordering::SeqCst));
        self.server.create_bucket(&bucket).await;
        bucket
    }
}

#[async_trait::async_trait]
impl Backend for Gcs {
    async fn start() -> Option<Self> {
        install_tls_provider();
        Some(Self { server: Arc::new(GcsServer::start().await?), buckets: AtomicUsize::default() })
    }

    async fn fixture(&self) -> Fixture {
        let bucket = self.new_bucket().await;
        let store = ObjectStore::gcs(anonymous(&self.server.endpoint(), &bucket)).expect("good settings");
        let place = bucket.clone();
        let remote = Remote::new(self.server.endpoint(), move |url| {
            ObjectStore::gcs(anonymous(url, &place)).expect("good settings")
        });
        Fixture {
            remote,
            metadata_prefix: "x-goog-meta-",
            gaps: &[Gap::Multipart],
            ..Fixture::new(store, &bucket, Residue::Listing, self.server.clone())
        }
    }
}

fn anonymous(endpoint: &str, bucket: &str) -> GcsConfig {
    GcsConfig {
        bucket: bucket.to_owned(),
        allowed_buckets: Vec::new(),
        endpoint: Some(endpoint.to_owned()),
        service_account: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_does_not_exist_is_named() {
    let Some(gcs) = Gcs::start().await else {
        return;
    };
    let store = ObjectStore::gcs(anonymous(&gcs.server.endpoint(), "nowhere")).expect("good settings");
    let written = put_as(&store, &key_in("nowhere", "a.bin"), &meta(None), &pattern(10)).await.err();
    let listed = store.list(key_in("nowhere", "a").container(), "", None).await.err();
    for error in [written, listed, store.check().await.err()] {
        assert!(matches!(&error, Some(StoreError::MissingContainer(name)) if name == "nowhere"), "{error:?}");
    }
}

/// The fake server takes any signature; that the right text is signed is the signer's own matter. What is tested here
/// is that odd keys reach their objects, and that the signature has the asked life.
#[tokio::test(flavor = "multi_thread")]
async fn odd_keys_are_presigned() {
    let Some(gcs) = Gcs::start().await else {
        return;
    };
    let fixture = gcs.fixture().await;
    // Made for this test, and of no account.
    let private_key = include_str!("service-account.pem");
    let account = serde_json::json!({
        "type": "service_account", "client_email": "test@example.com", "private_key": private_key,
    });
    let config = GcsConfig {
        service_account: Some(Secret::new(account.to_string())),
        ..anonymous(&gcs.server.endpoint(), &fixture.container)
    };
    let signing = ObjectStore::gcs(config).expect("good settings");
    assert!(signing.capabilities().presign && !fixture.store.capabilities().presign);
    let facts = ObjectMeta {
        disposition: Some("attachment; filename=x".to_owned()),
        user_metadata: vec![("colour".to_owned(), "blue".to_owned())],
        ..meta(None)
    };
    for path in ODD_PATHS {
        let content = Bytes::from(format!("content of {path}"));
        let id = put_as(&*fixture.store, &fixture.key(path), &facts, &content).await.expect("stored");
        let request = signing.presign_get(&id, AN_HOUR).await.expect("a request");
        assert!(request.url.contains("X-Goog-Expires=3600"), "{}", request.url);
        let answer = reqwest::get(&request.url).await.expect("an answer");
        assert_eq!(answer.status(), 200, "{path}: {}", request.url);
        assert_eq!(answer.headers()["content-disposition"], "attachment; filename=x", "{path}");
        assert_eq!(answer.headers()["x-goog-meta-colour"], "blue", "{path}");
        assert_eq!(answer.bytes().await.expect("a body"), content, "{path}");
    }
    let request = signing.presign_put(&fixture.key("a b"), &facts, AN_HOUR).await.expect("a request");
    assert!(request.url.contains("/a%20b?") && request.url.contains("X-Goog-Signature="), "{}", request.url);
    for (name, value) in [("x-goog-meta-colour", "blue"), ("content-disposition", "attachment; filename=x")] {
        assert!(request.headers.contains(&(name.to_owned(), value.to_owned())), "{:?}", request.headers);
    }
}

#[test]
fn only_keys_of_service_accounts_are_credentials() {
    install_tls_provider();
    let with = |text: &str| GcsConfig {
        service_account: Some(Secret::new(text)),
        endpoint: None,
        ..anonymous("https://h", "bucket")
    };
    let key = r#"{"type":"service_account","client_email":"a@b","private_key":"very secret"}"#;
    assert!(ObjectStore::gcs(with(key)).is_ok());
    assert!(!format!("{:?}", with(key)).contains("very secret"));
    for bad in [
        "",
        "very secret",
        "{}",
        r#"{"type":"external_account","client_email":"a@b","private_key":"k","credential_source":{"file":"/etc/passwd"}}"#,
        r#"{"type":"service_account","client_email":"a@b","private_key":""}"#,
    ] {
        let refused = ObjectStore::gcs(with(bad)).err().expect("refused");
        assert!(!refused.contains("very secret"), "{refused}");
    }
    assert!(ObjectStore::gcs(GcsConfig { endpoint: None, ..anonymous("", "bucket") }).is_err());
    assert!(ObjectStore::gcs(anonymous("ftp://h", "bucket")).is_err());
    assert!(ObjectStore::gcs(anonymous("https://h", "bad/bucket")).is_err());
}
