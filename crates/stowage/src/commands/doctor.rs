//! `stowage doctor`.

use std::{
    fs::{self, OpenOptions},
    io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, SystemTime},
};

use stowage_catalogue::{App, Catalogue, StoreRow};
use stowage_server::{
    config::{Config, Limits},
    descriptors, open_local_store,
    tls::{AUTHORITY_FILE, CertificateFacts, Certificates, facts_of_file},
};
use stowage_store::{local::LocalStore, registry::Provider};

use crate::{
    failure::Failure,
    installation::{Installation, open_catalogue},
    output,
};

const CATALOGUE_FILE: &str = "catalogue.sqlite";
const KEY_FILE: &str = "master.key";
/// Less free space than this is reported as broken, in bytes.
const LOW_SPACE: u64 = 256 << 20;
/// A certificate with less to live should have been renewed: automatic renewal begins a month before the end.
const EXPIRES_SOON: Duration = Duration::from_secs(7 * 86_400);
const STORE_TIMEOUT: Duration = Duration::from_secs(15);
/// Directories where system daemons live although an ordinary user's PATH lacks them.
const SYSTEM_DIRECTORIES: [&str; 2] = ["/usr/sbin", "/sbin"];

/// Programs that later steps of processing use if they are there: names to look for, use, Debian package.
const ENGINES: [(&[&str], &str, &str); 6] = [
    (&["ffmpeg"], "video and audio", "ffmpeg"),
    (&["soffice", "libreoffice"], "documents", "libreoffice"),
    (&["chromium", "chromium-browser", "google-chrome"], "web pages", "chromium"),
    (&["tesseract"], "text recognition", "tesseract-ocr"),
    (&["clamd"], "virus scans", "clamav-daemon"),
    (&["pdftoppm"], "PDF pages", "poppler-utils"),
];

/// Check what is configured, what works and what is missing
///
/// Prints one line per check: ok, broken (with what to do) or missing (optional). The exit code is 1 if something is broken. Changes nothing
/// but what opening the catalogue of an older version does.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  stowage doctor
  stowage doctor --data /srv/stowage && systemctl start stowage")]
pub(crate) struct DoctorArguments {
    #[command(flatten)]
    installation: Installation,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Ok,
    Missing,
    Broken,
}

struct Finding {
    verdict: Verdict,
    text: String,
}

impl Finding {
    fn ok(text: String) -> Self {
        Self { verdict: Verdict::Ok, text }
    }

    fn missing(text: String) -> Self {
        Self { verdict: Verdict::Missing, text }
    }

    fn broken(text: String) -> Self {
        Self { verdict: Verdict::Broken, text }
    }
}

pub(crate) async fn run(arguments: DoctorArguments) -> Result<ExitCode, Failure> {
    let config = arguments.installation.load()?.config;
    let mut findings = vec![data_directory(&config.data)];
    if config.data.is_dir() {
        findings.push(free_space(&config.data));
    }
    findings.push(open_files(&config.limits));
    findings.push(master_key(&config));
    findings.extend(certificate(&config));
    findings.push(cache_directory(&config));
    findings.push(image_workers());
    findings.extend(catalogue_and_stores(&config).await);
    findings.push(heic());
    findings.extend(ENGINES.iter().map(|(names, usage, package)| engine(names, usage, package)));
    report(&findings)
}

fn report(findings: &[Finding]) -> Result<ExitCode, Failure> {
    let rows: Vec<[String; 2]> = findings
        .iter()
        .map(|finding| {
            let verdict = match finding.verdict {
                Verdict::Ok => "ok",
                Verdict::Missing => "missing",
                Verdict::Broken => "broken",
            };
            [verdict.to_owned(), finding.text.clone()]
        })
        .collect();
    output::table(&rows)?;
    let broken = findings.iter().any(|finding| finding.verdict == Verdict::Broken);
    Ok(ExitCode::from(u8::from(broken)))
}

fn data_directory(data: &Path) -> Finding {
    let shown = data.display();
    let existing = data.ancestors().find(|path| path.exists());
    let existing = existing.unwrap_or(Path::new("."));
    match try_write(existing) {
        Ok(()) if existing == data => Finding::ok(format!("data directory {shown} is writable")),
        Ok(()) => Finding::ok(format!("data directory {shown} does not exist yet; `stowage serve` creates it")),
        Err(error) => Finding::broken(format!(
            "data directory {shown} is not writable ({error}); change its owner, or choose another with --data"
        )),
    }
}

/// Permissions alone do not tell of read-only mounts and quotas.
fn try_write(directory: &Path) -> io::Result<()> {
    let probe = directory.join(format!(".stowage-doctor-{}", std::process::id()));
    OpenOptions::new().write(true).create_new(true).open(&probe)?;
    fs::remove_file(probe)
}

fn free_space(data: &Path) -> Finding {
    match rustix::fs::statvfs(data) {
        Ok(statistics) => {
            let free = statistics.f_bavail.saturating_mul(statistics.f_frsize);
            let text = format!("{} free in the data directory", indicatif::BinaryBytes(free));
            if free < LOW_SPACE { Finding::broken(format!("only {text}; make room")) } else { Finding::ok(text) }
        }
        Err(error) => Finding::broken(format!("cannot tell the free space of the data directory: {error}")),
    }
}

fn open_files(limits: &Limits) -> Finding {
    match descriptors::allowed_and_needed(limits) {
        (Some(allowed), needed) if allowed < needed => Finding::broken(format!(
            "only {allowed} files and connections may be open at once, {needed} are needed if all connections upload; raise the hard limit \
             (`ulimit -Hn`, systemd's LimitNOFILE) or lower limits.max_connections"
        )),
        (Some(allowed), _) => Finding::ok(format!("{allowed} files and connections may be open at once")),
        (None, _) => Finding::ok("any number of files and connections may be open at once".to_owned()),
    }
}

fn master_key(config: &Config) -> Finding {
    if config.master_key.is_some() {
        return Finding::ok("master key comes from the configuration".to_owned());
    }
    let file = config.data.join(KEY_FILE);
    let shown = file.display();
    match fs::metadata(&file) {
        Ok(metadata) if metadata.permissions().mode() & 0o077 == 0 => {
            Finding::ok(format!("master key {shown} is private; keep a copy of it apart from the data"))
        }
        Ok(metadata) => Finding::broken(format!(
            "master key {shown} has mode {:04o}: others can read it; run `chmod 600 {shown}`",
            metadata.permissions().mode() & 0o7777
        )),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Finding::ok(format!("master key {shown} does not exist yet; the first start creates it"))
        }
        Err(error) => Finding::broken(format!("master key {shown} cannot be read: {error}")),
    }
}

/// Where results are kept. That of the data directory is as writable as all of it.
fn cache_directory(config: &Config) -> Finding {
    let directory = config.cache.directory.clone().unwrap_or_else(|| config.data.join("cache"));
    let shown = directory.display();
    let existing = directory.ancestors().find(|path| path.exists()).unwrap_or(Path::new("."));
    match try_write(existing) {
        Ok(()) => Finding::ok(format!("results of work on pictures are kept in {shown}")),
        Err(error) => Finding::broken(format!(
            "cache directory {shown} is not writable ({error}); change its owner, or set cache.directory"
        )),
    }
}

/// Starts a process as those in which pictures are decoded, and asks what the kernel keeps it from.
fn image_workers() -> Finding {
    match stowage_workers::probe(&stowage_server::transform::pool_settings()) {
        Ok(sandbox) if sandbox.is_complete() => {
            Finding::ok(format!("pictures are decoded in processes that are locked in ({sandbox})"))
        }
        Ok(sandbox) => Finding::missing(format!(
            "pictures are decoded in processes that are not fully locked in ({sandbox}): Linux 5.13 with Landlock and seccomp is needed, and a \
             container that does not forbid them"
        )),
        Err(error) => Finding::broken(format!(
            "the process in which pictures are decoded does not start: {error}; /proc has to be mounted"
        )),
    }
}

fn heic() -> Finding {
    if stowage_imaging::decode::heic::is_available() {
        return Finding::ok("libheif for HEIC pictures (optional)".to_owned());
    }
    Finding::missing("libheif for HEIC pictures (optional): apt-get install libheif1".to_owned())
}

/// The certificate of HTTPS: whether the server would start with it, for which names, and until when.
fn certificate(config: &Config) -> Option<Finding> {
    let tls = &config.tls;
    if let Some(host) = &tls.development {
        let file = config.data.join(AUTHORITY_FILE);
        let url = host.url(None);
        return Some(match facts_of_file(&file) {
            _ if !file.exists() => Finding::ok(format!("development HTTPS for {url}; the first start creates its CA")),
            Ok(facts) => expiry(&facts, format!("development HTTPS for {url}, CA {}", file.display())),
            Err(reason) => Finding::broken(format!("development HTTPS: {reason}; remove it to have it made anew")),
        });
    }
    let file = tls.certificate.as_ref()?;
    // Only the server's own way of opening them tells whether key and certificate fit.
    let opened = Certificates::open(tls, &config.data).map_err(|error| error.to_string());
    Some(match opened.and_then(|_| facts_of_file(file)) {
        Ok(facts) => expiry(&facts, format!("HTTPS certificate {} for {}", file.display(), facts.names.join(", "))),
        Err(reason) => Finding::broken(reason),
    })
}

fn expiry(facts: &CertificateFacts, what: String) -> Finding {
    let date = httpdate::fmt_http_date(facts.expires);
    match facts.expires.duration_since(SystemTime::now()) {
        Ok(left) if left > EXPIRES_SOON => Finding::ok(format!("{what}; it is valid until {date}")),
        Ok(_) => Finding::broken(format!("{what}: it expires soon, on {date}; renew it")),
        Err(_) => Finding::broken(format!("{what}: it expired on {date}; renew it")),
    }
}

/// Opens an existing catalogue only: a check should not create an installation.
async fn catalogue_and_stores(config: &Config) -> Vec<Finding> {
    let file = config.data.join(CATALOGUE_FILE);
    if !file.exists() {
        return vec![Finding::ok(format!(
            "catalogue {} does not exist yet; the first start creates it",
            file.display()
        ))];
    }
    let broken = |error: &dyn std::fmt::Display| {
        vec![Finding::broken(format!("catalogue {} does not work: {error}", file.display()))]
    };
    let catalogue = match open_catalogue(config) {
        Ok(catalogue) => catalogue,
        Err(error) => return broken(&error),
    };
    let apps = match catalogue.apps().await {
        Ok(apps) => apps,
        Err(error) => return broken(&error),
    };
    let local = match open_local_store(config) {
        Ok(local) => local,
        Err(error) => return broken(&error),
    };
    let mut findings = vec![Finding::ok(format!("catalogue {} opens; apps: {}", file.display(), apps.len()))];
    for app in &apps {
        findings.extend(stores_of(&catalogue, app, &local).await);
    }
    findings
}

async fn stores_of(catalogue: &Catalogue, app: &App, local: &LocalStore) -> Vec<Finding> {
    let stores = match catalogue.stores(app.id).await {
        Ok(stores) => stores,
        Err(error) => {
            return vec![Finding::broken(format!("stores of app `{}`: {error}", app.name))];
        }
    };
    let mut findings = Vec::new();
    for store in &stores {
        let what = format!("app `{}`, store {}, provider {}", app.name, store.name, store.provider);
        findings.push(match check_store(store, local).await {
            Ok(()) => Finding::ok(what),
            Err(reason) => Finding::broken(format!("{what}: {reason}")),
        });
    }
    findings
}

async fn check_store(store: &StoreRow, local: &LocalStore) -> Result<(), String> {
    let provider = Provider::named(&store.provider).ok_or_else(|| format!("unknown provider `{}`", store.provider))?;
    let opened = provider.open(store.config.clone(), local)?;
    match tokio::time::timeout(STORE_TIMEOUT, opened.driver.check()).await {
        Ok(checked) => checked.map_err(|error| error.to_string()),
        Err(_) => Err(format!("no answer within {} s", STORE_TIMEOUT.as_secs())),
    }
}

fn engine(names: &[&str], usage: &str, package: &str) -> Finding {
    match find_program(names) {
        Some(path) => Finding::ok(format!("{} for {usage} (optional)", path.display())),
        None => Finding::missing(format!("{} for {usage} (optional): apt-get install {package}", names[0])),
    }
}

fn find_program(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let directories: Vec<PathBuf> =
        std::env::split_paths(&path).chain(SYSTEM_DIRECTORIES.iter().map(PathBuf::from)).collect();
    names.iter().flat_map(|name| directories.iter().map(move |directory| directory.join(name))).find(|candidate| {
        fs::metadata(candidate).is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
    })
}
