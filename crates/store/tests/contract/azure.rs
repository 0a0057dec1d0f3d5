//! What only Azure stores do, and Azurite as a server for the contract.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use stowage_core::location::Access;
use stowage_store::{
    BlobStore, ObjectMeta, StoreError,
    object::{AzureConfig, ObjectStore},
    secret::Secret,
};
use stowage_testkit::{AZURITE_ACCOUNT, AZURITE_KEY, Azurite};

use crate::common::{
    AN_HOUR, Backend, Fixture, Gap, Remote, Residue, install_tls_provider, key_in, meta, pattern, put_as, read,
};
use crate::double::{Answer, Double};

pub(crate) struct Azure {
    server: Arc<Azurite>,
    containers: AtomicUsize,
}

impl Azure {
    async fn new_container(&self) -> String {
        let container = format!("container-{}", self.containers.fetch_add(1, Ordering::SeqCst));
        self.server.create_container(&container).await;
        container
    }
}

#[async_trait::async_trait]
impl Backend for Azure {
    async fn start() -> Option<Self> {
        install_tls_provider();
        Some(Self { server: Arc::new(Azurite::start().await?), containers: AtomicUsize::default() })
    }

    async fn fixture(&self) -> Fixture {
        let container = self.new_container().await;
        let config = with_key(&self.server, &container);
        let store = ObjectStore::azure(config.clone()).expect("good settings");
        let remote = Remote::new(self.server.endpoint(), move |url| {
            let config = AzureConfig { endpoint: Some(format!("{url}/{AZURITE_ACCOUNT}")), ..config.clone() };
            ObjectStore::azure(config).expect("good settings")
        });
        Fixture {
            remote,
            gaps: &[Gap::ChecksumCode, Gap::PartAbort],
            metadata_prefix: "x-ms-meta-",
            ..Fixture::new(store, &container, Residue::Listing, self.server.clone())
        }
    }
}

fn with_key(server: &Azurite, container: &str) -> AzureConfig {
    AzureConfig {
        container: container.to_owned(),
        allowed_containers: Vec::new(),
        account: Some(AZURITE_ACCOUNT.to_owned()),
        account_key: Some(Secret::new(AZURITE_KEY)),
        sas_token: None,
        connection_string: None,
        endpoint: Some(server.endpoint()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_form_of_credentials_works_and_wrong_ones_are_denied() {
    let Some(azure) = Azure::start().await else {
        return;
    };
    let container = azure.new_container().await;
    let good = with_key(&azure.server, &container);
    let text = format!(
        "DefaultEndpointsProtocol=http;AccountName={AZURITE_ACCOUNT};AccountKey={AZURITE_KEY};BlobEndpoint={};",
        azure.server.endpoint()
    );
    let bare = AzureConfig { account: None, account_key: None, endpoint: None, ..good.clone() };
    let with_text = AzureConfig { connection_string: Some(Secret::new(text)), ..bare.clone() };
    let token = azure.server.sas_token();
    let with_token =
        AzureConfig { sas_token: Some(Secret::new(&token)), endpoint: Some(azure.server.endpoint()), ..bare.clone() };
    for config in [&good, &with_text, &with_token] {
        let store = ObjectStore::azure(config.clone()).expect("good settings");
        store.check().await.expect("the store works");
        let key = key_in(&container, "a b/ü+.bin");
        let id = put_as(&store, &key, &meta(None), &pattern(9 << 20)).await.expect("stored");
        assert!(read(&store, &id, 5..15).await.expect("readable") == pattern(9 << 20)[5..15]);
    }

    let by_token = ObjectStore::azure(with_token).expect("good settings");
    assert!(!by_token.capabilities().presign);
    let id = put_as(&by_token, &key_in(&container, "x"), &meta(None), &pattern(1)).await.expect("stored");
    let presigned = by_token.presign_get(&id, AN_HOUR).await;
    assert!(matches!(presigned, Err(StoreError::Unsupported(_))), "a token is never given away: {presigned:?}");

    for wrong in [
        AzureConfig { account_key: Some(Secret::new("d3Jvbmc=")), ..good },
        AzureConfig {
            sas_token: Some(Secret::new(token.replace("sig=", "sig=AAAA"))),
            endpoint: Some(azure.server.endpoint()),
            ..bare
        },
    ] {
        let error = ObjectStore::azure(wrong).expect("good settings").check().await;
        match error {
            Err(StoreError::Denied(text)) => assert!(!text.contains("d3Jvbmc=") && !text.contains("AAAA"), "{text}"),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_never_shows_in_an_error() {
    install_tls_provider();
    let double = Double::start(|asked| match asked.method.as_str() {
        "GET" => Answer { status: "200 OK", body: "short".to_owned(), ..Answer::default() },
        _ => Answer::default(),
    })
    .await;
    let config = AzureConfig {
        container: "files".to_owned(),
        allowed_containers: Vec::new(),
        account: None,
        account_key: None,
        sas_token: Some(Secret::new("sv=1&sig=very%2Bsecret")),
        connection_string: None,
        endpoint: Some(double.endpoint.clone()),
    };
    assert!(!format!("{config:?}").contains("very"));
    let store = ObjectStore::azure(config).expect("good settings");
    let key = key_in("files", "a.bin");
    let id = store.planned_id(&key).expect("an id");
    let errors = [
        put_as(&store, &key, &meta(None), &pattern(10)).await.err(),
        read(&store, &id, 0..10).await.err(),
        store.stat(&id).await.err(),
        store.delete(&id).await.err(),
        store.list(key.container(), "", None).await.err(),
    ];
    for error in errors {
        let text = format!("{error:?}");
        assert!(error.is_some() && !text.contains("very"), "{text}");
    }
    assert!(double.asked().iter().all(|asked| asked.target.contains("sig=very%2Bsecret")), "the token is sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn containers_are_those_of_the_settings() {
    let Some(azure) = Azure::start().await else {
        return;
    };
    let (first, second) = (azure.new_container().await, azure.new_container().await);
    let config = AzureConfig { allowed_containers: vec![second.clone()], ..with_key(&azure.server, &first) };
    let store = ObjectStore::azure(config).expect("good settings");
    let id = put_as(&store, &key_in(&second, "a.bin"), &meta(None), &pattern(10)).await.expect("stored");
    assert_eq!(id.as_str(), format!("{second}/a.bin"));
    let refused = store.create(&key_in("other", "a.bin"), &meta(None)).await.err();
    assert!(matches!(refused, Some(StoreError::Unsupported(_))), "{refused:?}");

    let store = ObjectStore::azure(with_key(&azure.server, "nowhere")).expect("good settings");
    let written = put_as(&store, &key_in("nowhere", "a.bin"), &meta(None), &pattern(10)).await.err();
    let listed = store.list(key_in("nowhere", "a").container(), "", None).await.err();
    for error in [written, listed, store.check().await.err()] {
        assert!(matches!(&error, Some(StoreError::MissingContainer(name)) if name == "nowhere"), "{error:?}");
    }
    assert!(!store.capabilities().public_access, "only whole containers are public");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_presigned_put_stores_the_facts_too() {
    let Some(azure) = Azure::start().await else {
        return;
    };
    let fixture = azure.fixture().await;
    let facts = ObjectMeta {
        access: Access::Private,
        disposition: Some("attachment; filename=x.bin".to_owned()),
        user_metadata: vec![("the-colour".to_owned(), "blue".to_owned())],
        ..meta(None)
    };
    let key = fixture.key("direct.bin");
    let request = fixture.store.presign_put(&key, &facts, AN_HOUR).await.expect("a request");
    let mut put = reqwest::Client::new().put(&request.url).body("direct");
    for (name, value) in &request.headers {
        put = put.header(name, value);
    }
    assert_eq!(put.send().await.expect("an answer").status(), 201);
    let id = fixture.store.planned_id(&key).expect("an id");
    let request = fixture.store.presign_get(&id, AN_HOUR).await.expect("a request");
    let answer = reqwest::get(&request.url).await.expect("an answer");
    assert_eq!(answer.headers()["content-disposition"], "attachment; filename=x.bin");
    assert_eq!(answer.headers()["x-ms-meta-the_colour"], "blue");
}
