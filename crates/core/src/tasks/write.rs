//! Tasks as text again: parameters in the order of the table, each value in its shortest safe spelling.

use super::Task;
use crate::delivery::Value;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value as Json, json};

/// What stands inside quotes as it is. A plus and a question mark would be read as something else.
const QUOTED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/').remove(b':');

impl Task {
    /// `name=key:value,…` or `name`; as `b64/…` if a text has a quotation mark, which the plain form cannot carry.
    pub fn canonical(&self) -> String {
        let params: Vec<(&str, Value)> = self.parameters().collect();
        if params.iter().any(|(_, value)| has_quote(value)) {
            return self.encoded(params);
        }
        let params: Vec<String> = params.into_iter().map(|(name, value)| plain(name, &value)).collect();
        match params.as_slice() {
            [] => self.name().to_owned(),
            params => format!("{}={}", self.name(), params.join(",")),
        }
    }

    fn encoded(&self, params: Vec<(&str, Value)>) -> String {
        let params: Map<String, Json> =
            params.into_iter().map(|(name, value)| (name.to_owned(), as_json(&value))).collect();
        let list = json!([{ "name": self.name(), "params": params }]);
        format!("b64/{}", URL_SAFE_NO_PAD.encode(list.to_string()))
    }
}

fn has_quote(value: &Value) -> bool {
    match value {
        Value::Text(text) => text.contains('"'),
        Value::List(members) => members.iter().any(has_quote),
        Value::Flag => false,
    }
}

fn plain(name: &str, value: &Value) -> String {
    match value {
        Value::Flag => name.to_owned(),
        value => format!("{name}:{}", spelled(value)),
    }
}

fn spelled(value: &Value) -> String {
    match value {
        Value::Text(text) if is_plain(text) => text.clone(),
        Value::Text(text) => format!("\"{}\"", utf8_percent_encode(text, QUOTED)),
        Value::List(members) => format!("[{}]", members.iter().map(spelled).collect::<Vec<_>>().join(",")),
        Value::Flag => "true".to_owned(),
    }
}

fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
}

fn as_json(value: &Value) -> Json {
    match value {
        Value::Text(text) => Json::from(text.as_str()),
        Value::List(members) => members.iter().map(as_json).collect(),
        Value::Flag => Json::Bool(true),
    }
}
