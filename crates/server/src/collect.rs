//! Removing what nobody needs: objects left by a crash, and objects of deleted or replaced files.

use std::sync::Arc;

use stowage_catalogue::Garbage;
use stowage_store::{ObjectId, StoreError};

use crate::{http::ApiError, ingest::unix_millis, state::Server};

/// Objects removed per round.
const BATCH: usize = 256;

/// Between two rounds when nothing wakes the collector.
const INTERVAL: std::time::Duration = std::time::Duration::from_secs(60);

/// A failed removal is tried again after this time.
const RETRY: i64 = 60_000;

/// Removes local objects of earlier runs that no row names (a crash between "object durable" and "row committed").
pub async fn sweep_local(server: Arc<Server>) {
    let local = server.stores.local().clone();
    let catalogue = server.catalogue.clone();
    // Waits for a command that is moving files into the local store: its objects have no rows yet.
    let lock = match crate::lock_moves(&server.config.data).await {
        Ok(lock) => lock,
        Err(error) => return tracing::error!(%error, "the local store is not swept"),
    };
    let swept = tokio::task::spawn_blocking(move || {
        let _lock = lock;
        local.sweep(&mut |objects| {
            catalogue.objects_known(objects).unwrap_or_else(|error| {
                // When in doubt, keep.
                tracing::error!(%error, "the sweep could not ask the catalogue");
                vec![true; objects.len()]
            })
        })
    })
    .await;
    match swept {
        Ok(Ok(report)) if report.removed > 0 => {
            tracing::info!(
                removed = report.removed,
                bytes = report.bytes,
                "removed what an interrupted run left behind"
            );
        }
        Ok(Ok(_)) => {}
        Ok(Err(error)) => tracing::error!(%error, "the sweep of the local store failed"),
        Err(error) => tracing::error!(%error, "the sweep of the local store died"),
    }
}

/// Removes garbage objects until the server stops.
pub async fn run(server: Arc<Server>) {
    loop {
        match round(&server).await {
            Ok(BATCH) => continue,
            Ok(_) => {}
            Err(error) => tracing::error!(cause = error.cause, "collecting garbage failed: {}", error.message),
        }
        server.collector_woken(INTERVAL).await;
    }
}

/// Removes uploads that nobody goes on with, until the server stops.
pub async fn uploads(server: Arc<Server>) {
    match server.uploads.sweep().await {
        Ok(0) => {}
        Ok(removed) => tracing::info!(removed, "removed staging files of uploads that had ended"),
        Err(error) => tracing::error!(%error, "the staging files were not swept"),
    }
    loop {
        let driver_of = async |store, region: Option<String>| {
            let store = server.stores.by_id(store).await.ok()?;
            store.driver_in(region.as_deref()).ok()
        };
        match server.uploads.collect(driver_of).await {
            Ok(0) => {}
            Ok(removed) => {
                tracing::info!(removed, "removed uploads that nobody went on with");
                server.wake_collector();
            }
            Err(error) => tracing::error!(%error, "expired uploads were not removed"),
        }
        tokio::time::sleep(INTERVAL.min(server.config.limits.upload_lifetime)).await;
    }
}

/// One round; returns how many objects were looked at.
async fn round(server: &Server) -> Result<usize, ApiError> {
    let now = unix_millis();
    let due = server.catalogue.due_garbage(now, BATCH).await?;
    let mut removed = Vec::with_capacity(due.len());
    for garbage in &due {
        match remove(server, garbage).await {
            Ok(true) => removed.push(garbage.id),
            Ok(false) => {}
            Err(error) => {
                tracing::warn!(cause = error.cause, "an object could not be removed; it will be tried again");
                server.catalogue.delay_garbage(garbage.id, now + RETRY).await?;
            }
        }
    }
    server.metrics.collected(removed.len() as u64);
    server.catalogue.finish_garbage(removed).await?;
    Ok(due.len())
}

/// Removes one object. Where its name can be written again, nobody may be writing it, here or in another process, and it must still be
/// garbage; the row then goes before the lock does. Returns whether the row is still to be removed.
async fn remove(server: &Server, garbage: &Garbage) -> Result<bool, ApiError> {
    let store = server.stores.by_id(garbage.store).await?;
    let driver = store.driver_in(garbage.region.as_deref())?;
    let object = ObjectId::from_catalogue(garbage.object.clone());
    if driver.capabilities().versions {
        driver.delete(&object).await?;
        return Ok(true);
    }
    let _guard = server.object_locks.lock(garbage.store, &garbage.object).await;
    let Some(claim) = server.catalogue.claim_garbage(garbage.id).await? else { return Ok(false) };
    match driver.delete(&object).await {
        Ok(()) => {}
        // What a request tried to write into a region where the container is not, was never written.
        Err(StoreError::WrongRegion(_)) if garbage.region.is_some() => {}
        Err(error) => {
            server.catalogue.drop_intent(claim).await?;
            return Err(error.into());
        }
    }
    server.metrics.collected(1);
    server.catalogue.finish_claimed_garbage(garbage.id, claim).await?;
    Ok(false)
}
