//! The command line without a server: help, apps, stores, signing, doctor.

mod common;

use std::{
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt,
    process::{Command, Stdio},
};

use common::{Sandbox, argument, failure, stdout};
use serde_json::Value;
use stowage_testkit::S3Server;

const S3_STORE: [&str; 10] = [
    "store",
    "add",
    "photos",
    "S3",
    "--provider",
    "s3",
    "bucket=holidays",
    "endpoint=http://127.0.0.1:1",
    "access_key_id=SHOWN-ID",
    "secret_access_key=VISIBLE-SECRET",
];

fn json(sandbox: &Sandbox, arguments: &[&str]) -> Value {
    serde_json::from_str(&stdout(&sandbox.run(arguments))).expect("JSON on standard output")
}

#[test]
fn help_texts() {
    let sandbox = Sandbox::new();
    let commands: [&[&str]; 24] = [
        &[],
        &["serve"],
        &["app"],
        &["app", "create"],
        &["app", "list"],
        &["app", "show"],
        &["app", "rotate-secret"],
        &["app", "set"],
        &["app", "delete"],
        &["store"],
        &["store", "add"],
        &["store", "list"],
        &["store", "migrate"],
        &["store", "providers"],
        &["store", "remove"],
        &["store", "set"],
        &["store", "test"],
        &["put"],
        &["get"],
        &["stat"],
        &["rm"],
        &["sign"],
        &["doctor"],
        &["config"],
    ];
    for command in commands {
        let arguments = [command, &["--help"]].concat();
        let name = format!("help_{}", command.join("_"));
        insta::assert_snapshot!(name, stdout(&sandbox.run(&arguments)));
    }
}

#[test]
fn usage_errors_exit_with_2() {
    let sandbox = Sandbox::new();
    failure(&sandbox.run(&["serv"]), 2);
    failure(&sandbox.run(&["serve", "--listen", "nowhere"]), 2);
    failure(&sandbox.run(&["put", "file"]), 2);
    failure(&sandbox.run(&["stat", "short"]), 2);
    failure(&sandbox.run(&["rm", "--secret", "s"]), 2);
    let text = failure(&sandbox.run(&["app", "create", "x", "--max-file-size", "big"]), 2);
    assert!(text.contains("--max-file-size") && text.contains("big"), "{text}");
}

#[test]
fn an_app_lives_from_create_to_delete() {
    let sandbox = Sandbox::new();
    let created = json(&sandbox, &["app", "create", "photos", "--security", "--json"]);
    assert_eq!(created["name"], "photos");
    assert_eq!(created["security"], true);
    assert_eq!(created["default_location"], "S3");
    let key = created["apikey"].as_str().expect("an API key");
    let secret = created["secret"].as_str().expect("a secret");
    assert_eq!(key.len(), 22);
    assert!(created["id"].is_i64() && created["created"].is_i64());

    let taken = failure(&sandbox.run(&["app", "create", "photos"]), 1);
    assert!(taken.contains("`photos`"), "{taken}");

    let listed = stdout(&sandbox.run(&["app", "list"]));
    assert!(listed.contains("photos") && listed.contains(key), "{listed}");
    let listed_json = stdout(&sandbox.run(&["app", "list", "--json"]));
    assert!(!listed.contains(secret) && !listed_json.contains(secret));

    assert!(!stdout(&sandbox.run(&["app", "show", "photos"])).contains(secret));
    assert!(json(&sandbox, &["app", "show", key, "--json"]).get("secret").is_none());
    assert!(stdout(&sandbox.run(&["app", "show", "photos", "--secret"])).contains(secret));

    let rotated = json(&sandbox, &["app", "rotate-secret", "photos", "--json"]);
    assert_ne!(rotated["secret"], created["secret"]);
    assert_eq!(rotated["apikey"], created["apikey"]);
    assert_eq!(json(&sandbox, &["app", "show", "photos", "--secret", "--json"])["secret"], rotated["secret"]);

    stdout(&sandbox.run(&["app", "delete", "photos"]));
    let gone = failure(&sandbox.run(&["app", "show", "photos"]), 1);
    assert!(gone.contains("`photos`") && gone.contains("stowage app list"), "{gone}");
}

#[test]
fn settings_change_one_by_one_and_empty_values_clear_them() {
    let sandbox = Sandbox::new();
    stdout(&sandbox.run(&["app", "create", "photos", "--max-file-size", "5MiB"]));
    let set = json(
        &sandbox,
        &[
            "app",
            "set",
            "photos",
            "--security",
            "true",
            "--default-location",
            "LOCAL",
            "--allowed-locations",
            "s3, local",
            "--default-container",
            "pictures",
            "--allowed-mime-types",
            "image/*,application/pdf",
            "--cors-origins",
            "https://www.example.com",
            "--json",
        ],
    );
    assert_eq!(set["security"], true);
    assert_eq!(set["default_location"], "local");
    assert_eq!(set["allowed_locations"], serde_json::json!(["S3", "local"]));
    assert_eq!(set["default_container"], "pictures");
    assert_eq!(set["allowed_mime_types"], serde_json::json!(["image/*", "application/pdf"]));
    assert_eq!(set["cors_origins"], serde_json::json!(["https://www.example.com"]));
    assert_eq!(set["max_file_size"], 5 << 20);
    assert!(set.get("secret").is_none());

    let cleared = json(
        &sandbox,
        &[
            "app",
            "set",
            "photos",
            "--allowed-locations=",
            "--default-container=",
            "--allowed-mime-types=",
            "--cors-origins=",
            "--max-file-size=",
            "--json",
        ],
    );
    assert_eq!(cleared["security"], true);
    assert_eq!(cleared["default_container"], Value::Null);
    assert_eq!(cleared["max_file_size"], Value::Null);
    assert_eq!(cleared["cors_origins"], serde_json::json!([]));

    let text = failure(&sandbox.run(&["app", "set", "photos", "--cors-origins", "https://a.example/path"]), 2);
    assert!(text.contains("--cors-origins"), "{text}");
}

#[test]
fn data_directories_are_separate_installations() {
    let sandbox = Sandbox::new();
    let (first, second) = (sandbox.path("first"), sandbox.path("second"));
    let create = |name, data| json(&sandbox, &["app", "create", name, "--json", "--data", argument(data)]);
    create("one", &first);
    create("two", &second);
    let listed = stdout(&sandbox.run(&["app", "list", "--data", argument(&first)]));
    assert!(listed.contains("one") && !listed.contains("two"), "{listed}");
    let mode = first.metadata().expect("a directory").permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn stores_are_added_listed_without_credentials_and_removed() {
    let sandbox = Sandbox::new();
    stdout(&sandbox.run(&["app", "create", "photos"]));
    stdout(&sandbox.run(&S3_STORE));
    for arguments in [["store", "list", "photos"].as_slice(), &["store", "list", "photos", "--json"]] {
        let listed = stdout(&sandbox.run(arguments));
        assert!(listed.contains("holidays") && listed.contains("http://127.0.0.1:1"), "{listed}");
        assert!(!listed.contains("VISIBLE"), "{listed}");
    }
    stdout(&sandbox.run(&["store", "remove", "photos", "S3"]));
    assert!(!stdout(&sandbox.run(&["store", "list", "photos"])).contains("holidays"));
    failure(&sandbox.run(&["store", "remove", "photos", "S3"]), 1);
}

#[test]
fn a_store_with_missing_or_unknown_settings_is_a_usage_error() {
    let sandbox = Sandbox::new();
    stdout(&sandbox.run(&["app", "create", "photos"]));
    let add = |settings: &[&str]| {
        failure(&sandbox.run(&[&["store", "add", "photos", "S3", "--provider", "s3"], settings].concat()), 2)
    };
    assert!(add(&[]).contains("bucket"));
    assert!(add(&["bucket=b"]).contains("access_key_id"));
    assert!(add(&["buckit=b"]).contains("buckit"));
    assert!(add(&["bucket"]).contains("NAME=VALUE"));
    let text = failure(&sandbox.run(&["store", "add", "photos", "S3", "--provider", "floppy"]), 2);
    assert!(text.contains("dropbox"), "{text}");
}

#[test]
fn every_provider_and_setting_is_listed() {
    let listed = stdout(&Sandbox::new().run(&["store", "providers"]));
    for provider in stowage_store::registry::PROVIDERS {
        assert!(listed.contains(&format!("{}: ", provider.name)), "{listed}");
        for setting in provider.settings {
            assert!(listed.contains(&format!("  {} ", setting.name)), "{listed}");
        }
    }
}

#[test]
fn sign_agrees_with_the_specification() {
    let sandbox = Sandbox::new();
    let sign = |arguments: &[&str]| {
        let output = sandbox
            .command(&[&["sign"], arguments].concat())
            .env("STOWAGE_SECRET", "Y5IXBFZ7EXAMPLESECRET2345")
            .output()
            .expect("the binary runs");
        stdout(&output)
    };
    let first = "policy=eyJleHBpcnkiOjQxMDI0NDQ4MDB9&signature=236f81085c231b48ee644a4b6d829e5ddc0a5bf4c48ffdde9dc7978f09e21b90\n";
    assert_eq!(sign(&["--expires", "4102444800"]), first);
    assert_eq!(sign(&["--policy-json", r#"{"expiry":4102444800}"#]), first);
    let fourth: Value = serde_json::from_str(&sign(&[
        "--expires",
        "4102444800",
        "--call",
        "pick,store",
        "--max-size",
        "1MiB",
        "--min-size",
        "1",
        "--path",
        "/uploads/.*",
        "--container",
        "my-bucket",
        "--json",
    ]))
    .expect("JSON");
    let policy = fourth["policy"].as_str().expect("a policy");
    assert!(policy.starts_with("eyJleHBpcnkiOjQxMDI0NDQ4MDAsImNhbGwiOlsicGljayIsInN0b3JlIl0s"), "{policy}");
}

#[test]
fn sign_refuses_what_no_server_would_accept() {
    let sandbox = Sandbox::new();
    let refuse = |arguments: &[&str]| {
        let arguments = [&["sign", "--secret", "s"], arguments].concat();
        failure(&sandbox.run(&arguments), 2)
    };
    assert!(refuse(&["--expires", "3600"]).contains("3600s"));
    assert!(refuse(&["--call", "fly"]).contains("fly"));
    assert!(refuse(&["--policy-json", "{}"]).contains("expiry"));
    assert!(refuse(&["--policy-json", "[1]"]).contains("object"));
}

#[test]
fn doctor_is_content_with_nothing_and_with_a_new_installation() {
    let sandbox = Sandbox::new();
    let before = stdout(&sandbox.run(&["doctor"]));
    assert!(before.contains("does not exist yet"), "{before}");
    assert!(!sandbox.path("data").exists(), "doctor created an installation");
    stdout(&sandbox.run(&["app", "create", "photos"]));
    let after = stdout(&sandbox.run(&["doctor"]));
    assert!(after.contains("apps: 1"), "{after}");
    assert!(after.contains("app `photos`, store S3, provider local"), "{after}");
    assert!(after.contains("ffmpeg"), "{after}");
}

#[test]
fn doctor_names_what_is_broken() {
    let sandbox = Sandbox::new();
    stdout(&sandbox.run(&["app", "create", "photos"]));
    let doctor = |expectation: &str| {
        let output = sandbox.run(&["doctor"]);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(1), "{text}");
        let found = text.lines().any(|line| line.starts_with("broken") && line.contains(expectation));
        assert!(found, "no broken {expectation} in:\n{text}");
    };
    let key = sandbox.path("data/master.key");
    let set_mode = |mode| {
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(mode)).expect("a key file");
    };
    set_mode(0o644);
    doctor("chmod 600");
    set_mode(0o600);

    stdout(&sandbox.run(&S3_STORE));
    doctor("provider s3");

    std::fs::write(sandbox.path("data/catalogue.sqlite"), "not a database".repeat(1000))
        .expect("the catalogue is overwritten");
    doctor("catalogue");
}

#[test]
fn the_server_may_open_as_many_files_as_the_system_allows_and_doctor_says_if_these_are_few() {
    let sandbox = Sandbox::new();
    let limited = |limits: &str, arguments: &[&str]| {
        let mut command = Command::new("/bin/sh");
        let script = format!("ulimit {limits}; exec \"$0\" \"$@\"");
        command.args(["-c", &script, env!("CARGO_BIN_EXE_stowage")]).args(arguments);
        command.env_clear().env("STOWAGE_CONFIG", "").env("STOWAGE_DATA", sandbox.path("data")).stdin(Stdio::null());
        command
    };
    let few = limited("-n 300", &["doctor"]).output().expect("a shell");
    let report = String::from_utf8_lossy(&few.stdout);
    assert_eq!(few.status.code(), Some(1), "{report}");
    assert!(report.contains("broken   only 300 files and connections may be open"), "{report}");

    let mut server = limited("-Sn 64 && ulimit -Hn 600", &["serve", "--listen", "127.0.0.1:0"]);
    let mut server = server.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("a shell");
    let mut line = String::new();
    BufReader::new(server.stdout.take().expect("piped"))
        .read_line(&mut line)
        .expect("the server says where it listens");
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", server.id())).expect("the server runs");
    server.kill().expect("it runs");
    server.wait().expect("it ends");
    let open_files = limits.lines().find(|line| line.starts_with("Max open files")).expect("a limit");
    assert_eq!(open_files.split_whitespace().filter(|word| *word == "600").count(), 2, "{open_files}");
}

/// Several threads, because the S3 server answers from this process while the command is waited for.
#[tokio::test(flavor = "multi_thread")]
async fn doctor_reaches_a_real_s3_server() {
    let s3 = S3Server::start("holidays").await;
    let sandbox = Sandbox::new();
    stdout(&sandbox.run(&["app", "create", "photos"]));
    let secret_file = sandbox.path("secret.txt");
    std::fs::write(&secret_file, format!("{}\n", s3.secret_access_key())).expect("a secret file");
    let add = sandbox
        .command(&["store", "add", "photos", "S3", "--provider", "s3", "bucket=holidays"])
        .arg(format!("endpoint={}", s3.endpoint()))
        .arg("access_key_id=env:KEY_ID")
        .arg(format!("secret_access_key=@{}", secret_file.display()))
        .env("KEY_ID", s3.access_key_id())
        .output()
        .expect("the binary runs");
    stdout(&add);
    let report = stdout(&sandbox.run(&["doctor"]));
    assert!(report.contains("ok       app `photos`, store S3, provider s3"), "{report}");
    let trial = stdout(&sandbox.run(&["store", "test", "photos", "S3"]));
    for step in ["write", "read a range", "list", "delete"] {
        assert!(trial.contains(&format!("ok       {step}")), "{trial}");
    }
    assert!(trial.ends_with("the store works\n"), "{trial}");

    stdout(&sandbox.run(&["store", "set", "photos", "S3", "secret_access_key=wrong"]));
    let output = sandbox.run(&["store", "test", "photos", "S3"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stdout).contains("failed   write"));
}

#[test]
fn a_reader_that_has_gone_is_no_panic() {
    let sandbox = Sandbox::new();
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let output = sandbox.command(&["config"]).stdout(writer).output().expect("the binary runs");
    assert!(output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn a_server_that_is_not_there_is_told_with_a_hint() {
    let sandbox = Sandbox::new();
    let handle = "7xSJALUhSlCDCNujt5Ku";
    let text = failure(&sandbox.run(&["stat", handle, "--server", "http://127.0.0.1:1"]), 1);
    assert!(text.contains("http://127.0.0.1:1") && text.contains("STOWAGE_SERVER"), "{text}");
}
