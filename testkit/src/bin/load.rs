//! Load for benchmarks: small uploads over keep-alive connections, by the same program for every server.

use std::{
    error::Error,
    io::Write,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use bytes::Bytes;
use clap::{Parser, ValueEnum};
use hmac::{Hmac, KeyInit, Mac};
use http_body_util::{BodyExt, Full};
use hyper::{
    Method, Request, Response,
    client::conn::http1::{self, SendRequest},
    header,
};
use hyper_util::rt::TokioIo;
use sha2::{Digest, Sha256};
use stowage_testkit::{S3_ACCESS_KEY_ID, S3_SECRET_ACCESS_KEY};
use tokio::{net::TcpStream, task::JoinSet};

type Failure = Box<dyn Error + Send + Sync>;

/// Time for the answers that are still outstanding at the end.
const PATIENCE: Duration = Duration::from_secs(30);

/// Uploads small files, each under a name of its own, and prints one line of JSON: requests, errors, seconds,
/// requests per second, latency in milliseconds.
#[derive(Parser)]
struct Arguments {
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

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let arguments = Arguments::parse();
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
    report(figures, elapsed)
}

fn report(figures: Figures, elapsed: Duration) -> Result<(), Failure> {
    let mut latencies = figures.latencies;
    latencies.sort_unstable();
    let at = |share: f64| {
        let index = (latencies.len() as f64 * share) as usize;
        latencies.get(index).map(|latency| latency.as_secs_f64() * 1000.0)
    };
    let report = serde_json::json!({
        "requests": latencies.len(),
        "errors": figures.errors,
        "seconds": elapsed.as_secs_f64(),
        "per_second": latencies.len() as f64 / elapsed.as_secs_f64(),
        "p50_ms": at(0.5),
        "p99_ms": at(0.99),
    });
    writeln!(std::io::stdout(), "{report}")?;
    Ok(())
}

/// Sends one request after the other until the time or the number of requests is used up.
async fn run_connection(load: Arc<Load>) -> Result<Figures, Failure> {
    let mut figures = Figures::default();
    let mut sender = load.connect().await?;
    while Instant::now() < load.deadline {
        let number = load.begun.fetch_add(1, Ordering::Relaxed);
        if number >= load.arguments.requests {
            break;
        }
        let request = load.request(number)?;
        let started = Instant::now();
        sender.ready().await?;
        let response = sender.send_request(request).await?;
        let stored = load.is_stored(&response);
        let body = response.into_body().collect().await?.to_bytes();
        if stored {
            figures.latencies.push(started.elapsed());
        } else {
            figures.errors += 1;
            if figures.errors == 1 {
                writeln!(std::io::stderr(), "refused: {}", String::from_utf8_lossy(&body))?;
            }
        }
    }
    Ok(figures)
}

impl Load {
    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, Failure> {
        let stream = TcpStream::connect(&self.arguments.address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(sender)
    }

    fn request(&self, number: u64) -> Result<Request<Full<Bytes>>, Failure> {
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
        Ok(request.body(Full::from(self.content(number)))?)
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

const REGION: &str = "us-east-1";
const UNSIGNED: &str = "UNSIGNED-PAYLOAD";
const SIGNED_HEADERS: &str = "host;x-amz-content-sha256;x-amz-date";

/// AWS Signature Version 4 with one time for all requests of a run.
struct Signer {
    /// `YYYYMMDDThhmmssZ`.
    time: String,
    scope: String,
    key: Vec<u8>,
}

impl Signer {
    fn new(unix_seconds: u64) -> Result<Self, Failure> {
        let time = basic_time(unix_seconds);
        let (date, _) = time.split_once('T').unwrap_or_default();
        let mut key = format!("AWS4{S3_SECRET_ACCESS_KEY}").into_bytes();
        for part in [date, REGION, "s3", "aws4_request"] {
            key = hmac(&key, part)?;
        }
        let scope = format!("{date}/{REGION}/s3/aws4_request");
        Ok(Self { time, scope, key })
    }

    fn authorization(&self, host: &str, path: &str) -> Result<String, Failure> {
        let Self { time, scope, key } = self;
        let canonical = format!(
            "PUT\n{path}\n\nhost:{host}\nx-amz-content-sha256:{UNSIGNED}\nx-amz-date:{time}\n\n{SIGNED_HEADERS}\n{UNSIGNED}"
        );
        let digest = hex::encode(Sha256::digest(canonical));
        let signature = hex::encode(hmac(key, &format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{digest}"))?);
        Ok(format!(
            "AWS4-HMAC-SHA256 Credential={S3_ACCESS_KEY_ID}/{scope}, SignedHeaders={SIGNED_HEADERS}, Signature={signature}"
        ))
    }
}

fn hmac(key: &[u8], text: &str) -> Result<Vec<u8>, Failure> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key)?;
    mac.update(text.as_bytes());
    Ok(mac.finalize().into_bytes().to_vec())
}

/// `YYYYMMDDThhmmssZ` of a Unix time, by the days of the proleptic Gregorian calendar.
fn basic_time(unix_seconds: u64) -> String {
    let (days, seconds) = (unix_seconds / 86_400, unix_seconds % 86_400);
    // Years that begin on 1 March end with their leap day; 719 468 days lie between 0000-03-01 and 1970-01-01.
    let day_of_calendar = days + 719_468;
    let (era, day_of_era) = (day_of_calendar / 146_097, day_of_calendar % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}
