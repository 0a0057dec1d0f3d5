//! What stands behind the tasks (spec 02 §3.4, 10 §§2.4, 3).

use super::{InvalidPath, MAX_LIST_DEPTH, Source, scan, shown, value};
use crate::{base64_text, handle::Handle, storage_path::StoragePath};
use percent_encoding::percent_decode;
use url::Url;

/// A source and what came with it.
pub(super) struct ReadSource {
    pub(super) source: Source,
    /// `/metadata` stood behind the handle.
    pub(super) metadata: bool,
    /// The part of the query that belongs to the request.
    pub(super) query: String,
}

/// Whether percent signs of a text are encoding or its own.
#[derive(Clone, Copy, PartialEq)]
enum Form {
    /// Straight from the path.
    Encoded,
    /// Out of base64.
    Plain,
}

impl Form {
    fn decode(self, text: &str) -> String {
        match self {
            Self::Encoded => value::decode(text),
            Self::Plain => text.to_owned(),
        }
    }
}

#[derive(Clone, Copy)]
enum Scheme {
    Http,
    Alias,
    Workflow,
    Base64,
}

/// Reads the scheme even if its colon is encoded.
fn scheme(raw: &str) -> Option<Scheme> {
    const LONGEST_ENCODED: usize = "https:".len() * 3;
    let head = &raw.as_bytes()[..raw.len().min(LONGEST_ENCODED)];
    if !head.iter().any(|byte| b":%".contains(byte)) {
        return None;
    }
    let head: Vec<u8> = percent_decode(head).collect();
    let name = head.split(|byte| *byte == b':').next()?;
    if name.len() == head.len() {
        return None;
    }
    match name.to_ascii_lowercase().as_slice() {
        b"http" | b"https" => Some(Scheme::Http),
        b"src" => Some(Scheme::Alias),
        b"wf" => Some(Scheme::Workflow),
        b"b64" => Some(Scheme::Base64),
        _ => None,
    }
}

fn is_group(raw: &str) -> bool {
    scan::begins_with(raw, b'"') || scan::begins_with(raw, b'[')
}

/// Whether the text begins like a source other than a handle (spec 10 §2.2, step 3).
pub(super) fn starts(raw: &str) -> bool {
    is_group(raw) || scheme(raw).is_some()
}

/// Whether one segment is a handle, with or without `+ext`.
pub(super) fn is_handle(segment: &str) -> bool {
    handle(segment).is_some()
}

fn handle(text: &str) -> Option<Handle> {
    let name = text.split_once('+').map_or(text, |(name, _)| name);
    Handle::parse(name).ok()
}

/// Reads everything behind the tasks together with the request's query.
pub(super) fn read(raw: &str, query: &str) -> Result<ReadSource, InvalidPath> {
    if raw.is_empty() {
        return Ok(with_query(Source::None, query));
    }
    if is_group(raw) {
        return read_group(raw, query);
    }
    match scheme(raw) {
        None => read_handle(raw, query),
        Some(Scheme::Http) if is_verbatim_url(raw) => read_raw_url(raw, query),
        Some(_) => Ok(with_query(read_single(raw, Form::Encoded, 0)?, query)),
    }
}

/// Reads a source that is the value of a parameter.
pub(super) fn read_value(text: &str) -> Result<Source, InvalidPath> {
    read_single(text, Form::Plain, 0)
}

fn with_query(source: Source, query: &str) -> ReadSource {
    ReadSource { source, metadata: false, query: query.to_owned() }
}

/// A quotation or list; when it stays open in the path, the query up to its end belongs to it.
fn read_group(raw: &str, query: &str) -> Result<ReadSource, InvalidPath> {
    let borrowed = format!("{raw}?{query}");
    let in_path = scan::group_length(raw);
    let in_query = || scan::group_length(&borrowed);
    let Some(length) = in_path.or_else(in_query) else {
        return Err(invalid(raw));
    };
    let source = read_single(&borrowed[..length], Form::Encoded, 0)?;
    if in_path.is_none() {
        let request = borrowed[length..].trim_start_matches(['&', '?']);
        return Ok(with_query(source, request));
    }
    if raw[length..].trim_matches('/').is_empty() { Ok(with_query(source, query)) } else { Err(invalid(raw)) }
}

/// `H`, `H+ext`, either followed by `/metadata`; `&force=true` of PHP is a query without its question mark.
fn read_handle(raw: &str, query: &str) -> Result<ReadSource, InvalidPath> {
    let (raw, glued) = raw.split_once('&').unwrap_or((raw, ""));
    let query = [glued, query].map(str::to_owned);
    let query = query.into_iter().filter(|part| !part.is_empty());
    let text = value::decode(raw.trim_end_matches('/'));
    let (name, metadata) = match text.strip_suffix("/metadata") {
        Some(name) => (name.trim_end_matches('/'), true),
        None => (text.as_str(), false),
    };
    if name.contains('/') {
        return Err(invalid(raw));
    }
    Ok(ReadSource {
        source: Source::Handle(handle(name).ok_or_else(|| invalid(raw))?),
        metadata,
        query: query.collect::<Vec<_>>().join("&"),
    })
}

/// A URL written as it is takes the query along, but for the policy and signature meant for this server (spec 02 §3.4).
fn read_raw_url(raw: &str, query: &str) -> Result<ReadSource, InvalidPath> {
    let alone = read_url(raw)?;
    if query.is_empty() || matches!(alone, Source::Handle(_)) {
        return Ok(with_query(alone, query));
    }
    let (of_request, of_source): (Vec<&str>, Vec<&str>) = query.split('&').partition(|pair| is_credential(pair));
    // One without the other is no credential of ours; the origin may well have a parameter of that name.
    if of_request.len() < 2 {
        return Ok(with_query(read_url(&format!("{raw}?{query}"))?, ""));
    }
    let of_source = of_source.join("&");
    let text = match of_source.trim_matches('&') {
        "" => raw.to_owned(),
        own => format!("{raw}?{own}"),
    };
    Ok(with_query(read_url(&text)?, &of_request.join("&")))
}

fn is_credential(pair: &str) -> bool {
    pair.starts_with("policy=") || pair.starts_with("signature=")
}

/// One source without anything around it: list, quotation, or one of the schemes.
fn read_single(raw: &str, form: Form, depth: usize) -> Result<Source, InvalidPath> {
    if depth > MAX_LIST_DEPTH {
        return Err(InvalidPath(format!("sources nest at most {MAX_LIST_DEPTH} deep")));
    }
    let raw = scan::trim_blank(raw);
    if let Some(members) = scan::enclosed(raw, b'[', b']') {
        let members = scan::split_commas(members, true).into_iter();
        let members = members
            .map(scan::trim_blank)
            .filter(|member| !member.is_empty())
            .map(|member| read_single(member, form, depth + 1))
            .collect::<Result<Vec<_>, _>>()?;
        if members.is_empty() {
            return Err(InvalidPath("the list of sources is empty".to_owned()));
        }
        return Ok(Source::List(members));
    }
    if let Some(quoted) = scan::enclosed(raw, b'"', b'"') {
        return read_single(quoted, form, depth + 1);
    }
    match scheme(raw) {
        Some(Scheme::Http) if form == Form::Plain || is_verbatim_url(raw) => read_url(raw),
        Some(Scheme::Http) => read_url(&form.decode(raw)),
        Some(Scheme::Alias) => read_alias(&form.decode(raw)),
        Some(Scheme::Workflow) => read_workflow(&form.decode(raw)),
        Some(Scheme::Base64) if form == Form::Encoded => read_base64(&form.decode(raw), depth),
        Some(Scheme::Base64) => Err(InvalidPath("a base64 source holds another".to_owned())),
        None => handle(&form.decode(raw)).map(Source::Handle).ok_or_else(|| invalid(raw)),
    }
}

/// A URL with a plain `:/` was not encoded as a whole: its percent signs are its own.
fn is_verbatim_url(raw: &str) -> bool {
    let behind = raw.split_once(':').map(|(_, behind)| behind);
    behind.is_some_and(|behind| behind.starts_with('/'))
}

fn read_url(text: &str) -> Result<Source, InvalidPath> {
    if text.contains(char::is_control) {
        return Err(invalid(text));
    }
    let (scheme, behind) = text.split_once(':').ok_or_else(|| invalid(text))?;
    // Proxies collapse the two slashes into one.
    let behind = behind.trim_start_matches('/');
    let text = format!("{}://{behind}", scheme.to_ascii_lowercase());
    Url::parse(&text).map_err(|_| invalid(&text))?;
    Ok(match delivered_handle(&text) {
        Some(handle) => Source::Handle(handle),
        None => Source::Url(text),
    })
}

/// The handle in a full delivery URL of the vendor (spec 02 §3.4).
fn delivered_handle(url: &str) -> Option<Handle> {
    if !url.contains("filestackcontent") {
        return None;
    }
    let path = url.split(['?', '#']).next()?;
    handle(path.trim_end_matches('/').rsplit('/').next()?)
}

fn behind_scheme(text: &str) -> &str {
    let behind = text.split_once(':').map_or(text, |(_, behind)| behind);
    behind.trim_start_matches('/')
}

fn read_alias(text: &str) -> Result<Source, InvalidPath> {
    let place = behind_scheme(text);
    // An alias and the path in it obey the rules of storage paths: no way up and out.
    match StoragePath::parse(place) {
        Ok(Some(path)) => Ok(Source::Alias(format!("src://{}", path.as_str()))),
        _ => Err(invalid(text)),
    }
}

fn read_workflow(text: &str) -> Result<Source, InvalidPath> {
    let result = behind_scheme(text);
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_-/".contains(&byte);
    if !result.is_empty() && result.bytes().all(fits) {
        Ok(Source::Workflow(format!("wf://{result}")))
    } else {
        Err(invalid(text))
    }
}

fn read_base64(text: &str, depth: usize) -> Result<Source, InvalidPath> {
    let decoded = base64_text::decode(behind_scheme(text));
    let decoded = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
    let decoded = decoded.ok_or_else(|| invalid(text))?;
    read_single(&decoded, Form::Plain, depth + 1)
}

fn invalid(source: &str) -> InvalidPath {
    InvalidPath(format!("invalid source `{}`: use a file handle, an http(s) URL or `src://alias/path`", shown(source)))
}
