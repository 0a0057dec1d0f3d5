//! Nothing is acknowledged before it is on the disk: the order of system calls, as the kernel saw them.

use std::{
    collections::BTreeMap,
    path::Path,
    process::{Child, Command, Stdio},
};

use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::ChildStderr,
    time::timeout,
};

use crate::{
    hostile::{PATIENCE, objects},
    support::{server, store},
};

#[tokio::test]
async fn object_directory_and_row_are_synced_before_the_answer() {
    let server = server();
    let app = server.app("shop", &[]);
    let log = tempfile::NamedTempFile::new().expect("a temporary file");
    let calls = ["-y", "-s", "64", "-e", "trace=fsync,fdatasync,write,writev,sendto,sendmsg"];
    let Some(trace) = Trace::attach(server.pid(), &calls, log.path()).await else {
        return skip("strace is missing or may not attach: the order of syncs was not checked");
    };
    store(&server, &app, "", vec![7; 300_000]).await;
    trace.detach();

    let log = std::fs::read_to_string(log.path()).expect("a log");
    let calls = finished_calls(&log);
    let answer = calls.iter().position(|call| call.contains("HTTP/1.1 200 OK")).expect("the answer is in the log");
    let synced = |path: &Path| {
        let path = format!("<{}>", path.display());
        calls[..answer].iter().any(|call| call.contains("sync(") && call.contains(&path) && call.ends_with("= 0"))
    };
    let objects = objects(server.data());
    let object = objects.first().expect("an object");
    assert!(synced(object), "the object was not synced before the answer:\n{log}");
    assert!(
        synced(object.parent().expect("a shard")),
        "the object's directory was not synced before the answer:\n{log}"
    );
    assert!(synced(&server.data().join("catalogue.sqlite-wal")), "the row was not synced before the answer:\n{log}");
}

#[expect(clippy::print_stderr, reason = "a check that was not made must be seen")]
fn skip(reason: &str) {
    eprintln!("SKIPPED: {reason}");
}

/// `strace` at work on a process.
pub(crate) struct Trace {
    child: Child,
}

impl Trace {
    pub(crate) async fn attach(pid: u32, arguments: &[&str], log: &Path) -> Option<Self> {
        let mut child = Command::new("strace")
            .arg("-f")
            .args(arguments)
            .args(["-p", &pid.to_string(), "-o"])
            .arg(log)
            .stderr(Stdio::piped())
            .spawn()
            .ok()?;
        let messages = ChildStderr::from_std(child.stderr.take()?).ok()?;
        let mut messages = BufReader::new(messages).lines();
        let first = timeout(PATIENCE, messages.next_line()).await.ok()?.ok()??;
        // The pipe stays open, else a later message would end strace.
        tokio::spawn(async move { while let Ok(Some(_)) = messages.next_line().await {} });
        first.contains("attached").then_some(Self { child })
    }

    /// Lets the process go on alone; the log is complete then.
    fn detach(mut self) {
        let interrupted = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status();
        assert!(interrupted.is_ok_and(|status| status.success()), "strace can be signalled");
        let _ = self.child.wait();
    }

    /// Ends with a process that was killed: strace may wait for ever for threads that are gone.
    pub(crate) fn end(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The calls in the order in which syncs ended and writes began: `PID call(…) = result`, put together again where another
/// thread's call came between its beginning and its end.
fn finished_calls(log: &str) -> Vec<String> {
    let mut unfinished: BTreeMap<&str, &str> = BTreeMap::new();
    let mut calls = Vec::new();
    for line in log.lines() {
        let Some((thread, call)) = line.split_once(' ') else { continue };
        let call = call.trim_start();
        if let Some(beginning) = call.strip_suffix("<unfinished ...>") {
            unfinished.insert(thread, beginning);
            if !beginning.contains("sync(") {
                calls.push(beginning.to_owned());
            }
        } else if let Some((_, end)) = call.split_once("resumed>") {
            let beginning = unfinished.remove(thread).unwrap_or_default();
            calls.push(format!("{beginning}{end}"));
        } else {
            calls.push(call.to_owned());
        }
    }
    calls
}
