//! What only the local disk does: versions, the sweep, and defence of its directory.

use std::{
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::Command,
};

use bytes::Bytes;
use stowage_store::{
    BlobStore, ObjectId, StoreError,
    local::{LocalStore, SweepReport},
};
use tempfile::TempDir;

use crate::common::{files_below, key, meta, pattern, put, put_as, read};

const PIECE: &str = "abcdefghijklmnopqrstuvwx";

fn directory() -> TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

fn open(root: &Path, generation: u64) -> LocalStore {
    LocalStore::open(root, generation).expect("a local store")
}

fn object_path(root: &Path, id: &ObjectId) -> PathBuf {
    root.join("objects").join(id.as_str())
}

fn mode(path: &Path) -> u32 {
    let metadata = std::fs::symlink_metadata(path).expect("the path exists");
    metadata.permissions().mode() & 0o777
}

/// Puts an object's shard in place and names a file in it that no store has written.
fn planted(root: &Path) -> (ObjectId, PathBuf) {
    let id = ObjectId::from_catalogue(format!("5a/1-{PIECE}"));
    let path = object_path(root, &id);
    std::fs::create_dir_all(path.parent().expect("a shard")).expect("the shard is made");
    (id, path)
}

#[tokio::test]
async fn a_key_written_twice_has_two_objects() {
    let root = directory();
    let store = open(root.path(), 1);
    let path = key("same/path.txt");
    let first = put_as(&store, &path, &meta(None), &Bytes::from_static(b"first")).await.expect("stored");
    let second = put_as(&store, &path, &meta(None), &Bytes::from_static(b"second")).await.expect("stored");
    assert_ne!(first, second);
    assert_eq!(read(&store, &first, 0..5).await.expect("readable"), "first");
    store.delete(&first).await.expect("removed");
    assert_eq!(read(&store, &second, 0..6).await.expect("readable"), "second");
}

#[tokio::test]
async fn a_finished_file_is_adopted_without_a_copy() {
    let root = directory();
    let staged = root.path().join("staged");
    let bytes = pattern(300_000);
    std::fs::write(&staged, &bytes).expect("written");
    let store = open(root.path(), 7);
    assert!(store.capabilities().adopts);
    let id = store.adopt(&staged).await.expect("an object");
    assert!(id.as_str()[3..].starts_with("7-"), "{id:?}");
    let inode = |path: &Path| std::fs::metadata(path).expect("there").ino();
    assert_eq!(inode(&object_path(root.path(), &id)), inode(&staged), "the same file");
    assert_eq!(read(&store, &id, 0..300_000).await.expect("readable"), bytes);

    // A crash before any row names the object: the sweep of the next run removes it, and the staged file is still whole.
    let next = open(root.path(), 8);
    let report = next.sweep(&mut |ids| vec![false; ids.len()]).expect("swept");
    assert_eq!(report.removed, 1);
    assert_eq!(std::fs::read(&staged).expect("readable"), bytes);

    let again = next.adopt(&staged).await.expect("an object");
    std::fs::remove_file(&staged).expect("removed");
    assert_eq!(read(&next, &again, 0..300_000).await.expect("readable"), bytes);
}

#[tokio::test]
async fn only_files_of_the_same_disk_are_adopted() {
    let root = directory();
    let store = open(root.path(), 1);
    let elsewhere = store.adopt(Path::new("/proc/self/status")).await;
    assert!(matches!(elsewhere, Err(StoreError::Unsupported(_))), "{elsewhere:?}");
    let missing = store.adopt(&root.path().join("missing")).await;
    assert!(matches!(missing, Err(StoreError::NotFound)), "{missing:?}");
    let (target, link) = (root.path().join("target"), root.path().join("link"));
    std::fs::write(&target, "secret").expect("written");
    symlink(&target, &link).expect("linked");
    for odd in [&link, &root.path().join("objects")] {
        assert!(store.adopt(odd).await.is_err(), "{odd:?}");
    }
    assert!(files_below(&root.path().join("objects")).is_empty());
}

#[tokio::test]
async fn objects_outlive_the_process_and_only_their_owner_reads_them() {
    let root = directory();
    let below = root.path().join("data/store");
    let id = put(&open(&below, 1), &pattern(2 << 20)).await;
    let path = object_path(&below, &id);
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(path.parent().expect("a shard")), 0o700);
    assert_eq!(mode(&below.join("objects")), 0o700);
    let back = read(&open(&below, 2), &id, 0..2 << 20).await.expect("readable");
    assert!(back == pattern(2 << 20));
}

#[tokio::test]
async fn the_sweep_removes_only_unknown_objects_of_earlier_generations() {
    let root = directory();
    let old = open(root.path(), 9);
    let mut known = Vec::new();
    let mut unknown = Vec::new();
    // More than one batch, and two digits in the next generation: 9 is earlier than 10.
    for number in 0..400 {
        let id = put(&old, &pattern(10)).await;
        if number % 4 == 0 { &mut known } else { &mut unknown }.push(id);
    }
    let store = open(root.path(), 10);
    let current = put(&store, &pattern(10)).await;
    let later = put(&open(root.path(), 11), &pattern(10)).await;
    let shard = object_path(root.path(), &current).parent().expect("a shard").to_owned();
    let foreign = [shard.join("notes.txt"), root.path().join("objects/lost+found"), root.path().join("outside")];
    for path in &foreign {
        std::fs::write(path, "keep me").expect("the file is written");
    }

    let mut asked = 0;
    let report = store
        .sweep(&mut |ids| {
            assert!(ids.len() <= 256);
            asked += ids.len();
            ids.iter().map(|id| known.iter().any(|known| known.as_str() == id)).collect()
        })
        .expect("the sweep runs");

    assert_eq!(report, SweepReport { seen: 402, removed: 300, bytes: 3000 });
    assert_eq!(asked, 400, "objects of this and of later runs are not asked about");
    for id in known.iter().chain([&current, &later]) {
        assert_eq!(store.stat(id).await.expect("kept").size, 10);
    }
    for id in &unknown {
        assert!(matches!(store.stat(id).await, Err(StoreError::NotFound)));
    }
    assert!(foreign.iter().all(|path| path.exists()));
}

#[tokio::test]
async fn the_sweep_keeps_what_it_got_no_answer_for() {
    let root = directory();
    let id = put(&open(root.path(), 1), &pattern(10)).await;
    let store = open(root.path(), 2);
    let report = store.sweep(&mut |_| Vec::new()).expect("the sweep runs");
    assert_eq!(report.removed, 0);
    assert_eq!(store.stat(&id).await.expect("kept").size, 10);
}

#[tokio::test]
async fn a_hostile_id_reaches_no_file() {
    let root = directory();
    let store = open(&root.path().join("store"), 1);
    let (_, inside) = planted(&root.path().join("store"));
    let secret = root.path().join("secret");
    for path in [&secret, &inside.with_file_name("plain"), &root.path().join("store/objects/plain")] {
        std::fs::write(path, "secret").expect("the file is written");
    }
    let before = files_below(root.path());
    for id in [
        "../../secret".to_owned(),
        "5a/../../../secret".to_owned(),
        secret.display().to_string(),
        "5a/plain".to_owned(),
        "plain".to_owned(),
        "5a".to_owned(),
        "5a/".to_owned(),
        "5a/.".to_owned(),
        String::new(),
        "\0".to_owned(),
        format!("5A/1-{PIECE}"),
        format!("5a/1-{PIECE}\0"),
        format!("5a/../5a/1-{PIECE}"),
    ] {
        let id = ObjectId::from_catalogue(id);
        assert!(matches!(read(&store, &id, 0..6).await, Err(StoreError::NotFound)), "{id:?}");
        assert!(matches!(store.stat(&id).await, Err(StoreError::NotFound)), "{id:?}");
        store.delete(&id).await.expect("nothing to remove");
    }
    assert_eq!(files_below(root.path()), before);
}

#[tokio::test]
async fn planted_links_pipes_and_directories_are_refused() {
    let root = directory();
    let store = open(root.path(), 1);
    let secret = root.path().join("secret");
    std::fs::write(&secret, "secret").expect("the file is written");
    let (id, path) = planted(root.path());

    symlink(&secret, &path).expect("the link is made");
    assert_refused(&store, &id).await;
    std::fs::remove_file(&path).expect("the link is removed");

    let made = Command::new("mkfifo").arg(&path).status().expect("mkfifo runs");
    assert!(made.success());
    assert_refused(&store, &id).await;
    std::fs::remove_file(&path).expect("the pipe is removed");

    std::fs::create_dir(&path).expect("the directory is made");
    assert_refused(&store, &id).await;
    assert_eq!(std::fs::read(&secret).expect("still there"), b"secret");
}

#[tokio::test]
async fn a_link_in_place_of_a_shard_is_refused() {
    let root = directory();
    let outside = directory();
    std::fs::write(outside.path().join(format!("1-{PIECE}")), "secret").expect("the file is written");
    let store = open(root.path(), 2);
    symlink(outside.path(), root.path().join("objects/5a")).expect("the link is made");
    assert_refused(&store, &planted(root.path()).0).await;
    let report = store.sweep(&mut |ids| vec![false; ids.len()]).expect("the sweep runs");
    assert_eq!(report, SweepReport::default());
}

async fn assert_refused(store: &LocalStore, id: &ObjectId) {
    for result in [read(store, id, 0..6).await.err(), store.stat(id).await.err()] {
        assert!(matches!(result, Some(StoreError::Other(_))), "{result:?}");
    }
}

#[tokio::test]
async fn an_object_shorter_than_the_range_is_reported_as_corrupt() {
    let root = directory();
    let store = open(root.path(), 1);
    let id = put(&store, &pattern(100)).await;
    std::fs::write(object_path(root.path(), &id), pattern(50)).expect("the file is cut");
    match read(&store, &id, 0..100).await {
        Err(StoreError::Other(text)) => assert!(text.contains("corrupt") && text.contains(id.as_str()), "{text}"),
        other => panic!("{other:?}"),
    }
}

/// A small file system of its own; `None` where mounting is not permitted.
struct SmallDisk(TempDir);

impl SmallDisk {
    #[expect(clippy::print_stderr, reason = "a skipped test must be noticed")]
    fn mount() -> Option<Self> {
        let point = directory();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"]).arg(point.path()).status();
        if mounted.is_ok_and(|status| status.success()) {
            return Some(Self(point));
        }
        eprintln!("SKIPPED: no permission to mount a small tmpfs, so a full disk is not tested");
        None
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[tokio::test]
async fn a_full_disk_is_reported_leaves_nothing_and_heals() {
    let Some(disk) = SmallDisk::mount() else {
        return;
    };
    let store = open(disk.0.path(), 1);
    let too_much = pattern(3 << 20);

    let announced = store.create(&key(""), &meta(Some(3 << 20))).await;
    assert!(matches!(announced.err(), Some(StoreError::Full)), "refused before the first byte");
    let unannounced = put_as(&store, &key(""), &meta(None), &too_much).await;
    assert!(matches!(unannounced, Err(StoreError::Full)), "{unannounced:?}");

    let filling = put(&store, &pattern(900 << 10)).await;
    let small = put_as(&store, &key(""), &meta(Some(200 << 10)), &pattern(200 << 10)).await;
    assert!(matches!(small, Err(StoreError::Full)), "{small:?}");
    assert_eq!(files_below(disk.0.path()), [object_path(disk.0.path(), &filling)]);

    store.delete(&filling).await.expect("removed");
    put(&store, &pattern(200 << 10)).await;
    store.check().await.expect("the store works again");
}
