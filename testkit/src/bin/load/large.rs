//! One large upload from memory.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use bytes::Bytes;
use clap::ValueEnum;
use hyper::{Method, header};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{
    Failure,
    connection::{Connection, full, header_of},
    multipart::{Upload, md5_of},
};

/// Uploads one file from memory: its bytes and their MD5s are made before the clock starts. Prints the seconds from the first request
/// to the last answer, those that `complete` took of it, and the bytes.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// What the server speaks.
    #[arg(long, value_enum)]
    protocol: Protocol,
    /// `127.0.0.1:PORT`.
    #[arg(long)]
    address: String,
    /// API key (multipart), or path and query of the tus endpoint or of the file.
    #[arg(long)]
    target: String,
    /// Bytes of the file.
    #[arg(long, default_value_t = 1 << 30)]
    size: usize,
    /// Bytes of a part (multipart) or of a `PATCH` (tus).
    #[arg(long, default_value_t = 8 << 20)]
    part: usize,
    /// Connections that send parts (multipart).
    #[arg(long, default_value_t = 4)]
    parallel: usize,
}

#[derive(Clone, Copy, ValueEnum)]
enum Protocol {
    /// The vendor's multipart uploads, with an MD5 for each part.
    Multipart,
    /// tus 1.0: creation, then one `PATCH` after the other.
    Tus,
    /// One `PUT`.
    Put,
}

pub(crate) async fn run(arguments: Arguments) -> Result<Value, Failure> {
    // Kept to the end: giving so much memory back takes time.
    let content = random(arguments.size);
    let mut complete_seconds = None;
    let started = match arguments.protocol {
        Protocol::Put => {
            let started = Instant::now();
            put(&arguments, content.clone()).await?;
            started
        }
        Protocol::Tus => {
            let started = Instant::now();
            tus(&arguments, content.clone()).await?;
            started
        }
        Protocol::Multipart => {
            let parts = Arc::new(Parts::cut(&content, arguments.part));
            let started = Instant::now();
            complete_seconds = Some(multipart(&arguments, parts).await?);
            started
        }
    };
    let seconds = started.elapsed().as_secs_f64();
    Ok(json!({ "seconds": seconds, "complete_seconds": complete_seconds, "bytes": arguments.size }))
}

/// Bytes that neither a file system nor a server can compress or know from before (xorshift64).
fn random(size: usize) -> Bytes {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut content = Vec::with_capacity(size + 8);
    while content.len() < size {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        content.extend_from_slice(&state.to_le_bytes());
    }
    content.truncate(size);
    content.into()
}

async fn put(arguments: &Arguments, content: Bytes) -> Result<(), Failure> {
    let mut connection = Connection::open(&arguments.address).await?;
    let request = connection.request(Method::PUT, &arguments.target)?.body(full(content))?;
    connection.expect_success(request).await.map(drop)
}

async fn tus(arguments: &Arguments, content: Bytes) -> Result<(), Failure> {
    let mut connection = Connection::open(&arguments.address).await?;
    let creation = connection
        .request(Method::POST, &arguments.target)?
        .header("tus-resumable", "1.0.0")
        .header("upload-length", arguments.size);
    let created = connection.expect_success(creation.body(full(Bytes::new()))?).await?;
    let url = header_of(&created, "location")?;
    for start in (0..content.len()).step_by(arguments.part) {
        let end = content.len().min(start + arguments.part);
        let patch = connection
            .request(Method::PATCH, &url)?
            .header("tus-resumable", "1.0.0")
            .header("upload-offset", start)
            .header(header::CONTENT_TYPE, "application/offset+octet-stream");
        let patched = connection.expect_success(patch.body(full(content.slice(start..end)))?).await?;
        let offset = header_of(&patched, "upload-offset")?;
        if offset != end.to_string() {
            return Err(format!("the upload goes on at {offset}, not at {end}").into());
        }
    }
    Ok(())
}

/// The parts of a file with their MD5s.
struct Parts {
    parts: Vec<(Bytes, String)>,
    next: AtomicUsize,
}

impl Parts {
    fn cut(content: &Bytes, size: usize) -> Self {
        let starts = (0..content.len()).step_by(size);
        let parts = starts.map(|start| content.slice(start..content.len().min(start + size)));
        Self { parts: parts.map(|part| (part.clone(), md5_of(&part))).collect(), next: AtomicUsize::new(0) }
    }
}

/// Returns the seconds that `complete` took.
async fn multipart(arguments: &Arguments, parts: Arc<Parts>) -> Result<f64, Failure> {
    let mut connection = Connection::open(&arguments.address).await?;
    let upload = Arc::new(Upload::start(&mut connection, &arguments.target, arguments.size).await?);
    let mut senders = JoinSet::new();
    for _ in 0..arguments.parallel {
        senders.spawn(send_parts(arguments.address.clone(), upload.clone(), parts.clone()));
    }
    let listed = senders.join_all().await.into_iter().collect::<Result<Vec<_>, _>>()?.concat();
    let sent = Instant::now();
    // A new connection: the first one may have been silent for longer than a server waits.
    let mut connection = Connection::open(&arguments.address).await?;
    upload.complete(&mut connection, listed, arguments.size).await?;
    Ok(sent.elapsed().as_secs_f64())
}

/// Sends parts over a connection of its own until all are under way; returns those that it sent.
async fn send_parts(address: String, upload: Arc<Upload>, parts: Arc<Parts>) -> Result<Vec<Value>, Failure> {
    let mut connection = Connection::open(&address).await?;
    let mut listed = Vec::new();
    loop {
        let index = parts.next.fetch_add(1, Ordering::Relaxed);
        let Some((content, md5)) = parts.parts.get(index) else { return Ok(listed) };
        let number = index + 1;
        let request =
            upload.announce(&mut connection, number, content.len(), md5).await?.body(full(content.clone()))?;
        listed.push(Upload::put(&mut connection, number, request).await?);
    }
}
