//! What is kept: names of entries, and entries.

use std::{
    fmt,
    fs::File,
    io,
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::draft::Draft;

/// Whose entry it is; what one owner may take of the cache is limited when others need it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Owner(pub i64);

/// What was asked for: a cryptographic hash (SHA-256) of its canonical text, made by the caller. The beginning of it decides where the
/// entry lies on disk, so it has to be evenly distributed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(pub [u8; 32]);

impl fmt::Debug for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Key({})", hex::encode(self.0))
    }
}

/// The whole name of an entry. Owners never share entries, so no owner learns from the cache what another has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id {
    /// Whose it is.
    pub owner: Owner,
    /// What it is.
    pub key: Key,
}

/// Something that entries depend on; see [`crate::Cache::purge_tag`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Tag([u8; 16]);

impl Tag {
    /// The tag of a text, for instance `handle:…`.
    pub fn new(text: &str) -> Self {
        let digest = Sha256::digest(text.as_bytes());
        let mut tag = [0; 16];
        tag.copy_from_slice(&digest[..16]);
        Self(tag)
    }
}

impl From<Tag> for String {
    fn from(tag: Tag) -> Self {
        hex::encode(tag.0)
    }
}

impl TryFrom<String> for Tag {
    type Error = hex::FromHexError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let mut tag = [0; 16];
        hex::decode_to_slice(text, &mut tag)?;
        Ok(Self(tag))
    }
}

/// What the caller wants to know about a body when it comes back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// Media type.
    pub media_type: String,
    /// File name, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_name: Option<String>,
    /// Entity tag, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// Anything else.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub data: serde_json::Value,
}

/// A body in a file. Cheap to clone; it can be read to its end even after the entry was evicted or purged.
#[derive(Clone, Debug)]
pub struct FileBody {
    file: Arc<File>,
    length: u64,
}

impl FileBody {
    pub(crate) fn new(file: Arc<File>, length: u64) -> Self {
        Self { file, length }
    }

    /// The file. Its first [`Self::length`] bytes are the body, what follows belongs to the cache. It is shared: read it at positions
    /// (`FileExt::read_at`), never by its cursor, and never write to it.
    pub fn file(&self) -> &Arc<File> {
        &self.file
    }

    /// Length of the body, bytes.
    pub fn length(&self) -> u64 {
        self.length
    }
}

/// The content of an entry.
#[derive(Clone, Debug)]
pub enum Body {
    /// In memory.
    Memory(Bytes),
    /// In a file.
    File(FileBody),
}

impl Body {
    /// Length, bytes.
    pub fn length(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::File(file) => file.length,
        }
    }
}

/// How long an entry may be used, counted from the moment when it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Freshness {
    /// It is right that long; `None`: for ever.
    pub fresh_for: Option<Duration>,
    /// After that it may be answered that long while it is made again.
    pub stale_for: Duration,
}

impl Freshness {
    /// Right until it is purged or evicted.
    pub const FOREVER: Self = Self { fresh_for: None, stale_for: Duration::ZERO };

    /// Right that long, and not usable afterwards.
    pub const fn fresh_for(duration: Duration) -> Self {
        Self { fresh_for: Some(duration), stale_for: Duration::ZERO }
    }

    /// The same, and answered that long afterwards while it is made again.
    pub const fn stale_for(self, duration: Duration) -> Self {
        Self { stale_for: duration, ..self }
    }
}

/// When an entry was made, and until when it may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Life {
    pub(crate) made: SystemTime,
    pub(crate) fresh_until: Option<SystemTime>,
    pub(crate) stale_until: Option<SystemTime>,
}

/// What a [`Life`] is at some moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Age {
    Fresh,
    Stale,
    Expired,
}

impl Life {
    pub(crate) fn new(made: SystemTime, freshness: Freshness) -> Self {
        // An end that no clock will ever show is no end.
        let fresh_until = freshness.fresh_for.and_then(|duration| made.checked_add(duration));
        let stale_until = fresh_until.and_then(|end| end.checked_add(freshness.stale_for));
        Self { made, fresh_until, stale_until }
    }

    /// `now` is asked only if the answer depends on it: reading a clock costs as much as a look into the index.
    pub(crate) fn age(&self, now: impl FnOnce() -> SystemTime) -> Age {
        let Some(fresh_until) = self.fresh_until else { return Age::Fresh };
        let now = now();
        if now < fresh_until {
            Age::Fresh
        } else if self.stale_until.is_none_or(|end| now < end) {
            Age::Stale
        } else {
            Age::Expired
        }
    }
}

/// An entry, or what would be one if there were room for it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What the maker said about it.
    pub meta: Arc<Meta>,
    /// Content.
    pub body: Body,
    pub(crate) life: Life,
}

impl Entry {
    /// When it was made.
    pub fn made(&self) -> SystemTime {
        self.life.made
    }

    /// Until when it is right; `None`: for ever.
    pub fn fresh_until(&self) -> Option<SystemTime> {
        self.life.fresh_until
    }
}

/// A result, as its maker gives it.
#[derive(Debug)]
pub struct Made {
    /// About the body.
    pub meta: Meta,
    /// Content.
    pub body: MadeBody,
    /// How long it may be used.
    pub freshness: Freshness,
}

/// The content of a result.
#[derive(Debug)]
pub enum MadeBody {
    /// In memory, of any length.
    Memory(Bytes),
    /// In a file of the cache; see [`crate::Cache::draft`].
    File(Draft),
}

/// How a caller of [`crate::Cache::get_or_make`] came by the entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was there.
    Hit,
    /// It was made for this call.
    Made,
    /// Another call was having it made already.
    Shared,
    /// It was there, past its time, and is being made again.
    Stale,
}

/// Why there is no entry. All callers that waited for one computation get the same.
#[derive(Debug, thiserror::Error)]
pub enum Failure<E> {
    /// The maker's error.
    #[error("{0}")]
    Make(Arc<E>),
    /// The maker panicked, or the runtime is shutting down.
    #[error("the computation broke off")]
    BrokeOff,
    /// The file that the maker gave cannot be read.
    #[error("the result cannot be read: {0}")]
    Body(Arc<io::Error>),
}

impl<E> Clone for Failure<E> {
    fn clone(&self) -> Self {
        match self {
            Self::Make(error) => Self::Make(error.clone()),
            Self::BrokeOff => Self::BrokeOff,
            Self::Body(error) => Self::Body(error.clone()),
        }
    }
}
