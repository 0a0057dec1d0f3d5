//! What the tasks of a path add up to.

use http::{HeaderMap, StatusCode, header};
use stowage_core::{
    delivery::{Task as WrittenTask, Value as Written},
    filename::FileName,
    media_type::MediaType,
    options::StoreOptions,
    tasks::{Chain, InvalidTask, Task, Value},
};

use super::read::CacheLife;
use crate::{
    http::{ApiError, headers},
    transform::Work,
};

/// The work of one request. `fallback` is not part of it: it is looked at when the work fails.
pub struct Plan {
    /// A copy is stored, and its JSON is the answer.
    pub store: Option<StoreOptions>,
    /// The answer is JSON about the file instead of the file.
    pub facts: Option<Facts>,
    /// The answer is made of the source.
    pub work: Option<Work>,
    /// How long a result is kept here.
    pub keep: Keep,
    /// How long the answer may be kept by others.
    pub cache: CacheLife,
    /// How the answer is called.
    pub content: Option<ContentTask>,
}

/// How long a result is kept (spec 10 §6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// As long as it is right.
    Default,
    /// Seconds.
    For(u64),
    /// Not at all, and what is kept is not looked at.
    Never,
}

/// What is told of a file.
pub enum Facts {
    /// `metadata`, with the fields it names.
    Metadata(Vec<String>),
    /// `imagesize`, which is work only where nobody knows the answer yet.
    ImageSize,
}

impl Plan {
    /// Reads every task; those that nothing here does are refused by name.
    pub fn of(tasks: &[WrittenTask]) -> Result<Self, ApiError> {
        let chain = Chain::read(tasks)?;
        let mut plan = Self {
            store: chain.store.as_ref().map(store_options).transpose()?,
            facts: None,
            work: None,
            keep: chain.cache.as_ref().map_or(Keep::Default, keep),
            cache: chain.cache.as_ref().map_or(CacheLife::DELIVERY, cache_life),
            content: chain.content.as_ref().map(ContentTask::of).transpose()?,
        };
        match chain.steps.as_slice() {
            [] => {}
            steps if steps.iter().all(|step| step.name() == "metadata") => {
                plan.facts = steps.last().map(|step| Facts::Metadata(names(step)));
            }
            steps => {
                if let [step] = steps
                    && step.name() == "imagesize"
                    && plan.store.is_none()
                {
                    plan.facts = Some(Facts::ImageSize);
                }
                plan.work = Some(Work::of(chain.steps, plan.store.is_some())?);
            }
        }
        Ok(plan)
    }
}

impl From<InvalidTask> for ApiError {
    fn from(error: InvalidTask) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_parameter", error.to_string())
    }
}

/// 400: the request is understood, but there is nothing that could do it.
pub fn unsupported(what: &str) -> ApiError {
    ApiError::new(
        StatusCode::BAD_REQUEST,
        "unsupported_conversion",
        format!("Unsupported conversion: {what} is not available in this version"),
    )
}

/// [`unsupported`] of a task.
pub fn unsupported_task(name: &str) -> ApiError {
    unsupported(&format!("the task `{name}`"))
}

fn store_options(task: &Task) -> Result<StoreOptions, ApiError> {
    let pairs: Vec<(&str, String)> = task.parameters().map(|(name, value)| (name, written_text(&value))).collect();
    Ok(StoreOptions::from_pairs(pairs.iter().map(|(name, value)| (*name, value.as_str())), false)?)
}

fn written_text(value: &Written) -> String {
    match value {
        Written::Text(text) => text.clone(),
        Written::List(items) => format!("[{}]", items.iter().map(written_text).collect::<Vec<_>>().join(",")),
        Written::Flag => "true".to_owned(),
    }
}

/// The fields that a `metadata` task names (spec 10 §6.7).
fn names(task: &Task) -> Vec<String> {
    match task.value("params") {
        Some(Value::List(names)) => names.iter().filter_map(Value::as_text).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

fn keep(task: &Task) -> Keep {
    match cache_life(task) {
        CacheLife::Never => Keep::Never,
        CacheLife::Seconds(seconds) if task.value("expiry").is_some() => Keep::For(seconds),
        _ => Keep::Default,
    }
}

fn cache_life(task: &Task) -> CacheLife {
    if task.value("false") == Some(Value::Boolean(true)) {
        return CacheLife::Never;
    }
    match task.value("expiry") {
        Some(Value::Word(_)) => CacheLife::LONGEST,
        expiry => seconds(expiry).unwrap_or(CacheLife::DELIVERY),
    }
}

/// The life that a number of seconds stands for.
pub fn seconds(value: Option<Value>) -> Option<CacheLife> {
    match value {
        Some(Value::Integer(seconds)) => u64::try_from(seconds).ok().map(CacheLife::Seconds),
        _ => None,
    }
}

/// `content=filename:…,type:…` (spec 10 §6.6).
pub struct ContentTask {
    filename: Option<String>,
    media_type: Option<MediaType>,
}

impl ContentTask {
    fn of(task: &Task) -> Result<Self, ApiError> {
        let filename = task
            .text("filename")
            .map(FileName::parse)
            .transpose()
            .map_err(|error| ApiError::invalid_parameter("filename", error))?;
        let media_type = task
            .text("type")
            .map(MediaType::parse)
            .transpose()
            .map_err(|reason| ApiError::invalid_parameter("type", reason))?;
        // A URL must not be able to make a browser run what was stored as something harmless (threat F3).
        if media_type.as_ref().is_some_and(MediaType::is_active) {
            return Err(ApiError::invalid_parameter(
                "type",
                "active types such as HTML and SVG cannot be chosen by URL",
            ));
        }
        Ok(Self { filename: filename.map(|name| name.as_str().to_owned()), media_type })
    }

    /// Names the answer.
    pub fn apply(&self, answer_headers: &mut HeaderMap, download: bool) {
        if let Some(media_type) = &self.media_type
            && let Ok(value) = media_type.as_str().parse()
        {
            answer_headers.insert(header::CONTENT_TYPE, value);
        }
        if let Some(filename) = &self.filename {
            headers::rename(answer_headers, filename, download);
        }
    }
}
