//! The Stowage server: configuration, ingest, delivery, HTTP.

pub mod api;
pub mod claims;
pub mod collect;
pub mod config;
pub mod descriptors;
pub mod http;
pub mod ingest;
pub mod object_locks;
pub mod recent;
pub mod serve;
pub mod state;
pub mod stores;
pub mod telemetry;
pub mod tls;
pub mod transform;
pub mod uploads;

pub use api::openapi::openapi_json;
pub use serve::{Listening, ServeError, lock_moves, open_catalogue, open_local_store, serve};
