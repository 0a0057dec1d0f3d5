//! Jobs for the workers.

use std::{io, os::unix::fs::FileExt, sync::Arc};

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use stowage_cache::{Freshness, Made, MadeBody, Meta};
use stowage_core::tasks::Chain;
use stowage_imaging::{Limits, Order, Refusal, RefusalKind, Told};
use stowage_workers::{Done, Figures, JobError, Pool, Settings, Source};
use tokio::task::spawn_blocking;

use super::Job;
use crate::{config::ImagesConfig, http::ApiError, state::Server};

/// The argument that makes the program a worker.
pub const WORKER_COMMAND: &str = "__image-worker";

/// Sources of one job that are read at once.
const AT_ONCE: usize = 4;

/// Bytes of a job for each pixel of its sources: a bitmap and the one that is made of it.
const BYTES_OF_PIXEL: u64 = 8;

/// Longest result that is hashed at once, bytes: a longer one would hold up other requests for more than another thread costs.
const SMALL_RESULT: u64 = 64 << 10;

/// What a worker is asked for.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum WorkerOrder {
    /// Work on pictures.
    Pictures(Order),
    /// A smaller style sheet or script.
    Script(stowage_minify::Order),
}

/// The pool of workers.
pub struct Engine {
    pool: Pool,
    limits: Limits,
    /// The weight that all jobs together may have; also the most that one can be said to have.
    memory: u64,
}

impl Engine {
    /// Workers as configured. Processes start with the first job.
    ///
    /// # Errors
    /// No threads for them.
    pub fn new(config: &ImagesConfig) -> io::Result<Self> {
        let defaults = pool_settings();
        let workers = if config.workers == 0 { defaults.workers } else { config.workers };
        let pool = Pool::new(Settings {
            workers,
            memory: config.memory,
            time_limit: config.time_limit,
            queue_timeout: config.queue_timeout,
            ..defaults
        })?;
        let limits = Limits {
            max_pixels: config.max_pixels,
            max_output_pixels: config.max_output_pixels,
            max_frames: u32::try_from(config.max_frames).unwrap_or(u32::MAX),
        };
        Ok(Self { pool, limits, memory: config.memory })
    }

    /// What the workers have done.
    pub fn figures(&self) -> Figures {
        self.pool.figures()
    }

    /// Has a worker carry out an order. `weight`: the memory that it is expected to need, bytes.
    pub(super) async fn run(&self, order: &WorkerOrder, sources: Vec<Source>, weight: u64) -> Result<Made, ApiError> {
        let head = serde_json::to_vec(order).map_err(ApiError::internal)?;
        let job = stowage_workers::Job { head, sources, weight: weight.min(self.memory) };
        let done = self.pool.run(job).await.map_err(refused)?;
        let told: Told = serde_json::from_slice(&done.answer).map_err(ApiError::internal)?;
        let (bytes, etag) = match done.length {
            ..=SMALL_RESULT => collected(&done)?,
            _ => spawn_blocking(move || collected(&done)).await.map_err(ApiError::internal)??,
        };
        let meta = Meta { media_type: told.media_type, etag: Some(etag), ..Meta::default() };
        Ok(Made { meta, body: MadeBody::Memory(bytes), freshness: Freshness::FOREVER })
    }
}

/// The bytes of a result and its entity tag.
fn collected(done: &Done) -> Result<(Bytes, String), ApiError> {
    let bytes = Bytes::from(done.bytes().map_err(ApiError::internal)?);
    let etag = hex::encode(&Sha256::digest(&bytes)[..16]);
    Ok((bytes, etag))
}

/// How a pool starts its workers.
pub fn pool_settings() -> Settings {
    Settings { arguments: vec![WORKER_COMMAND.into()], ..Settings::default() }
}

/// Reads the sources of a job and has it done.
pub(super) async fn make(
    server: &Arc<Server>,
    job: &Job,
    chain: &Chain,
    freshness: Freshness,
) -> Result<Made, ApiError> {
    let engine = &server.transformer.engine;
    let (owner, limit) = (job.owner, server.config.images.max_bytes);
    let loads = job.inputs().cloned().map(|input| {
        let server = server.clone();
        async move { input.load(&server, owner, freshness, limit).await }
    });
    let loads: Vec<_> = loads.collect();
    let sources: Vec<Source> = stream::iter(loads).buffered(AT_ONCE).try_collect().await?;
    let weight: u64 = sources.iter().map(weight).sum();
    let order = Order {
        chain: chain.canonical(),
        sources: job.sources.len(),
        settings: stowage_imaging::Settings { limits: engine.limits, profile: job.profile, negotiated: job.negotiated },
    };
    let made = engine.run(&WorkerOrder::Pictures(order), sources, weight).await?;
    Ok(Made { freshness, ..made })
}

/// The memory that a source will take, by what its header says.
fn weight(source: &Source) -> u64 {
    let mut head = vec![0; stowage_media::SNIFF_BYTES.min(usize::try_from(source.length).unwrap_or(usize::MAX))];
    let read = source.file.read_at(&mut head, source.offset).unwrap_or(0);
    let (width, height) = stowage_media::dimensions(&head[..read]).unwrap_or((0, 0));
    source.length + u64::from(width) * u64::from(height) * BYTES_OF_PIXEL
}

/// What a client is told of a job that was not done.
fn refused(error: JobError) -> ApiError {
    let bad = |code, message: String| ApiError::new(StatusCode::BAD_REQUEST, code, message);
    match error {
        JobError::Refused(text) => match serde_json::from_slice::<Refusal>(&text) {
            Ok(Refusal { kind, message }) => bad(code(kind), message),
            Err(error) => ApiError::internal(error),
        },
        JobError::Busy { retry_after } => ApiError { retry_after, ..busy() },
        JobError::Stopped => busy(),
        JobError::TimedOut(_) => bad("processing_timeout", "Processing timeout".to_owned()).because(error.to_string()),
        JobError::TooLarge(what) => bad("image_too_large", format!("image is too large: too many {what}")),
        // Nearly always the doing of the bytes; the log says what it was.
        JobError::Crashed(cause) => {
            let message = "Unsupported conversion: the job broke off, the file may be damaged".to_owned();
            bad("processing_failed", message).because(cause)
        }
        JobError::Unavailable(cause) => ApiError::internal(cause),
    }
}

fn busy() -> ApiError {
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "all workers are busy; try again in a few seconds")
}

fn code(kind: RefusalKind) -> &'static str {
    match kind {
        RefusalKind::Input => "unsupported_input",
        RefusalKind::Conversion => "unsupported_conversion",
        RefusalKind::TooLarge => "image_too_large",
        RefusalKind::OutputTooLarge => "output_too_large",
        RefusalKind::Parameter => "invalid_parameter",
    }
}
