//! What differs between providers.

use std::{sync::Arc, time::Duration};

use http::{Request, Response};
use opendal::{Buffer, Error, HttpBody, Operator};
use stowage_core::location::Access;

use super::{
    parts::{Clients, PartProtocol},
    transport::Note,
};
use crate::{Capabilities, ObjectMeta, PresignedRequest, StoreError};

/// What a provider can do and how much it takes.
pub(super) struct Facts {
    /// For messages.
    pub(super) name: &'static str,
    pub(super) capabilities: Capabilities,
    /// Most parts of one object.
    pub(super) parts: u64,
    /// The ETag of what is sent in one request is its MD5, unless the answer tells of encryption with keys.
    pub(super) etag_is_md5: bool,
    /// Copying at the provider is done when it answers.
    pub(super) copies: bool,
    /// The names of user metadata are identifiers of a programming language.
    pub(super) metadata_identifiers: bool,
}

/// One provider's settings and what opendal cannot say to it.
#[async_trait::async_trait]
pub(super) trait Provider: Send + Sync + Unpin + 'static {
    fn facts(&self) -> &Facts;

    /// Whether a name may become part of a URL as it is.
    fn is_container_name(&self, name: &str) -> bool;

    /// The bare operator of a container. Public access is a property of an operator, not of a write.
    fn operator(&self, container: &str, access: Access) -> Result<Operator, Error>;

    /// How this provider is told of parts.
    fn parts(&self, clients: &Clients) -> Arc<dyn PartProtocol>;

    /// The same in another region. Error: why requests cannot name this one.
    fn in_region(&self, _region: &str) -> Result<Arc<dyn Provider>, String> {
        Err(format!("{} storage takes no `region`; leave it out", self.facts().name))
    }

    /// The last change of a request before it leaves: what opendal has no word for, and a signature that covers it.
    async fn finish(&self, request: Request<Buffer>, _note: &Note) -> Result<Request<Buffer>, Error> {
        Ok(request)
    }

    /// The first look at an answer.
    async fn received(&self, response: Response<HttpBody>, _note: &Note) -> Result<Response<HttpBody>, Error> {
        Ok(response)
    }

    /// The key as [`Operator::presign_read`] must be given it.
    fn presign_path(&self, key: &str) -> String {
        key.to_owned()
    }

    /// A request that this provider signs itself, a PUT if it has facts; `None`: opendal does it.
    fn presign(
        &self,
        _container: &str,
        _key: &str,
        _put: Option<&ObjectMeta>,
        _valid_for: Duration,
    ) -> Option<Result<PresignedRequest, StoreError>> {
        None
    }
}

/// Letters, digits, `.`, `-` and `_`: the names of buckets of S3 and Google, old ones too.
pub(super) fn is_bucket_name(name: &str) -> bool {
    (1..=255).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte))
        && name.bytes().any(|byte| byte != b'.')
}
