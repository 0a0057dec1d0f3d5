//! Runs the real binary in a directory of its own, untouched by the environment of the tests.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

/// An empty home directory with a data directory inside it.
pub(crate) struct Sandbox {
    home: tempfile::TempDir,
}

impl Sandbox {
    /// Makes an empty one.
    pub(crate) fn new() -> Self {
        Self { home: tempfile::tempdir().expect("a temporary directory") }
    }

    /// A path inside the home directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// The binary with arguments, ready to be changed before it runs.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stowage"));
        command
            .args(arguments)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", self.home.path())
            // Empty: not even the machine's own configuration file is read.
            .env("STOWAGE_CONFIG", "")
            .env("STOWAGE_DATA", self.path("data"))
            .current_dir(self.home.path())
            .stdin(Stdio::null());
        command
    }

    /// Runs to the end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("the binary runs")
    }
}

/// Standard output of a run that succeeded.
#[track_caller]
pub(crate) fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).expect("UTF-8 output")
}

/// Standard error of a run that failed with this exit code; one line unless it is a usage error.
#[track_caller]
pub(crate) fn failure(output: &Output, code: i32) -> String {
    let text = String::from_utf8(output.stderr.clone()).expect("UTF-8 output");
    assert_eq!(output.status.code(), Some(code), "{text}");
    if code == 1 {
        assert_eq!(text.trim_end().lines().count(), 1, "{text}");
    }
    text
}

/// A path as a command line argument.
pub(crate) fn argument(path: &Path) -> &str {
    path.to_str().expect("a UTF-8 path")
}
