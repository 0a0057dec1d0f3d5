//! The server is killed between any two steps of a part and of a completion (threat C4): `strace` kills it when it is about to make a
//! certain call on a certain file.

use std::path::Path;

use super::{
    client::Client,
    world::{catalogue, staged},
};
use crate::{
    durability::{Trace, objects_on_disk},
    hostile::eventually,
    support::{Stowage, server},
};

/// Where the server dies.
struct Moment {
    name: &'static str,
    /// System calls, as `strace` names them.
    calls: &'static str,
    /// The file that they are about.
    on: On,
}

enum On {
    Staging,
    Catalogue,
    Anything,
}

const SYNC: &str = "fsync,fdatasync";

const WHILE_A_PART_COMES: [Moment; 3] = [
    Moment { name: "written, not synced", calls: SYNC, on: On::Staging },
    Moment { name: "stored, not recorded", calls: SYNC, on: On::Catalogue },
    Moment { name: "replaced, old bytes not yet freed", calls: "fallocate", on: On::Staging },
];

const WHILE_IT_IS_COMPLETED: [Moment; 6] = [
    Moment { name: "asked", calls: "ftruncate", on: On::Staging },
    Moment { name: "cut to its length, not taken in", calls: "link,linkat", on: On::Anything },
    Moment { name: "taken in, bytes not synced", calls: "fdatasync", on: On::Anything },
    Moment { name: "taken in, name not synced", calls: "fsync", on: On::Anything },
    Moment { name: "object durable, row not", calls: SYNC, on: On::Catalogue },
    Moment { name: "visible, staging file still there", calls: "unlink,unlinkat", on: On::Staging },
];

/// Lets the server die at a moment. Nothing if that is not possible here.
async fn arm(server: &Stowage, moment: &Moment, log: &Path) -> Option<Trace> {
    let path = match moment.on {
        On::Staging => {
            let mut files = std::fs::read_dir(server.data().join("uploads")).expect("a directory").flatten();
            Some(files.next().expect("a staging file").path())
        }
        On::Catalogue => Some(server.data().join("catalogue.sqlite-wal")),
        On::Anything => None,
    };
    let path = path.map(|path| path.to_str().expect("UTF-8").to_owned());
    let (trace, inject) = (format!("trace={}", moment.calls), format!("inject={}:signal=KILL", moment.calls));
    let mut arguments = vec!["-e", trace.as_str(), "-e", inject.as_str()];
    arguments.extend(path.iter().flat_map(|path| ["-P", path.as_str()]));
    Trace::attach(server.pid(), &arguments, log).await
}

#[expect(clippy::print_stderr, reason = "a check that was not made must be seen")]
fn skip() {
    eprintln!("SKIPPED: strace is missing or may not attach: the server was not killed between two steps");
}

const PART: usize = 100_000;

/// An upload that lacks its last part.
async fn begin(server: &Stowage) -> Client {
    let app = server.app("steps", &[]);
    let upload = Client::start(server, &app, PART, 2 * PART + 5).await;
    assert_eq!((upload.put(server, 1).await, upload.put(server, 2).await), (200, 200));
    upload
}

async fn one_file_is_all_that_is_left(server: &Stowage, upload: &Client, case: &str) {
    upload.must_complete(server).await;
    let object: String =
        catalogue(server).query_row("SELECT object FROM files", [], |row| row.get(0)).expect("exactly one file");
    eventually(case, async || objects_on_disk(server.data()).into_iter().eq([object.clone()])).await;
    eventually(case, async || staged(server.data()) == 0).await;
}

#[tokio::test]
async fn a_kill_between_any_two_steps_of_a_part_loses_nothing() {
    for moment in WHILE_A_PART_COMES {
        let log = tempfile::NamedTempFile::new().expect("a temporary file");
        let mut server = server();
        let upload = begin(&server).await;
        let Some(trace) = arm(&server, &moment, log.path()).await else { return skip() };
        // The same again: the acknowledged bytes are replaced.
        assert_eq!(upload.try_put(&server, 2).await, None, "{}: the moment did not come", moment.name);
        trace.end();
        server.kill_and_restart();
        assert_eq!(upload.offset(&server).await, 2 * PART, "{}", moment.name);
        assert_eq!(upload.put(&server, 3).await, 200, "{}", moment.name);
        one_file_is_all_that_is_left(&server, &upload, moment.name).await;
    }
}

#[tokio::test]
async fn a_kill_between_any_two_steps_of_a_completion_makes_one_file() {
    for moment in WHILE_IT_IS_COMPLETED {
        let log = tempfile::NamedTempFile::new().expect("a temporary file");
        let mut server = server();
        let upload = begin(&server).await;
        assert_eq!(upload.put(&server, 3).await, 200);
        let Some(trace) = arm(&server, &moment, log.path()).await else { return skip() };
        let answered = upload.ask_for_completion(&server).await.expect("the request ends");
        assert!(!answered, "{}: the moment did not come", moment.name);
        trace.end();
        server.kill_and_restart();
        one_file_is_all_that_is_left(&server, &upload, moment.name).await;
    }
}
