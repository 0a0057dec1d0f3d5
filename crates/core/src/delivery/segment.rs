//! One segment of the path: where it ends, and whether it is a task (spec 10 §2.2, 02 §3.1).

use super::{InvalidPath, Task, is_task_name, scan, shown, source, value};

/// What stands between two separating slashes.
pub(super) enum Segment {
    /// A task with its parameters.
    Task(Task),
    /// `b64`: the next segment holds tasks as JSON.
    EncodedTasks,
    /// API key, source, or nonsense.
    Other,
}

impl Segment {
    pub(super) fn classify(raw: &str) -> Result<Self, InvalidPath> {
        // Some HTTP libraries encode the structure as well (spec 10 §2.2, step 5).
        let whole_encoded = !raw.contains('=') && has_encoded_equals(raw);
        let decoded = whole_encoded.then(|| value::decode(raw));
        let raw = decoded.as_deref().unwrap_or(raw);
        let (name, params) = raw.split_once('=').unwrap_or((raw, ""));
        if is_task_name(name) {
            return Task::read(name, params).map(Self::Task);
        }
        // PHP glues a query to the handle with `&`: the equals sign behind that is none of a task.
        if name.len() < raw.len() && !name.contains('&') {
            return Err(InvalidPath(format!("invalid task `{}`", shown(name))));
        }
        if raw == "b64" { Ok(Self::EncodedTasks) } else { Ok(Self::Other) }
    }
}

/// Cuts the first segment off: the segment and what follows its slash.
pub(super) fn cut(raw: &str) -> (&str, &str) {
    let is_task = starts_with_task(raw);
    let joins = may_hold_slashes(raw);
    let policy = signed_policy_length(raw);
    for mark in scan::marks(&raw[policy..]).filter(|mark| mark.separates(b'/')) {
        let behind = &raw[policy + mark.end..];
        let ends = if mark.encoded {
            // Java sends all its tasks as one encoded segment; elsewhere an encoded slash is data.
            is_task && starts_with_task(behind)
        } else {
            !joins || begins_new_segment(behind)
        };
        if ends {
            return (&raw[..policy + mark.start], behind);
        }
    }
    (raw, "")
}

/// Swift leaves the slashes of these values bare, and so does a policy of the standard base64 alphabet behind its signature.
fn may_hold_slashes(raw: &str) -> bool {
    ["store=", "video_convert=", "security=s:", "security=signature:"]
        .into_iter()
        .any(|start| strip_prefix(raw, start).is_some())
}

/// The rule of spec 10 §11 for text behind a slash that might belong to the segment before.
fn begins_new_segment(behind: &str) -> bool {
    let Some((piece, _)) = behind.split_once('/') else {
        return true;
    };
    starts_with_task(behind) || source::starts(behind) || source::is_handle(piece) || piece == "b64"
}

/// How far `security=policy:…` reaches when its signature follows: slashes up to there are base64 (spec 02 §3.1).
fn signed_policy_length(raw: &str) -> usize {
    let policy = strip_prefix(raw, "security=policy:").or_else(|| strip_prefix(raw, "security=p:"));
    let Some(policy) = policy else { return 0 };
    let is_policy = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=-_%".contains(&byte);
    let end = policy.bytes().position(|byte| !is_policy(byte));
    let signature = &policy[end.unwrap_or(policy.len())..];
    let is_signed = [",signature:", ",s:"].into_iter().any(|start| strip_prefix(signature, start).is_some());
    if is_signed { raw.len() - signature.len() } else { 0 }
}

/// Whether the text begins with a task name, with or without parameters.
fn starts_with_task(raw: &str) -> bool {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let end = raw.bytes().position(|byte| !is_name(byte));
    let (name, behind) = raw.split_at(end.unwrap_or(raw.len()));
    let ends_name =
        behind.is_empty() || ["=", "/", "%3D", "%2F"].into_iter().any(|mark| strip_prefix(behind, mark).is_some());
    ends_name && is_task_name(name)
}

fn has_encoded_equals(raw: &str) -> bool {
    raw.contains("%3D") || raw.contains("%3d")
}

/// Without regard to case.
fn strip_prefix<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}
