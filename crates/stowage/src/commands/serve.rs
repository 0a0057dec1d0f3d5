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
/// `default` and prints how to use it.
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
    let first_app = create_first_app(&config).await?;
    stowage_server::serve(config, move |address| {
        // A closed standard output must not keep the server from running.
        let _ = announce(address, first_app.as_ref());
    })
    .await?;
    Ok(())
}

/// Only on loopback: a server that others can reach gets no key that its operator did not ask for.
async fn create_first_app(config: &Config) -> Result<Option<App>, Failure> {
    if !config.listen.ip().is_loopback() {
        return Ok(None);
    }
    let catalogue = open_catalogue(config)?;
    if !catalogue.apps().await?.is_empty() {
        return Ok(None);
    }
    let app = catalogue.create_app(FIRST_APP, AppSettings::default()).await?;
    Ok(Some(app))
}

fn announce(address: SocketAddr, first_app: Option<&App>) -> Result<(), Failure> {
    output::line(format_args!("listening on http://{address}"))?;
    let Some(app) = first_app else {
        return Ok(());
    };
    output::line(format_args!("created app `{}` with API key {}", app.name, app.key))?;
    output::line(format_args!("curl -F fileUpload=@photo.jpg 'http://{address}/api/store/S3?key={}'", app.key))
}
