//! Many uploads under way at once, by slow clients.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use serde_json::{Value, json};
use tokio::{task::JoinSet, time::Instant};

use crate::{
    Failure,
    connection::{Body, Connection, full},
    multipart::{Upload, md5_of},
};

/// Bytes that a slow client sends at once, and the time between.
const PIECE: usize = 16 << 10;
const PAUSE: Duration = Duration::from_millis(250);
/// Uploads that are begun at the same time.
const BEGINNERS: usize = 32;

/// Begins uploads of two parts, stores the first part of each, then sends the second parts slowly, all at once: 64 KiB a second each.
/// Prints how many were still being received at the end, and the bytes that had been sent.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// `127.0.0.1:PORT`.
    #[arg(long)]
    address: String,
    /// API key.
    #[arg(long)]
    target: String,
    /// Uploads.
    #[arg(long, default_value_t = 1000)]
    count: usize,
    /// Bytes of the first part of each upload.
    #[arg(long, default_value_t = 1 << 20)]
    part: usize,
    /// Time for which the second parts are sent.
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
}

pub(crate) async fn run(arguments: Arguments) -> Result<Value, Failure> {
    let arguments = Arc::new(arguments);
    let uploads = begin(&arguments).await?;
    let sent = Arc::new(AtomicU64::new(0));
    // The same end for all: those who send until then send at the same time.
    let until = Instant::now() + Duration::from_secs_f64(arguments.seconds);
    let mut senders = JoinSet::new();
    for upload in uploads {
        senders.spawn(send_slowly(arguments.clone(), upload, until, sent.clone()));
    }
    let receiving = senders.join_all().await.into_iter().collect::<Result<Vec<_>, _>>()?.len();
    Ok(json!({ "receiving": receiving, "bytes": sent.load(Ordering::Relaxed) }))
}

/// Begins all uploads and stores their first parts.
async fn begin(arguments: &Arc<Arguments>) -> Result<Vec<Upload>, Failure> {
    let content = Bytes::from(vec![0xa5; arguments.part]);
    let md5: Arc<str> = md5_of(&content).into();
    let begun = Arc::new(AtomicUsize::new(0));
    let mut beginners = JoinSet::new();
    for _ in 0..BEGINNERS {
        let (arguments, content, md5, begun) = (arguments.clone(), content.clone(), md5.clone(), begun.clone());
        beginners.spawn(async move {
            let mut connection = Connection::open(&arguments.address).await?;
            let mut uploads = Vec::new();
            while begun.fetch_add(1, Ordering::Relaxed) < arguments.count {
                let upload = Upload::start(&mut connection, &arguments.target, size_of(&arguments)).await?;
                let request = upload.announce(&mut connection, 1, content.len(), &md5).await?;
                Upload::put(&mut connection, 1, request.body(full(content.clone()))?).await?;
                uploads.push(upload);
            }
            Ok::<_, Failure>(uploads)
        });
    }
    let uploads = beginners.join_all().await.into_iter().collect::<Result<Vec<_>, _>>()?;
    Ok(uploads.into_iter().flatten().collect())
}

/// What a slow client cannot have sent until the end, and the first part.
fn size_of(arguments: &Arguments) -> usize {
    arguments.part + second_part(arguments)
}

fn second_part(arguments: &Arguments) -> usize {
    let pieces = (arguments.seconds / PAUSE.as_secs_f64()) as usize;
    (2 * (pieces + 1) * PIECE).max(8 << 20)
}

/// Sends the second part for a while; an answer before its end is a failure.
async fn send_slowly(
    arguments: Arc<Arguments>,
    upload: Upload,
    until: Instant,
    sent: Arc<AtomicU64>,
) -> Result<(), Failure> {
    let mut connection = Connection::open(&arguments.address).await?;
    let size = second_part(&arguments);
    // The bytes never all arrive, so their MD5 does not matter.
    let request = upload.announce(&mut connection, 2, size, &md5_of(b"")).await?.body(slow_body(sent))?;
    match tokio::time::timeout_at(until, connection.send(request)).await {
        Err(_still_receiving) => Ok(()),
        Ok(Ok(response)) => {
            let text = String::from_utf8_lossy(response.body());
            Err(format!("answered early: {} {text}", response.status()).into())
        }
        Ok(Err(error)) => Err(error),
    }
}

fn slow_body(sent: Arc<AtomicU64>) -> Body {
    let piece = Bytes::from_static(&[0x5a; PIECE]);
    let pieces = stream::unfold((piece, sent), |(piece, sent)| async {
        tokio::time::sleep(PAUSE).await;
        sent.fetch_add(piece.len() as u64, Ordering::Relaxed);
        Some((Ok(Frame::data(piece.clone())), (piece, sent)))
    });
    StreamBody::new(pieces).boxed_unsync()
}
