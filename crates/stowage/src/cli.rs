//! The command line: what can be typed, and the help that explains it.

use clap::{Parser, Subcommand};
use stowage_server::transform::WORKER_COMMAND;

use crate::commands::{
    app::AppArguments, config::ConfigArguments, doctor::DoctorArguments, get::GetArguments, put::PutArguments,
    rm::RmArguments, serve::ServeArguments, sign::SignArguments, stat::StatArguments, store::StoreArguments,
};

/// A self-hosted file server for clients of the Filestack API
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) process: Process,
}

/// What the process is.
#[derive(Debug, Subcommand)]
#[expect(clippy::large_enum_variant, reason = "there is one in a process")]
pub(crate) enum Process {
    /// Decode pictures for the server that has started this process
    #[command(name = WORKER_COMMAND, hide = true)]
    ImageWorker,
    #[command(flatten)]
    Command(Command),
}

const EXAMPLES: &str = "\
Start here:
  stowage serve                      serve http://127.0.0.1:8080 and print a curl line to try
  stowage app create photos          create an application: an API key and a secret
  stowage put --key KEY holiday.jpg  store a file and print its URL
  stowage doctor                     check what works and what is missing

docs/configuration.md lists every setting of the server; `stowage config` prints those in force.";

/// What to do; each command's arguments say what it is for.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Serve(ServeArguments),
    App(AppArguments),
    Store(StoreArguments),
    Put(PutArguments),
    Get(GetArguments),
    Stat(StatArguments),
    Rm(RmArguments),
    Sign(SignArguments),
    Doctor(DoctorArguments),
    Config(ConfigArguments),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
