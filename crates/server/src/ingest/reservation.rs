//! The claim on an object name of a remote store, from before the first byte until the row is committed.

use stowage_catalogue::Catalogue;
use stowage_store::{BlobWriter, ObjectId, StoreError};

use super::{Destination, unix_millis};
use crate::{claims, http::ApiError, object_locks::ObjectGuard, state::Server};

/// The claim on an object name of a remote store, until its row is committed.
pub(super) struct Reservation {
    catalogue: Catalogue,
    /// The intent to be withdrawn if nothing is written after all.
    abandoned: Option<i64>,
    _guard: ObjectGuard,
}

impl Reservation {
    /// The object is about to be written: from now on the intent goes with the row, or stays for others to look into.
    fn redeem(reservation: &mut Option<Self>) -> Option<i64> {
        reservation.as_mut()?.abandoned.take()
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let Some(intent) = self.abandoned.take() else { return };
        let catalogue = self.catalogue.clone();
        tokio::spawn(async move {
            if let Err(error) = catalogue.drop_intent(intent).await {
                tracing::warn!(%error, "an abandoned intent stays until the next start");
            }
        });
    }
}

/// What a failed write may have left is removed after this time, milliseconds: by then no provider is at work on it any more.
const AFTERMATH: i64 = 5 * 60 * 1000;

/// Makes the object durable; also gives the intent that is to be redeemed with its row.
pub(super) async fn commit(
    server: &Server,
    writer: Box<dyn BlobWriter>,
    reservation: &mut Option<Reservation>,
) -> Result<(ObjectId, Option<i64>), StoreError> {
    let intent = Reservation::redeem(reservation);
    let committed = writer.commit().await;
    if let (Err(error), Some(intent)) = (&committed, intent) {
        let given_up = match error {
            StoreError::WrongRegion(_) | StoreError::MissingContainer(_) | StoreError::Unsupported(_) => {
                server.catalogue.drop_intent(intent).await
            }
            _ => server.catalogue.give_up_intent(intent, unix_millis() + AFTERMATH).await,
        };
        if let Err(error) = given_up {
            tracing::warn!(%error, "the intent of a failed write stays until the next start");
        }
    }
    Ok((committed?, intent))
}

pub(super) async fn reserve(
    server: &Server,
    destination: Destination<'_>,
    object: &ObjectId,
) -> Result<Reservation, ApiError> {
    let Destination { store, region, .. } = destination;
    let guard = server.object_locks.lock(store, object.as_str()).await;
    let intent = claims::claim(server, store, object.as_str(), region).await?;
    Ok(Reservation { catalogue: server.catalogue.clone(), abandoned: Some(intent), _guard: guard })
}
