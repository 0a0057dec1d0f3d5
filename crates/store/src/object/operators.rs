//! The operators of a provider: one for each container and access, with one HTTP client and one set of credentials.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use opendal::{HttpTransporter, OperationContext, Operator, layers::RetryLayer};
use opendal_http_transport_reqwest::ReqwestTransport;
use stowage_core::location::Access;

use super::{
    parts::{Clients, PartProtocol},
    provider::Provider,
    transport::{Note, Transport},
};
use crate::http_client;

pub(super) struct Operators {
    provider: Arc<dyn Provider>,
    http: ReqwestTransport,
    clients: Clients,
    /// Kept, as the operators below.
    parts: Arc<dyn PartProtocol>,
    /// Kept, for they keep access tokens.
    bare: Mutex<HashMap<(String, bool), Operator>>,
}

impl Operators {
    pub(super) fn new(provider: Arc<dyn Provider>) -> Result<Self, String> {
        let clients = Clients { asking: http_client::client()?, uploading: http_client::upload_client()? };
        let http = ReqwestTransport::new(clients.asking.clone());
        Ok(Self::of(provider, http, clients))
    }

    pub(super) fn in_region(&self, region: &str) -> Result<Self, String> {
        let provider = self.provider.in_region(region)?;
        Ok(Self::of(provider, self.http.clone(), self.clients.clone()))
    }

    fn of(provider: Arc<dyn Provider>, http: ReqwestTransport, clients: Clients) -> Self {
        let parts = provider.parts(&clients);
        Self { provider, http, clients, parts, bare: Mutex::default() }
    }

    pub(super) fn parts(&self) -> Arc<dyn PartProtocol> {
        self.parts.clone()
    }

    pub(super) fn provider(&self) -> &dyn Provider {
        &*self.provider
    }

    pub(super) fn plain(&self, container: &str, access: Access) -> Result<Operator, String> {
        self.with_note(container, access, Note::default())
    }

    /// An operator whose requests carry what the note says.
    pub(super) fn with_note(
        &self,
        container: &str,
        access: Access,
        note: impl Into<Arc<Note>>,
    ) -> Result<Operator, String> {
        let transport = Transport { http: self.http.clone(), provider: self.provider.clone(), note: note.into() };
        let context = OperationContext::new().with_http_transport(HttpTransporter::new(transport));
        Ok(self.bare(container, access)?.with_context(context).layer(retries()))
    }

    fn bare(&self, container: &str, access: Access) -> Result<Operator, String> {
        let mut bare = self.bare.lock().unwrap_or_else(PoisonError::into_inner);
        let place = (container.to_owned(), access == Access::Public);
        if let Some(operator) = bare.get(&place) {
            return Ok(operator.clone());
        }
        if !self.provider.is_container_name(container) {
            let name = self.provider.facts().name;
            return Err(format!("`{}` is not the name of a container of {name}", container.escape_debug()));
        }
        let operator = self
            .provider
            .operator(container, access)
            .map_err(|error| format!("the container `{container}` cannot be used: {}", error.message()))?;
        bare.insert(place, operator.clone());
        Ok(operator)
    }
}

/// Repeats what failed for a passing reason. Every request here has the same effect when it is repeated: parts and
/// objects are sent again with the same name and the same bytes.
fn retries() -> RetryLayer {
    RetryLayer::new()
        .with_max_times(3)
        .with_min_delay(Duration::from_millis(100))
        .with_max_delay(Duration::from_secs(5))
        .with_factor(4.0)
        .with_jitter()
}
