//! The commands in `docs/*.md` work and print what the pages say.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    support::{Stowage, server},
    tls::secure_server,
};

/// A block to execute and what it must print.
pub(crate) struct Example {
    language: String,
    pub(crate) commands: String,
    pub(crate) printed: String,
}

/// The blocks of a language, each followed by a ```` ```text ```` block with `...` for what varies.
pub(crate) fn examples(page: &str, language: &str) -> Vec<Example> {
    let mut examples: Vec<Example> = Vec::new();
    let mut block: Option<(&str, String)> = None;
    for line in page.lines() {
        block = match (block, line.strip_prefix("```")) {
            (None, Some(language)) => Some((language, String::new())),
            (Some(("text", printed)), Some(_)) => {
                examples.last_mut().expect("a text block follows a command block").printed = printed;
                None
            }
            (Some((language, commands)), Some(_)) => {
                examples.push(Example { language: language.to_owned(), commands, printed: String::new() });
                None
            }
            (Some((language, text)), None) => Some((language, text + line + "\n")),
            (None, None) => None,
        };
    }
    examples.retain(|example| example.language == language);
    examples
}

/// `...` in the expectation stands for any text within its line.
pub(crate) fn fits(expected: &str, printed: &str) -> bool {
    let (expected, printed) = (expected.trim_end(), printed.trim_end());
    let lines = expected.lines().count() == printed.lines().count();
    lines && expected.lines().zip(printed.lines()).all(|(expected, printed)| line_fits(expected, printed))
}

fn line_fits(expected: &str, printed: &str) -> bool {
    let mut pieces = expected.split("...");
    let first = pieces.next().unwrap_or_default();
    let Some(mut rest) = printed.strip_prefix(first) else { return false };
    let mut last = None;
    for piece in pieces {
        match rest.find(piece) {
            Some(at) => rest = &rest[at + piece.len()..],
            None => return false,
        }
        last = Some(piece);
    }
    match last {
        None | Some("") => last.is_some() || rest.is_empty(),
        Some(piece) => printed.ends_with(piece),
    }
}

fn run_page(name: &str) {
    let server = server();
    let url = server.url().to_owned();
    run_page_on(&server, name, &[("http://127.0.0.1:8080", &url)]);
}

/// Runs the examples with what the page says replaced by what is so.
fn run_page_on(server: &Stowage, name: &str, replaced: &[(&str, &str)]) {
    let so = |text: &str| replaced.iter().fold(text.to_owned(), |text, (said, so)| text.replace(said, so));
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let page = fs::read_to_string(root.join("docs").join(name)).expect("the page exists");
    let (open, secured) = (server.app("docs", &[]), server.app("docs-secured", &["--security"]));
    let folder = tempfile::tempdir().expect("a temporary directory");
    fs::write(folder.path().join("photo.jpg"), b"\xff\xd8\xff\xe0 not much of a photo").expect("the sample file");

    let examples = examples(&page, "sh");
    assert!(!examples.is_empty(), "{name} has examples");
    let mut script = String::from("set -euo pipefail\n");
    for (number, example) in examples.iter().enumerate() {
        let commands = so(&example.commands);
        script += &format!("exec >{number}.out\n{commands}");
    }
    let output = Command::new("bash")
        .args(["-c", &script])
        .current_dir(folder.path())
        .env("PATH", search_path())
        .env("STOWAGE_DATA", server.data())
        .envs([("KEY", &open.key), ("SECRET", &open.secret)])
        .envs([("SECURED_KEY", &secured.key), ("SECURED_SECRET", &secured.secret)])
        .output()
        .expect("bash runs");
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    for (number, example) in examples.iter().enumerate() {
        let printed = fs::read_to_string(folder.path().join(format!("{number}.out"))).unwrap_or_default();
        let expected = so(&example.printed);
        assert!(fits(&expected, &printed), "{name}, {}\nexpected:\n{expected}\nprinted:\n{printed}", example.commands);
    }
}

fn search_path() -> std::ffi::OsString {
    let binary: PathBuf = env!("CARGO_BIN_EXE_stowage").into();
    let own = binary.parent().expect("the binary lies in a directory").to_owned();
    let others = std::env::var_os("PATH").unwrap_or_default();
    std::env::join_paths(std::iter::once(own).chain(std::env::split_paths(&others))).expect("a search path")
}

#[test]
fn the_tasks_page_works() {
    run_page("tasks.md");
}

#[test]
fn the_images_page_works() {
    run_page("images.md");
}

#[test]
fn the_storing_page_works() {
    run_page("storing.md");
}

#[test]
fn the_uploads_page_works() {
    run_page("uploads.md");
}

#[test]
fn the_reading_page_works() {
    run_page("reading.md");
}

#[test]
fn the_security_page_works() {
    run_page("security.md");
}

#[test]
fn the_stores_page_works() {
    run_page("stores.md");
}

#[test]
fn the_tls_page_works() {
    let server = secure_server(&[]);
    let (url, port) = (server.url().to_owned(), server.secure_address().port().to_string());
    run_page_on(&server, "tls.md", &[("http://127.0.0.1:8080", &url), ("8443", &port)]);
}

#[test]
fn the_operations_page_works() {
    run_page("operations.md");
}

#[test]
fn every_error_code_is_explained() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let page = fs::read_to_string(root.join("docs/errors.md")).expect("the page exists");
    let mut files = vec![root.join("crates/server/src")];
    let mut codes = std::collections::BTreeSet::new();
    while let Some(path) = files.pop() {
        if path.is_dir() {
            files.extend(fs::read_dir(path).expect("a directory").map(|entry| entry.expect("an entry").path()));
            continue;
        }
        let source = fs::read_to_string(&path).expect("source text");
        // `ApiError::new(status, "code", …)`: the first lower-case string behind a status.
        for piece in source.split("StatusCode::").skip(1) {
            let Some((_, rest)) = piece.split_once('"') else { continue };
            let between = piece.len() - rest.len();
            let Some((code, _)) = rest.split_once('"') else { continue };
            let is_code = between < 60
                && code.contains('_')
                && code.bytes().all(|byte| byte == b'_' || byte.is_ascii_lowercase());
            if is_code {
                codes.insert(code.to_owned());
            }
        }
    }
    assert!(codes.len() > 15, "{codes:?}");
    let missing: Vec<_> = codes.iter().filter(|code| !page.contains(&format!("`{code}`"))).collect();
    assert!(missing.is_empty(), "docs/errors.md lacks {missing:?}");
}
