//! moto, a second S3 implementation: it keeps access lists, which `s3s-fs` does not.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use stowage_core::location::Access;
use stowage_store::{
    ObjectMeta,
    object::{ObjectStore, S3Config},
};
use stowage_testkit::Moto;

use crate::common::{
    Backend, Fixture, Gap, Remote, Residue, install_tls_provider, meta, pattern, put_as, s3_config_at,
};

pub(crate) struct SecondS3 {
    server: Arc<Moto>,
    buckets: AtomicUsize,
}

#[async_trait::async_trait]
impl Backend for SecondS3 {
    async fn start() -> Option<Self> {
        install_tls_provider();
        Some(Self { server: Arc::new(Moto::start().await?), buckets: AtomicUsize::default() })
    }

    async fn fixture(&self) -> Fixture {
        let bucket = format!("bucket-{}", self.buckets.fetch_add(1, Ordering::SeqCst));
        self.server.create_bucket(&bucket).await;
        let config = S3Config { bucket: bucket.clone(), ..s3_config_at(self.server.endpoint(), "id", "secret") };
        let store = ObjectStore::s3(config.clone()).expect("good settings");
        let remote = Remote::new(self.server.endpoint(), move |url| {
            let config = S3Config { endpoint: Some(url.to_owned()), ..config.clone() };
            ObjectStore::s3(config).expect("good settings")
        });
        Fixture {
            remote,
            metadata_prefix: "x-amz-meta-",
            gaps: &[Gap::Signatures, Gap::PartsGone],
            ..Fixture::new(store, &bucket, Residue::Listing, self.server.clone())
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn public_objects_are_readable_by_all_and_others_are_not() {
    let Some(moto) = SecondS3::start().await else {
        return;
    };
    let fixture = moto.fixture().await;
    // moto itself lets everybody read what came in parts without an access list, so that is not looked at.
    for (access, length) in [(Access::Public, 10), (Access::Public, 9 << 20), (Access::Private, 10)] {
        let meta = ObjectMeta { access, ..meta(None) };
        let first = put_as(&*fixture.store, &fixture.key(""), &meta, &pattern(length)).await.expect("stored");
        let copy = fixture.store.copy(&first, &fixture.key(""), &meta).await.expect("a copy");
        for id in [first, copy] {
            let url = format!("{}/{}", moto.server.endpoint(), id.as_str());
            let status = reqwest::get(&url).await.expect("an answer").status();
            let expected = if access == Access::Public { 200 } else { 403 };
            assert_eq!(status, expected, "{access:?} {length}");
        }
    }
}
