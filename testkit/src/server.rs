//! Spawns the real binary on a port of its own, with a data directory of its own.

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, LazyLock},
};

use serde_json::Value;
use tempfile::TempDir;

/// A running `stowage serve`; killed when dropped.
pub struct Stowage {
    child: Child,
    url: String,
    /// Of HTTPS, when it is spoken beside plain HTTP.
    secure_address: Option<SocketAddr>,
    settings: Settings,
}

/// How the binary is started; kept for restarts.
#[derive(Clone)]
struct Settings {
    binary: PathBuf,
    data: Arc<TempDir>,
    environment: Vec<(String, String)>,
    /// Host name of `--dev-tls`.
    development: Option<String>,
}

/// An application of a running server.
#[derive(Clone, Debug)]
pub struct App {
    /// Operator's name.
    pub name: String,
    /// Public key.
    pub key: String,
    /// Secret.
    pub secret: String,
}

impl Stowage {
    /// Starts the binary (`env!("CARGO_BIN_EXE_stowage")`) with embedded defaults.
    pub fn start(binary: &str) -> Self {
        Self::start_with(binary, &[])
    }

    /// Starts it with `STOWAGE_…` variables.
    pub fn start_with(binary: &str, environment: &[(&str, &str)]) -> Self {
        let data = Arc::new(tempfile::tempdir().expect("a temporary directory can be made"));
        let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self::spawn(Settings { binary: binary.into(), data, environment, development: None })
    }

    /// Starts it with `STOWAGE_…` variables and HTTPS for a host name and its subdomains (`--dev-tls NAME:0`) beside plain HTTP.
    pub fn start_dev_tls(binary: &str, name: &str, environment: &[(&str, &str)]) -> Self {
        let data = Arc::new(tempfile::tempdir().expect("a temporary directory can be made"));
        let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self::spawn(Settings { binary: binary.into(), data, environment, development: Some(name.to_owned()) })
    }

    fn spawn(settings: Settings) -> Self {
        let mut child = settings
            .command()
            .args(["serve", "--listen", "127.0.0.1:0"])
            .args(settings.development.iter().map(|name| format!("--dev-tls={name}:0")))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary starts");
        let mut lines = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
        let mut listening = lines
            .by_ref()
            .map_while(Result::ok)
            .filter_map(|line| line.strip_prefix("listening on ").map(str::to_owned));
        let url = listening.next().expect("the server prints its address");
        let secure_address = settings.speaks_both().then(|| {
            let url = listening.next().expect("the server prints its address of HTTPS");
            url.trim_start_matches("https://").parse().expect("an address")
        });
        // The server may print more; a closed pipe must not stop it.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, url, secure_address, settings }
    }

    /// `http://127.0.0.1:PORT`; `https` when the server speaks nothing else.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// `127.0.0.1:PORT`.
    pub fn address(&self) -> &str {
        self.url.split_once("://").map_or(self.url.as_str(), |(_, address)| address)
    }

    /// Where HTTPS is spoken beside plain HTTP.
    pub fn secure_address(&self) -> SocketAddr {
        self.secure_address.expect("the server was started with HTTPS")
    }

    /// `https://LABEL.NAME:PORT` of a server started with `--dev-tls NAME`; without a label `https://NAME:PORT`.
    pub fn secure_url(&self, label: &str) -> String {
        let name = self.settings.development.as_deref().expect("the server was started with --dev-tls");
        let dot = if label.is_empty() { "" } else { "." };
        format!("https://{label}{dot}{name}:{}", self.secure_address().port())
    }

    /// The certificate of the development CA.
    pub fn authority(&self) -> PathBuf {
        self.data().join("development-ca.pem")
    }

    /// A [`client_builder`] that trusts the development CA and finds every development host on loopback.
    pub fn secure_client(&self) -> reqwest::ClientBuilder {
        let pem = std::fs::read(self.authority()).expect("the CA file is there");
        let authority = reqwest::Certificate::from_pem(&pem).expect("the CA file holds a certificate");
        let name = self.settings.development.as_deref().expect("the server was started with --dev-tls");
        let builder = client_builder();
        ["", "www.", "upload.", "cdn.", "process.", "cloud.", "static.", "api."]
            .iter()
            .fold(builder.tls_certs_only([authority]), |builder, label| {
                builder.resolve(&format!("{label}{name}"), self.secure_address())
            })
    }

    /// The data directory.
    pub fn data(&self) -> &Path {
        self.settings.data.path()
    }

    /// Process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Runs another command of the binary beside the server and gives what it printed.
    pub fn run(&self, arguments: &[&str]) -> String {
        let output = self.settings.command().args(arguments).output().expect("the command runs");
        assert!(output.status.success(), "stowage {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("the command prints UTF-8")
    }

    /// Creates an app; further arguments are those of `stowage app create`.
    pub fn app(&self, name: &str, arguments: &[&str]) -> App {
        let printed = self.run(&[&["app", "create", name, "--json"], arguments].concat());
        let printed: Value = serde_json::from_str(&printed).expect("--json prints JSON");
        let text = |key: &str| printed[key].as_str().unwrap_or_else(|| panic!("no {key} in {printed}")).to_owned();
        App { name: name.to_owned(), key: text("apikey"), secret: text("secret") }
    }

    /// Kills the process as a power cut would end it (SIGKILL) and starts it again on the same data.
    pub fn kill_and_restart(&mut self) {
        self.kill();
        *self = Self::spawn(self.settings.clone());
    }

    /// SIGKILL, and waits for the end.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// SIGTERM without waiting.
    pub fn terminate(&self) {
        self.signal("TERM");
    }

    /// SIGHUP: read the certificates again.
    pub fn reload(&self) {
        self.signal("HUP");
    }

    fn signal(&self, name: &str) {
        let status = Command::new("kill").args([&format!("-{name}"), &self.pid().to_string()]).status();
        assert!(status.is_ok_and(|status| status.success()), "the server can be signalled");
    }

    /// Waits for the process to end by itself; its exit code.
    pub fn wait(&mut self) -> Option<i32> {
        self.child.wait().expect("the server can be waited for").code()
    }
}

impl Settings {
    /// Whether plain HTTP and HTTPS are both spoken.
    fn speaks_both(&self) -> bool {
        self.development.is_some() || self.environment.iter().any(|(name, _)| name == "STOWAGE_TLS_LISTEN")
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.binary);
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("STOWAGE_")) {
            command.env_remove(name);
        }
        command.env("STOWAGE_DATA", self.data.path()).envs(self.environment.iter().cloned());
        command
    }
}

impl Drop for Stowage {
    fn drop(&mut self) {
        self.kill();
    }
}

/// An HTTP client that follows no redirects, uses no proxy and opens a connection for each request.
pub fn client() -> reqwest::Client {
    // Building one takes milliseconds, and tests make thousands of requests.
    static CLIENT: LazyLock<reqwest::Client> = LazyLock::new(|| {
        // Kept connections would outlive the runtime of the test that opened them.
        client_builder().pool_max_idle_per_host(0).build().expect("a client can be built")
    });
    CLIENT.clone()
}

/// A client that follows no redirects and uses no proxy. It keeps its connections, so it is for one test only.
pub fn client_builder() -> reqwest::ClientBuilder {
    // Fails only when another test of the process has done it before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none())
}
