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

#[tokio::main]
async fn main() -> ExitCode {
    // The error means that a provider is installed already, which is all that is wanted.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match commands::run(cli::Cli::parse()).await {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}
