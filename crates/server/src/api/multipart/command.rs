//! The two dialects of the multipart protocol, read into one (spec 03 §§3.1, 3.2).

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use futures_util::stream;
use http::header;
use serde_json::{Map, Value};
use stowage_core::{options::StoreOptions, query::Query};
use stowage_uploads::ListedPart;

use crate::{
    http::{ApiError, RequestBody, context::RequestContext},
    uploads::invalid_params,
};

/// A list of 10,000 parts fits.
const MAX_COMMAND: usize = 2 << 20;

/// Longest alternative text, bytes.
const MAX_ALT: usize = 4096;

/// Most text fields of a form.
const MAX_FIELDS: usize = 200;

/// A request of the protocol, whichever dialect it came in.
pub(super) struct Command {
    fields: Map<String, Value>,
}

impl Command {
    /// Reads the body: `multipart/form-data`, urlencoded, or JSON whatever it is called.
    pub(super) async fn read(context: &RequestContext, mut body: RequestBody) -> Result<Self, ApiError> {
        let content_type = context.header(header::CONTENT_TYPE).unwrap_or_default();
        let text = body
            .read_all(MAX_COMMAND)
            .await?
            .ok_or_else(|| ApiError::invalid_body(format!("the command is larger than {MAX_COMMAND} bytes")))?;
        let media_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let fields = match media_type.as_str() {
            "multipart/form-data" => form(content_type, text).await?,
            "application/x-www-form-urlencoded" => urlencoded(&text)?,
            _ => match serde_json::from_slice(&text) {
                Ok(Value::Object(fields)) => fields,
                _ => return Err(ApiError::invalid_body("the body must be a JSON object or a form")),
            },
        };
        Ok(Self { fields })
    }

    /// A text; numbers count as their digits, empty ones and `null` as absent.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        match self.fields.get(name)? {
            Value::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }

    /// A count, as a JSON number or as digits.
    pub(super) fn number(&self, name: &str) -> Result<Option<u64>, ApiError> {
        let read = |value: &Value| match value {
            Value::Number(number) => number.as_u64(),
            Value::String(text) => text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?,
            _ => None,
        };
        match self.fields.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => match read(value) {
                Some(number) => Ok(Some(number)),
                None => Err(invalid_params(name, "it must be a whole number that is not negative")),
            },
        }
    }

    /// A count that must be there.
    pub(super) fn required(&self, name: &str) -> Result<u64, ApiError> {
        self.number(name)?.ok_or_else(|| invalid_params(name, "it is missing"))
    }

    /// Part number, from 1 on.
    pub(super) fn part(&self) -> Result<u32, ApiError> {
        let number = u32::try_from(self.required("part")?).unwrap_or(u32::MAX);
        if (1..=stowage_uploads::MOST_PARTS).contains(&number) {
            return Ok(number);
        }
        Err(invalid_params("part", format!("it must be from 1 to {}", stowage_uploads::MOST_PARTS)))
    }

    /// Whether chunks of parts are meant: `fii` or its older name `multipart`.
    pub(super) fn is_chunked(&self) -> bool {
        ["fii", "multipart"].iter().any(|name| match self.fields.get(*name) {
            Some(Value::Bool(flag)) => *flag,
            Some(Value::String(text)) => matches!(text.as_str(), "true" | "1"),
            Some(Value::Number(number)) => number.as_u64() == Some(1),
            _ => false,
        })
    }

    /// MD5 of the bytes to come.
    pub(super) fn md5(&self) -> Result<Option<[u8; 16]>, ApiError> {
        let Some(text) = self.text("md5") else { return Ok(None) };
        let digest = STANDARD.decode(text.trim()).ok().and_then(|digest| digest.try_into().ok());
        digest.map(Some).ok_or_else(|| invalid_params("md5", "it must be the base64 of 16 bytes"))
    }

    /// `policy` and `signature` as the fields of a form.
    pub(super) fn credentials(&self) -> Query {
        let pairs = ["policy", "signature"].into_iter().filter_map(|name| Some((name.to_owned(), self.text(name)?)));
        Query::from_pairs(pairs.collect())
    }

    /// Store options: those of `store`, and what stands beside it.
    pub(super) fn options(&self) -> Result<StoreOptions, ApiError> {
        let mut store = match self.fields.get("store") {
            Some(Value::Object(store)) => store.clone(),
            Some(Value::Null) | None => Map::new(),
            Some(_) => return Err(invalid_params("store", "it must be an object")),
        };
        for (name, value) in &self.fields {
            if let Some(option) = name.strip_prefix("store_") {
                store.insert(option.to_owned(), value.clone());
            }
        }
        // Name and type of the file have fields of their own; some clients repeat them here.
        store.remove("filename");
        store.remove("mimetype");
        if let Some(workflows) = self.fields.get("workflows").filter(|value| !value.is_null()) {
            store.entry("workflows").or_insert_with(|| workflows.clone());
        }
        let options = StoreOptions::from_json(&store)
            .map_err(|error| invalid_params(&format!("store:{}", error.parameter), error.reason))?;
        Ok(StoreOptions { tags: self.tags()?, ..options })
    }

    /// `upload_tags`: an object or its JSON text; one client sends a list of names (spec 03 §7).
    pub(super) fn tags(&self) -> Result<BTreeMap<String, String>, ApiError> {
        let value = match self.fields.get("upload_tags") {
            Some(Value::String(text)) if !text.is_empty() => {
                serde_json::from_str(text).map_err(|error| invalid_params("upload_tags", error))?
            }
            Some(value) => value.clone(),
            None => Value::Null,
        };
        let tags = match value {
            Value::Object(tags) => tags,
            Value::Array(names) => {
                let names = names.iter().filter_map(Value::as_str);
                names.map(|name| (name.to_owned(), Value::String(String::new()))).collect()
            }
            Value::Null | Value::String(_) => return Ok(BTreeMap::new()),
            _ => return Err(invalid_params("upload_tags", "it must be an object of texts")),
        };
        let object = Map::from_iter([("tags".to_owned(), Value::Object(tags))]);
        let read = StoreOptions::from_json(&object).map_err(|error| invalid_params("upload_tags", error.reason))?;
        Ok(read.tags)
    }

    /// `alt`: the text for those who cannot see the file.
    pub(super) fn alt(&self) -> Result<Option<String>, ApiError> {
        match self.text("alt") {
            Some(text) if text.len() > MAX_ALT => {
                Err(invalid_params("alt", format!("it may have {MAX_ALT} bytes at most")))
            }
            text => Ok(text),
        }
    }

    /// `parts`: a list of `{part_number, etag}`, the text `1:"etag";2:"etag"`, or a mere number (spec 03 §7).
    pub(super) fn parts(&self) -> Result<Vec<ListedPart>, ApiError> {
        match self.fields.get("parts") {
            Some(Value::Array(parts)) => parts.iter().filter(|part| !part.is_null()).map(listed_part).collect(),
            Some(Value::String(text)) if text.contains(':') => {
                text.split(';').filter(|part| !part.trim().is_empty()).map(written_part).collect()
            }
            _ => Ok(Vec::new()),
        }
    }
}

fn listed_part(value: &Value) -> Result<ListedPart, ApiError> {
    let number = value.get("part_number").and_then(Value::as_u64).and_then(|number| u32::try_from(number).ok());
    let number = number.ok_or_else(|| invalid_params("parts", "each entry needs a `part_number`"))?;
    let etag = value.get("etag").and_then(Value::as_str).filter(|etag| !etag.is_empty());
    Ok(ListedPart { number, etag: etag.map(str::to_owned) })
}

fn written_part(text: &str) -> Result<ListedPart, ApiError> {
    let (number, etag) = text.split_once(':').unwrap_or((text, ""));
    let number = number.trim().parse().map_err(|_| invalid_params("parts", "write `number:\"etag\"`"))?;
    let etag = etag.trim();
    Ok(ListedPart { number, etag: (!matches!(etag, "" | "null" | "undefined")).then(|| etag.to_owned()) })
}

/// All text parts, whatever type they claim (Java's claim to be forms); files are empty and mean nothing.
async fn form(content_type: &str, body: bytes::Bytes) -> Result<Map<String, Value>, ApiError> {
    let boundary = multer::parse_boundary(content_type)
        .map_err(|_| ApiError::invalid_body("the form's Content-Type has no usable boundary"))?;
    let body = stream::once(async { Ok::<_, std::io::Error>(body) });
    let mut form = multer::Multipart::new(body, boundary);
    let mut fields = Map::new();
    let unreadable = |error: multer::Error| ApiError::invalid_body(format!("the form cannot be read: {error}"));
    while let Some(field) = form.next_field().await.map_err(unreadable)? {
        let Some(name) = field.name().map(str::to_owned).filter(|_| field.file_name().is_none()) else { continue };
        if fields.len() == MAX_FIELDS {
            return Err(ApiError::invalid_body(format!("the form has more than {MAX_FIELDS} fields")));
        }
        let text = field.bytes().await.map_err(unreadable)?;
        let text = String::from_utf8(text.to_vec()).map_err(|_| invalid_params(&name, "it is not UTF-8 text"))?;
        fields.entry(name).or_insert(Value::String(text));
    }
    Ok(fields)
}

fn urlencoded(body: &[u8]) -> Result<Map<String, Value>, ApiError> {
    let text = std::str::from_utf8(body).map_err(|_| ApiError::invalid_body("the form is not UTF-8 text"))?;
    let query = Query::parse(text, MAX_FIELDS).map_err(|error| ApiError::invalid_body(error.to_string()))?;
    Ok(query.pairs().iter().map(|(name, value)| (name.clone(), Value::String(value.clone()))).collect())
}
