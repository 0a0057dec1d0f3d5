//! What was promised when an upload began.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};
use stowage_core::{
    disposition::{self, Disposition},
    handle::Handle,
    location::ContainerName,
};
use stowage_store::ObjectKey;

use crate::error::{Result, UploadError};

/// Unguessable name of an upload: 128 random bits as 32 lower-case hex digits. Whoever knows it may go on with the upload (spec 03 §11).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UploadId(String);

impl UploadId {
    pub(crate) fn random() -> Result<Self> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|error| std::io::Error::other(error.to_string()))?;
        Ok(Self(hex::encode(bytes)))
    }

    /// Reads an id; any other text names no upload.
    pub fn parse(text: &str) -> Result<Self> {
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() == 32 && text.bytes().all(is_hex) {
            Ok(Self(text.to_owned()))
        } else {
            Err(UploadError::NotFound)
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UploadId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Where and as what the file will be stored. Settled and authorised before the first byte.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Handle of the file to come.
    pub handle: String,
    /// Location that was asked for.
    pub location: String,
    /// Container of the object.
    pub container: String,
    /// Key of the object.
    pub key: String,
    /// Whether the caller chose the whole key.
    pub exact: bool,
    /// Region of the container, where one was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// File name.
    pub filename: String,
    /// Media type, if the caller told one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mimetype: Option<String>,
    /// Public or private at the provider.
    pub access: String,
    /// Fewest bytes allowed.
    pub minimum: u64,
    /// Most bytes allowed.
    pub maximum: u64,
    /// Upload tags.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// Workflows to start afterwards.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub workflows: Vec<String>,
    /// What a client gave along and wants to see again (tus `Upload-Metadata`, verbatim).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<String>,
    /// One of several that will be put together to one file (tus concatenation): never a file itself, always staged.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub partial: bool,
    /// The partial uploads that it is put together from, in order (tus concatenation).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<String>,
}

impl Plan {
    /// Container and key.
    pub fn object_key(&self) -> Result<ObjectKey> {
        let container = ContainerName::parse(&self.container).map_err(broken)?;
        Ok(ObjectKey::restore(container, self.key.clone(), self.exact))
    }

    /// `Content-Disposition` for downloads straight from the provider.
    pub(crate) fn disposition(&self) -> String {
        disposition::header_value(Disposition::Inline, &self.filename)
    }

    /// The handle as a type.
    pub fn file_handle(&self) -> Result<Handle> {
        Handle::parse(&self.handle).map_err(broken)
    }
}

fn broken(error: impl fmt::Display) -> UploadError {
    stowage_catalogue::CatalogueError::Internal(format!("a stored upload plan: {error}")).into()
}
