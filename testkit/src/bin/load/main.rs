//! Load for benchmarks: uploads over keep-alive connections, by the same program for every server.

mod connection;
mod flight;
mod large;
mod multipart;
mod signer;
mod small;

use std::{error::Error, io::Write};

use clap::{Parser, Subcommand};

type Failure = Box<dyn Error + Send + Sync>;

/// Loads a server and prints one line of JSON.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    load: Load,
}

#[derive(Subcommand)]
enum Load {
    Small(small::Arguments),
    Large(large::Arguments),
    Flight(flight::Arguments),
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let report = match Arguments::parse().load {
        Load::Small(arguments) => small::run(arguments).await?,
        Load::Large(arguments) => large::run(arguments).await?,
        Load::Flight(arguments) => flight::run(arguments).await?,
    };
    writeln!(std::io::stdout(), "{report}")?;
    Ok(())
}
