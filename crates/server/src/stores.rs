//! From a location or a catalogue row to the driver that holds the bytes.

use std::sync::Arc;

use moka::future::Cache;
use stowage_catalogue::{App, Catalogue, StoreId, StoreRow};
use stowage_core::{
    location::{Access, ContainerName, Location},
    options::StoreOptions,
};
use stowage_store::{
    BlobStore,
    local::LocalStore,
    object::{S3Config, S3Store},
};

use crate::{http::ApiError, state::SETTINGS_TTL};

/// Container reported for local disk when nobody names one.
pub const LOCAL_CONTAINER: &str = "stowage";

/// A configured store, ready for use.
pub struct OpenStore {
    /// Row id.
    pub id: StoreId,
    /// Location it serves.
    pub location: Location,
    /// Its driver.
    pub driver: Arc<dyn BlobStore>,
    containers: Containers,
}

enum Containers {
    /// Names without a meaning outside the catalogue: any will do.
    Any,
    /// Real buckets: the default one and those the operator added.
    Listed { default: String, others: Vec<String> },
}

/// Where one file will go.
pub struct Target {
    /// The store.
    pub store: Arc<OpenStore>,
    /// The container inside it.
    pub container: ContainerName,
}

/// Opens stores. Which store an app uses is asked again each second, so that changes made beside the running server are noticed.
pub struct Stores {
    catalogue: Catalogue,
    local: LocalStore,
    by_id: Cache<StoreId, Arc<OpenStore>>,
    of_app: Cache<i64, Arc<Vec<StoreRow>>>,
}

impl Stores {
    /// Starts with the embedded local store.
    pub fn new(catalogue: Catalogue, local: LocalStore) -> Self {
        Self {
            catalogue,
            local,
            // Changed settings make a new row, so what is known of a row stays true.
            by_id: Cache::builder().max_capacity(1_000).build(),
            of_app: Cache::builder().max_capacity(1_000).time_to_live(SETTINGS_TTL).build(),
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
        let row = self.rows(app).await?.iter().find(|row| row.location == location).cloned();
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
        let container = store.container(app, options.container.as_ref())?;
        Ok(Target { store, container })
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
        let (driver, containers): (Arc<dyn BlobStore>, _) = match row.provider.as_str() {
            "local" => (Arc::new(self.local.clone()), Containers::Any),
            "s3" => {
                let config: S3Config = serde_json::from_value(row.config)
                    .map_err(|error| ApiError::internal(format!("settings of store {}: {error}", row.id)))?;
                let containers =
                    Containers::Listed { default: config.bucket.clone(), others: config.allowed_buckets.clone() };
                (Arc::new(S3Store::new(config).map_err(ApiError::internal)?), containers)
            }
            other => return Err(ApiError::internal(format!("store {} has the unknown provider `{other}`", row.id))),
        };
        let store = Arc::new(OpenStore { id: row.id, location: row.location, driver, containers });
        self.by_id.insert(store.id, store.clone()).await;
        Ok(store)
    }
}

impl OpenStore {
    fn container(&self, app: &App, asked: Option<&ContainerName>) -> Result<ContainerName, ApiError> {
        let chosen = asked.or(app.settings.default_container.as_ref());
        match (&self.containers, chosen) {
            (Containers::Any, Some(chosen)) => Ok(chosen.clone()),
            (Containers::Any, None) => named(LOCAL_CONTAINER),
            (Containers::Listed { default, .. }, None) => named(default),
            (Containers::Listed { default, others }, Some(chosen)) => {
                if chosen.as_str() == default || others.iter().any(|other| other == chosen.as_str()) {
                    return Ok(chosen.clone());
                }
                Err(ApiError::invalid_parameter(
                    "container",
                    "this app may not store there; leave it out or name a container that its operator allowed",
                ))
            }
        }
    }
}

fn named(container: &str) -> Result<ContainerName, ApiError> {
    ContainerName::parse(container).map_err(|reason| ApiError::internal(format!("container `{container}`: {reason}")))
}
