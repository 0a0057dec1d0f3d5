//! Every provider behind the running server, each on a real server of its kind (Dropbox: the double that its official client accepts).
//! What the server says is compared with what the provider holds.

mod alias;
mod alias_rules;
mod bad_input;
mod clients;
mod credentials;
mod journey;
mod swift;
mod visibility;

use std::{any::Any, sync::Arc};

use futures_util::TryStreamExt;
use stowage_core::{
    location::{Access, ContainerName},
    media_type::MediaType,
};
use stowage_store::{
    Blob, BlobStore, ObjectId, ObjectKey, ObjectMeta, StoreError, local::LocalStore, registry::Provider,
};
use stowage_testkit::{
    AZURITE_ACCOUNT, AZURITE_KEY, Azurite, Dropbox, GcsServer, Moto, Origin, Reply, S3_ACCESS_KEY_ID,
    S3_SECRET_ACCESS_KEY, S3Server, SwiftServer,
};

use crate::support::{App, Stowage, client, server_with};

/// Containers at every provider: the default one, one that requests may name, one that they may not.
const CONTAINERS: [&str; 3] = ["files", "second", "foreign"];

/// A provider with an account for the tests.
struct Backend {
    provider: &'static str,
    location: &'static str,
    settings: Vec<(String, String)>,
    /// Settings whose credentials the provider refuses; they stand in for the good ones of the same names.
    wrong: Vec<(String, String)>,
    /// Straight to the provider, beside the server under test.
    driver: Arc<dyn BlobStore>,
    /// Whether the test server takes uploads of parts (fake-gcs-server does not).
    takes_parts: bool,
    _kept: Box<dyn Any + Send>,
}

fn owned(settings: &[(&str, &str)]) -> Vec<(String, String)> {
    settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

impl Backend {
    fn new(
        provider: &'static str,
        location: &'static str,
        settings: &[(&str, &str)],
        wrong: &[(&str, &str)],
        kept: impl Any + Send,
    ) -> Self {
        let settings = owned(settings);
        let driver = open(provider, &settings);
        Self { provider, location, settings, wrong: owned(wrong), driver, takes_parts: true, _kept: Box::new(kept) }
    }

    async fn s3() -> Option<Self> {
        let server = S3Server::start(CONTAINERS[0]).await;
        for bucket in &CONTAINERS[1..] {
            std::fs::create_dir(server.root().join(bucket)).expect("another bucket");
        }
        let settings = [
            ("bucket", "files"),
            ("allowed_buckets", "second,missing"),
            ("endpoint", &server.endpoint()),
            ("access_key_id", S3_ACCESS_KEY_ID),
            ("secret_access_key", S3_SECRET_ACCESS_KEY),
        ];
        let wrong = [("secret_access_key", "not the secret")];
        Some(Self::new("s3", "S3", &settings, &wrong, server))
    }

    /// Another implementation, which takes any credentials and keeps access lists.
    async fn moto() -> Option<Self> {
        let server = Moto::start().await?;
        for bucket in CONTAINERS {
            server.create_bucket(bucket).await;
        }
        let settings = [
            ("bucket", "files"),
            ("allowed_buckets", "second,missing"),
            ("endpoint", &server.endpoint()),
            ("access_key_id", "any"),
            ("secret_access_key", "any"),
        ];
        Some(Self::new("s3", "S3", &settings, &[], server))
    }

    async fn azure() -> Option<Self> {
        let server = Azurite::start().await?;
        for container in CONTAINERS {
            server.create_container(container).await;
        }
        let settings = [
            ("container", "files"),
            ("allowed_containers", "second,missing"),
            ("endpoint", &server.endpoint()),
            ("account", AZURITE_ACCOUNT),
            ("account_key", AZURITE_KEY),
        ];
        let wrong = [("account_key", "bm90IHRoZSBrZXk=")];
        Some(Self::new("azure", "azure", &settings, &wrong, server))
    }

    async fn gcs() -> Option<Self> {
        let server = GcsServer::start().await?;
        for bucket in CONTAINERS {
            server.create_bucket(bucket).await;
        }
        // The fake server takes any credentials; this one none.
        let refusing = Origin::start("127.0.0.1", |_| Reply::status("401 Unauthorized")).await;
        let settings = [("bucket", "files"), ("allowed_buckets", "second,missing"), ("endpoint", &server.endpoint())];
        let wrong = refusing.url("");
        let backend = Self::new("gcs", "gcs", &settings, &[("endpoint", &wrong)], (server, refusing));
        Some(Self { takes_parts: false, ..backend })
    }

    async fn swift() -> Option<Self> {
        let server = SwiftServer::start()?;
        for container in CONTAINERS {
            server.request("PUT", &format!("/{container}"), &[]).await;
        }
        let settings = [
            ("container", "files"),
            ("allowed_containers", "second,missing"),
            ("auth.method", "v1"),
            ("auth.url", &server.auth_url()),
            ("auth.user", SwiftServer::USER),
            ("auth.key", SwiftServer::KEY),
        ];
        let wrong = [("auth.key", "not the key")];
        Some(Self::new("swift", "rackspace", &settings, &wrong, server))
    }

    async fn dropbox() -> Option<Self> {
        let server = Dropbox::start().await;
        let url = server.url();
        let settings = [
            ("container", "files"),
            ("allowed_containers", "second"),
            ("root", "/Apps/Stowage"),
            ("api_url", &url),
            ("content_url", &url),
            ("app_key", Dropbox::APP_KEY),
            ("app_secret", Dropbox::APP_SECRET),
            ("refresh_token", Dropbox::REFRESH_TOKEN),
        ];
        let wrong = [("refresh_token", "not the token")];
        Some(Self::new("dropbox", "dropbox", &settings, &wrong, server))
    }

    /// Adds it to an app as the operator does, under the name of its location.
    fn add_to(&self, server: &Stowage, app: &App) {
        self.add_as(server, app, self.location, &self.settings);
    }

    fn add_as(&self, server: &Stowage, app: &App, name: &str, settings: &[(String, String)]) {
        let settings: Vec<String> = settings.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut arguments = vec!["store", "add", &app.name, name, "--provider", self.provider];
        arguments.extend(settings.iter().map(String::as_str));
        server.run(&arguments);
    }

    /// The settings with credentials that the provider refuses.
    fn refused_settings(&self) -> Vec<(String, String)> {
        let good = self.settings.iter().filter(|(name, _)| !self.wrong.iter().any(|(wrong, _)| wrong == name));
        good.chain(&self.wrong).cloned().collect()
    }

    /// What the provider holds under a key, and the type that it keeps for it.
    async fn object(&self, container: &str, key: &str) -> Option<(Vec<u8>, Option<String>)> {
        let id = self.id(container, key);
        let stat = match self.driver.stat(&id).await {
            Err(StoreError::NotFound) => return None,
            stat => stat.expect("the provider describes the object"),
        };
        let content = match self.driver.open(&id, 0..stat.size).await {
            // Deleted since.
            Err(StoreError::NotFound) => return None,
            Err(error) => panic!("the provider gives the object: {error}"),
            Ok(Blob::Memory(content)) => content.to_vec(),
            Ok(Blob::File { .. }) => panic!("a remote object came as a file"),
            Ok(Blob::Stream(chunks)) => chunks
                .try_fold(Vec::new(), async |mut content, chunk| {
                    content.extend_from_slice(&chunk);
                    Ok(content)
                })
                .await
                .expect("the object is whole"),
        };
        Some((content, stat.media_type))
    }

    /// Puts an object into the default container behind the server's back.
    async fn put(&self, key: &str, media_type: &str, content: &[u8]) {
        let meta = ObjectMeta {
            media_type: MediaType::parse(media_type).expect("a media type"),
            access: Access::Private,
            length: Some(content.len() as u64),
            disposition: None,
            user_metadata: Vec::new(),
        };
        let key = ObjectKey::existing(container_name(CONTAINERS[0]), key.to_owned());
        let mut writer = self.driver.create(&key, &meta).await.expect("the provider takes an object");
        writer.write(content.to_vec().into()).await.expect("the provider takes its content");
        writer.commit().await.expect("the provider keeps it");
    }

    /// Keys in a container.
    async fn keys(&self, container: &str) -> Vec<String> {
        match self.driver.list(&container_name(container), "", None).await {
            // Containers at Dropbox are folders, which come with their first file.
            Err(StoreError::MissingContainer(_)) => Vec::new(),
            page => page.expect("a listing").objects.into_iter().map(|object| object.key).collect(),
        }
    }

    fn id(&self, container: &str, key: &str) -> ObjectId {
        let key = ObjectKey::existing(container_name(container), key.to_owned());
        self.driver.planned_id(&key).expect("remote drivers plan their ids")
    }
}

fn container_name(text: &str) -> ContainerName {
    ContainerName::parse(text).expect("a container name")
}

fn open(provider: &str, settings: &[(String, String)]) -> Arc<dyn BlobStore> {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let local = LocalStore::open(directory.path(), 1).expect("a local store");
    let provider = Provider::named(provider).expect("a provider");
    let settings = provider.settings_from_text(settings).expect("known settings");
    provider.open(settings, &local).expect("good settings").driver
}

/// Drivers and the starters of servers make clients of their own, which need one.
fn install_tls_provider() {
    let _ = client();
}

/// A server that may fetch from 127.0.0.2, where the tests' origins are.
fn fetching_server() -> Stowage {
    server_with(&[("STOWAGE_FETCH_ALLOW", "127.0.0.2/32"), ("STOWAGE_FETCH_PORTS", "")])
}

/// One test for each provider, skipped where its server is not installed. It runs the parts in their order on one provider, because
/// some of the servers take seconds to start.
macro_rules! on_every_provider {
    ($name:ident: $parts:tt) => {
        mod $name {
            use super::super::Backend;
            $crate::providers::on_every_provider!(@each $parts s3 azure gcs swift dropbox);
        }
    };
    (@each $parts:tt $($provider:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $provider() {
                $crate::providers::install_tls_provider();
                if let Some(backend) = Backend::$provider().await {
                    $crate::providers::on_every_provider!(@run backend $parts);
                }
            }
        )*
    };
    (@run $backend:ident [$($part:ident),+]) => {
        $(super::$part(&$backend).await;)+
    };
}
use on_every_provider;
