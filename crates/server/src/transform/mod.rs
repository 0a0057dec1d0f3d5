//! Work: from what is to be done and its sources to a result, which is kept (spec 10 §§6.1, 9).

mod archive;
mod content;
mod engine;
mod figures;
mod inputs;
mod script;
pub mod tasks;
mod work;

use std::{path::Path, sync::Arc, time::Duration};

use http::{HeaderMap, header};
use sha2::{Digest, Sha256};
use stowage_cache::{Cache, Failure, Freshness, Id, Key, Made, OpenError, Owner, Settings, Tag};
use stowage_catalogue::App;
use stowage_core::{
    app::ImageProfile,
    delivery::{self, Source},
};
use stowage_imaging::Format;

pub use content::ResultContent;
pub use engine::{Engine, WORKER_COMMAND, WorkerOrder, pool_settings};
pub use inputs::{Input, tag_of};
pub use work::Work;

use crate::{
    api::plan::Keep,
    config::{CacheConfig, ImagesConfig},
    http::{ApiError, authorise::Authority, context::RequestContext},
    state::Server,
};

/// Part of every key: to be raised when the same chain gives other bytes than before.
const ENGINE_VERSION: &str = "1";

/// What of the disk's share belongs to originals.
const ORIGINALS: u64 = 4;

/// Longest result that is answered from memory, bytes.
const MEMORY_BODY: u64 = 1 << 20;

/// Why there is no transformer.
#[derive(Debug, thiserror::Error)]
pub enum TransformerError {
    /// The directory of the cache cannot be used.
    #[error(transparent)]
    Cache(#[from] OpenError),
    /// There are no threads for the workers.
    #[error("the workers cannot be started: {0}")]
    Workers(#[from] std::io::Error),
}

/// Workers and what is kept of their work.
pub struct Transformer {
    results: Cache<ApiError>,
    originals: Cache<ApiError>,
    /// The workers.
    pub engine: Engine,
}

impl Transformer {
    /// Opens the caches and starts the workers. Blocking; call it inside a runtime.
    ///
    /// # Errors
    /// A directory that cannot be used.
    pub fn open(data: &Path, cache: &CacheConfig, images: &ImagesConfig) -> Result<Self, TransformerError> {
        let directory = cache.directory.clone().unwrap_or_else(|| data.join("cache"));
        let originals = cache.disk / ORIGINALS;
        let settings = |disk_bytes, memory_bytes| Settings {
            disk_bytes,
            memory_bytes,
            memory_body: MEMORY_BODY,
            ..Settings::default()
        };
        Ok(Self {
            results: Cache::open(&directory.join("results"), settings(cache.disk - originals, cache.memory))?,
            originals: Cache::open(&directory.join("originals"), settings(originals, 0))?,
            engine: Engine::new(images)?,
        })
    }

    /// Forgets everything that was made from a stored file; call after its change or end was committed.
    pub async fn forget(&self, tag: Tag) {
        self.results.purge_tag(tag).await;
        self.originals.purge_tag(tag).await;
    }
}

/// Work with everything that its result depends on.
struct Job {
    owner: Owner,
    work: Work,
    profile: ImageProfile,
    negotiated: Option<Format>,
    sources: Vec<Input>,
    overlays: Vec<Input>,
    keep: Keep,
}

/// What a request wants to have made.
pub struct Wanted<'a> {
    /// Of what.
    pub source: &'a Source,
    /// Sent to the origin of a file elsewhere.
    pub headers: HeaderMap,
    /// How.
    pub work: Work,
    /// For how long it is kept.
    pub keep: Keep,
}

/// Does work, or finds that it was done before. The authority covers the tasks already.
///
/// # Errors
/// Sources that cannot be read or may not be; what the engine says of the work.
pub async fn result(
    context: &RequestContext,
    app: &App,
    authority: &Authority,
    wanted: Wanted<'_>,
) -> Result<Arc<ResultContent>, ApiError> {
    let Wanted { source, headers, work, keep } = wanted;
    let negotiates = work.negotiates();
    let compressed = matches!(&work, Work::Script(order) if order.gzip);
    let overlays = work.overlays();
    let sources = members(source);
    let most = context.server.config.images.max_sources;
    if sources.len() + overlays.len() > most {
        return Err(ApiError::invalid_parameter("files", format!("a request has at most {most} sources")));
    }
    let mut job = Job {
        owner: Owner(app.id),
        profile: app.settings.image_profile,
        negotiated: negotiates.then(|| negotiated(context)).flatten(),
        sources: Vec::with_capacity(sources.len()),
        overlays: Vec::with_capacity(overlays.len()),
        work,
        keep,
    };
    for source in sources {
        job.sources.push(Input::find(context, app, authority, source).await?.asked_with(&headers));
    }
    if job.work.begins_with("qr") {
        let written = job.sources.swap_remove(0).as_text(context).await?;
        job.sources = vec![written];
    }
    for written in overlays {
        let source = delivery::parse_source(&written)
            .map_err(|error| ApiError::new(http::StatusCode::BAD_REQUEST, "invalid_path", error.to_string()))?;
        job.overlays.push(Input::find(context, app, authority, &source).await?);
    }
    let filename = job.filename();
    let mut content = job.answer(&context.server).await?.named(&filename);
    if negotiates {
        content.headers.insert(header::VARY, http::HeaderValue::from_static("Accept"));
    }
    if compressed {
        content.headers.insert(header::CONTENT_ENCODING, http::HeaderValue::from_static("gzip"));
    }
    Ok(Arc::new(content))
}

/// A file elsewhere or behind an alias as it is, from the kept originals.
///
/// # Errors
/// It cannot be had, or may not be.
pub async fn original(
    context: &RequestContext,
    app: &App,
    authority: &Authority,
    source: &Source,
    keep: Keep,
) -> Result<Arc<ResultContent>, ApiError> {
    let input = Input::find(context, app, authority, source).await?;
    let freshness = keep.freshness(true, &context.server.config.cache);
    let limit = context.server.config.images.max_bytes;
    let entry = input.original(&context.server, Owner(app.id), freshness, limit).await?;
    Ok(Arc::new(ResultContent::of_original(&entry, &input.filename())?))
}

impl Job {
    async fn answer(self, server: &Arc<Server>) -> Result<ResultContent, ApiError> {
        let elsewhere = self.inputs().any(Input::is_elsewhere);
        let freshness = self.keep.freshness(elsewhere, &server.config.cache);
        if self.keep == Keep::Never {
            return ResultContent::of_made(self.make(server, freshness).await?);
        }
        let id = Id { owner: self.owner, key: self.key(elsewhere) };
        let tags: Vec<Tag> = self.inputs().map(Input::tag).collect();
        let maker = server.clone();
        let make = move || async move { self.make(&maker, freshness).await };
        let (entry, _) = server.transformer.results.get_or_make(id, &tags, make).await?;
        ResultContent::of_result(&entry)
    }

    async fn make(&self, server: &Arc<Server>, freshness: Freshness) -> Result<Made, ApiError> {
        match &self.work {
            Work::Pictures(chain) => engine::make(server, self, chain, freshness).await,
            Work::Archive => archive::make(server, self, freshness).await,
            Work::Script(order) => script::make(server, self, order, freshness).await,
        }
    }

    /// What the result is called, but for its extension.
    fn filename(&self) -> String {
        match (&self.work, self.sources.as_slice()) {
            (Work::Archive, [_, _, ..]) => "files".to_owned(),
            (_, sources) => sources.first().map(Input::filename).unwrap_or_default(),
        }
    }

    fn inputs(&self) -> impl Iterator<Item = &Input> {
        self.sources.iter().chain(&self.overlays)
    }

    fn key(&self, elsewhere: bool) -> Key {
        let work = self.work.identity();
        let profile = self.profile.to_string();
        let negotiated = format!("{:?}", self.negotiated);
        let sources = self.sources.len().to_string();
        // What changes behind our back is kept for as long as each URL says.
        let keep = if elsewhere { format!("{:?}", self.keep) } else { String::new() };
        let mut identities: Vec<String> = self.inputs().map(Input::identity).collect();
        if matches!(self.work, Work::Archive) {
            // Its entries are called as the sources.
            identities.extend(self.sources.iter().map(Input::filename));
        }
        let facts = [ENGINE_VERSION, &work, &profile, &negotiated, &sources, &keep];
        Key(digest(facts.into_iter().chain(identities.iter().map(String::as_str))))
    }
}

/// SHA-256 of texts, each with its length so that no two lists give the same.
fn digest<'a>(texts: impl IntoIterator<Item = &'a str>) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for text in texts {
        hasher.update((text.len() as u64).to_le_bytes());
        hasher.update(text);
    }
    hasher.finalize().into()
}

fn members(source: &Source) -> Vec<&Source> {
    match source {
        Source::List(members) => members.iter().collect(),
        single => vec![single],
    }
}

/// The format that `auto_image` stands for: the best that the client says it takes.
fn negotiated(context: &RequestContext) -> Option<Format> {
    let accepted = context.header(header::ACCEPT)?;
    let takes = |wanted: &str| {
        accepted.split(',').any(|range| {
            let mut parts = range.split(';').map(str::trim);
            let is_it = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(wanted));
            is_it && !parts.any(|parameter| matches!(parameter.replace(' ', "").as_str(), "q=0" | "q=0.0"))
        })
    };
    [("image/avif", Format::Avif), ("image/webp", Format::WebP)]
        .into_iter()
        .find(|(name, _)| takes(name))
        .map(|(_, format)| format)
}

impl Keep {
    /// How long an entry may be used.
    fn freshness(self, elsewhere: bool, config: &CacheConfig) -> Freshness {
        let stale = config.remote_stale;
        match (self, elsewhere) {
            (Self::For(seconds), true) => Freshness::fresh_for(Duration::from_secs(seconds)).stale_for(stale),
            (Self::For(seconds), false) => Freshness::fresh_for(Duration::from_secs(seconds)),
            (Self::Never, _) => Freshness::fresh_for(Duration::ZERO),
            (Self::Default, true) => Freshness::fresh_for(config.remote_fresh).stale_for(stale),
            // Its key changes with the source, so it never becomes wrong.
            (Self::Default, false) => Freshness::FOREVER,
        }
    }
}

impl From<Failure<ApiError>> for ApiError {
    fn from(failure: Failure<ApiError>) -> Self {
        match failure {
            Failure::Make(error) => Self::clone(&error),
            Failure::BrokeOff => Self::internal("a computation broke off"),
            Failure::Body(error) => Self::internal(error),
        }
    }
}
