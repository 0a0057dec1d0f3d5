//! Small uploads, each a file of its own.

use std::{
    io::Write,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use clap::ValueEnum;
use hyper::{Method, Request, Response, header};
use serde_json::Value;
use tokio::task::JoinSet;

use crate::{
    Failure,
    connection::{Body, Connection, full},
    signer::{Signer, UNSIGNED},
};

/// Time for the answers that are still outstanding at the end.
const PATIENCE: Duration = Duration::from_secs(30);

/// Uploads small files, each under a name of its own, and prints requests, errors, seconds, requests per second, and latency in
/// milliseconds.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// What the server speaks.
    #[arg(long, value_enum)]
    protocol: Protocol,
    /// `127.0.0.1:PORT`.
    #[arg(long)]
    address: String,
    /// Where to send to: path and query of the Store API, of the tus endpoint, or `/BUCKET`.
    #[arg(long)]
    target: String,
    /// Connections, each with one request at a time.
    #[arg(long, default_value_t = 32)]
    connections: u64,
    /// Time after which no request is begun.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Most requests in all.
    #[arg(long, default_value_t = 1_000_000)]
    requests: u64,
    /// Bytes of each file.
    #[arg(long, default_value_t = 4096)]
    size: usize,
}

#[derive(Clone, Copy, ValueEnum)]
enum Protocol {
    /// Raw body to the Store API.
    Stowage,
    /// tus 1.0 creation-with-upload.
    Tus,
    /// `PutObject` with a version 4 signature over the head; the payload is not signed.
    S3,
}

/// What all connections share.
struct Load {
    arguments: Arguments,
    /// Distinguishes the names of this run from those of others.
    run: u128,
    signer: Signer,
    begun: AtomicU64,
    deadline: Instant,
}

#[derive(Default)]
struct Figures {
    latencies: Vec<Duration>,
    errors: u64,
}

pub(crate) async fn run(arguments: Arguments) -> Result<Value, Failure> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    let started = Instant::now();
    let load = Arc::new(Load {
        run: now.as_micros(),
        signer: Signer::new(now.as_secs())?,
        begun: AtomicU64::new(0),
        deadline: started + Duration::from_secs_f64(arguments.seconds),
        arguments,
    });
    let mut connections = JoinSet::new();
    for _ in 0..load.arguments.connections {
        connections.spawn(run_connection(load.clone()));
    }
    let until = load.deadline + PATIENCE;
    let figures = tokio::time::timeout_at(until.into(), connections.join_all()).await?;
    let elapsed = started.elapsed();
    let figures = figures.into_iter().try_fold(Figures::default(), |mut sum, figures| {
        let figures = figures?;
        sum.latencies.extend(figures.latencies);
        sum.errors += figures.errors;
        Ok::<_, Failure>(sum)
    })?;
    Ok(report(figures, elapsed))
}

fn report(figures: Figures, elapsed: Duration) -> Value {
    let mut latencies = figures.latencies;
    latencies.sort_unstable();
    let at = |share: f64| {
        let index = (latencies.len() as f64 * share) as usize;
        latencies.get(index).map(|latency| latency.as_secs_f64() * 1000.0)
    };
    serde_json::json!({
        "requests": latencies.len(),
        "errors": figures.errors,
        "seconds": elapsed.as_secs_f64(),
        "per_second": latencies.len() as f64 / elapsed.as_secs_f64(),
        "p50_ms": at(0.5),
        "p99_ms": at(0.99),
    })
}

/// Sends one request after the other until the time or the number of requests is used up.
async fn run_connection(load: Arc<Load>) -> Result<Figures, Failure> {
    let mut figures = Figures::default();
    let mut connection = Connection::open(&load.arguments.address).await?;
    while Instant::now() < load.deadline {
        let number = load.begun.fetch_add(1, Ordering::Relaxed);
        if number >= load.arguments.requests {
            break;
        }
        let request = load.request(number)?;
        let started = Instant::now();
        let response = connection.send(request).await?;
        if load.is_stored(&response) {
            figures.latencies.push(started.elapsed());
        } else {
            figures.errors += 1;
            if figures.errors == 1 {
                writeln!(std::io::stderr(), "refused: {}", String::from_utf8_lossy(response.body()))?;
            }
        }
    }
    Ok(figures)
}

impl Load {
    fn request(&self, number: u64) -> Result<Request<Body>, Failure> {
        let Arguments { protocol, address, target, .. } = &self.arguments;
        let name = format!("{}-{number}.bin", self.run);
        let request = Request::builder().header(header::HOST, address);
        let request = match protocol {
            Protocol::Stowage => {
                let separator = if target.contains('?') { '&' } else { '?' };
                request
                    .method(Method::POST)
                    .uri(format!("{target}{separator}filename={name}"))
                    .header(header::CONTENT_TYPE, "application/octet-stream")
            }
            Protocol::Tus => request
                .method(Method::POST)
                .uri(target)
                .header("tus-resumable", "1.0.0")
                .header("upload-length", self.arguments.size)
                .header(header::CONTENT_TYPE, "application/offset+octet-stream"),
            Protocol::S3 => {
                let path = format!("{target}/{name}");
                request
                    .method(Method::PUT)
                    .header("x-amz-date", &self.signer.time)
                    .header("x-amz-content-sha256", UNSIGNED)
                    .header(header::AUTHORIZATION, self.signer.authorization(address, &path)?)
                    .uri(path)
            }
        };
        Ok(request.body(full(self.content(number)))?)
    }

    /// Bytes that no other request has.
    fn content(&self, number: u64) -> Vec<u8> {
        let mut content = vec![0xa5; self.arguments.size];
        for (byte, unique) in content.iter_mut().zip(number.to_le_bytes().into_iter().chain(self.run.to_le_bytes())) {
            *byte = unique;
        }
        content
    }

    fn is_stored<B>(&self, response: &Response<B>) -> bool {
        let status = response.status().as_u16();
        match self.arguments.protocol {
            Protocol::Stowage | Protocol::S3 => status == 200,
            // 201 alone would also be the answer to a creation without content.
            Protocol::Tus => {
                let offset = response.headers().get("upload-offset").and_then(|offset| offset.to_str().ok());
                status == 201 && offset.and_then(|offset| offset.parse().ok()) == Some(self.arguments.size)
            }
        }
    }
}
