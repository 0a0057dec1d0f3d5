//! Tasks: their names, their parameters, and their base64 form (spec 10 §§2.3, 10).

use super::{InvalidPath, value};
use crate::{base64_text, tasks};
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

/// Every task name of the engine (spec 10 §10), its other spellings included, without regard to case.
pub fn is_task_name(name: &str) -> bool {
    canonical(name).is_some()
}

fn canonical(name: &str) -> Option<&'static str> {
    tasks::find(name).map(|definition| definition.name)
}

impl Task {
    /// First value of a parameter, by canonical name or alias, as text. A list with one member stands for that member.
    pub fn text(&self, names: &[&str]) -> Option<&str> {
        let is_named = |given: &str| names.iter().any(|name| name.eq_ignore_ascii_case(given));
        self.params.iter().filter(|(name, _)| is_named(name)).find_map(|(_, value)| value.as_text())
    }

    /// Reads `{"name": …, "params": …}`, also capitalised as Go writes it (spec 10 §2.3).
    ///
    /// # Errors
    /// JSON of another shape, and names that no task has.
    pub fn from_json(task: &Json) -> Result<Self, InvalidPath> {
        let refuse = || InvalidPath("a task of a list is {\"name\": text, \"params\": object}".to_owned());
        let object = task.as_object().ok_or_else(refuse)?;
        let member =
            |wanted: &str| object.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value);
        let name = member("name").and_then(Json::as_str).ok_or_else(refuse)?;
        if !is_task_name(name) {
            return Err(InvalidPath(format!("invalid task `{}`", super::shown(name))));
        }
        let params = params_from_json(member("params").unwrap_or(&Json::Null)).ok_or_else(refuse)?;
        Ok(Self { params, ..Self::named(name) })
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

/// The base64 form: a JSON array of tasks.
pub(super) fn decode_list(raw: &str) -> Result<Vec<Task>, InvalidPath> {
    let refuse = || InvalidPath("the text behind `b64` is not base64 of a JSON list of tasks".to_owned());
    let json = base64_text::decode(&value::decode(raw)).ok_or_else(refuse)?;
    let list: Vec<Json> = serde_json::from_slice(&json).map_err(|_| refuse())?;
    list.iter().map(Task::from_json).collect()
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
