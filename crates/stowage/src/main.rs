//! Stowage, a self-hosted file server for clients of the Filestack API: the one binary.

mod cli;
mod client;
mod commands;
mod failure;
mod installation;
mod output;
mod policy;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Command, Process};

fn main() -> ExitCode {
    match Cli::parse().process {
        // A process of one thread, because a thread can only lock itself in.
        Process::ImageWorker => commands::image_worker::run(),
        Process::Command(command) => run(command),
    }
}

#[tokio::main]
async fn run(command: Command) -> ExitCode {
    // The error means that a provider is installed already, which is all that is wanted.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match commands::run(command).await {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}
