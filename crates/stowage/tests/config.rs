//! `stowage config`: precedence, refusals, masking, and the generated page.

mod common;

use std::path::Path;

use common::{Sandbox, argument, failure, stdout};

#[test]
fn a_flag_wins_over_a_variable_over_the_file_over_the_default() {
    let sandbox = Sandbox::new();
    let file = sandbox.path("stowage.toml");
    std::fs::write(&file, "data = '/from/file'\ndrain_timeout = '1m'\n[limits]\nmax_fields = 7\n")
        .expect("the file is written");
    let output = sandbox
        .command(&["config", "--config", argument(&file), "--data", "/from/flag"])
        .env("STOWAGE_DATA", "/from/variable")
        .env("STOWAGE_DRAIN_TIMEOUT", "2m")
        .output()
        .expect("the binary runs");
    let printed = stdout(&output);
    let file = argument(&file);
    for line in [
        "data = \"/from/flag\" # --data",
        "drain_timeout = \"2m\" # STOWAGE_DRAIN_TIMEOUT",
        &format!("max_fields = 7 # {file}"),
        "max_connections = 4096 # default",
    ] {
        assert!(printed.lines().any(|printed| printed == line), "no `{line}` in:\n{printed}");
    }
}

#[test]
fn the_file_of_the_variable_is_read_unless_a_flag_names_another() {
    let sandbox = Sandbox::new();
    let (first, second) = (sandbox.path("first.toml"), sandbox.path("second.toml"));
    std::fs::write(&first, "drain_timeout = 11").expect("the file is written");
    std::fs::write(&second, "drain_timeout = 22").expect("the file is written");
    let printed = |arguments: &[&str]| {
        let output = sandbox.command(arguments).env("STOWAGE_CONFIG", &first).output().expect("the binary runs");
        stdout(&output)
    };
    assert!(printed(&["config"]).contains("drain_timeout = \"11s\""));
    assert!(printed(&["config", "--config", argument(&second)]).contains("drain_timeout = \"22s\""));
}

#[test]
fn unknown_keys_and_variables_and_bad_values_are_named() {
    let sandbox = Sandbox::new();
    let file = sandbox.path("stowage.toml");
    std::fs::write(&file, "[limits]\nmax_file_sise = 1\n").expect("the file is written");
    let text = failure(&sandbox.run(&["serve", "--config", argument(&file)]), 1);
    assert!(text.contains("`limits.max_file_sise`"), "{text}");
    assert!(text.contains("did you mean `limits.max_file_size`?"), "{text}");

    let with = |name: &str, value: &str| {
        let output =
            sandbox.command(&["serve", "--listen", "127.0.0.1:0"]).env(name, value).output().expect("the binary runs");
        failure(&output, 1)
    };
    let text = with("STOWAGE_LIMIT_MAX_FIELDS", "1");
    assert!(text.contains("`STOWAGE_LIMIT_MAX_FIELDS`"), "{text}");
    let text = with("STOWAGE_PUBLIC_BASE_CDN", "https://example.com/files");
    assert!(text.contains("`public_base.cdn`"), "{text}");
    let text = with("STOWAGE_FETCH_ALLOW", "127.0.0.2/32,everything");
    assert!(text.contains("`fetch.allow`") && text.contains("everything"), "{text}");
    let text = with("STOWAGE_MASTER_KEY", "not-a-key-but-hush");
    assert!(text.contains("`master_key`") && !text.contains("hush"), "{text}");
    assert!(!sandbox.path("data").exists(), "a refused start left a data directory");
}

#[test]
fn a_file_that_is_named_but_missing_is_an_error() {
    let sandbox = Sandbox::new();
    let text = failure(&sandbox.run(&["config", "--config", "absent.toml"]), 1);
    assert!(text.contains("absent.toml"), "{text}");
}

#[test]
fn secrets_are_masked() {
    let sandbox = Sandbox::new();
    let key = "0123456789abcdef".repeat(4);
    let output = sandbox.command(&["config"]).env("STOWAGE_MASTER_KEY", &key).output().expect("the binary runs");
    let printed = stdout(&output);
    assert!(!printed.contains(&key));
    assert!(printed.contains("master_key = \"********\" # STOWAGE_MASTER_KEY"), "{printed}");
}

#[test]
fn the_default_configuration_is_this() {
    let sandbox = Sandbox::new();
    let output = sandbox.command(&["config"]).env_remove("STOWAGE_DATA").output().expect("the binary runs");
    let home = argument(&sandbox.path("")).trim_end_matches('/').to_owned();
    insta::assert_snapshot!(stdout(&output).replace(&home, "$HOME"));
}

#[test]
fn configuration_page_is_up_to_date() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
    let expected = stowage_server::config::reference();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::create_dir_all(page.parent().expect("docs")).expect("docs is made");
        std::fs::write(&page, &expected).expect("the page is written");
    }
    let actual = std::fs::read_to_string(&page).expect("docs/configuration.md exists");
    assert!(actual == expected, "docs/configuration.md is out of date; rewrite it with UPDATE_DOCS=1");
}
