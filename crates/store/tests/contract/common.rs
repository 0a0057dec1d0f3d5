//! What the store tests share: both drivers behind one fixture, and short ways to store and to read.

use std::{
    fs::File,
    ops::Range,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use futures_util::TryStreamExt;
use stowage_core::{
    filename::FileName,
    location::{Access, ContainerName},
    media_type::MediaType,
    storage_path::StoragePath,
};
use stowage_store::{
    Blob, BlobStore, BlobWriter, ObjectId, ObjectKey, ObjectMeta, StoreError,
    local::LocalStore,
    object::{S3Config, S3Store},
};
use stowage_testkit::S3Server;
use tempfile::TempDir;

pub(crate) const BUCKET: &str = "files";

/// A driver with an empty place to write to.
pub(crate) struct Fixture {
    pub(crate) store: Arc<dyn BlobStore>,
    /// Names nothing, but could.
    pub(crate) missing: ObjectId,
    root: PathBuf,
    _directory: Option<TempDir>,
    _server: Option<S3Server>,
}

impl Fixture {
    pub(crate) async fn local() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let store = LocalStore::open(directory.path(), 1).expect("a local store");
        let missing = ObjectId::from_catalogue("5a/1-abcdefghijklmnopqrstuvwx".to_owned());
        Self {
            store: Arc::new(store),
            missing,
            root: directory.path().to_owned(),
            _directory: Some(directory),
            _server: None,
        }
    }

    pub(crate) async fn s3() -> Self {
        let server = s3_server().await;
        let store = S3Store::new(s3_config(&server)).expect("good settings");
        let missing = ObjectId::from_catalogue(format!("{BUCKET}/missing.bin"));
        Self {
            store: Arc::new(store),
            missing,
            root: server.root().to_owned(),
            _directory: None,
            _server: Some(server),
        }
    }

    /// Files with bytes of objects, finished or not. The S3 server's own notes do not count: they hold no bytes of
    /// objects, and some stay when a request is cut off.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        const NOTES: [&[u8]; 3] = [b".bucket-", b".upload-", b".tmp."];
        let is_note = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().as_encoded_bytes();
            NOTES.iter().any(|prefix| name.starts_with(prefix))
        };
        let mut files = files_below(&self.root);
        files.retain(|path| !is_note(path));
        files
    }

    /// Waits until no file is left; what a dropped writer leaves is removed behind its back.
    pub(crate) async fn becomes_empty(&self) {
        let empty = async {
            while !self.files().is_empty() {
                tokio::task::yield_now().await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(20), empty).await;
        assert!(waited.is_ok(), "left behind: {:?}", self.files());
    }
}

pub(crate) fn files_below(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    // A directory or a file may go away while it is looked at.
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => files.extend(files_below(&entry.path())),
            _ => files.push(entry.path()),
        }
    }
    files
}

pub(crate) async fn s3_server() -> S3Server {
    install_tls_provider();
    S3Server::start(BUCKET).await
}

pub(crate) fn install_tls_provider() {
    // Fails if another test of this process was faster, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

pub(crate) fn s3_config(server: &S3Server) -> S3Config {
    S3Config {
        bucket: BUCKET.to_owned(),
        allowed_buckets: Vec::new(),
        endpoint: Some(server.endpoint()),
        region: None,
        access_key_id: server.access_key_id().to_owned(),
        secret_access_key: server.secret_access_key().to_owned(),
        virtual_host_style: false,
    }
}

pub(crate) fn key(path: &str) -> ObjectKey {
    key_in(BUCKET, path)
}

pub(crate) fn key_in(container: &str, path: &str) -> ObjectKey {
    ObjectKey::build(
        ContainerName::parse(container).expect("a good container name"),
        StoragePath::parse(path).expect("a good path").as_ref(),
        &FileName::parse("file.bin").expect("a good file name"),
    )
}

pub(crate) fn meta(length: Option<u64>) -> ObjectMeta {
    ObjectMeta { media_type: MediaType::octet_stream(), access: Access::Private, length }
}

/// `length` bytes without a short period, so that misplaced pieces show.
pub(crate) fn pattern(length: usize) -> Bytes {
    let mut state = 0x9e37_79b9_u32;
    let next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state as u8
    };
    std::iter::repeat_with(next).take(length).collect()
}

/// Writes `bytes` in chunks of very different sizes.
pub(crate) async fn write(writer: &mut dyn BlobWriter, bytes: &Bytes) -> Result<(), StoreError> {
    let sizes = [1, 2, 4095, 4096, 65_536, 7, (1 << 20) + 1, 300_000];
    let mut rest = bytes.clone();
    for size in sizes.into_iter().cycle() {
        if rest.is_empty() {
            break;
        }
        writer.write(rest.split_to(size.min(rest.len()))).await?;
    }
    Ok(())
}

pub(crate) async fn put_as(
    store: &dyn BlobStore,
    key: &ObjectKey,
    meta: &ObjectMeta,
    bytes: &Bytes,
) -> Result<ObjectId, StoreError> {
    let mut writer = store.create(key, meta).await?;
    write(&mut *writer, bytes).await?;
    writer.commit().await
}

pub(crate) async fn put(store: &dyn BlobStore, bytes: &Bytes) -> ObjectId {
    put_as(store, &key(""), &meta(None), bytes).await.expect("the object is stored")
}

pub(crate) async fn read(store: &dyn BlobStore, id: &ObjectId, range: Range<u64>) -> Result<Bytes, StoreError> {
    match store.open(id, range).await? {
        Blob::Memory(bytes) => Ok(bytes),
        Blob::File { file, range } => Ok(read_file(&file, range)),
        Blob::Stream(chunks) => {
            let parts: Vec<Bytes> = chunks.try_collect().await?;
            Ok(parts.concat().into())
        }
    }
}

fn read_file(file: &File, range: Range<u64>) -> Bytes {
    let length = usize::try_from(range.end - range.start).expect("a range that fits in memory");
    let mut buffer = vec![0; length];
    file.read_exact_at(&mut buffer, range.start).expect("the range is in the file");
    buffer.into()
}
