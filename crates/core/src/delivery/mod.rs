//! The delivery grammar: a raw URL path → API key, tasks, source (spec 02 §3, 10 §2; conformance URLs of 10 §11).

mod scan;
mod segment;
mod source;
mod task;
mod value;

use crate::handle::Handle;
use segment::Segment;
pub use task::{PathSecurity, Task, Value, is_task_name};

/// A parsed delivery path. Reading never touches I/O and is linear in the length of the path.
#[derive(Clone, Debug, PartialEq)]
pub struct DeliveryPath {
    /// A `debug` segment was present.
    pub debug: bool,
    /// The API key segment, unverified text.
    pub key: Option<String>,
    /// All tasks but `security`, in order of writing. `metadata` may also come from a `/metadata` behind the source.
    /// The job id of `video_convert/<id>` is the parameter `uuid` of that task.
    pub tasks: Vec<Task>,
    /// The `security` task.
    pub security: Option<PathSecurity>,
    /// What the tasks apply to.
    pub source: Source,
    /// The part of the request's query that is not the source's own.
    pub query: String,
}

/// What a delivery URL applies to (spec 02 §3.4).
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// A stored file (`+ext` stripped).
    Handle(Handle),
    /// An external http(s) URL, decoded, with its own query.
    Url(String),
    /// `src://alias/path`, scheme included.
    Alias(String),
    /// `wf://…`, scheme included.
    Workflow(String),
    /// `[a,b,…]`.
    List(Vec<Source>),
    /// Nothing behind the tasks.
    None,
}

/// The path is not a sentence of the grammar; `Display` is the public 400 text.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0}")]
pub struct InvalidPath(pub String);

/// Longest raw path read, bytes; the same for a query.
pub const MAX_PATH_BYTES: usize = 16 * 1024;
/// Most tasks of one path.
pub const MAX_TASKS: usize = 50;
/// Deepest nesting of lists.
const MAX_LIST_DEPTH: usize = 8;

/// Reads the raw (still percent-encoded) path and query of a delivery request.
/// A first segment that is neither task, `debug` nor source start, with more behind it, is the API key.
pub fn parse(raw_path: &str, raw_query: Option<&str>) -> Result<DeliveryPath, InvalidPath> {
    let query = raw_query.unwrap_or_default();
    if raw_path.len() > MAX_PATH_BYTES || query.len() > MAX_PATH_BYTES {
        return Err(InvalidPath(format!("a path and its query have at most {MAX_PATH_BYTES} bytes each")));
    }
    let mut reader = Reader::default();
    let path = raw_path.trim_start_matches('/');
    // Most requests are for a file as it is. No task has a name as long as a handle.
    let behind_tasks = if Handle::parse(path).is_ok() { path } else { reader.read_segments(path)? };
    reader.finish(behind_tasks, query)
}

/// Reads a source that stands as the value of a parameter (`watermark=file:…`), where percent signs are decoded already.
pub fn parse_source(text: &str) -> Result<Source, InvalidPath> {
    source::read_value(text)
}

/// What has been read so far, from left to right.
#[derive(Default)]
struct Reader {
    debug: bool,
    key: Option<String>,
    tasks: Vec<Task>,
    security: Option<PathSecurity>,
}

impl Reader {
    /// Reads up to the source, which is returned as it is written; empty if there is none.
    fn read_segments<'a>(&mut self, raw_path: &'a str) -> Result<&'a str, InvalidPath> {
        let mut rest = raw_path;
        loop {
            // Doubled slashes between segments mean nothing; those inside a source are never looked at here.
            rest = rest.trim_start_matches('/');
            if rest.is_empty() || source::starts(rest) {
                return Ok(rest);
            }
            if let Some(id) = self.awaited_job_id(rest) {
                self.set_job_id(id);
                return Ok("");
            }
            let (segment, behind) = segment::cut(rest);
            rest = match Segment::classify(segment)? {
                Segment::Task(task) => {
                    self.push(task)?;
                    behind
                }
                Segment::EncodedTasks => {
                    let (encoded, behind) = segment::cut(behind);
                    for task in task::decode_list(encoded)? {
                        self.push(task)?;
                    }
                    behind
                }
                Segment::Other if self.is_legacy_prefix(segment, behind) => behind,
                Segment::Other if self.is_key(segment, behind) => {
                    self.key = Some(value::decode(segment));
                    behind
                }
                Segment::Other => return Ok(rest),
            };
        }
    }

    fn push(&mut self, task: Task) -> Result<(), InvalidPath> {
        match task.name.as_str() {
            "debug" => self.debug = true,
            "security" => self.security = self.security.take().or_else(|| task.security()),
            _ if self.tasks.len() == MAX_TASKS => {
                return Err(InvalidPath(format!("a path has at most {MAX_TASKS} tasks")));
            }
            _ => self.tasks.push(task),
        }
        Ok(())
    }

    fn has_read_nothing(&self) -> bool {
        self.key.is_none() && self.tasks.is_empty() && self.security.is_none()
    }

    fn is_key(&self, segment: &str, behind: &str) -> bool {
        let behind = behind.trim_matches('/');
        let is_file = source::is_handle(segment) && behind == "metadata";
        self.has_read_nothing() && !behind.is_empty() && !is_file
    }

    /// Swift asks for the metadata of a file below `/file/`.
    fn is_legacy_prefix(&self, segment: &str, behind: &str) -> bool {
        let next = behind.split('/').next().unwrap_or_default();
        self.has_read_nothing() && segment == "file" && source::is_handle(next)
    }

    /// The id of a transcoding job may stand where the source does (spec 10 §3).
    fn awaited_job_id<'a>(&self, rest: &'a str) -> Option<&'a str> {
        let last = self.tasks.last()?;
        let id = rest.trim_end_matches('/');
        let waits = last.name == "video_convert" && last.params.is_empty();
        let undashed = id.bytes().filter(|byte| *byte != b'-');
        let is_id = matches!(id.len(), 32 | 36)
            && undashed.clone().count() == 32
            && undashed.clone().all(|byte| byte.is_ascii_hexdigit());
        (waits && is_id).then_some(id)
    }

    fn set_job_id(&mut self, id: &str) {
        if let Some(task) = self.tasks.last_mut() {
            let uuid = Value::Text(id.to_owned());
            task.params.push(("uuid".to_owned(), uuid));
        }
    }

    /// PHP appends `force=true` to the URL instead of writing it into the task (spec 10 §2.2).
    fn force_by_query(&mut self, query: &str) {
        if query.split('&').any(|pair| pair == "force=true") {
            let conversions = self.tasks.iter_mut().filter(|task| task.name == "video_convert");
            for task in conversions {
                task.params.push(("force".to_owned(), Value::Text("true".to_owned())));
            }
        }
    }

    fn finish(mut self, raw_source: &str, query: &str) -> Result<DeliveryPath, InvalidPath> {
        let read = source::read(raw_source, query)?;
        self.force_by_query(&read.query);
        if read.metadata {
            self.push(Task::named("metadata"))?;
        }
        if read.source == Source::None && self.tasks.is_empty() {
            return Err(InvalidPath("the path names no file".to_owned()));
        }
        Ok(DeliveryPath {
            debug: self.debug,
            key: self.key,
            tasks: self.tasks,
            security: self.security,
            source: read.source,
            query: read.query,
        })
    }
}

/// One value as it stands behind the colon of a parameter; `None` if its quotes or brackets do not close.
pub(crate) fn read_value(raw: &str) -> Option<Value> {
    value::read(raw, 0).ok()
}

/// User text inside an error message: short, and nothing that could break a log line.
pub(crate) fn shown(text: &str) -> String {
    const LONGEST: usize = 60;
    let mut visible: String = text.chars().filter(|character| !character.is_control()).take(LONGEST).collect();
    if text.chars().nth(LONGEST).is_some() {
        visible.push('…');
    }
    visible
}

#[cfg(test)]
mod tests;
