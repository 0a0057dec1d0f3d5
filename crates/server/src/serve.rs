//! Start, run, stop.

use std::{fs::File, net::SocketAddr, os::unix::fs::DirBuilderExt, path::Path, sync::Arc};

use stowage_catalogue::{Catalogue, CatalogueError, MasterKey};
use stowage_fetch::Fetcher;
use stowage_store::local::LocalStore;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};

use crate::{collect, config::Config, http::connection, state::Server, stores::Stores, telemetry::Metrics};

/// Between two attempts to get the lock of [`lock_moves`].
const LOCK_RETRY: std::time::Duration = std::time::Duration::from_millis(100);

/// Why the server did not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The data directory cannot be used.
    #[error("the data directory {path} cannot be used: {cause}")]
    Data {
        /// Which.
        path: String,
        /// Why.
        cause: std::io::Error,
    },
    /// Another server runs on the same data directory.
    #[error("another stowage server is already running on {0}; stop it or use another --data directory")]
    Locked(String),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {cause}; choose another with --listen or STOWAGE_LISTEN")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        cause: std::io::Error,
    },
    /// The master key is unreadable.
    #[error("STOWAGE_MASTER_KEY: {0}")]
    MasterKey(String),
    /// The catalogue does not open.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    /// A setting of outbound fetches is wrong.
    #[error("fetch: {0}")]
    Fetch(String),
    /// Signals cannot be handled.
    #[error("signals cannot be handled: {0}")]
    Signals(std::io::Error),
}

/// Creates the data directory (mode 0700) if needed and opens the catalogue in it.
pub fn open_catalogue(config: &Config) -> Result<Catalogue, ServeError> {
    let data = &config.data;
    let unusable = |cause| ServeError::Data { path: data.display().to_string(), cause };
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(data).map_err(unusable)?;
    let master_key = match &config.master_key {
        Some(text) => MasterKey::parse(text).map_err(ServeError::MasterKey)?,
        None => MasterKey::load_or_create(&data.join("master.key")).map_err(unusable)?,
    };
    Ok(Catalogue::open(&data.join("catalogue.sqlite"), master_key)?)
}

/// The embedded store for a command that runs beside the server: what it leaves behind counts as older than any run.
pub fn open_local_store(config: &Config) -> Result<LocalStore, ServeError> {
    LocalStore::open(&config.data.join("objects"), 0)
        .map_err(|cause| ServeError::Data { path: config.data.display().to_string(), cause })
}

/// Waits for the right to move files into the local store; dropping the file gives it back. Whoever has it writes objects of an old
/// generation, which a server that starts meanwhile must not sweep before their rows name them.
pub async fn lock_moves(data: &Path) -> Result<File, ServeError> {
    let unusable = |cause| ServeError::Data { path: data.display().to_string(), cause };
    let file = File::options().create(true).append(true).open(data.join("moves.lock")).map_err(unusable)?;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            // Asked again and again instead of waiting on a thread, which would keep a server from stopping.
            Err(std::fs::TryLockError::WouldBlock) => tokio::time::sleep(LOCK_RETRY).await,
            Err(std::fs::TryLockError::Error(cause)) => return Err(unusable(cause)),
        }
    }
}

/// Runs the server until SIGTERM or SIGINT; `ready` is called with the address once requests are answered.
pub async fn serve(config: Config, ready: impl FnOnce(SocketAddr) + Send) -> Result<(), ServeError> {
    let catalogue = open_catalogue(&config)?;
    let _lock = lock(&config.data)?;
    let data = |cause| ServeError::Data { path: config.data.display().to_string(), cause };
    let generation = catalogue.next_generation().await?;
    let local = LocalStore::open(&config.data.join("objects"), generation).map_err(data)?;
    let fetcher = Fetcher::new(config.fetch.clone()).map_err(ServeError::Fetch)?;
    let unclear = catalogue.recover_intents().await?;
    if unclear > 0 {
        tracing::info!(objects = unclear, "an interrupted run left remote objects that will be removed");
    }
    let mut terminate = signal(SignalKind::terminate()).map_err(ServeError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(ServeError::Signals)?;
    let listen = |cause| ServeError::Listen { address: config.listen, cause };
    let listener = TcpListener::bind(config.listen).await.map_err(listen)?;
    let address = listener.local_addr().map_err(listen)?;

    let stores = Stores::new(catalogue.clone(), local);
    let server = Arc::new(Server::new(config, address, catalogue, stores, fetcher, Metrics::default()));
    tokio::spawn(collect::sweep_local(server.clone()));
    let collector = tokio::spawn(collect::run(server.clone()));
    ready(address);
    let stop = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping: no new connections, running requests may finish");
    };
    connection::run(server, listener, stop).await;
    collector.abort();
    Ok(())
}

/// Two servers on one data directory would sweep each other's objects.
fn lock(data: &Path) -> Result<File, ServeError> {
    let unusable = |cause| ServeError::Data { path: data.display().to_string(), cause };
    let file = File::options().create(true).append(true).open(data.join("serve.lock")).map_err(unusable)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(ServeError::Locked(data.display().to_string())),
        Err(std::fs::TryLockError::Error(cause)) => Err(unusable(cause)),
    }
}
