//! The installation a command works on: its configuration and its catalogue.

use std::{net::SocketAddr, path::PathBuf};

use stowage_catalogue::{App, Catalogue};
use stowage_server::config::{Config, DevelopmentHost, Loaded, Overrides};

use crate::failure::Failure;

/// Which installation to work on.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Installation {
    /// TOML file with the server's settings [default: $STOWAGE_CONFIG, else /etc/stowage/stowage.toml if it exists]
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// Data directory [default: $STOWAGE_DATA, else `data` of the configuration file, else ~/.local/share/stowage]
    #[arg(long, value_name = "DIR", global = true)]
    data: Option<PathBuf>,
}

impl Installation {
    /// The configuration in force, and where each value comes from.
    pub(crate) fn load(self) -> Result<Loaded, Failure> {
        self.load_with(None, None)
    }

    /// [`Self::load`] with the flags of `stowage serve`.
    pub(crate) fn load_with(
        self,
        listen: Option<SocketAddr>,
        development: Option<DevelopmentHost>,
    ) -> Result<Loaded, Failure> {
        let flags = Overrides { data: self.data, listen, development };
        Ok(Loaded::load(self.config.as_deref(), flags)?)
    }

    /// Opens the catalogue, beside a running server or without one.
    pub(crate) fn open_catalogue(self) -> Result<Catalogue, Failure> {
        open_catalogue(&self.load()?.config)
    }
}

/// Opens the catalogue, creating the data directory, the master key and the catalogue where they do not exist yet.
pub(crate) fn open_catalogue(config: &Config) -> Result<Catalogue, Failure> {
    Ok(stowage_server::open_catalogue(config)?)
}

/// The app of a name or an API key.
pub(crate) async fn find_app(catalogue: &Catalogue, name_or_key: &str) -> Result<App, Failure> {
    catalogue.find_app(name_or_key).await?.ok_or_else(|| Failure::UnknownApp(name_or_key.to_owned()))
}
