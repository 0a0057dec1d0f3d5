//! `DELETE /api/file/{handle}` and its legacy form `POST …/remove` (spec 02 §6).

use http::Method;
use stowage_core::query::Query;

use super::{Answer, answer::text, read::find};
use crate::http::{
    ApiError, RequestBody,
    authorise::{Credentials, authorise},
    context::RequestContext,
};

/// Deletes a file; its bytes follow unless `skip_storage=true`.
#[utoipa::path(delete, path = "/api/file/{handle}", operation_id = "deleteFile", tag = "File API",
    params(
        ("handle" = String, Path, description = "File handle"),
        ("skip_storage" = Option<bool>, Query, description = "`true`: forget the handle, leave the object in its store"),
        ("policy" = Option<String>, Query, description = "Always needed with `signature`, unless HTTP Basic: call `remove`"),
        ("signature" = Option<String>, Query),
    ),
    responses((status = 200, description = "`success`"), (status = 403, description = "Policy error"), (status = 404, description = "No such file")))]
pub async fn delete_file(context: &RequestContext, body: RequestBody) -> Answer {
    let handle = context.handle()?;
    let (app, _) = find(context, &handle).await?;
    let legacy = context.parts.method == Method::POST;
    let mut credentials = Credentials::of_request(context);
    if legacy {
        credentials.add_fields(&form_fields(context, body).await?);
    }
    let authority = authorise(context, &app, context.route.needs, &credentials)?;
    authority.check_handle(&handle)?;
    let deleted = context.server.catalogue.delete_file(&handle, context.query.flag("skip_storage")).await?;
    context.server.content_changed(&handle).await;
    context.server.wake_collector();
    if !deleted {
        return Err(ApiError::file_not_found());
    }
    Ok(if legacy { text("Success", "text/plain; charset=utf-8") } else { text("success", "text/html; charset=utf-8") })
}

/// The fields of an urlencoded form.
pub(super) async fn form_fields(context: &RequestContext, mut body: RequestBody) -> Result<Query, ApiError> {
    let limits = &context.server.config.limits;
    let Some(bytes) = body.read_all(limits.max_field_bytes).await? else {
        return Err(ApiError::invalid_body("the form is too large"));
    };
    Query::parse(&String::from_utf8_lossy(&bytes), limits.max_fields)
        .map_err(|error| ApiError::invalid_body(error.to_string()))
}
