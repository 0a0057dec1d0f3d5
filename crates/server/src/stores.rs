//! From a location or a catalogue row to the driver that holds the bytes.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use moka::future::Cache;
use quick_cache::sync::Cache as DriverCache;
use serde_json::Value;
use stowage_catalogue::{App, AppId, Catalogue, StoreId, StoreRow};
use stowage_core::{
    location::{Access, ContainerName, Location},
    options::StoreOptions,
};
use stowage_store::{
    BlobStore, StoreError,
    local::LocalStore,
    registry::{Containers, Provider},
};

use crate::{http::ApiError, state::SETTINGS_TTL};

/// Container reported for local disk when nobody names one.
pub const LOCAL_CONTAINER: &str = "stowage";

/// Regions of a store whose drivers are kept. More cost a new driver each time: their names come from requests.
const REGIONS: usize = 32;

/// A configured store, ready for use.
pub struct OpenStore {
    /// Row id.
    pub id: StoreId,
    /// Its driver.
    pub driver: Arc<dyn BlobStore>,
    in_regions: DriverCache<String, Arc<dyn BlobStore>>,
    containers: Containers,
    /// What it was opened with.
    settings: Value,
}

/// Where one file will go.
pub struct Target {
    /// The store.
    pub store: Arc<OpenStore>,
    /// The location that it serves.
    pub location: Location,
    /// The container inside it.
    pub container: ContainerName,
    /// The region of the container, where the request named one.
    pub region: Option<String>,
}

/// A store that was asked for by its name.
pub struct NamedStore {
    /// The store.
    pub store: Arc<OpenStore>,
    /// Whether a location of the app stores into it.
    pub serves_uploads: bool,
}

/// Opens stores. What is configured is asked again each second, so that changes made beside the running server are noticed.
pub struct Stores {
    catalogue: Catalogue,
    local: LocalStore,
    by_id: Cache<StoreId, Arc<OpenStore>>,
    of_app: Cache<AppId, Arc<Vec<StoreRow>>>,
    /// Drivers live on while their settings stay the same: they hold connections and tokens.
    opened: Mutex<HashMap<StoreId, Arc<OpenStore>>>,
}

impl Stores {
    /// Starts with the embedded local store.
    pub fn new(catalogue: Catalogue, local: LocalStore) -> Self {
        Self {
            catalogue,
            local,
            by_id: Cache::builder().max_capacity(1_000).time_to_live(SETTINGS_TTL).build(),
            of_app: Cache::builder().max_capacity(1_000).time_to_live(SETTINGS_TTL).build(),
            opened: Mutex::default(),
        }
    }

    /// The embedded local store.
    pub fn local(&self) -> &LocalStore {
        &self.local
    }

    /// The store of a catalogue row.
    pub async fn by_id(&self, id: StoreId) -> Result<Arc<OpenStore>, ApiError> {
        if let Some(store) = self.by_id.get(&id).await {
            return Ok(store);
        }
        let row =
            self.catalogue.store(id).await?.ok_or_else(|| ApiError::internal("a file names a store that is gone"))?;
        self.open(row).await
    }

    /// Decides where a request stores: location, its store, the container (spec 01 §1).
    pub async fn target(&self, app: &App, options: &StoreOptions) -> Result<Target, ApiError> {
        let location = options.location.unwrap_or(app.settings.default_location);
        let allowed = &app.settings.allowed_locations;
        if !allowed.is_empty() && !allowed.contains(&location) {
            return Err(ApiError::new(
                http::StatusCode::BAD_REQUEST,
                "location_not_allowed",
                format!("Invalid storage location: this app may not store to `{location}`"),
            ));
        }
        let row = self.rows(app).await?.iter().find(|row| row.location == Some(location)).cloned();
        let row = row.ok_or_else(|| {
            ApiError::new(
                http::StatusCode::BAD_REQUEST,
                "location_not_configured",
                format!(
                    "Invalid storage location: `{location}` is not configured for this app; \
                     its operator can add it with `stowage store add APP {location} --provider ...`"
                ),
            )
        })?;
        let store = match self.by_id.get(&row.id).await {
            Some(store) => store,
            None => self.open(row).await?,
        };
        if options.access == Some(Access::Public) && !store.driver.capabilities().public_access {
            return Err(ApiError::invalid_parameter(
                "access",
                format!("the store behind `{location}` has no public access; leave it out or send `private`"),
            ));
        }
        let region = options.region.clone();
        store.driver_in(region.as_deref()).map_err(|error| match error {
            StoreError::Unsupported(reason) => ApiError::invalid_parameter("region", reason),
            other => other.into(),
        })?;
        let container = store.container(app, options.container.as_ref()).await?;
        Ok(Target { store, location, container, region })
    }

    /// The store behind `src://NAME/…` (spec 02 §3.4).
    pub async fn named(&self, app: &App, name: &str) -> Result<Option<NamedStore>, ApiError> {
        let Some(row) = self.rows(app).await?.iter().find(|row| row.name == name).cloned() else { return Ok(None) };
        let serves_uploads = row.location.is_some();
        Ok(Some(NamedStore { store: self.open(row).await?, serves_uploads }))
    }

    async fn rows(&self, app: &App) -> Result<Arc<Vec<StoreRow>>, ApiError> {
        if let Some(rows) = self.of_app.get(&app.id).await {
            return Ok(rows);
        }
        let rows = Arc::new(self.catalogue.stores(app.id).await?);
        self.of_app.insert(app.id, rows.clone()).await;
        Ok(rows)
    }

    async fn open(&self, row: StoreRow) -> Result<Arc<OpenStore>, ApiError> {
        let store = self.still_open_or_anew(row)?;
        self.by_id.insert(store.id, store.clone()).await;
        Ok(store)
    }

    /// Under one lock: requests that come at once share a driver, and what it learns of its provider's health.
    fn still_open_or_anew(&self, row: StoreRow) -> Result<Arc<OpenStore>, ApiError> {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(store) = opened.get(&row.id).filter(|store| store.settings == row.config) {
            return Ok(store.clone());
        }
        let store = Arc::new(self.open_anew(row)?);
        opened.insert(store.id, store.clone());
        Ok(store)
    }

    fn open_anew(&self, row: StoreRow) -> Result<OpenStore, ApiError> {
        let broken = |reason: &str| ApiError::internal(format!("store {} ({}): {reason}", row.id, row.provider));
        let provider = Provider::named(&row.provider).ok_or_else(|| broken("unknown provider"))?;
        let opened = provider.open(row.config.clone(), &self.local).map_err(|reason| broken(&reason))?;
        Ok(OpenStore {
            id: row.id,
            driver: opened.driver,
            in_regions: DriverCache::new(REGIONS),
            containers: opened.containers,
            settings: row.config,
        })
    }
}

impl OpenStore {
    /// The driver for a container in the region that a request named; without one, in that of the store's settings.
    pub fn driver_in(&self, region: Option<&str>) -> Result<Arc<dyn BlobStore>, StoreError> {
        match region {
            None => Ok(self.driver.clone()),
            Some(region) => self.in_regions.get_or_insert_with(region, || self.driver.in_region(region)),
        }
    }

    async fn container(&self, app: &App, asked: Option<&ContainerName>) -> Result<ContainerName, ApiError> {
        let chosen = asked.or(app.settings.default_container.as_ref());
        let listed = match &self.containers {
            Containers::Any => return chosen.cloned().map_or_else(local_container, Ok),
            Containers::Listed(listed) => listed,
        };
        match chosen {
            None => self.default_container().await,
            Some(chosen) if listed.contains(chosen) => Ok(chosen.clone()),
            Some(chosen) if listed.is_empty() && *chosen == self.default_container().await? => Ok(chosen.clone()),
            Some(_) => Err(ApiError::invalid_parameter(
                "container",
                "this app may not store there; leave it out or name a container that its operator allowed",
            )),
        }
    }

    /// The configured one, or the only one that the account has.
    pub async fn default_container(&self) -> Result<ContainerName, ApiError> {
        match &self.containers {
            Containers::Any => local_container(),
            Containers::Listed(listed) => match listed.first() {
                Some(default) => Ok(default.clone()),
                None => Ok(self.driver.detected_container().await?),
            },
        }
    }
}

fn local_container() -> Result<ContainerName, ApiError> {
    ContainerName::parse(LOCAL_CONTAINER).map_err(ApiError::internal)
}
