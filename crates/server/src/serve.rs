//! Start, run, stop.

use std::{fs::File, net::SocketAddr, os::unix::fs::DirBuilderExt, path::Path, sync::Arc};

use stowage_catalogue::{Catalogue, CatalogueError, Claimant, MasterKey};
use stowage_fetch::Fetcher;
use stowage_store::local::LocalStore;
use stowage_uploads::Uploads;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tokio_rustls::TlsAcceptor;

use crate::{
    claims, collect,
    config::{Config, DevelopmentHost},
    descriptors,
    http::connection::{self, Listener},
    state::Server,
    stores::Stores,
    telemetry::Metrics,
    tls::{Certificates, TlsError},
    transform::{Transformer, TransformerError},
};

/// Between two attempts to get a lock.
const LOCK_RETRY: std::time::Duration = std::time::Duration::from_millis(100);

/// Attempts to get the lock of the server.
const LOCK_ATTEMPTS: usize = 5;

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
    #[error("cannot listen on {address}: {cause}; choose another with {choose}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        cause: std::io::Error,
        /// Flag and variable that change it.
        choose: &'static str,
    },
    /// There is no certificate to serve HTTPS with.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// TLS cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Rustls(rustls::Error),
    /// The master key is unreadable.
    #[error("STOWAGE_MASTER_KEY: {0}")]
    MasterKey(String),
    /// The catalogue does not open.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    /// A setting of outbound fetches is wrong.
    #[error("fetch: {0}")]
    Fetch(String),
    /// There is nowhere to keep results, or nobody to make them.
    #[error(transparent)]
    Transformer(#[from] TransformerError),
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
    loop {
        match claims::try_lock(data, Claimant::Mover).map_err(unusable)? {
            Some(file) => return Ok(file),
            // Asked again and again instead of waiting on a thread, which would keep a server from stopping.
            None => tokio::time::sleep(LOCK_RETRY).await,
        }
    }
}

/// What a running server listens on.
#[derive(Clone, Debug)]
pub struct Listening {
    /// Address of plain HTTP.
    pub plain: Option<SocketAddr>,
    /// Address of HTTPS.
    pub secure: Option<SocketAddr>,
    /// `https://NAME[:PORT]` of a development installation.
    pub development: Option<DevelopmentHost>,
}

impl Listening {
    /// `scheme://address` of where a client on this machine finds the server, plain HTTP first.
    pub fn urls(&self) -> impl Iterator<Item = String> {
        let plain = self.plain.map(|address| format!("http://{address}"));
        plain.into_iter().chain(self.secure.map(|address| format!("https://{address}")))
    }
}

/// Runs the server until SIGTERM or SIGINT; `ready` is called once requests are answered.
pub async fn serve(mut config: Config, ready: impl FnOnce(&Listening) + Send) -> Result<(), ServeError> {
    descriptors::raise_limit();
    let catalogue = open_catalogue(&config)?;
    let _lock = lock(&config.data).await?;
    let data = |cause| ServeError::Data { path: config.data.display().to_string(), cause };
    let generation = catalogue.next_generation().await?;
    let local = LocalStore::open(&config.data.join("objects"), generation).map_err(data)?;
    let uploads =
        Uploads::open(&config.data.join("uploads"), catalogue.clone(), config.limits.upload_lifetime).map_err(data)?;
    let fetcher = Fetcher::new(config.fetch.clone()).map_err(ServeError::Fetch)?;
    let unclear = catalogue.recover_intents(Claimant::Server).await?;
    if unclear > 0 {
        tracing::info!(objects = unclear, "an interrupted run left remote objects that will be removed");
    }
    claims::recover_if_dead(&config.data, &catalogue, Claimant::Mover).await?;
    let mut terminate = signal(SignalKind::terminate()).map_err(ServeError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(ServeError::Signals)?;
    let certificates = Certificates::open(&config.tls, &config.data)?;
    let (listeners, listening) = listen(&config, certificates.clone()).await?;
    if let Some(host) = &listening.development {
        config.public_base.complete(host);
    }
    if let Some(certificates) = certificates {
        let reload = signal(SignalKind::hangup()).map_err(ServeError::Signals)?;
        tokio::spawn(certificates.keep_fresh(reload));
    }

    let address = listening.plain.or(listening.secure).unwrap_or(config.listen);
    let stores = Stores::new(catalogue.clone(), local);
    let transformer = Transformer::open(&config.data, &config.cache, &config.images)?;
    let metrics = Metrics::default();
    let server = Arc::new(Server::new(config, address, catalogue, stores, uploads, fetcher, transformer, metrics));
    tokio::spawn(collect::sweep_local(server.clone()));
    tokio::spawn(collect::uploads(server.clone()));
    let collector = tokio::spawn(collect::run(server.clone()));
    ready(&listening);
    let stop = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping: no new connections, running requests may finish");
    };
    connection::run(server, listeners, stop).await;
    collector.abort();
    Ok(())
}

/// Opens what the settings ask for; ports that were 0 are known afterwards.
async fn listen(
    config: &Config,
    certificates: Option<Arc<Certificates>>,
) -> Result<(Vec<Listener>, Listening), ServeError> {
    let addresses = config.tls.addresses(config.listen);
    let mut listening = Listening { plain: None, secure: None, development: config.tls.development.clone() };
    let mut listeners = Vec::new();
    if let Some(address) = addresses.plain {
        let (socket, address) = bind(address, "--listen or STOWAGE_LISTEN").await?;
        listening.plain = Some(address);
        listeners.push(Listener { socket, tls: None });
    }
    if let (Some(address), Some(certificates)) = (addresses.secure, certificates) {
        let choose = match (&config.tls.development, config.tls.listen) {
            (Some(_), _) => "--dev-tls NAME:PORT or STOWAGE_TLS_DEVELOPMENT",
            (None, Some(_)) => "STOWAGE_TLS_LISTEN",
            (None, None) => "--listen or STOWAGE_LISTEN",
        };
        let (socket, address) = bind(address, choose).await?;
        listening.secure = Some(address);
        if let Some(host) = &mut listening.development {
            host.port = address.port();
        }
        let tls = certificates.server_config().map_err(ServeError::Rustls)?;
        listeners.push(Listener { socket, tls: Some(TlsAcceptor::from(Arc::new(tls))) });
    }
    Ok((listeners, listening))
}

async fn bind(address: SocketAddr, choose: &'static str) -> Result<(TcpListener, SocketAddr), ServeError> {
    let failed = |cause| ServeError::Listen { address, cause, choose };
    let socket = TcpListener::bind(address).await.map_err(failed)?;
    let bound = socket.local_addr().map_err(failed)?;
    Ok((socket, bound))
}

/// Two servers on one data directory would sweep each other's objects. A command that looks whether one runs has the lock for a moment.
async fn lock(data: &Path) -> Result<File, ServeError> {
    let unusable = |cause| ServeError::Data { path: data.display().to_string(), cause };
    for _ in 0..LOCK_ATTEMPTS {
        if let Some(file) = claims::try_lock(data, Claimant::Server).map_err(unusable)? {
            return Ok(file);
        }
        tokio::time::sleep(LOCK_RETRY).await;
    }
    Err(ServeError::Locked(data.display().to_string()))
}
