//! A real S3 server (`s3s-fs`) on a loopback port, in this process.

use std::{
    collections::HashMap,
    io,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use hyper::{
    Request,
    body::Incoming,
    service::{Service, service_fn},
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use s3s::{
    S3Result,
    access::{S3Access, S3AccessContext},
    auth::SimpleAuth,
    s3_error,
    service::{S3Service, S3ServiceBuilder},
};
use s3s_fs::FileSystem;
use tempfile::TempDir;
use tokio::{
    net::TcpListener,
    task::{JoinHandle, JoinSet},
};

/// Access key id of every [`S3Server`].
pub const S3_ACCESS_KEY_ID: &str = "stowage-test";
/// Secret access key of every [`S3Server`].
pub const S3_SECRET_ACCESS_KEY: &str = "stowage-test-secret";

/// A real S3 server (`s3s-fs`) on a loopback port of its own, in this process; signatures are checked. Dropping it
/// closes the port and every connection, and removes a temporary root.
pub struct S3Server {
    address: SocketAddr,
    root: PathBuf,
    regions: Regions,
    accepting: JoinHandle<()>,
    _temporary_root: Option<TempDir>,
}

impl S3Server {
    /// Starts it with one empty bucket.
    pub async fn start(bucket: &str) -> Self {
        let root = tempfile::tempdir().expect("a temporary directory can be made");
        let mut server =
            Self::start_at(root.path(), bucket, 0).await.expect("the S3 server starts on a free loopback port");
        server._temporary_root = Some(root);
        server
    }

    /// Starts it on `port` (0: any free one), keeping its files below `root`, where `bucket` is created if missing.
    pub async fn start_at(root: &Path, bucket: &str, port: u16) -> io::Result<Self> {
        std::fs::create_dir_all(root.join(bucket))?;
        let root = root.canonicalize()?;
        let files = FileSystem::new(&root).map_err(|error| io::Error::other(format!("{error:?}")))?;
        let mut builder = S3ServiceBuilder::new(files);
        builder.set_auth(SimpleAuth::from_single(S3_ACCESS_KEY_ID, S3_SECRET_ACCESS_KEY));
        let regions = Regions::default();
        builder.set_access(Access { root: root.clone(), regions: regions.clone() });

        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let address = listener.local_addr()?;
        let accepting = tokio::spawn(accept(listener, builder.build()));
        Ok(Self { address, root, regions, accepting, _temporary_root: None })
    }

    /// Makes an empty bucket that takes only requests signed for `region`; the other buckets take those for any.
    pub fn create_bucket_in(&self, bucket: &str, region: &str) {
        std::fs::create_dir_all(self.root.join(bucket)).expect("a directory can be made");
        let mut regions = self.regions.lock().unwrap_or_else(PoisonError::into_inner);
        regions.insert(bucket.to_owned(), region.to_owned());
    }

    /// `http://127.0.0.1:PORT`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Access key id.
    pub fn access_key_id(&self) -> &str {
        S3_ACCESS_KEY_ID
    }

    /// Secret access key.
    pub fn secret_access_key(&self) -> &str {
        S3_SECRET_ACCESS_KEY
    }

    /// Where its files are: one directory for each bucket, and beside them dot files for metadata and unfinished
    /// multipart uploads (`.upload-*`, `.upload_id-*`).
    pub fn root(&self) -> &Path {
        &self.root
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// The regions of those buckets that have one.
type Regions = Arc<Mutex<HashMap<String, String>>>;

/// Refuses requests without a signature or with one for another region than the bucket's, objects in buckets that do not
/// exist (`s3s-fs` would make the bucket), and uploads of parts that are over (`s3s-fs` would deny the permission).
struct Access {
    root: PathBuf,
    regions: Regions,
}

impl Access {
    fn region_of(&self, bucket: &str) -> Option<String> {
        self.regions.lock().unwrap_or_else(PoisonError::into_inner).get(bucket).cloned()
    }
}

/// The region in `Credential=ID/DATE/REGION/s3/aws4_request`.
fn signed_region<'a>(context: &'a S3AccessContext<'_>) -> Option<&'a str> {
    let scope = context.headers().get("authorization")?.to_str().ok()?.split_once("Credential=")?.1;
    scope.split('/').nth(2)
}

#[async_trait::async_trait]
impl S3Access for Access {
    async fn check(&self, context: &mut S3AccessContext<'_>) -> S3Result<()> {
        if context.credentials().is_none() {
            return Err(s3_error!(AccessDenied, "Signature is required"));
        }
        let path = context.s3_path();
        let bucket = path.get_bucket_name().unwrap_or_default();
        if let Some(region) = self.region_of(bucket)
            && signed_region(context) != Some(&region)
        {
            return Err(s3_error!(AuthorizationHeaderMalformed, "the region is wrong; expecting '{region}'"));
        }
        if path.get_object_key().is_some() && !self.root.join(bucket).is_dir() {
            return Err(s3_error!(NoSuchBucket));
        }
        let query = context.uri().query().unwrap_or_default();
        let upload = query.split('&').find_map(|pair| pair.strip_prefix("uploadId="));
        if upload.is_some_and(|id| !self.root.join(format!(".upload-{id}.json")).is_file()) {
            return Err(s3_error!(NoSuchUpload));
        }
        Ok(())
    }
}

/// Accepts for ever; the connections live in the set and end with this future.
async fn accept(listener: TcpListener, service: S3Service) {
    let mut connections = JoinSet::new();
    while let Ok((socket, _)) = listener.accept().await {
        // Without it small answers wait for the client's delayed acknowledgement, about 40 ms each.
        let _ = socket.set_nodelay(true);
        let service = service.clone();
        // What has begun is finished although the client is gone, as at a provider: `s3s-fs` would lose an upload that it is just
        // putting together.
        let to_the_end = service_fn(move |request: Request<Incoming>| {
            let answer = tokio::spawn(Service::call(&service, request));
            async { answer.await.map_err(io::Error::other)?.map_err(io::Error::other) }
        });
        connections.spawn(async move {
            let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(socket), to_the_end).await;
        });
        while connections.try_join_next().is_some() {}
    }
}
