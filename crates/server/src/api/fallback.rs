//! `fallback=handle:…`: another file, stored here or elsewhere, instead of a failure (spec 10 §6.4).

use http::StatusCode;
use stowage_core::{
    delivery::{self, DeliveryPath, Source},
    query::Query,
    tasks::Task,
};

use super::{
    Answer,
    content::Content,
    deliver::credentials,
    plan::{Keep, seconds, unsupported},
    read::{self, CacheLife, find},
    store::app_of_key,
};
use crate::{
    http::{
        ApiError,
        authorise::authorise,
        context::RequestContext,
        routes::{Needs, calls_of_task},
    },
    transform,
};

/// The file of the `fallback` task as it is, or the error if there is none that may be sent.
pub async fn answer(context: &RequestContext, path: &DeliveryPath, error: ApiError) -> Answer {
    // Who lacks the authority is told so, and who waits for the JSON of a stored file could do nothing with another.
    let is_refusal = matches!(error.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
    let stores = path.tasks.iter().any(|task| task.name == "store");
    let fallback = path.tasks.iter().rfind(|task| task.name == "fallback");
    let Some(task) = fallback.filter(|_| !is_refusal && !stores).and_then(|task| Task::read(task).ok()) else {
        return Err(error);
    };
    match send(context, path, &task).await {
        Ok(response) => Ok(response),
        Err(reason) => {
            tracing::debug!(reason = %reason.message, "the fallback cannot be sent either");
            Err(error)
        }
    }
}

async fn send(context: &RequestContext, path: &DeliveryPath, task: &Task) -> Answer {
    let place = task.text("handle").unwrap_or_default();
    // Whatever failed may work again at the next request.
    let life = seconds(task.value("cache")).unwrap_or(CacheLife::Revalidate);
    if ["http://", "https://", "src://"].iter().any(|scheme| place.starts_with(scheme)) {
        return send_external(context, path, task, place, life).await;
    }
    let (place, query) = place.split_once('?').unwrap_or((place, ""));
    let Ok(delivery::DeliveryPath { source: Source::Handle(handle), tasks, security: None, .. }) =
        delivery::parse(place, None)
    else {
        return Err(unsupported("a fallback that is no stored file"));
    };
    if !tasks.is_empty() {
        return Err(unsupported("a fallback with tasks"));
    }
    let (app, file) = find(context, &handle).await?;
    let mut credentials = credentials(context, path);
    let own = Query::parse(query, context.server.config.limits.max_fields)
        .map_err(|error| ApiError::invalid_body(error.to_string()))?;
    // A file of another app comes with a policy of that app.
    if let Some((policy, signature)) = own.get("policy").zip(own.get("signature")) {
        credentials.set_policy(policy.to_owned(), signature.to_owned());
    }
    let needs = Needs::WhenSecured(calls_of_task(task.name()));
    authorise(context, &app, needs, &credentials)?.check_handle(&handle)?;
    read::send(context, &app, &Content::File(file), life).await
}

/// What lies elsewhere is asked for in the name of the app that the path speaks for.
async fn send_external(
    context: &RequestContext,
    path: &DeliveryPath,
    task: &Task,
    url: &str,
    life: CacheLife,
) -> Answer {
    let app = match (path.key.as_deref().or(context.query.get("key")), &path.source) {
        (Some(key), _) => app_of_key(context, key).await?,
        (None, Source::Handle(handle)) => find(context, handle).await?.0,
        (None, _) => return Err(unsupported("a fallback elsewhere without an API key")),
    };
    let needs = Needs::WhenSecured(calls_of_task(task.name()));
    let authority = authorise(context, &app, needs, &credentials(context, path))?;
    let source = delivery::parse_source(url).map_err(|error| ApiError::invalid_parameter("handle", error))?;
    let original = transform::original(context, &app, &authority, &source, Keep::Default).await?;
    read::send(context, &app, &Content::Result(original), life).await
}
