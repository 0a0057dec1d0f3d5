//! What the store tests share: every driver behind one fixture, and short ways to store and to read.

use std::{
    any::Any,
    fs::File,
    ops::Range,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
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
    Blob, BlobStore, BlobWriter, ListedObject, ObjectId, ObjectKey, ObjectMeta, StoreError,
    local::LocalStore,
    object::{ObjectStore, S3Config},
    secret::Secret,
};
use stowage_testkit::{S3_ACCESS_KEY_ID, S3_SECRET_ACCESS_KEY, S3Server};

use crate::every_driver::ODD_PATHS;

pub(crate) const BUCKET: &str = "files";
pub(crate) const AN_HOUR: Duration = Duration::from_secs(3600);

/// A driver with an empty place to write to.
pub(crate) struct Fixture {
    pub(crate) store: Arc<dyn BlobStore>,
    /// The container that `key` of this fixture writes to.
    pub(crate) container: String,
    /// Names nothing, but could.
    pub(crate) missing: ObjectId,
    /// What the provider puts before the names of user metadata in the headers of a direct GET.
    pub(crate) metadata_prefix: &'static str,
    pub(crate) gaps: &'static [Gap],
    pub(crate) residue: Residue,
    /// `None`: there is no network to it.
    pub(crate) remote: Option<Remote>,
    /// Servers and directories that live as long as the fixture.
    pub(crate) _kept: Box<dyn Any + Send + Sync>,
}

/// What a test server does not do although the provider that it stands for does. Never known to a driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gap {
    /// Objects above a part's size cannot be written (fake-gcs-server has no XML multipart uploads).
    Multipart,
    /// Any signature is taken, also an expired or a changed one (moto, fake-gcs-server).
    Signatures,
    /// A signed PUT is not taken (fake-gcs-server).
    PresignedPut,
    /// `Content-Disposition` and user metadata do not come back with a direct GET.
    DirectHeaders,
    /// A body that does not fit its checksum is refused with another code than the provider's (Azurite).
    ChecksumCode,
    /// Parts cannot be thrown away (Azure, which forgets them after a week).
    PartAbort,
    /// The checksums of parts are neither listed nor compared, and parts that an object is made without stay (s3s-fs).
    PartRecords,
    /// An upload that is over is answered with an error of the server (moto).
    PartsGone,
    /// Keys that differ only in case are one (Dropbox).
    Case,
}

/// How to reach the server of a fixture by another way.
pub(crate) struct Remote {
    /// `http://127.0.0.1:PORT`, perhaps with a path.
    pub(crate) endpoint: String,
    /// A store in the fixture's container whose requests go to another `http://127.0.0.1:PORT`.
    pub(crate) connect: Box<Connect>,
}

type Connect = dyn Fn(&str) -> Arc<dyn BlobStore> + Send + Sync;

impl Remote {
    pub(crate) fn new<Store: BlobStore + 'static>(
        endpoint: String,
        connect: impl Fn(&str) -> Store + Send + Sync + 'static,
    ) -> Option<Self> {
        Some(Self { endpoint, connect: Box::new(move |url| Arc::new(connect(url))) })
    }
}

/// Where to look for what was left behind.
pub(crate) enum Residue {
    /// Files below a directory.
    Files(PathBuf),
    /// Objects in the container, as the driver lists them.
    Listing,
    /// Objects in the container and in another one beside, which may be missing.
    ListingAndBeside(ContainerName),
}

impl Fixture {
    pub(crate) fn new(
        store: impl BlobStore + 'static,
        container: &str,
        residue: Residue,
        kept: impl Any + Send + Sync,
    ) -> Self {
        Self {
            store: Arc::new(store),
            container: container.to_owned(),
            missing: ObjectId::from_catalogue(format!("{container}/missing.bin")),
            metadata_prefix: "",
            gaps: &[],
            residue,
            remote: None,
            _kept: Box::new(kept),
        }
    }

    /// Whether the test server lacks something; says so, for nobody should take the test for a full one.
    #[expect(clippy::print_stderr, reason = "a skipped test must be seen")]
    pub(crate) fn lacks(&self, gap: Gap) -> bool {
        let lacks = self.gaps.contains(&gap);
        if lacks {
            eprintln!("PARTLY SKIPPED: the test server lacks {gap:?}");
        }
        lacks
    }

    /// The key at a path of the fixture's container.
    pub(crate) fn key(&self, path: &str) -> ObjectKey {
        key_in(&self.container, path)
    }

    /// Paths that servers have got wrong; those that the server takes for one are left out.
    pub(crate) fn odd_paths(&self) -> Vec<&'static str> {
        let one_case = self.lacks(Gap::Case);
        ODD_PATHS.into_iter().filter(|path| !one_case || *path != "CASE.txt").collect()
    }

    pub(crate) fn container_name(&self) -> ContainerName {
        ContainerName::parse(&self.container).expect("a good container name")
    }

    pub(crate) async fn put_at(&self, path: &str, bytes: &Bytes) -> ObjectId {
        let stored = put_as(&*self.store, &self.key(path), &meta(None), bytes).await;
        stored.unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Every object that the driver lists below a prefix.
    pub(crate) async fn list(&self, prefix: &str) -> Vec<ListedObject> {
        let mut objects = Vec::new();
        let mut start = None;
        loop {
            let page = self.store.list(&self.container_name(), prefix, start.as_deref()).await.expect("a listing");
            assert!(page.objects.len() <= 1000, "a page of {}", page.objects.len());
            objects.extend(page.objects);
            start = page.next;
            if start.is_none() {
                return objects;
            }
        }
    }

    /// What holds bytes of objects, finished or not. The S3 server's own notes do not count: they hold no bytes of
    /// objects, and some stay when a request is cut off.
    pub(crate) async fn residue(&self) -> Vec<String> {
        const NOTES: [&[u8]; 3] = [b".bucket-", b".upload-", b".tmp."];
        match &self.residue {
            Residue::Listing => self.list("").await.into_iter().map(|object| object.key).collect(),
            Residue::ListingAndBeside(container) => {
                let beside = match self.store.list(container, "", None).await {
                    Err(StoreError::MissingContainer(_)) => Vec::new(),
                    page => page.expect("a listing").objects,
                };
                self.list("").await.into_iter().chain(beside).map(|object| object.key).collect()
            }
            Residue::Files(root) => files_below(root)
                .into_iter()
                .filter(|path| {
                    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
                    !NOTES.iter().any(|prefix| name.starts_with(prefix))
                })
                .map(|path| path.display().to_string())
                .collect(),
        }
    }

    /// Waits until nothing is left; what a dropped writer leaves is removed behind its back.
    pub(crate) async fn becomes_empty(&self) {
        let empty = async {
            while !self.residue().await.is_empty() {
                tokio::task::yield_now().await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(20), empty).await;
        assert!(waited.is_ok(), "left behind: {:?}", self.residue().await);
    }
}

/// A kind of store with a running server: gives each test an empty container of its own.
#[async_trait::async_trait]
pub(crate) trait Backend: Sized + Send + Sync {
    /// `None`: the server is not installed here.
    async fn start() -> Option<Self>;
    async fn fixture(&self) -> Fixture;
}

/// The local disk.
pub(crate) struct Local;

#[async_trait::async_trait]
impl Backend for Local {
    async fn start() -> Option<Self> {
        Some(Self)
    }

    async fn fixture(&self) -> Fixture {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let root = directory.path().to_owned();
        let store = LocalStore::open(&root, 1).expect("a local store");
        let missing = ObjectId::from_catalogue("5a/1-abcdefghijklmnopqrstuvwx".to_owned());
        Fixture { missing, ..Fixture::new(store, BUCKET, Residue::Files(root), directory) }
    }
}

/// `s3s-fs`, in this process.
pub(crate) struct S3;

#[async_trait::async_trait]
impl Backend for S3 {
    async fn start() -> Option<Self> {
        Some(Self)
    }

    async fn fixture(&self) -> Fixture {
        let server = s3_server().await;
        let store = ObjectStore::s3(s3_config(&server)).expect("good settings");
        let root = server.root().to_owned();
        let remote = Remote::new(server.endpoint(), |url| {
            let config = s3_config_at(url.to_owned(), S3_ACCESS_KEY_ID, S3_SECRET_ACCESS_KEY);
            ObjectStore::s3(config).expect("good settings")
        });
        Fixture {
            metadata_prefix: "x-amz-meta-",
            gaps: &[Gap::PartRecords],
            remote,
            ..Fixture::new(store, BUCKET, Residue::Files(root), server)
        }
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
    s3_config_at(server.endpoint(), server.access_key_id(), server.secret_access_key())
}

pub(crate) fn s3_config_at(endpoint: String, id: &str, secret: &str) -> S3Config {
    S3Config {
        bucket: BUCKET.to_owned(),
        allowed_buckets: Vec::new(),
        endpoint: Some(endpoint),
        region: None,
        access_key_id: id.to_owned(),
        secret_access_key: Secret::new(secret),
        session_token: None,
        server_side_encryption: None,
        kms_key_id: None,
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
    ObjectMeta {
        media_type: MediaType::octet_stream(),
        access: Access::Private,
        length,
        disposition: None,
        user_metadata: Vec::new(),
    }
}

/// `length` bytes without a short period, so that misplaced pieces show: the beginning of the longest that was made, which
/// takes a while.
pub(crate) fn pattern(length: usize) -> Bytes {
    static LONGEST: Mutex<Bytes> = Mutex::new(Bytes::new());
    let mut longest = LONGEST.lock().unwrap_or_else(PoisonError::into_inner);
    if longest.len() < length {
        *longest = new_pattern(length);
    }
    longest.slice(..length)
}

fn new_pattern(length: usize) -> Bytes {
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
