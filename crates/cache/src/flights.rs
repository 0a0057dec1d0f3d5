//! Computations that are under way: callers that want the same share one.

use std::{
    collections::HashMap,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use tokio::sync::watch;

use crate::{
    core::Core,
    entry::{Entry, Failure, Id, Tag},
    reservation::Reservation,
};

/// How a computation ended.
pub(crate) type Landing<E> = Result<Entry, Failure<E>>;

/// How long nobody tries again to refresh an entry after it failed for the first time, and at most.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The computations of a cache.
pub(crate) struct Flights<E>(Mutex<State<E>>);

struct State<E> {
    running: HashMap<Id, Flight<E>>,
    pauses: HashMap<Id, Pause>,
}

impl<E> Default for Flights<E> {
    fn default() -> Self {
        Self(Mutex::new(State { running: HashMap::new(), pauses: HashMap::new() }))
    }
}

impl<E> State<E> {
    fn refreshed(&mut self, id: Id, succeeded: bool, now: SystemTime) {
        self.pauses.retain(|_, pause| !pause.is_past(now));
        let earlier = self.pauses.remove(&id);
        if !succeeded {
            self.pauses.insert(id, Pause::after(earlier, now));
        }
    }
}

/// After a refresh that failed.
#[derive(Clone, Copy)]
struct Pause {
    until: SystemTime,
    length: Duration,
}

impl Pause {
    fn after(earlier: Option<Self>, now: SystemTime) -> Self {
        let length = earlier.map_or(FIRST_PAUSE, |pause| (pause.length * 2).min(LONGEST_PAUSE));
        Self { until: now + length, length }
    }

    /// It is over for so long that it does not count any more.
    fn is_past(&self, now: SystemTime) -> bool {
        now > self.until + self.length
    }
}

struct Flight<E> {
    ticket: u64,
    landing: watch::Receiver<Option<Landing<E>>>,
}

/// Waits for the end of a computation.
pub(crate) struct Waiter<E>(watch::Receiver<Option<Landing<E>>>);

impl<E> Waiter<E> {
    pub(crate) async fn wait(mut self) -> Landing<E> {
        match self.0.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(landing)) => landing.clone(),
            _ => Err(Failure::BrokeOff),
        }
    }
}

/// What a caller finds.
pub(crate) enum Boarding<E> {
    /// Somebody is at it.
    Shared(Waiter<E>),
    /// It is for this caller to compute.
    New(Pilot<E>, Waiter<E>),
    /// There is an entry now.
    Made,
}

impl<E> Flights<E> {
    fn lock(&self) -> MutexGuard<'_, State<E>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a refresh failed so lately that there shall be no other one yet.
    pub(crate) fn is_paused(&self, id: Id, now: impl FnOnce() -> SystemTime) -> bool {
        self.lock().pauses.get(&id).is_some_and(|pause| now() < pause.until)
    }

    /// Joins the computation of `id`, or begins one. A computation that was doomed by a purge is not joined: the caller came after the
    /// purge. With `look_again`, the index is asked once more: a computation that ended between the caller's look and this moment has
    /// left an entry.
    pub(crate) fn board(self: &Arc<Self>, core: &Arc<Core>, id: Id, tags: &[Tag], look_again: bool) -> Boarding<E> {
        let mut flights = self.lock();
        if look_again && core.index().has_fresh(id, &*core.clock) {
            return Boarding::Made;
        }
        if let Some(flight) = flights.running.get(&id)
            && !core.index().is_doomed(flight.ticket)
        {
            return Boarding::Shared(Waiter(flight.landing.clone()));
        }
        let reservation = Reservation::new(core, id, tags.into());
        let (sender, receiver) = watch::channel(None);
        flights.running.insert(id, Flight { ticket: reservation.ticket(), landing: receiver.clone() });
        let (flights, landing) = (self.clone(), Err(Failure::BrokeOff));
        let pilot = Pilot { flights, reservation, refreshes: false, landing, sender };
        Boarding::New(pilot, Waiter(receiver))
    }
}

/// Whoever computes. When it is dropped, however that comes, all who wait learn how it ended, and the next caller begins anew.
pub(crate) struct Pilot<E> {
    flights: Arc<Flights<E>>,
    reservation: Reservation,
    refreshes: bool,
    landing: Landing<E>,
    sender: watch::Sender<Option<Landing<E>>>,
}

impl<E> Pilot<E> {
    /// Where the result goes.
    pub(crate) fn reservation(&self) -> &Reservation {
        &self.reservation
    }

    /// There is an entry that may still be used: if this computation fails, the next one has to wait.
    pub(crate) fn refreshing(mut self) -> Self {
        self.refreshes = true;
        self
    }

    /// The computation is over.
    pub(crate) fn land(mut self, landing: Landing<E>) {
        self.landing = landing;
    }
}

impl<E> Drop for Pilot<E> {
    fn drop(&mut self) {
        let id = self.reservation.id();
        let mut flights = self.flights.lock();
        // After a purge somebody else may be at it.
        if flights.running.get(&id).is_some_and(|flight| flight.ticket == self.reservation.ticket()) {
            flights.running.remove(&id);
        }
        if self.refreshes {
            flights.refreshed(id, self.landing.is_ok(), self.reservation.now());
        }
        drop(flights);
        self.sender.send_replace(Some(mem::replace(&mut self.landing, Err(Failure::BrokeOff))));
    }
}
