//! `POST /process`: sources and tasks as JSON (spec 01 §5).

use std::collections::BTreeMap;

use http::HeaderMap;
use serde_json::{Map, Value};
use stowage_catalogue::App;
use stowage_core::{
    delivery::{self, MAX_TASKS, Task},
    options::StoreOptions,
    tasks::Chain,
};

use super::{
    Answer,
    content::Content,
    deliver,
    plan::{Facts, Plan, unsupported_task},
    store::{app_of_key, destination},
};
use crate::{
    http::{ApiError, RequestBody, authorise::Credentials, context::RequestContext},
    ingest::remote,
    transform::{self, Wanted, tasks},
};

/// A command, its names already folded to lower case.
struct Command {
    key: String,
    url: String,
    headers: HeaderMap,
    /// Without `security`.
    tasks: Vec<Task>,
    options: StoreOptions,
    security: Option<(String, String)>,
}

/// Runs the tasks on the source and stores what comes out, or the source itself.
#[utoipa::path(post, path = "/process", operation_id = "process", tag = "Processing",
    request_body(description = "`{apikey, sources: [url | {source, headers}], tasks: [{name, params}], upload_tags}`", content_type = "application/json"),
    responses((status = 200, description = "The stored file", body = super::answer::StoredFile), (status = 400, description = "Bad command"),
        (status = 401, description = "Unknown API key"), (status = 403, description = "Policy error")))]
pub async fn process(context: &RequestContext, mut body: RequestBody) -> Answer {
    let limit = context.server.config.limits.max_field_bytes;
    let text = body
        .read_all(limit)
        .await?
        .ok_or_else(|| ApiError::invalid_body(format!("the command is larger than {limit} bytes")))?;
    let command = Command::read(&text)?;
    let app = app_of_key(context, &command.key).await?;
    let mut credentials = Credentials::of_request(context);
    if let Some((policy, signature)) = &command.security {
        credentials.set_policy(policy.clone(), signature.clone());
    }
    let authority = deliver::authority(context, &app, &command.tasks, &credentials)?;
    let Plan { facts, work, keep, .. } = command.plan(&app)?;
    if let Some(Facts::Metadata(_)) = facts {
        return Err(unsupported_task("metadata"));
    }
    let target = destination(context, &app, &authority, &command.options).await?;
    let Command { url, headers, .. } = &command;
    let upload = match work {
        Some(work) => {
            let source = delivery::parse_source(url).map_err(|error| ApiError::invalid_parameter("sources", error))?;
            let wanted = Wanted { source: &source, headers: headers.clone(), work, keep };
            let made = transform::result(context, &app, &authority, wanted).await?;
            Content::Result(made).as_upload(&context.server).await?
        }
        None => remote::open(context, &app, &authority, url, headers.clone()).await?,
    };
    deliver::store(context, &app, &authority, target, command.options, upload).await
}

impl Command {
    fn read(text: &[u8]) -> Result<Self, ApiError> {
        let Ok(Value::Object(object)) = serde_json::from_slice(text) else {
            return Err(ApiError::invalid_body("the body must be a JSON object with `apikey`, `sources` and `tasks`"));
        };
        let object = lower_keys(object);
        let key = object
            .get("apikey")
            .and_then(Value::as_str)
            .ok_or_else(|| ApiError::invalid_parameter("apikey", "it is missing"))?
            .to_owned();
        let (url, headers) = source(&object)?;
        let mut command =
            Self { key, url, headers, tasks: Vec::new(), options: StoreOptions::default(), security: None };
        let stores = command.read_tasks(object.get("tasks"))?;
        if !stores {
            return Err(ApiError::invalid_parameter("tasks", "there must be a `store` task"));
        }
        command.options.tags.extend(tags(object.get("upload_tags"))?);
        Ok(command)
    }

    fn read_tasks(&mut self, tasks: Option<&Value>) -> Result<bool, ApiError> {
        let invalid = |reason: &dyn std::fmt::Display| ApiError::invalid_parameter("tasks", reason);
        let tasks = tasks.and_then(Value::as_array).filter(|tasks| tasks.len() <= MAX_TASKS);
        let tasks =
            tasks.ok_or_else(|| invalid(&format!("it must be a list of at most {MAX_TASKS} {{name, params}}")))?;
        for written in tasks {
            let task = Task::from_json(written).map_err(|error| invalid(&error))?;
            match task.name.as_str() {
                "security" => {
                    let text = |name: &str| task.text(&[name]).unwrap_or_default().to_owned();
                    self.security = Some((text("policy"), text("signature")));
                    continue;
                }
                "store" => {
                    // A second store task carries only workflows (spec 01 §5.1): one store is made of both.
                    let options = StoreOptions::from_json(&params(written))?;
                    self.options = std::mem::take(&mut self.options).or(options);
                }
                _ => {}
            }
            self.tasks.push(task);
        }
        Ok(Chain::read(&self.tasks)?.store.is_some())
    }

    /// What is to be done before storing; how to store is in the options.
    fn plan(&self, app: &App) -> Result<Plan, ApiError> {
        let mut tasks = tasks::with_presets(app, &self.tasks)?;
        tasks.retain(|task| task.name != "store");
        Plan::of(&tasks)
    }
}

/// The parameters of a task as they are written.
fn params(task: &Value) -> Map<String, Value> {
    let members = task.as_object().cloned().map(lower_keys).unwrap_or_default();
    members.get("params").and_then(Value::as_object).cloned().unwrap_or_default()
}

fn source(object: &Map<String, Value>) -> Result<(String, HeaderMap), ApiError> {
    let invalid = || ApiError::invalid_parameter("sources", "it must be a list of one URL or {source, headers}");
    let [source] = object.get("sources").and_then(Value::as_array).map(Vec::as_slice).ok_or_else(invalid)? else {
        return Err(invalid());
    };
    match source {
        Value::String(url) => Ok((url.clone(), HeaderMap::new())),
        Value::Object(object) => {
            let url = object.get("source").and_then(Value::as_str).ok_or_else(invalid)?;
            Ok((url.to_owned(), remote::source_headers(object.get("headers"))?))
        }
        _ => Err(invalid()),
    }
}

fn tags(value: Option<&Value>) -> Result<BTreeMap<String, String>, ApiError> {
    let invalid = || ApiError::invalid_parameter("upload_tags", "it must be an object of strings");
    match value {
        None | Some(Value::Null) => Ok(BTreeMap::new()),
        Some(Value::Object(object)) => object
            .iter()
            .map(|(name, value)| Ok((name.clone(), value.as_str().ok_or_else(invalid)?.to_owned())))
            .collect(),
        Some(_) => Err(invalid()),
    }
}

fn lower_keys(object: Map<String, Value>) -> Map<String, Value> {
    object.into_iter().map(|(key, value)| (key.to_ascii_lowercase(), value)).collect()
}
