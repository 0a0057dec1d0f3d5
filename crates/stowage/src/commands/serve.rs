//! `stowage serve`.

use std::{net::SocketAddr, path::Path};

use stowage_catalogue::App;
use stowage_core::app::AppSettings;
use stowage_server::{
    Listening,
    config::{Config, DevelopmentHost},
    tls::AUTHORITY_FILE,
};

use crate::{
    failure::Failure,
    installation::{Installation, open_catalogue},
    output,
};

const FIRST_APP: &str = "default";

/// Run the server
///
/// Runs until SIGTERM or SIGINT, then lets running requests finish. Prints `listening on http://ADDRESS:PORT` on standard output once it
/// accepts connections, and a line with `https://` for HTTPS; the log goes to standard error. A server on a loopback address that has no application yet creates one named
/// `default`; as long as that is there, a line to try follows.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  stowage serve                        http://127.0.0.1:8080, data in ~/.local/share/stowage
  stowage serve --listen 127.0.0.1:0   pick a free port
  stowage serve --listen 0.0.0.0:80 --data /srv/stowage
  stowage serve --dev-tls fs.localhost also https://fs.localhost and its subdomains, self-signed
  STOWAGE_PUBLIC_BASE_CDN=https://cdn.example.com stowage serve

Settings: docs/configuration.md, and `stowage config` for those in force.")]
pub(crate) struct ServeArguments {
    /// Address and port to listen on; port 0 picks a free one [default: $STOWAGE_LISTEN, else 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// Also serve HTTPS for this host name and its subdomains, with certificates of a development CA kept in the data directory;
    /// port 443 unless one is given, 0 picks a free one
    #[arg(long, value_name = "NAME[:PORT]")]
    dev_tls: Option<DevelopmentHost>,
    #[command(flatten)]
    installation: Installation,
}

pub(crate) async fn run(arguments: ServeArguments) -> Result<(), Failure> {
    let config = arguments.installation.load_with(arguments.listen, arguments.dev_tls)?.config;
    stowage_server::telemetry::init(&config.log);
    let first_app = first_app(&config).await?;
    let data = config.data.clone();
    stowage_server::serve(config, move |listening| {
        // A closed standard output must not keep the server from running.
        let _ = announce(listening, &data, &first_app);
    })
    .await?;
    Ok(())
}

/// The app to try the server with.
enum FirstApp {
    Created(App),
    Found(App),
    None,
}

/// Only on loopback: a server that others can reach gets no key that its operator did not ask for.
async fn first_app(config: &Config) -> Result<FirstApp, Failure> {
    if !config.listen.ip().is_loopback() {
        return Ok(FirstApp::None);
    }
    let catalogue = open_catalogue(config)?;
    let apps = catalogue.apps().await?;
    if apps.is_empty() {
        return Ok(FirstApp::Created(catalogue.create_app(FIRST_APP, AppSettings::default()).await?));
    }
    // A line without a policy works only where none is needed.
    let found = apps.into_iter().find(|app| app.name == FIRST_APP && !app.settings.security);
    Ok(found.map_or(FirstApp::None, FirstApp::Found))
}

fn announce(listening: &Listening, data: &Path, first_app: &FirstApp) -> Result<(), Failure> {
    for url in listening.urls() {
        output::line(format_args!("listening on {url}"))?;
    }
    if let Some(host) = &listening.development {
        announce_development(host, data)?;
    }
    let app = match first_app {
        FirstApp::None => return Ok(()),
        FirstApp::Found(app) => app,
        FirstApp::Created(app) => {
            output::line(format_args!("created app `{}` with API key {}", app.name, app.key))?;
            app
        }
    };
    let url = listening.urls().next().unwrap_or_default();
    output::line(format_args!("curl -F fileUpload=@photo.jpg '{url}/api/store/S3?key={}'", app.key))
}

/// How clients get to trust the development CA.
fn announce_development(host: &DevelopmentHost, data: &Path) -> Result<(), Failure> {
    let authority = std::path::absolute(data).unwrap_or_else(|_| data.to_owned()).join(AUTHORITY_FILE);
    let authority = authority.display();
    output::line(format_args!(
        "development hosts {} and www. upload. cdn. process. cloud. static. api.",
        host.url(None)
    ))?;
    output::line(format_args!("development CA {authority}; make clients trust it:"))?;
    output::line(format_args!("  export NODE_EXTRA_CA_CERTS='{authority}'  # Node"))?;
    output::line(format_args!("  export REQUESTS_CA_BUNDLE='{authority}'   # Python requests"))?;
    output::line(format_args!("  export SSL_CERT_FILE='{authority}'        # Ruby, Go, OpenSSL"))
}
