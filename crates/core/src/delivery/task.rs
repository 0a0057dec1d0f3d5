//! Tasks: their names, their parameters, and their base64 form (spec 10 §§2.3, 10).

use super::{InvalidPath, value};
use crate::base64_text;
use serde_json::Value as Json;

/// One step: name in lower case, parameters in order.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    /// Canonical lower-case name (`round_corners` reads as `rounded_corners`, …).
    pub name: String,
    /// Parameters, their names in lower case.
    pub params: Vec<(String, Value)>,
}

/// A parameter value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Plain or quoted text, percent-decoded.
    Text(String),
    /// `[a,b]`, possibly nested.
    List(Vec<Value>),
    /// A key without a value.
    Flag,
}

/// Policy and signature carried in the path.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct PathSecurity {
    pub policy: String,
    pub signature: String,
}

/// Spec 10 §10, in its order.
const NAMES: &str = "\
    resize crop rotate flip flop watermark detect_faces crop_faces pixelate_faces blur_faces smart_crop \
    rounded_corners vignette polaroid torn_edges shadow circle border sharpen blur monochrome blackwhite \
    sepia pixelate oil_paint negative modulate partial_pixelate partial_blur collage upscale enhance redeye \
    ascii animate urlscreenshot imagesize quality compress no_metadata auto_image pjpg output pdfinfo \
    pdfconvert pdfcreate doc_to_images slide qr zip minify_css minify_js video_convert video_playlist \
    tags sfw ocr caption copyright image_sentiment text_sentiment doc_detection run_workflow \
    workflow_status preview metadata content cache store security fallback debug";

/// Bytes of the longest name. Handles and API keys are longer, so most paths need no look at the list.
const LONGEST_NAME: usize = 16;

/// Spellings of single clients and what they mean (spec 10 §2.2).
const ALIASES: [(&str, &str); 2] = [("imagesentiment", "image_sentiment"), ("round_corners", "rounded_corners")];

/// Every task name of the engine (spec 10 §10), its other spellings included, without regard to case.
pub fn is_task_name(name: &str) -> bool {
    canonical(name).is_some()
}

fn canonical(name: &str) -> Option<&'static str> {
    if name.len() > LONGEST_NAME {
        return None;
    }
    let alias = ALIASES.into_iter().find(|(alias, _)| alias.eq_ignore_ascii_case(name)).map(|(_, meant)| meant);
    let mut names = NAMES.split_ascii_whitespace();
    let listed = || names.find(|known| known.eq_ignore_ascii_case(name));
    alias.or_else(listed)
}

impl Task {
    /// First value of a parameter, by canonical name or alias, as text. A list with one member stands for that member.
    pub fn text(&self, names: &[&str]) -> Option<&str> {
        let is_named = |given: &str| names.iter().any(|name| name.eq_ignore_ascii_case(given));
        self.params.iter().filter(|(name, _)| is_named(name)).find_map(|(_, value)| value.as_text())
    }

    pub(super) fn named(name: &str) -> Self {
        Self { name: canonical(name).unwrap_or(name).to_owned(), params: Vec::new() }
    }

    /// Reads what stands behind the `=` of a segment.
    pub(super) fn read(name: &str, raw_params: &str) -> Result<Self, InvalidPath> {
        let task = Self::named(name);
        let params =
            if task.name == "security" { value::verbatim_params(raw_params) } else { value::params(raw_params)? };
        Ok(Self { params, ..task })
    }

    /// What a `security` task carries; `None` if it is empty.
    pub(super) fn security(&self) -> Option<PathSecurity> {
        let text = |names: &[&str]| self.text(names).unwrap_or_default().to_owned();
        let carried = PathSecurity { policy: text(&["policy", "p"]), signature: text(&["signature", "s"]) };
        let is_empty = carried.policy.is_empty() && carried.signature.is_empty();
        (!is_empty).then_some(carried)
    }
}

impl Value {
    fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::List(members) => match members.as_slice() {
                [member] => member.as_text(),
                _ => None,
            },
            Self::Flag => None,
        }
    }
}

/// The base64 form: a JSON array of `{"name", "params"}`, also capitalised as Go writes them.
pub(super) fn decode_list(raw: &str) -> Result<Vec<Task>, InvalidPath> {
    let refuse = || InvalidPath("the text behind `b64` is not base64 of a JSON list of tasks".to_owned());
    let json = base64_text::decode(&value::decode(raw)).ok_or_else(refuse)?;
    let list: Vec<serde_json::Map<String, Json>> = serde_json::from_slice(&json).map_err(|_| refuse())?;
    list.iter()
        .map(|object| {
            let member = |wanted: &str| {
                let mut members = object.iter();
                members.find(|(name, _)| name.eq_ignore_ascii_case(wanted))
            };
            let (_, name) = member("name").ok_or_else(refuse)?;
            let name = name.as_str().ok_or_else(refuse)?;
            if !is_task_name(name) {
                return Err(InvalidPath(format!("invalid task `{}`", super::shown(name))));
            }
            let params = member("params").map_or(&Json::Null, |(_, params)| params);
            Ok(Task { params: params_from_json(params).ok_or_else(refuse)?, ..Task::named(name) })
        })
        .collect()
}

fn params_from_json(params: &Json) -> Option<Vec<(String, Value)>> {
    match params {
        Json::Null => Some(Vec::new()),
        // `cache` has `params: false` where the path has `cache=false`.
        Json::Bool(flag) => Some(vec![(flag.to_string(), Value::Flag)]),
        Json::Object(object) => Some(
            object
                .iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(name, value)| (name.to_ascii_lowercase(), value_from_json(value)))
                .collect(),
        ),
        _ => None,
    }
}

fn value_from_json(value: &Json) -> Value {
    match value {
        Json::String(text) => Value::Text(text.clone()),
        Json::Array(members) => Value::List(members.iter().map(value_from_json).collect()),
        // Workflow ids come wrapped: `{"id": "…"}`.
        Json::Object(object) => match object.get("id").and_then(Json::as_str) {
            Some(id) => Value::Text(id.to_owned()),
            None => Value::Text(value.to_string()),
        },
        Json::Null | Json::Bool(_) | Json::Number(_) => Value::Text(value.to_string()),
    }
}
