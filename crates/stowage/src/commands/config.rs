//! `stowage config`.

use stowage_server::config::effective;

use crate::{failure::Failure, installation::Installation, output};

/// Print the configuration in force and where each value comes from
///
/// Prints TOML that can be saved as a configuration file; secrets are masked and commented out.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  stowage config                     what `stowage serve` would use right now
  stowage config --config new.toml   check a file before using it
  STOWAGE_LIMITS_MAX_FILE_SIZE=1GiB stowage config")]
pub(crate) struct ConfigArguments {
    #[command(flatten)]
    installation: Installation,
}

pub(crate) fn run(arguments: ConfigArguments) -> Result<(), Failure> {
    let loaded = arguments.installation.load()?;
    output::line(effective(&loaded).trim_end())
}
