//! Computations that are under way: callers that want the same share one.

use std::{
    collections::HashMap,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;

use crate::{
    core::Core,
    entry::{Entry, Failure, Id, Tag},
    reservation::Reservation,
};

/// How a computation ended.
pub(crate) type Landing<E> = Result<Entry, Failure<E>>;

/// The computations of a cache.
pub(crate) struct Flights<E>(Mutex<HashMap<Id, Flight<E>>>);

impl<E> Default for Flights<E> {
    fn default() -> Self {
        Self(Mutex::default())
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
    fn lock(&self) -> MutexGuard<'_, HashMap<Id, Flight<E>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Joins the computation of `id`, or begins one. A computation that was doomed by a purge is not joined: the caller came after the
    /// purge. With `look_again`, the index is asked once more: a computation that ended between the caller's look and this moment has
    /// left an entry.
    pub(crate) fn board(self: &Arc<Self>, core: &Arc<Core>, id: Id, tags: &[Tag], look_again: bool) -> Boarding<E> {
        let mut flights = self.lock();
        if look_again && core.index().has_fresh(id, &*core.clock) {
            return Boarding::Made;
        }
        if let Some(flight) = flights.get(&id)
            && !core.index().is_doomed(flight.ticket)
        {
            return Boarding::Shared(Waiter(flight.landing.clone()));
        }
        let reservation = Reservation::new(core, id, tags.into());
        let (sender, receiver) = watch::channel(None);
        flights.insert(id, Flight { ticket: reservation.ticket(), landing: receiver.clone() });
        let pilot = Pilot { flights: self.clone(), reservation, landing: Err(Failure::BrokeOff), sender };
        Boarding::New(pilot, Waiter(receiver))
    }
}

/// Whoever computes. When it is dropped, however that comes, all who wait learn how it ended, and the next caller begins anew.
pub(crate) struct Pilot<E> {
    flights: Arc<Flights<E>>,
    reservation: Reservation,
    landing: Landing<E>,
    sender: watch::Sender<Option<Landing<E>>>,
}

impl<E> Pilot<E> {
    /// Where the result goes.
    pub(crate) fn reservation(&self) -> &Reservation {
        &self.reservation
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
        if flights.get(&id).is_some_and(|flight| flight.ticket == self.reservation.ticket()) {
            flights.remove(&id);
        }
        drop(flights);
        self.sender.send_replace(Some(mem::replace(&mut self.landing, Err(Failure::BrokeOff))));
    }
}
