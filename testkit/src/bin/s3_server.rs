//! The S3 server of the test kit as a program, for benchmarks and manual trials.

use std::{io::Write, path::PathBuf};

use clap::Parser;
use stowage_testkit::S3Server;

/// S3 server on loopback with the credentials `stowage-test` / `stowage-test-secret`.
#[derive(Parser)]
struct Arguments {
    /// Directory to keep buckets and objects in.
    #[arg(long)]
    root: PathBuf,
    /// Bucket to create if it is missing.
    #[arg(long)]
    bucket: String,
    /// Port on 127.0.0.1; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let arguments = Arguments::parse();
    let server = S3Server::start_at(&arguments.root, &arguments.bucket, arguments.port).await?;
    let mut output = std::io::stdout();
    writeln!(output, "listening on {}", server.endpoint())?;
    output.flush()?;
    tokio::signal::ctrl_c().await
}
