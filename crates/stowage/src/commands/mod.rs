//! One module per command.

pub(crate) mod app;
pub(crate) mod config;
pub(crate) mod doctor;
pub(crate) mod get;
pub(crate) mod image_worker;
pub(crate) mod put;
pub(crate) mod rm;
pub(crate) mod serve;
pub(crate) mod sign;
pub(crate) mod stat;
pub(crate) mod store;

use std::process::ExitCode;

use crate::{cli::Command, failure::Failure};

/// Runs the command; the exit code of a failure is that of [`Failure::report`].
pub(crate) async fn run(command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Serve(arguments) => serve::run(arguments).await?,
        Command::App(arguments) => app::run(arguments).await?,
        Command::Store(arguments) => store::run(arguments).await?,
        Command::Put(arguments) => put::run(arguments).await?,
        Command::Get(arguments) => get::run(arguments).await?,
        Command::Stat(arguments) => stat::run(arguments).await?,
        Command::Rm(arguments) => rm::run(arguments).await?,
        Command::Sign(arguments) => sign::run(arguments)?,
        Command::Doctor(arguments) => return doctor::run(arguments).await,
        Command::Config(arguments) => config::run(arguments)?,
    }
    Ok(ExitCode::SUCCESS)
}
