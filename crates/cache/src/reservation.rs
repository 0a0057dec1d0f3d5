//! The place of an entry that is being made.

use std::{sync::Arc, time::SystemTime};

use tokio::task::spawn_blocking;

use crate::{
    core::Core,
    entry::{Entry, Failure, Id, Made, Tag},
};

/// The place of an entry that is being made. Reserve it before reading what the result depends on: a purge between then and
/// [`Self::fill`] keeps the result out of the cache.
pub struct Reservation {
    core: Arc<Core>,
    id: Id,
    tags: Arc<[Tag]>,
    ticket: u64,
}

impl Reservation {
    pub(crate) fn new(core: &Arc<Core>, id: Id, tags: Arc<[Tag]>) -> Self {
        let ticket = core.index().begin(id.owner, tags.clone());
        Self { core: core.clone(), id, tags, ticket }
    }

    pub(crate) fn id(&self) -> Id {
        self.id
    }

    pub(crate) fn now(&self) -> SystemTime {
        self.core.now()
    }

    pub(crate) fn ticket(&self) -> u64 {
        self.ticket
    }

    /// Keeps the result, and gives it back as an entry. It is given back too if it does not fit, cannot be written, or was purged
    /// meanwhile. Errors: `Body` if it is a file that cannot be read.
    pub async fn fill<E>(&self, made: Made) -> Result<Entry, Failure<E>> {
        let (core, id, tags, ticket) = (self.core.clone(), self.id, self.tags.clone(), self.ticket);
        let kept = spawn_blocking(move || core.keep(id, ticket, &tags, made)).await;
        kept.map_err(|_| Failure::BrokeOff)?.map_err(|error| Failure::Body(Arc::new(error)))
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.core.index().end(self.ticket);
    }
}
