//! `POST /api/store/{location}/{handle}`: a copy of a stored file at another location (spec 01 §1, "odd variant").

use stowage_core::{location::Location, options::StoreOptions};

use super::{
    Answer, deliver,
    store::{app_of, destination},
};
use crate::{
    http::{
        ApiError,
        authorise::{Credentials, authorise},
        context::RequestContext,
    },
    ingest::remote,
};

/// Copies a file of the app.
#[utoipa::path(post, path = "/api/store/{location}/{handle}", operation_id = "copyFile", tag = "Store API",
    params(
        ("location" = String, Path, description = "Where the copy goes"), ("handle" = String, Path, description = "File to copy"),
        ("key" = String, Query, description = "API key"),
        ("policy" = Option<String>, Query, description = "Needed with `signature` when the app has security on: call `store`"),
        ("signature" = Option<String>, Query),
    ),
    responses((status = 200, description = "The copy", body = super::answer::StoredFile), (status = 403, description = "Policy error"),
        (status = 404, description = "No such file")))]
pub async fn copy_file(context: &RequestContext) -> Answer {
    let app = app_of(context, &context.query).await?;
    let authority = authorise(context, &app, context.route.needs, &Credentials::of_request(context))?;
    let text = context.segment("location").unwrap_or_default();
    let location = Location::parse(text)
        .ok_or_else(|| ApiError::new(http::StatusCode::BAD_REQUEST, "invalid_location", "Invalid storage location"))?;
    let pairs = context.query.pairs().iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let mut options = StoreOptions::from_pairs(pairs, false)?;
    options.location = Some(location);
    let target = destination(context, &app, &authority, &options).await?;
    let upload = remote::stored(context, &app, &authority, &context.handle()?).await?;
    deliver::store(context, &app, &authority, target, options, upload).await
}
