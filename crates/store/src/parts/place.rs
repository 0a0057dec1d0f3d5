//! Where an unfinished object is: what drivers keep in a [`PartUpload`].

use stowage_core::handle::random_alphanumeric;

use super::PartUpload;
use crate::{ObjectKey, StoreError, random};

const NAME: usize = 20;

/// Everything that a later request about the upload needs.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Place {
    pub(crate) container: String,
    pub(crate) key: String,
    /// Drawn here, so that no two uploads to one key are taken for each other.
    pub(crate) name: String,
    /// The provider's own id of the upload; empty where it gives none.
    pub(crate) id: String,
}

impl Place {
    pub(crate) fn new(key: &ObjectKey) -> Self {
        Self {
            container: key.container().to_string(),
            key: key.key().to_owned(),
            name: random_alphanumeric(NAME, random::fill),
            id: String::new(),
        }
    }

    /// Reads what [`Place::upload`] wrote. `NotFound` for anything else.
    pub(crate) fn of(upload: &PartUpload) -> Result<Self, StoreError> {
        serde_json::from_str(upload.as_str()).map_err(|_| StoreError::NotFound)
    }

    pub(crate) fn upload(&self) -> Result<PartUpload, StoreError> {
        let text = serde_json::to_string(self).map_err(|error| StoreError::Other(error.to_string()))?;
        Ok(PartUpload::from_catalogue(text))
    }

    /// The place of an upload that must belong to the key.
    pub(crate) fn of_key(upload: &PartUpload, key: &ObjectKey) -> Result<Self, StoreError> {
        let place = Self::of(upload)?;
        if place.container != key.container().as_str() || place.key != key.key() {
            return Err(StoreError::Other("the upload was begun for another key".to_owned()));
        }
        Ok(place)
    }
}
