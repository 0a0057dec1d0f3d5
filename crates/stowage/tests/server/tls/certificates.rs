//! Certificates from files: used, renewed, refused, reported.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use rcgen::{CertificateParams, KeyPair};
use tempfile::TempDir;

use super::connect;
use crate::{
    hostile::eventually,
    support::{Stowage, client_builder, get, send, server_with},
};

/// A certificate for `files.example` and its key, in PEM form.
struct Pair {
    certificate: String,
    key: String,
}

fn pair() -> Pair {
    pair_until(rcgen::date_time_ymd(2100, 1, 1).into())
}

fn pair_until(end: std::time::SystemTime) -> Pair {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(vec!["files.example".to_owned(), "127.0.0.1".to_owned()]).expect("names");
    params.not_after = end.into();
    Pair { certificate: params.self_signed(&key).expect("a certificate").pem(), key: key.serialize_pem() }
}

/// The two files of a server.
struct Files(TempDir);

impl Files {
    fn of(pair: &Pair) -> Self {
        let files = Self(tempfile::tempdir().expect("a directory"));
        files.write(pair);
        files
    }

    fn write(&self, pair: &Pair) {
        // As renewal tools do: the two change one after the other.
        std::fs::write(self.certificate(), &pair.certificate).expect("written");
        std::fs::write(self.key(), &pair.key).expect("written");
    }

    fn certificate(&self) -> PathBuf {
        self.0.path().join("certificate.pem")
    }

    fn key(&self) -> PathBuf {
        self.0.path().join("key.pem")
    }

    fn environment(&self) -> [(String, String); 2] {
        let text = |path: PathBuf| path.to_str().expect("temporary paths are UTF-8").to_owned();
        [
            ("STOWAGE_TLS_CERTIFICATE".to_owned(), text(self.certificate())),
            ("STOWAGE_TLS_KEY".to_owned(), text(self.key())),
        ]
    }

    fn server(&self, more: &[(&str, &str)]) -> Stowage {
        let own = self.environment();
        let own = own.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        server_with(&own.chain(more.iter().copied()).collect::<Vec<_>>())
    }
}

/// Whether a new connection is served with this certificate.
async fn presents(address: &str, pair: &Pair) -> bool {
    connect(address, pair.certificate.as_bytes(), "files.example").await.is_ok()
}

#[tokio::test]
async fn files_are_served_at_the_address_that_is_asked_for() {
    let pair = pair();
    let files = Files::of(&pair);
    let only = files.server(&[]);
    assert!(only.url().starts_with("https://127.0.0.1:"), "{}", only.url());
    assert!(presents(only.address(), &pair).await);
    let both = files.server(&[("STOWAGE_TLS_LISTEN", "127.0.0.1:0")]);
    assert!(presents(&both.secure_address().to_string(), &pair).await);
    get(&both, "/healthz").await.expect(200);
    // Without a configured base, emitted URLs have the scheme and host of the request.
    let app = both.app("shop", &[]);
    let authority = reqwest::Certificate::from_pem(pair.certificate.as_bytes()).expect("a certificate");
    let client = client_builder().tls_certs_only([authority]);
    let client = client.resolve("files.example", both.secure_address()).build().expect("a client");
    let base = format!("https://files.example:{}", both.secure_address().port());
    let request = client.post(format!("{base}/api/store/S3?key={}", app.key)).body("hello");
    let stored = send(request).await.expect(200).json();
    assert_eq!(stored["url"], format!("{base}/{}", stored["handle"].as_str().expect("a handle")));
}

#[tokio::test]
async fn renewed_files_are_used_without_a_restart() {
    let (first, second, third, unrelated) = (pair(), pair(), pair(), pair());
    let files = Files::of(&first);
    let server = files.server(&[]);
    let address = server.address();
    let mut kept = connect(address, first.certificate.as_bytes(), "files.example").await.expect("a connection");
    files.write(&second);
    server.reload();
    eventually("SIGHUP is obeyed", async || presents(address, &second).await).await;
    assert!(!presents(address, &first).await);
    // What cannot be used leaves the one before in force.
    std::fs::write(files.key(), &unrelated.key).expect("written");
    server.reload();
    std::fs::remove_file(files.certificate()).expect("removed");
    server.reload();
    assert!(presents(address, &second).await);
    // No signal: the files are looked at now and then.
    files.write(&third);
    eventually("the change is noticed", async || presents(address, &third).await).await;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    kept.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.expect("still open");
    let mut answer = String::new();
    kept.read_to_string(&mut answer).await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

/// What `stowage serve` says when it does not start.
fn refusal(environment: &[(String, String)]) -> String {
    let data = tempfile::tempdir().expect("a directory");
    let output = Command::new(env!("CARGO_BIN_EXE_stowage"))
        .args(["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(data.path())
        .envs(environment.iter().cloned())
        .output()
        .expect("the binary runs");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(output.stdout.is_empty(), "it never listened: {output:?}");
    String::from_utf8(output.stderr).expect("text")
}

#[test]
fn wrong_files_and_settings_are_named() {
    let (pair, unrelated) = (pair(), pair());
    let files = Files::of(&pair);
    let refused = |file: Option<(&Path, &str)>, mentions: &[&str]| {
        files.write(&pair);
        match file {
            Some((file, "")) => std::fs::remove_file(file).expect("removed"),
            Some((file, content)) => std::fs::write(file, content).expect("written"),
            None => {}
        }
        let message = refusal(&files.environment());
        assert!(mentions.iter().all(|text| message.contains(text)), "{mentions:?} in {message}");
        assert!(!message.contains("PRIVATE KEY"), "{message}");
    };
    let (certificate, key) = (files.certificate(), files.key());
    refused(Some((&certificate, "")), &["tls.certificate", "cannot read", "certificate.pem"]);
    refused(Some((&key, "")), &["tls.key", "cannot read", "key.pem"]);
    refused(Some((&certificate, "nonsense")), &["tls.certificate", "no certificate"]);
    refused(Some((&certificate, &pair.key)), &["tls.certificate", "no certificate"]);
    let torn = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    refused(Some((&certificate, torn)), &["tls.certificate", "cannot be read"]);
    refused(Some((&key, "nonsense")), &["tls.key", "no private key"]);
    refused(Some((&key, &pair.certificate)), &["tls.key", "no private key"]);
    refused(Some((&key, &unrelated.key)), &["tls.key", "is not the key of", "certificate.pem"]);

    let set = |name: &str, value: &str| (format!("STOWAGE_TLS_{name}"), value.to_owned());
    let [own_certificate, own_key] = files.environment();
    let both = vec![own_certificate.clone(), own_key.clone()];
    for (environment, mentions) in [
        (vec![own_certificate], "`tls.certificate`"),
        (vec![own_key], "`tls.key`"),
        (vec![set("LISTEN", "127.0.0.1:0")], "`tls.listen`"),
        (vec![set("LISTEN", "127.0.0.1:0"), set("DEVELOPMENT", "fs.localhost:0")], "`tls.listen`"),
        ([both, vec![set("DEVELOPMENT", "fs.localhost:0")]].concat(), "`tls.development`"),
        (vec![set("DEVELOPMENT", "https://fs.localhost")], "`tls.development`"),
    ] {
        let message = refusal(&environment);
        assert!(message.contains(mentions), "{mentions} in {message}");
    }
}

#[test]
fn the_doctor_knows_names_and_end() {
    let doctor = |files: &Files| {
        let data = tempfile::tempdir().expect("a directory");
        let mut command = Command::new(env!("CARGO_BIN_EXE_stowage"));
        let output = command.args(["doctor", "--data"]).arg(data.path()).envs(files.environment()).output();
        let output = String::from_utf8(output.expect("the binary runs").stdout).expect("text");
        output.lines().find(|line| line.contains("pem")).unwrap_or_else(|| panic!("{output}")).to_owned()
    };
    let good = doctor(&Files::of(&pair()));
    assert!(good.starts_with("ok ") && good.contains("files.example, 127.0.0.1") && good.contains("2100"), "{good}");
    let now = std::time::SystemTime::now();
    let day = std::time::Duration::from_secs(86_400);
    let ended = doctor(&Files::of(&pair_until(now - day)));
    assert!(ended.starts_with("broken ") && ended.contains("expired on"), "{ended}");
    let ending = doctor(&Files::of(&pair_until(now + day)));
    assert!(ending.starts_with("broken ") && ending.contains("expires soon"), "{ending}");
    let mixed = doctor(&Files::of(&Pair { key: pair().key, ..pair() }));
    assert!(mixed.starts_with("broken ") && mixed.contains("tls.key"), "{mixed}");
}
