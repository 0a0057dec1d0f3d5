//! The clock of the machine jumps by a day in the middle of an upload (threat C13). Expiry is an absolute moment: a jump that stays
//! inside the lifetime harms nothing, a longer one ends the upload as if the time had passed, and nothing gets stuck.

use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::{
    client::Client,
    world::{catalogue, staged},
};
use crate::{
    hostile::eventually,
    support::{Stowage, server_with},
};

const LIBRARY: &str = "faketime/libfaketimeMT.so.1";

/// The clock of one server, which may be set while it runs.
struct Clock(NamedTempFile);

impl Clock {
    fn set(&self, offset: &str) {
        std::fs::write(self.0.path(), offset).expect("the clock is set");
    }

    fn start(&self, library: &Path, lifetime: &str) -> Stowage {
        let text = |path: &Path| path.to_str().expect("UTF-8").to_owned();
        server_with(&[
            ("LD_PRELOAD", &text(library)),
            ("FAKETIME_TIMESTAMP_FILE", &text(self.0.path())),
            ("FAKETIME_NO_CACHE", "1"),
            // Waits and timeouts are measured by a clock that nobody sets.
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
            ("STOWAGE_LIMITS_UPLOAD_LIFETIME", lifetime),
        ])
    }
}

fn library() -> Option<PathBuf> {
    let directories = std::fs::read_dir("/usr/lib").ok()?.flatten().map(|entry| entry.path());
    directories.chain([PathBuf::from("/usr/lib")]).map(|directory| directory.join(LIBRARY)).find(|path| path.exists())
}

#[expect(clippy::print_stderr, reason = "a check that was not made must be seen")]
fn skip() {
    eprintln!("SKIPPED: libfaketime is not installed, so no clock was set");
}

#[tokio::test]
async fn an_upload_survives_a_clock_that_jumps_by_a_day() {
    let Some(library) = library() else { return skip() };
    let clock = Clock(NamedTempFile::new().expect("a temporary file"));
    clock.set("+0");
    let mut server = clock.start(&library, "3d");
    let app = server.app("uploads", &[]);
    let upload = Client::start(&server, &app, 10_000, 45_000).await;
    // Forth and back, in a running server and across a start.
    for (number, offset) in upload.parts().zip(["+0", "+1d", "+0", "-1d", "+0"]) {
        clock.set(offset);
        assert_eq!(upload.put(&server, number).await, 200, "{offset}");
        server.kill_and_restart();
        assert_eq!(upload.offset(&server).await, (number * 10_000).min(45_000), "{offset}");
    }
    clock.set("+1d");
    upload.must_complete(&server).await;
    clock.set("-1d");
    upload.must_complete(&server).await;
}

#[tokio::test]
async fn a_jump_beyond_the_lifetime_ends_an_upload_and_blocks_nothing() {
    let Some(library) = library() else { return skip() };
    let clock = Clock(NamedTempFile::new().expect("a temporary file"));
    clock.set("+0");
    let mut server = clock.start(&library, "1h");
    let app = server.app("uploads", &[]);
    let upload = Client::start(&server, &app, 10_000, 15_000).await;
    assert_eq!(upload.put(&server, 1).await, 200);
    clock.set("+1d");
    server.kill_and_restart();
    assert_eq!(upload.look(&server).await.status, 404);
    assert_eq!(upload.put(&server, 2).await, 404);
    eventually("it is collected", async || staged(server.data()) == 0).await;
    let another = Client::start(&server, &app, 10_000, 15_000).await;
    assert_eq!(another.put(&server, 1).await, 200);
    // Back again: what was begun in the future lives on.
    clock.set("+0");
    assert_eq!(another.put(&server, 2).await, 200);
    another.must_complete(&server).await;
    let open = "SELECT count(*) FROM uploads WHERE handle IS NULL";
    let open: i64 = catalogue(&server).query_row(open, [], |row| row.get(0)).expect("a number");
    assert_eq!(open, 0);
}
