//! A real S3 server (`s3s-fs`) on a loopback port, in this process.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use s3s::{
    auth::SimpleAuth,
    service::{S3Service, S3ServiceBuilder},
};
use s3s_fs::FileSystem;
use tempfile::TempDir;
use tokio::{
    net::TcpListener,
    task::{JoinHandle, JoinSet},
};

const ACCESS_KEY_ID: &str = "stowage-test";
const SECRET_ACCESS_KEY: &str = "stowage-test-secret";

/// A real S3 server (`s3s-fs`) on a loopback port of its own, in this process; signatures are checked. Dropping it
/// closes the port and every connection, and removes a temporary root.
pub struct S3Server {
    address: SocketAddr,
    root: PathBuf,
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
        builder.set_auth(SimpleAuth::from_single(ACCESS_KEY_ID, SECRET_ACCESS_KEY));

        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let address = listener.local_addr()?;
        let accepting = tokio::spawn(accept(listener, builder.build()));
        Ok(Self { address, root, accepting, _temporary_root: None })
    }

    /// `http://127.0.0.1:PORT`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Access key id.
    pub fn access_key_id(&self) -> &str {
        ACCESS_KEY_ID
    }

    /// Secret access key.
    pub fn secret_access_key(&self) -> &str {
        SECRET_ACCESS_KEY
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

/// Accepts for ever; the connections live in the set and end with this future.
async fn accept(listener: TcpListener, service: S3Service) {
    let mut connections = JoinSet::new();
    while let Ok((socket, _)) = listener.accept().await {
        // Without it small answers wait for the client's delayed acknowledgement, about 40 ms each.
        let _ = socket.set_nodelay(true);
        let service = service.clone();
        connections.spawn(async move {
            let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(socket), service).await;
        });
        while connections.try_join_next().is_some() {}
    }
}
