//! Unmodified official clients against the real server: the scripts of `tests/mint` and the recipes of `docs/sdks.md`, each with an app
//! without security, with policies that allow just what the step needs, and with expired ones.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use stowage_testkit::{Origin, Reply, S3Server, installed, on_search_path};
use tempfile::TempDir;
use tokio::{process::Command, time::timeout};

use crate::{
    docs::{examples, fits},
    support::{App, Stowage, allowing, get, post, signed, text_of},
};

/// How the app of a test is secured.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Security {
    Off,
    On,
    Expired,
}

impl Security {
    fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::On => "on",
            Self::Expired => "expired",
        }
    }
}

/// A TIFF of a face, 192 pixels square.
const FACE: &[u8] = include_bytes!("../../../imaging/tests/fixtures/face.tiff");

/// A server below the names `*.fs.localhost` as on port 443, an origin of URLs, and a project directory of a user of the clients.
struct Bench {
    server: Stowage,
    app: App,
    /// May be used from pages of another origin only.
    elsewhere: App,
    security: Security,
    /// A file that is there already.
    handle: String,
    /// A JPEG of a face; the origin has it as `face.jpg`, the store `archive` as `the face.jpg`.
    picture: String,
    _archive: S3Server,
    origin: Origin,
    folder: TempDir,
}

impl Bench {
    async fn new(security: Security) -> Self {
        let environment = [
            ("STOWAGE_FETCH_ALLOW", "127.0.0.2/32"),
            ("STOWAGE_FETCH_PORTS", ""),
            ("STOWAGE_PUBLIC_BASE_CDN", "https://cdn.fs.localhost"),
            ("STOWAGE_PUBLIC_BASE_UPLOAD", "https://upload.fs.localhost"),
        ];
        let server = Stowage::start_dev_tls(env!("CARGO_BIN_EXE_stowage"), "fs.localhost", &environment);
        let app = server.app("mint", if security == Security::Off { &[] } else { &["--security"] });
        let elsewhere = server.app("elsewhere", &["--cors-origins", "https://elsewhere.example"]);
        let handle = stored(&server, &app, "the file before").await;
        let scan = stored(&server, &app, FACE).await;
        let query = signed(&app, &allowing(&["convert"]));
        let face = get(&server, &format!("/output=format:jpg/{scan}?{query}")).await.expect(200).body;
        let picture = stored(&server, &app, face.clone()).await;
        let _archive = archive(&server, &face).await;
        let origin = Origin::start("127.0.0.2", move |request| match request.target.as_str() {
            target if target.starts_with("/face.jpg") => Reply::ok("image/jpeg", &face),
            "/secret" if request.header("x-secret") != Some("sesame") => Reply::status("403 Forbidden"),
            "/secret" => Reply::ok("text/plain", b"only with the header"),
            _ => Reply::ok("text/plain", b"plain text"),
        });
        let (origin, folder) = (origin.await, project());
        Self { server, app, elsewhere, security, handle, picture, _archive, origin, folder }
    }

    /// Runs a program in the project directory; it must succeed. What it printed.
    async fn run(&self, program: &Path, arguments: &[&str]) -> String {
        let authority = self.server.authority();
        let running = Command::new(program)
            .args(arguments)
            .current_dir(&self.folder)
            .env("PORT", self.server.secure_address().port().to_string())
            .env("KEY", &self.app.key)
            .env("SECRET", &self.app.secret)
            .env("SECURITY", self.security.name())
            .env("ELSEWHERE", &self.elsewhere.key)
            .env("HANDLE", &self.handle)
            .env("PICTURE", &self.picture)
            .env("ORIGIN", self.origin.url(""))
            .env("AUTHORITY", &authority)
            .env("NODE_OPTIONS", "--import ./reach.mjs")
            .env("PYTHONPATH", self.folder.path())
            .env("NODE_EXTRA_CA_CERTS", &authority)
            .env("REQUESTS_CA_BUNDLE", &authority)
            .envs(["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"].map(|name| (name, "")))
            .kill_on_drop(true)
            .output();
        let output =
            timeout(Duration::from_secs(200), running).await.expect("the client ends").expect("the client runs");
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        let complaints = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}:\n{printed}{complaints}");
        printed
    }

    /// Runs a script if what it takes is installed here.
    async fn script(&self, command: &str) -> Option<String> {
        let arguments: Vec<&str> = command.split(' ').collect();
        let program = interpreter(arguments[0])?;
        Some(self.run(&program, &arguments).await)
    }
}

/// The handle of a new file.
async fn stored(server: &Stowage, app: &App, content: impl Into<reqwest::Body>) -> String {
    let query = signed(app, &allowing(&["store"]));
    let answer = post(server, &format!("/api/store/S3?key={}&{query}", app.key), content).await.expect(200);
    text_of(&answer.json(), "handle").to_owned()
}

/// A bucket with a picture, which the app `mint` has as its store `archive`.
async fn archive(server: &Stowage, picture: &[u8]) -> S3Server {
    let bucket = S3Server::start("archive").await;
    std::fs::write(bucket.root().join("archive/the face.jpg"), picture).expect("an object");
    let settings = [
        "bucket=archive".to_owned(),
        "region=us-east-1".to_owned(),
        format!("endpoint={}", bucket.endpoint()),
        format!("access_key_id={}", bucket.access_key_id()),
        format!("secret_access_key={}", bucket.secret_access_key()),
    ];
    let mut arguments = vec!["store", "add", "mint", "archive", "--provider", "s3"];
    arguments.extend(settings.iter().map(String::as_str));
    server.run(&arguments);
    bucket
}

/// What runs a script, if that and the packages it needs are there.
fn interpreter(script: &str) -> Option<PathBuf> {
    if script.ends_with(".py") {
        return installed("mint-python/bin/python");
    }
    if script == "browser.mjs" {
        on_search_path("chromium")?;
    }
    installed("mint/node_modules")?;
    on_search_path("node")
}

/// A directory with the scripts of `tests/mint` that finds the packages where they are installed.
fn project() -> TempDir {
    let folder = tempfile::tempdir().expect("a directory");
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/mint");
    for script in std::fs::read_dir(scripts).expect("tests/mint is there") {
        let script = script.expect("an entry");
        if script.path().is_file() {
            std::fs::copy(script.path(), folder.path().join(script.file_name())).expect("copied");
        }
    }
    if let Some(packages) = installed("mint/node_modules") {
        std::os::unix::fs::symlink(packages, folder.path().join("node_modules")).expect("linked");
    }
    folder
}

/// One test for each way to secure an app.
macro_rules! clients {
    ($($name:ident: $script:literal,)*) => {$(
        mod $name {
            use super::{Bench, Security};

            #[tokio::test]
            async fn without_security() {
                Bench::new(Security::Off).await.script($script).await;
            }

            #[tokio::test]
            async fn with_policies_of_one_call() {
                Bench::new(Security::On).await.script($script).await;
            }

            #[tokio::test]
            async fn expired_policies_are_refused_readably() {
                Bench::new(Security::Expired).await.script($script).await;
            }
        }
    )*};
}

clients! {
    filestack_js: "filestack-js.mjs",
    filestack_js_in_chromium: "browser.mjs page-filestack.mjs",
    filestack_python: "filestack-python.py",
    pictures_by_filestack_js_and_adaptive: "pictures.mjs",
    tus_js_client: "tus-js.mjs",
    tuspy: "tuspy-client.py",
    uppy_in_chromium: "browser.mjs page-uppy.mjs",
}

/// Every program of `docs/sdks.md` in a language works and prints what the page says.
async fn recipes(language: &str, extension: &str) {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/sdks.md"));
    let examples = examples(&page.expect("the page exists"), language);
    assert!(examples.len() > 1, "{language}");
    let bench = Bench::new(Security::Off).await;
    for (number, example) in examples.iter().enumerate() {
        let script = format!("recipe{number}.{extension}");
        std::fs::write(bench.folder.path().join(&script), &example.commands).expect("written");
        if let Some(printed) = bench.script(&script).await {
            assert!(fits(&example.printed, &printed), "{}\nprinted:\n{printed}", example.commands);
        }
    }
}

#[tokio::test]
async fn the_recipes_for_node_work() {
    recipes("js", "mjs").await;
}

#[tokio::test]
async fn the_recipes_for_python_work() {
    recipes("python", "py").await;
}
