//! Parameters and their values: plain, quoted, lists (spec 10 §2.2).

use super::{InvalidPath, MAX_LIST_DEPTH, Value, scan, shown};
use percent_encoding::percent_decode_str;

/// Percent-decoded once; what is not UTF-8 becomes U+FFFD.
pub(super) fn decode(raw: &str) -> String {
    percent_decode_str(raw).decode_utf8_lossy().into_owned()
}

/// What stands behind the `=` of a task. Empty parameters are skipped.
pub(super) fn params(raw: &str) -> Result<Vec<(String, Value)>, InvalidPath> {
    scan::split_commas(raw, false)
        .into_iter()
        .map(scan::trim_blank)
        .filter(|param| !param.is_empty())
        .map(|param| match param.split_once(':') {
            Some((name, value)) => Ok((lower(name), read(value, 0)?)),
            None => Ok((lower(param), Value::Flag)),
        })
        .collect()
}

/// The parameters of `security`: base64 and hexadecimal digits, in which a `+` is never a space.
pub(super) fn verbatim_params(raw: &str) -> Vec<(String, Value)> {
    raw.split(',')
        .filter_map(|param| param.split_once(':'))
        .map(|(name, value)| {
            let text = decode(value).trim_matches('"').to_owned();
            (lower(name), Value::Text(text))
        })
        .collect()
}

fn lower(name: &str) -> String {
    decode(name).trim().to_ascii_lowercase()
}

pub(super) fn read(raw: &str, depth: usize) -> Result<Value, InvalidPath> {
    let raw = scan::trim_blank(raw);
    if let Some(quoted) = scan::enclosed(raw, b'"', b'"') {
        return Ok(Value::Text(decode_form(quoted)));
    }
    if let Some(members) = scan::enclosed(raw, b'[', b']') {
        if depth == MAX_LIST_DEPTH {
            return Err(InvalidPath(format!("lists nest at most {MAX_LIST_DEPTH} deep")));
        }
        return scan::split_commas(members, true)
            .into_iter()
            .map(scan::trim_blank)
            .filter(|member| !member.is_empty())
            .map(|member| read(member, depth + 1))
            .collect::<Result<_, _>>()
            .map(Value::List);
    }
    if scan::begins_with(raw, b'"') || scan::begins_with(raw, b'[') {
        return Err(InvalidPath(format!(
            "invalid value `{}`: the quote or bracket does not close at its end",
            shown(raw)
        )));
    }
    Ok(Value::Text(decode_form(raw)))
}

/// A `+` is a space only where everything else is written as forms encode it (PHP); elsewhere it is a plus.
fn decode_form(raw: &str) -> String {
    let is_form = |byte: u8| byte.is_ascii_alphanumeric() || b"*-._+%".contains(&byte);
    if raw.contains('+') && raw.contains('%') && raw.bytes().all(is_form) {
        decode(&raw.replace('+', " "))
    } else {
        decode(raw)
    }
}
