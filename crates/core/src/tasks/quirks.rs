//! Spellings of single clients that are more than another name (spec 10 §§2.2, 6.7, 11 §1.3, 12 §10).

use super::{is_empty, value::text};
use crate::delivery::Value;
use std::borrow::Cow;

type Params = [(String, Value)];

/// The parameters as the table has them.
pub(super) fn params<'a>(task: &str, written: &'a Params) -> Cow<'a, Params> {
    let rewritten = match task {
        "crop" => crop_by_sides(written),
        "rotate" if !written.iter().any(|(name, value)| is_rotation(name) && !is_empty(value)) => {
            Some(turned_upright(written))
        }
        "metadata" => Some(metadata_names(written)),
        "minify_js" => {
            Some(written.iter().filter(|(name, value)| name != "targets" || !is_boolean(value)).cloned().collect())
        }
        _ => None,
    };
    rewritten.map_or(Cow::Borrowed(written), Cow::Owned)
}

fn named(name: &str, value: Value) -> (String, Value) {
    (name.to_owned(), value)
}

fn is_rotation(name: &str) -> bool {
    matches!(name, "deg" | "d" | "exif" | "e")
}

/// A `rotate` that does not say how turns the picture upright.
fn turned_upright(written: &Params) -> Vec<(String, Value)> {
    let mut params = written.to_vec();
    params.push(named("deg", text("exif")));
    params
}

/// Go writes the four numbers of `dim` as parameters of their own.
fn crop_by_sides(written: &Params) -> Option<Vec<(String, Value)>> {
    const SIDES: [&str; 4] = ["x", "y", "width", "height"];
    if !written.iter().any(|(name, _)| SIDES.contains(&name.as_str())) {
        return None;
    }
    let side = |side: &str| {
        written.iter().find(|(name, _)| name == side).map_or_else(|| text("0"), |(_, value)| value.clone())
    };
    let others = written.iter().filter(|(name, _)| !SIDES.contains(&name.as_str()));
    let mut params: Vec<_> = others.cloned().collect();
    params.push(named("dim", Value::List(SIDES.map(side).to_vec())));
    Some(params)
}

/// `metadata`, `metadata=[a,b]` and `metadata=params:[a,b]`: a list without a name in front of it arrives as the name.
fn metadata_names(written: &Params) -> Vec<(String, Value)> {
    let mut names = Vec::new();
    for (name, value) in written {
        match value {
            Value::List(members) => names.extend(members.iter().cloned()),
            Value::Text(_) if name == "params" => names.push(value.clone()),
            Value::Text(_) | Value::Flag => names.extend(name.trim_matches(['[', ']']).split(',').map(text)),
        }
    }
    vec![named("params", Value::List(names))]
}

/// Go sends `targets` as a boolean by mistake.
fn is_boolean(value: &Value) -> bool {
    match value {
        Value::Text(text) => matches!(text.as_str(), "true" | "false"),
        Value::List(members) => matches!(members.as_slice(), [member] if is_boolean(member)),
        Value::Flag => false,
    }
}
