//! Claims to objects at providers: the server and a command that moves files are two processes, and must not write one object at once.
//!
//! An intent in the catalogue is the claim. Each of the two holds a lock file while it lives, and the kernel takes that from it however it
//! ends: so a claim of a dead process is told from one of a living process without any clock.

use std::{
    fs::{File, TryLockError},
    io,
    path::Path,
    time::Duration,
};

use stowage_catalogue::{Catalogue, CatalogueError, Claimant, StoreId};
use tokio::time::{Instant, sleep};

use crate::{http::ApiError, state::Server};

/// Between two looks at an object that another process claims.
const RETRY: Duration = Duration::from_millis(100);

/// How long a request waits for another process.
const PATIENCE: Duration = Duration::from_secs(30);

/// The lock that a living claimant holds; `None`: there is one.
pub fn try_lock(data: &Path, claimant: Claimant) -> io::Result<Option<File>> {
    let name = match claimant {
        Claimant::Server => "serve.lock",
        Claimant::Mover => "moves.lock",
    };
    let file = File::options().create(true).append(true).open(data.join(name))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(cause)) => Err(cause),
    }
}

/// Gives up the claims of a claimant if it is dead. Returns whether it is.
pub async fn recover_if_dead(data: &Path, catalogue: &Catalogue, claimant: Claimant) -> Result<bool, CatalogueError> {
    let lock = try_lock(data, claimant).map_err(|error| CatalogueError::Internal(error.to_string()))?;
    if lock.is_none() {
        return Ok(false);
    }
    catalogue.recover_intents(claimant).await?;
    Ok(true)
}

/// Notes that the server is about to write an object, and claims it; waits while a command moves a file to it.
pub(crate) async fn claim(
    server: &Server,
    store: StoreId,
    object: &str,
    region: Option<&str>,
) -> Result<i64, ApiError> {
    let deadline = deadline();
    loop {
        match server.catalogue.add_intent(store, object, region).await {
            Err(CatalogueError::Claimed) if wait(server, deadline).await? => {}
            claimed => return Ok(claimed?),
        }
    }
}

/// Until when a request that begins now waits for another process.
pub(crate) fn deadline() -> Instant {
    Instant::now() + PATIENCE
}

/// Waits a moment for an object that another process claims. False once the deadline is over.
pub(crate) async fn wait(server: &Server, deadline: Instant) -> Result<bool, CatalogueError> {
    if Instant::now() >= deadline {
        return Ok(false);
    }
    if !recover_if_dead(&server.config.data, &server.catalogue, Claimant::Mover).await? {
        sleep(RETRY).await;
    }
    Ok(true)
}
