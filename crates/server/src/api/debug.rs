//! `debug`: what a path would do, as JSON (spec 10 §6.5).

use std::time::Instant;

use http::StatusCode;
use serde::Serialize;
use stowage_core::{
    delivery::{DeliveryPath, Source},
    tasks::{Chain, Task},
};
use tracing_subscriber::fmt::{
    format::Writer,
    time::{FormatTime, SystemTime},
};

use super::{
    Answer,
    answer::json,
    deliver::{Subject, carry_out},
    plan::{Plan, unsupported},
};
use crate::{
    http::{ApiError, context::RequestContext},
    transform::tasks,
};

#[derive(Clone, Serialize)]
struct Report {
    apikey: Option<String>,
    status: Status,
    start_time: String,
    processing_time: String,
    source: Option<Described>,
    task_uri: String,
    debug: bool,
    /// One for each of several steps, those of presets included. They are worked off in one go, so only `task_uri` differs.
    chain: Option<Vec<Report>>,
}

#[derive(Clone, Serialize)]
struct Status {
    message: String,
    http_code: u16,
}

#[derive(Clone, Serialize)]
struct Described {
    url: String,
    mimetype: Option<String>,
    size: Option<u64>,
}

/// Checks and carries out the tasks, and tells how that went instead of sending the result. The answer is a 200 whatever came out,
/// since clients read it as JSON; only who lacks the authority gets nothing.
pub async fn answer(context: &RequestContext, path: &DeliveryPath) -> Answer {
    let began = Instant::now();
    let mut start_time = String::new();
    SystemTime.format_time(&mut Writer::new(&mut start_time)).map_err(ApiError::internal)?;
    let mut report = Report {
        apikey: path.key.clone(),
        status: Status { message: "OK".to_owned(), http_code: StatusCode::OK.as_u16() },
        start_time,
        processing_time: String::new(),
        source: None,
        task_uri: Chain::read(&path.tasks).map(|chain| chain.canonical()).unwrap_or_default(),
        debug: true,
        chain: None,
    };
    let mut steps = Vec::new();
    if let Err(error) = run(context, path, &mut report, &mut steps).await {
        if matches!(error.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            return Err(error);
        }
        report.status = Status { message: error.message.into_owned(), http_code: error.status.as_u16() };
    }
    report.processing_time = format!("{:.2}ms", began.elapsed().as_secs_f64() * 1000.0);
    if steps.len() > 1 {
        report.chain = Some(steps.into_iter().map(|task_uri| Report { task_uri, ..report.clone() }).collect());
    }
    Ok(json(&report))
}

async fn run(
    context: &RequestContext,
    path: &DeliveryPath,
    report: &mut Report,
    steps: &mut Vec<String>,
) -> Result<(), ApiError> {
    let subject = Subject::find(context, path).await?;
    report.apikey = Some(subject.app.key.as_str().to_owned());
    report.source = described(context, path, &subject);
    let plan = tasks::with_presets(&subject.app, &path.tasks).and_then(|tasks| {
        *steps = Chain::read(&tasks)?.steps.iter().map(Task::canonical).collect();
        Plan::of(&tasks)
    });
    let plan = plan.map_err(|error| match error.code {
        "invalid_parameter" => ApiError { message: format!("validation error: {}", error.message).into(), ..error },
        _ => error,
    })?;
    // Nobody would learn the handle of the new file.
    if plan.store.is_some() {
        return Err(unsupported("`store` together with `debug`"));
    }
    carry_out(context, path, plan, subject).await.map(drop)
}

fn described(context: &RequestContext, path: &DeliveryPath, subject: &Subject) -> Option<Described> {
    if let Some(file) = &subject.own_file {
        let row = &file.row;
        let url = format!("{}/{}", context.delivery_base(), row.handle);
        return Some(Described { url, mimetype: Some(row.mimetype.clone()), size: Some(row.size) });
    }
    match &path.source {
        Source::Url(url) | Source::Alias(url) | Source::Workflow(url) => {
            Some(Described { url: url.clone(), mimetype: None, size: None })
        }
        Source::Handle(_) | Source::List(_) | Source::None => None,
    }
}
