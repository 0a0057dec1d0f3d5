//! A cache of results of work and of originals from elsewhere, in memory and on disk. No HTTP, and of apps only a number.
//!
//! * What is asked for by many at once is made once.
//! * An entry is wholly there or not at all, also after a crash; it may always be lost.
//! * What was purged is not answered any more, also if it was being made at that moment.
//! * Neither tier grows over its bound, and no owner can push another one below its share.

mod core;
mod disk;
mod draft;
mod entry;
mod error;
mod flights;
mod format;
mod index;
mod load;
mod reservation;
mod settings;
mod tier;

use std::{future::Future, io, path::Path, sync::Arc, time::SystemTime};

use tokio::task::spawn_blocking;

pub use draft::Draft;
pub use entry::{Body, Entry, Failure, FileBody, Freshness, Id, Key, Made, MadeBody, Meta, Outcome, Owner, Tag};
pub use error::OpenError;
pub use reservation::Reservation;
pub use settings::{Clock, Figures, Settings};

use crate::{
    core::Core,
    disk::Disk,
    entry::Age,
    flights::{Boarding, Flights, Pilot},
};

/// A cache. `E` is the error of those who make entries.
pub struct Cache<E> {
    core: Arc<Core>,
    flights: Arc<Flights<E>>,
    _lock: std::fs::File,
}

impl<E: Send + Sync + 'static> Cache<E> {
    /// Opens a directory that nothing else uses, creating it if needed. Entries of earlier runs come back in the background, and at once
    /// when they are asked for. Call it inside a runtime. Blocking.
    pub fn open(directory: &Path, settings: Settings) -> Result<Self, OpenError> {
        Self::open_with_clock(directory, settings, Arc::new(SystemTime::now))
    }

    /// The same with another clock.
    pub fn open_with_clock(directory: &Path, settings: Settings, clock: Clock) -> Result<Self, OpenError> {
        let (disk, lock) = Disk::open(directory)?;
        let core = Arc::new(Core::new(disk, settings, clock));
        load::start(&core);
        Ok(Self { core, flights: Arc::default(), _lock: lock })
    }

    /// Waits until the entries of earlier runs are in the index.
    pub async fn loaded(&self) {
        // The sender lives as long as this.
        let _ = self.core.loaded.subscribe().wait_for(|loaded| *loaded).await;
    }

    /// An entry that is not past its time.
    pub async fn get(&self, id: Id) -> Option<Entry> {
        let entry = self.core.find(id).await.filter(|(_, age)| *age == Age::Fresh);
        if entry.is_none() {
            self.core.count(|counters| counters.misses += 1);
        }
        entry.map(|(entry, _)| entry)
    }

    /// The entry, made by `make` if it is not there. Callers who want the same at once share one computation; it goes on if they leave.
    /// An entry past its time that may still be used is answered at once, and made again in the background. After that failed, it is
    /// tried again in 5 s at the soonest, and in twice as long after each further failure, up to a minute.
    ///
    /// `tags` name what the result depends on. Give the newest truth about that to `make`: a purge that comes while it works keeps its
    /// result out of the cache, and callers who come after the purge do not wait for it.
    ///
    /// Errors are those of `make`, given to all who waited and never kept; `BrokeOff` if it panicked.
    pub async fn get_or_make<M, F>(&self, id: Id, tags: &[Tag], make: M) -> Result<(Entry, Outcome), Failure<E>>
    where
        M: FnOnce() -> F + Send + 'static,
        F: Future<Output = Result<Made, E>> + Send + 'static,
    {
        let mut look_again = true;
        loop {
            let stale = match self.core.find(id).await {
                Some((entry, Age::Fresh)) => return Ok((entry, Outcome::Hit)),
                stale => stale.map(|(entry, _)| entry),
            };
            let core = &self.core;
            if let Some(entry) = &stale
                && self.flights.is_paused(id, &*core.clock)
            {
                return Ok(self.stale(entry.clone()));
            }
            match (self.flights.board(core, id, tags, look_again), stale) {
                // Once only: an entry may be there and not be readable.
                (Boarding::Made, _) => look_again = false,
                (Boarding::Shared(_), Some(entry)) => return Ok(self.stale(entry)),
                (Boarding::New(pilot, _), Some(entry)) => {
                    tokio::spawn(fly(pilot.refreshing(), make));
                    return Ok(self.stale(entry));
                }
                (Boarding::Shared(waiter), None) => {
                    core.count(|counters| counters.shared += 1);
                    return Ok((waiter.wait().await?, Outcome::Shared));
                }
                (Boarding::New(pilot, waiter), None) => {
                    core.count(|counters| counters.misses += 1);
                    tokio::spawn(fly(pilot, make));
                    return Ok((waiter.wait().await?, Outcome::Made));
                }
            }
        }
    }

    /// Puts an entry in, in place of an older one. If it was made of something that can be purged, use [`Self::reserve`] instead.
    pub async fn put(&self, id: Id, tags: &[Tag], made: Made) -> Result<Entry, Failure<E>> {
        self.reserve(id, tags).fill(made).await
    }

    /// Reserves the place of an entry before it is made.
    pub fn reserve(&self, id: Id, tags: &[Tag]) -> Reservation {
        Reservation::new(&self.core, id, tags.into())
    }

    /// A new file to write a result to.
    pub async fn draft(&self) -> io::Result<Draft> {
        let core = self.core.clone();
        spawn_blocking(move || core.disk.draft()).await.map_err(io::Error::other)?
    }

    /// Removes an entry. One that is being made is not concerned.
    pub async fn remove(&self, id: Id) {
        let core = self.core.clone();
        if !self.core.index().is_loaded(id.key) {
            let _ = spawn_blocking(move || core.load_for(id)).await;
        }
        self.core.remove(|index| index.remove(id)).await;
    }

    /// Removes all entries with this tag, and keeps those out that are being made. From now on nobody gets one of them. On disk, those
    /// of earlier runs that are not [loaded](Self::loaded) yet go when they would be, and a power failure can bring files back.
    pub async fn purge_tag(&self, tag: Tag) {
        self.core.remove(|index| index.purge_tag(tag)).await;
    }

    /// The same for all entries of an owner.
    pub async fn purge_owner(&self, owner: Owner) {
        self.core.remove(|index| index.purge_owner(owner)).await;
    }

    /// What it has done, and what it holds.
    pub fn figures(&self) -> Figures {
        self.core.figures()
    }

    fn stale(&self, entry: Entry) -> (Entry, Outcome) {
        self.core.count(|counters| counters.stale += 1);
        (entry, Outcome::Stale)
    }
}

/// Makes an entry. If this panics, the pilot is dropped, and those who wait learn that.
async fn fly<E, M, F>(pilot: Pilot<E>, make: M)
where
    M: FnOnce() -> F,
    F: Future<Output = Result<Made, E>>,
{
    let landing = match make().await {
        Ok(made) => pilot.reservation().fill(made).await,
        Err(error) => Err(Failure::Make(Arc::new(error))),
    };
    pilot.land(landing);
}
