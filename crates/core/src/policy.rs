//! Signed policies (spec 04 §§2–4, §9 vectors; threats I1–I4).

mod document;
mod pattern;

use crate::handle::{AppSecret, Handle};
use base64::{Engine, engine::general_purpose::URL_SAFE};
use document::Document;
use hmac::{Hmac, KeyInit, Mac};
use pattern::Pattern;
use sha2::Sha256;
use std::collections::BTreeSet;

/// Longest policy text verified, bytes.
pub const MAX_POLICY_BYTES: usize = 16 * 1024;

/// A call that a policy can allow (spec 04 §4). `revoke` reads as `Remove`, `write_url` as `WriteUrl`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names are the wire's")]
pub enum Call {
    Pick,
    Read,
    Stat,
    Write,
    WriteUrl,
    Store,
    Convert,
    Remove,
    Exif,
    RunWorkflow,
}

impl Call {
    const ALL: [Self; 10] = [
        Self::Pick,
        Self::Read,
        Self::Stat,
        Self::Write,
        Self::WriteUrl,
        Self::Store,
        Self::Convert,
        Self::Remove,
        Self::Exif,
        Self::RunWorkflow,
    ];
    /// Wire name, e.g. `writeUrl`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pick => "pick",
            Self::Read => "read",
            Self::Stat => "stat",
            Self::Write => "write",
            Self::WriteUrl => "writeUrl",
            Self::Store => "store",
            Self::Convert => "convert",
            Self::Remove => "remove",
            Self::Exif => "exif",
            Self::RunWorkflow => "runWorkflow",
        }
    }
    /// Reads a wire name, aliases included.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "revoke" => Some(Self::Remove),
            "write_url" => Some(Self::WriteUrl),
            _ => Self::ALL.into_iter().find(|call| call.as_str() == text),
        }
    }
}

/// How the regular expressions of a policy are anchored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PatternAnchoring {
    /// `handle` and `container` whole; `path` and `url` at the start only, as the vendor's documentation samples expect.
    #[default]
    Compatible,
    /// All four whole.
    Strict,
}

/// A policy whose signature was right and which had not expired.
#[derive(Clone, Debug)]
pub struct Policy {
    /// `None`: every call but `exif`.
    calls: Option<BTreeSet<Call>>,
    handle: Option<HandleRule>,
    path: Option<Pattern>,
    container: Option<Pattern>,
    url: Option<Pattern>,
    max_size: Option<u64>,
    min_size: Option<u64>,
}

/// The key `handle`: the text itself, or what its text matches as a regular expression.
#[derive(Clone, Debug)]
struct HandleRule {
    text: String,
    pattern: Pattern,
}

/// Why a policy does not allow something; all answer 403. `Display` is safe to show: it keeps the vendor's phrases
/// ("policy error", "proper credentials were not provided", "signature has expired") and never the expected signature.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum PolicyError {
    /// No policy, or a policy without signature (or the reverse).
    #[error("policy error: proper credentials were not provided")]
    Missing,
    /// HMAC does not fit.
    #[error("policy error: the signature does not fit the policy")]
    BadSignature,
    /// Signature right, text not base64 of a JSON object, or a key has the wrong type / a bad regular expression. Names the key.
    #[error("policy error: {0}")]
    Malformed(String),
    /// Past `expiry`.
    #[error("policy error: the signature has expired")]
    Expired,
    /// `call` does not list it.
    #[error("policy error: the policy does not allow the call `{0}`")]
    CallNotAllowed(&'static str),
    /// `handle`, `path`, `container` or `url` does not match. Names the key.
    #[error("policy error: invalid security policy {0}")]
    Mismatch(&'static str),
}

impl Policy {
    /// Verifies over the exact text received (retrying with spaces read as `+`), constant-time, upper-case hex accepted; policy text capped at 16 KiB.
    /// `now` is unix seconds (fraction allowed). Checks expiry (`now >= expiry` is expired; numeric strings accepted; `expiry` is required).
    pub fn verify(
        secret: &AppSecret,
        policy: &str,
        signature: &str,
        now: f64,
        anchoring: PatternAnchoring,
    ) -> Result<Self, PolicyError> {
        if policy.is_empty() || signature.is_empty() {
            return Err(PolicyError::Missing);
        }
        if policy.len() > MAX_POLICY_BYTES {
            return Err(PolicyError::Malformed(format!("a policy has at most {MAX_POLICY_BYTES} bytes")));
        }
        let document = if is_signed(secret, policy, signature) {
            Document::decode(policy)?
        } else {
            // An unescaped `+` of the standard base64 alphabet arrives as a space.
            let restored = policy.replace(' ', "+");
            if restored == policy || !is_signed(secret, &restored, signature) {
                return Err(PolicyError::BadSignature);
            }
            Document::decode(&restored)?
        };
        let expiry = document
            .number("expiry")?
            .ok_or_else(|| PolicyError::Malformed("the key `expiry` is missing".to_owned()))?;
        // A clock that does not compare (NaN) counts as past the expiry.
        if now.partial_cmp(&expiry) != Some(std::cmp::Ordering::Less) {
            return Err(PolicyError::Expired);
        }
        Self::from_document(&document, anchoring)
    }

    fn from_document(document: &Document, anchoring: PatternAnchoring) -> Result<Self, PolicyError> {
        let pattern = |key: &'static str, whole: bool| {
            let text = document.text(key)?;
            text.map(|text| Pattern::compile(key, text, whole)).transpose()
        };
        let strict = anchoring == PatternAnchoring::Strict;
        let handle = match document.text("handle")? {
            Some(text) => Some(HandleRule { text: text.to_owned(), pattern: Pattern::compile("handle", text, true)? }),
            None => None,
        };
        Ok(Self {
            calls: document.calls()?,
            handle,
            path: pattern("path", strict)?,
            container: pattern("container", true)?,
            url: pattern("url", strict)?,
            max_size: document.size(["maxSize", "max_size"])?,
            min_size: document.size(["minSize", "min_size"])?,
        })
    }

    /// Whether the policy lists the call (absent list: all but `exif`).
    pub fn allow(&self, call: Call) -> Result<(), PolicyError> {
        let listed = match &self.calls {
            Some(calls) => calls.contains(&call),
            None => call != Call::Exif,
        };
        if listed { Ok(()) } else { Err(PolicyError::CallNotAllowed(call.as_str())) }
    }
    /// Passes if any of the calls is listed; the error names the first. No calls at all never pass.
    pub fn allow_any(&self, calls: &[Call]) -> Result<(), PolicyError> {
        let mut refusal = PolicyError::CallNotAllowed("none");
        for call in calls.iter().rev() {
            match self.allow(*call) {
                Ok(()) => return Ok(()),
                Err(error) => refusal = error,
            }
        }
        Err(refusal)
    }
    /// Policy bound to a handle: only that file.
    pub fn check_handle(&self, handle: &Handle) -> Result<(), PolicyError> {
        let handle = handle.as_str();
        fits("handle", self.handle.as_ref(), |rule| rule.text == handle || rule.pattern.matches(handle))
    }
    /// A policy bound to a handle cannot create files.
    pub fn check_may_create(&self) -> Result<(), PolicyError> {
        fits("handle", self.handle.as_ref(), |_| false)
    }
    /// `path` against the requested path with and without leading `/`; `None` tests `/`.
    pub fn check_path(&self, path: Option<&str>) -> Result<(), PolicyError> {
        let path = path.unwrap_or_default();
        let relative = path.strip_prefix('/').unwrap_or(path);
        fits("path", self.path.as_ref(), |pattern| {
            pattern.matches(&format!("/{relative}")) || (!relative.is_empty() && pattern.matches(relative))
        })
    }
    /// `container` against the container that will be used.
    pub fn check_container(&self, container: &str) -> Result<(), PolicyError> {
        fits("container", self.container.as_ref(), |pattern| pattern.matches(container))
    }
    /// `url` against a source URL.
    pub fn check_url(&self, url: &str) -> Result<(), PolicyError> {
        fits("url", self.url.as_ref(), |pattern| pattern.matches(url))
    }
    /// `maxSize` (or `max_size`), bytes.
    pub fn max_size(&self) -> Option<u64> {
        self.max_size
    }
    /// `minSize` (or `min_size`), bytes.
    pub fn min_size(&self) -> Option<u64> {
        self.min_size
    }
}

/// An absent key checks nothing (spec 04 §3).
fn fits<T>(key: &'static str, rule: Option<&T>, test: impl FnOnce(&T) -> bool) -> Result<(), PolicyError> {
    match rule {
        Some(rule) if !test(rule) => Err(PolicyError::Mismatch(key)),
        _ => Ok(()),
    }
}

/// A policy as it travels.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct SignedPolicy {
    /// URL-safe base64 with padding of the JSON.
    pub policy: String,
    /// Lower-case hex HMAC-SHA256 of `policy`.
    pub signature: String,
}

/// Signs the JSON text of a policy as it is.
pub fn sign(secret: &AppSecret, json: &str) -> SignedPolicy {
    let policy = URL_SAFE.encode(json);
    let signature = signature_of(secret, &policy);
    SignedPolicy { policy, signature }
}

/// Signs an already encoded policy text.
pub fn signature_of(secret: &AppSecret, policy: &str) -> String {
    hex::encode(authentication_code(secret, policy).finalize().into_bytes())
}

fn authentication_code(secret: &AppSecret, policy: &str) -> Hmac<Sha256> {
    let mut code = Hmac::new_from_slice(secret.expose().as_bytes()).expect("HMAC takes keys of every length");
    code.update(policy.as_bytes());
    code
}

fn is_signed(secret: &AppSecret, policy: &str, signature: &str) -> bool {
    let Ok(signature) = hex::decode(signature) else {
        return false;
    };
    // Constant-time comparison of the whole code; truncated ones do not verify.
    authentication_code(secret, policy).verify_slice(&signature).is_ok()
}

#[cfg(test)]
mod tests;
