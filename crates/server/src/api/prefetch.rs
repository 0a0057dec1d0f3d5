//! `/prefetch`: what a picker asks before it opens (spec 01 §8).

use serde_json::{Map, Value, json};

use super::{Answer, answer, store::app_of_key};
use crate::http::{
    ApiError, RequestBody,
    authorise::{Credentials, check_given},
    context::RequestContext,
};

/// What pickers may do here, of all that they ask for.
const PERMITTED: [&str; 3] = ["intelligent_ingestion", "transforms_ui", "whitelabel"];

/// Tells a picker what it may offer. Touches no file, so no policy is needed; one that is sent must be valid.
#[utoipa::path(post, path = "/prefetch", operation_id = "prefetch", tag = "Picker",
    request_body(description = "`{apikey, security: {policy, signature}, settings: [name], permissions: [name], picker_config}`; without `settings` the older form, answered with flat flags",
        content_type = "application/json"),
    responses((status = 200, description = "`{blocked, settings: {name: value}, permissions: {name: allowed}, updated_config}`"),
        (status = 400, description = "Bad body"), (status = 401, description = "Unknown API key"), (status = 403, description = "Policy error")))]
pub async fn prefetch(context: &RequestContext, body: RequestBody) -> Answer {
    let mut question = match context.parts.method {
        http::Method::POST => read(context, body).await?,
        _ => Map::new(),
    };
    let key = question.get("apikey").and_then(Value::as_str).or_else(|| context.query.get("apikey"));
    let key = key.ok_or_else(|| ApiError::invalid_parameter("apikey", "it is missing"))?;
    let app = app_of_key(context, key).await?;
    let mut credentials = Credentials::of_request(context);
    if let Some((policy, signature)) = policy_of(&question) {
        credentials.set_policy(policy, signature);
    }
    check_given(context, &app, &credentials)?;
    if !question.contains_key("settings") {
        return Ok(answer::json(&flat_flags()));
    }
    let mut told = json!({
        "blocked": false,
        "settings": by_name(question.get("settings"), "settings", setting)?,
        "permissions": by_name(question.get("permissions"), "permissions", permission)?,
    });
    // The picker takes the options as they are now: they are its own.
    if let Some(options) = question.remove("picker_config").filter(Value::is_object) {
        told["updated_config"] = options;
    }
    Ok(answer::json(&told))
}

async fn read(context: &RequestContext, mut body: RequestBody) -> Result<Map<String, Value>, ApiError> {
    let limit = context.server.config.limits.max_field_bytes;
    let text = body.read_all(limit).await?;
    let text = text.ok_or_else(|| ApiError::invalid_body(format!("the body is larger than {limit} bytes")))?;
    match serde_json::from_slice(&text) {
        Ok(Value::Object(question)) => Ok(question),
        _ => Err(ApiError::invalid_body("the body must be a JSON object with `apikey`")),
    }
}

/// From `security`, or beside the other members in the older form.
fn policy_of(question: &Map<String, Value>) -> Option<(String, String)> {
    let holder = question.get("security").and_then(Value::as_object).unwrap_or(question);
    let text = |name: &str| holder.get(name).and_then(Value::as_str).map(str::to_owned);
    let (policy, signature) = (text("policy"), text("signature"));
    (policy.is_some() || signature.is_some()).then(|| (policy.unwrap_or_default(), signature.unwrap_or_default()))
}

fn setting(name: &str) -> Value {
    // A bucket shown as a drive: an object if there is one.
    if name == "customsource" { Value::Null } else { Value::Bool(false) }
}

fn permission(name: &str) -> Value {
    Value::Bool(PERMITTED.contains(&name))
}

/// `{name: value}` of a list of names.
fn by_name(
    names: Option<&Value>,
    member: &'static str,
    value: fn(&str) -> Value,
) -> Result<Map<String, Value>, ApiError> {
    let invalid = || ApiError::invalid_parameter(member, "it must be a list of names");
    match names {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Array(names)) => names
            .iter()
            .map(|name| name.as_str().map(|name| (name.to_owned(), value(name))).ok_or_else(invalid))
            .collect(),
        Some(_) => Err(invalid()),
    }
}

/// What Java, iOS and old JavaScript clients read.
fn flat_flags() -> Value {
    json!({
        "blocked": false,
        "blacklisted": false,
        "intelligent_ingestion": true,
        "whitelabel": true,
        "customsource": false,
        "customsource_name": "",
    })
}
