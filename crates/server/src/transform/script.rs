//! `minify_css` and `minify_js` (spec 12 §§9, 10).

use std::sync::Arc;

use stowage_cache::{Freshness, Made};
use stowage_core::media_type::MediaType;
use stowage_minify::{Language, Order};

use super::{Input, Job, engine::WorkerOrder};
use crate::{http::ApiError, state::Server};

/// Longest text in bytes; a larger one is hardly written by anybody.
const MAX_TEXT: u64 = 16 << 20;

/// Bytes of memory for each byte of a text: its tree, and what is known of each name in it.
const BYTES_OF_BYTE: u64 = 64;

/// Types that scripts go by.
const SCRIPTS: &[&str] =
    &["application/javascript", "application/ecmascript", "application/x-javascript", "text/javascript"];

/// Has a worker make the first source smaller.
pub(super) async fn make(
    server: &Arc<Server>,
    job: &Job,
    order: &Order,
    freshness: Freshness,
) -> Result<Made, ApiError> {
    let input = &job.sources[0];
    if !is_written_in(&order.language, input) {
        let text = format!("Unsupported conversion: the file is no {}", order.language.media_type());
        return Err(ApiError::new(http::StatusCode::BAD_REQUEST, "unsupported_conversion", text));
    }
    let limit = MAX_TEXT.min(server.config.images.max_bytes);
    let source = input.load(server, job.owner, freshness, limit).await?;
    let weight = source.length * BYTES_OF_BYTE;
    let made = server.transformer.engine.run(&WorkerOrder::Script(order.clone()), vec![source], weight).await?;
    Ok(Made { freshness, ..made })
}

/// Whether a source is what the task works on: by its type, or by its name where the type says nothing.
fn is_written_in(language: &Language, input: &Input) -> bool {
    let by_name = MediaType::from_filename(&input.filename());
    let types = [input.media_type(), by_name];
    let mut names = types.iter().flatten().map(MediaType::as_str);
    match language {
        Language::Css { .. } => names.any(|name| name == "text/css"),
        Language::Js(_) => names.any(|name| SCRIPTS.contains(&name)),
    }
}
