//! `stowage serve`.

use std::net::SocketAddr;

use stowage_catalogue::App;
use stowage_core::app::AppSettings;
use stowage_server::config::Config;

use crate::{
    failure::Failure,
    installation::{Installation, open_catalogue},
    output,
};

const FIRST_APP: &str = "default";

/// Run the server
///
/// Runs until SIGTERM or SIGINT, then lets running requests finish. Prints `listening on http://ADDRESS:PORT` on standard output once it
/// accepts connections; the log goes to standard error. A server on a loopback address that has no application yet creates one named
/// `default`; as long as that is there, a line to try follows.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  stowage serve                        http://127.0.0.1:8080, data in ~/.local/share/stowage
  stowage serve --listen 127.0.0.1:0   pick a free port
  stowage serve --listen 0.0.0.0:80 --data /srv/stowage
  STOWAGE_PUBLIC_BASE_CDN=https://cdn.example.com stowage serve

Settings: docs/configuration.md, and `stowage config` for those in force.")]
pub(crate) struct ServeArguments {
    /// Address and port to listen on; port 0 picks a free one [default: $STOWAGE_LISTEN, else 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    #[command(flatten)]
    installation: Installation,
}

pub(crate) async fn run(arguments: ServeArguments) -> Result<(), Failure> {
    let config = arguments.installation.load(arguments.listen)?.config;
    stowage_server::telemetry::init(&config.log);
    let first_app = first_app(&config).await?;
    stowage_server::serve(config, move |address| {
        // A closed standard output must not keep the server from running.
        let _ = announce(address, &first_app);
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

fn announce(address: SocketAddr, first_app: &FirstApp) -> Result<(), Failure> {
    output::line(format_args!("listening on http://{address}"))?;
    let app = match first_app {
        FirstApp::None => return Ok(()),
        FirstApp::Found(app) => app,
        FirstApp::Created(app) => {
            output::line(format_args!("created app `{}` with API key {}", app.name, app.key))?;
            app
        }
    };
    output::line(format_args!("curl -F fileUpload=@photo.jpg 'http://{address}/api/store/S3?key={}'", app.key))
}
