//! `GET|POST /api/file/{handle}/convert`: the conversions of the old API, in their fixed order (spec 11 §11, 02 §7).

mod tasks;

use http::{HeaderMap, Method};
use stowage_core::{
    delivery::Source,
    options::StoreOptions,
    policy::Call,
    query::Query,
    tasks::{Chain, InvalidTask},
};

use super::{
    Answer,
    content::Content,
    deliver,
    plan::Keep,
    read::{self, CacheLife, find},
    remove::form_fields,
    store::{app_of, destination},
};
use crate::{
    http::{
        ApiError, RequestBody,
        authorise::{Credentials, authorise},
        context::RequestContext,
    },
    ingest::remote,
    transform::{self, Wanted, Work},
};

/// Store options and what they are called here.
const STORE_OPTIONS: &[(&str, &str)] = &[
    ("storeLocation", "location"),
    ("storePath", "path"),
    ("storeContainer", "container"),
    ("storeRegion", "region"),
    ("storeAccess", "access"),
];

/// Converts a stored picture: `GET` answers the result, `POST` stores it.
#[utoipa::path(get, path = "/api/file/{handle}/convert", operation_id = "convertFile", tag = "File API",
    params(
        ("handle" = String, Path, description = "File handle"),
        ("w" = Option<u32>, Query, description = "Width in pixels; also `width`"),
        ("h" = Option<u32>, Query, description = "Height in pixels; also `height`"),
        ("fit" = Option<String>, Query, description = "`clip` (default), `crop`, `scale` or `max`"),
        ("align" = Option<String>, Query, description = "`top`, `bottom`, `left`, `right`, `center` or `faces`"),
        ("crop" = Option<String>, Query, description = "`x,y,w,h`"),
        ("crop_first" = Option<bool>, Query, description = "`true`: crop before resizing"),
        ("watermark" = Option<String>, Query, description = "URL or handle of a picture; with `watermark_size` (percent) and `watermark_position` (`top,left`)"),
        ("text" = Option<String>, Query, description = "Caption of up to 500 characters; lines end at `%0A` and where the picture does"),
        ("text_size" = Option<u32>, Query, description = "Height of its lines in pixels, 1 to 1000 (20)"),
        ("text_color" = Option<String>, Query, description = "Name, `RGB`, `RRGGBB` or `RRGGBBAA` (black)"),
        ("text_align" = Option<String>, Query, description = "`top`, `middle`, `bottom`, `left`, `center`, `right`, or a pair such as `top,left` (`bottom`)"),
        ("text_padding" = Option<u32>, Query, description = "Pixels to the edges, 0 to 1000 (10)"),
        ("text_font" = Option<String>, Query, description = "Any name; there is one font"),
        ("filter" = Option<String>, Query, description = "`blur` with `blurAmount`, or `sharpen` with `sharpenAmount`"),
        ("rotate" = Option<String>, Query, description = "Degrees, or `exif`"),
        ("quality" = Option<u32>, Query, description = "1 to 100"),
        ("compress" = Option<bool>, Query), ("format" = Option<String>, Query, description = "`jpg`, `png`, …"),
        ("page" = Option<u32>, Query), ("density" = Option<u32>, Query), ("secure" = Option<bool>, Query),
        ("key" = Option<String>, Query, description = "API key; `POST` only, as `storeLocation`, `storePath`, `storeContainer`, `storeRegion` and `storeAccess`"),
        ("dl" = Option<bool>, Query), ("cache" = Option<bool>, Query),
        ("policy" = Option<String>, Query, description = "Needed with `signature` when the app has security on: call `convert`, and `store` for `POST`"),
        ("signature" = Option<String>, Query),
    ),
    responses((status = 200, description = "The picture; for `POST` the JSON of the new file"), (status = 400, description = "Invalid conversion params"),
        (status = 403, description = "Policy error"), (status = 404, description = "No such file")))]
pub async fn convert_file(context: &RequestContext, body: RequestBody) -> Answer {
    let handle = context.handle()?;
    let (owner, file) = find(context, &handle).await?;
    let stores = context.parts.method == Method::POST;
    let fields = if stores { form_fields(context, body).await? } else { Query::default() };
    let parameters = united(&context.query, &fields);
    let mut credentials = Credentials::of_request(context);
    credentials.add_fields(&fields);
    let app = if stores { app_of(context, &fields).await? } else { owner };
    let authority = authorise(context, &app, context.route.needs, &credentials)?;
    let written = tasks::of(&parameters)?;
    let steps = Chain::read(&written).map_err(invalid)?.steps;
    if !steps.is_empty() {
        // An app may want its pictures worked on for signed requests only.
        deliver::authority(context, &app, &written, &credentials)?;
    }
    remote::check_readable(context, &app, &authority, &file.row).await?;
    let target = match stores {
        true => {
            authority.allow_any(&[Call::Store])?;
            let options = store_options(&parameters)?;
            Some((destination(context, &app, &authority, &options).await?, options))
        }
        false => None,
    };
    let content = if steps.is_empty() {
        Content::File(file)
    } else {
        let source = Source::Handle(handle);
        let work = Work::of(steps, stores)?;
        let wanted = Wanted { source: &source, headers: HeaderMap::new(), work, keep: Keep::Default };
        Content::Result(transform::result(context, &app, &authority, wanted).await?)
    };
    if let Some((target, options)) = target {
        let upload = content.as_upload(&context.server).await?;
        return deliver::store(context, &app, &authority, target, options, upload).await;
    }
    let life = if parameters.flag("cache") { CacheLife::DELIVERY } else { CacheLife::Revalidate };
    read::send(context, &app, &content, life).await
}

/// What stands in the query wins.
fn united(query: &Query, fields: &Query) -> Query {
    Query::from_pairs(query.pairs().iter().chain(fields.pairs()).cloned().collect())
}

fn store_options(parameters: &Query) -> Result<StoreOptions, ApiError> {
    let named = |(old, name): &(&'static str, &'static str)| {
        Some((*name, parameters.get(old).or_else(|| parameters.get(name))?))
    };
    Ok(StoreOptions::from_pairs(STORE_OPTIONS.iter().filter_map(named), false)?)
}

/// The sentence that the old clients know.
fn invalid(error: InvalidTask) -> ApiError {
    let error = ApiError::from(error);
    ApiError { message: format!("Invalid conversion params: {}", error.message).into(), ..error }
}
