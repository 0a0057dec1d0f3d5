//! The JSON object inside a policy: base64, keys and their types (spec 04 §§2–3).

use super::{Call, PolicyError};
use crate::base64_text;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// A JSON object in which no key stands twice.
pub(super) struct Document(BTreeMap<String, Value>);

impl Document {
    /// Reads either base64 alphabet; the signature fits the text as sent, so missing padding is no ambiguity.
    pub(super) fn decode(policy: &str) -> Result<Self, PolicyError> {
        let json =
            base64_text::decode(policy).ok_or_else(|| malformed("policy was not properly url-safe base64 encoded"))?;
        serde_json::from_slice(&json)
            .map_err(|_| malformed("the policy is not a JSON object in which every key stands once"))
    }

    pub(super) fn text(&self, key: &str) -> Result<Option<&str>, PolicyError> {
        match self.0.get(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(wrong_type(key, "a string")),
        }
    }

    /// A finite number, or text that reads as one.
    pub(super) fn number(&self, key: &str) -> Result<Option<f64>, PolicyError> {
        let number = match self.0.get(key) {
            None => return Ok(None),
            Some(Value::Number(number)) => number.as_f64(),
            Some(Value::String(text)) => text.parse().ok(),
            Some(_) => None,
        };
        match number.filter(|number| number.is_finite()) {
            Some(number) => Ok(Some(number)),
            None => Err(wrong_type(key, "a number")),
        }
    }

    /// A number of bytes under the first of the spellings that is there; fractions are cut.
    pub(super) fn size(&self, keys: [&str; 2]) -> Result<Option<u64>, PolicyError> {
        for key in keys {
            match self.number(key)? {
                None => {}
                Some(size) if size < 0.0 => return Err(wrong_type(key, "not negative")),
                Some(size) => return Ok(Some(size as u64)),
            }
        }
        Ok(None)
    }

    /// The key `call`: a list or one string. Names this server does not know allow nothing.
    pub(super) fn calls(&self) -> Result<Option<BTreeSet<Call>>, PolicyError> {
        let wrong = || wrong_type("call", "a string or a list of strings");
        match self.0.get("call") {
            None => Ok(None),
            Some(Value::String(name)) => Ok(Some(Call::parse(name).into_iter().collect())),
            Some(Value::Array(names)) => {
                let mut calls = BTreeSet::new();
                for name in names {
                    calls.extend(Call::parse(name.as_str().ok_or_else(wrong)?));
                }
                Ok(Some(calls))
            }
            Some(_) => Err(wrong()),
        }
    }
}

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(UniqueKeys)
    }
}

/// Refuses what parsers disagree about: which of two equal keys counts (threat I1).
struct UniqueKeys;

impl<'de> Visitor<'de> for UniqueKeys {
    type Value = Document;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Document, A::Error> {
        let mut entries = BTreeMap::new();
        while let Some((key, value)) = access.next_entry()? {
            if entries.insert(key, value).is_some() {
                return Err(A::Error::custom("a key stands twice"));
            }
        }
        Ok(Document(entries))
    }
}

fn malformed(message: &str) -> PolicyError {
    PolicyError::Malformed(message.to_owned())
}

fn wrong_type(key: &str, wanted: &str) -> PolicyError {
    PolicyError::Malformed(format!("the key `{key}` must be {wanted}"))
}
