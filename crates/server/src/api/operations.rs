//! What operators look at: liveness, readiness, figures, the API document.

use http::{HeaderValue, Response, StatusCode, header};
use serde::Serialize;

use super::{Answer, answer::json, openapi::openapi_json};
use crate::http::{ResponseBody, context::RequestContext};

/// State of the process.
#[derive(Serialize, utoipa::ToSchema)]
pub struct Health {
    /// `ok`, or what does not work.
    pub status: &'static str,
    /// Version of the server.
    pub version: &'static str,
}

/// The process answers.
#[utoipa::path(get, path = "/healthz", operation_id = "health", tag = "Operations", responses((status = 200, description = "Up", body = Health)))]
pub async fn health() -> Answer {
    Ok(json(&Health { status: "ok", version: env!("CARGO_PKG_VERSION") }))
}

/// The process can do its work: the catalogue answers and the local disk takes and gives back a probe.
#[utoipa::path(get, path = "/readyz", operation_id = "ready", tag = "Operations",
    responses((status = 200, description = "Ready", body = Health), (status = 503, description = "Not ready", body = Health)))]
pub async fn ready(context: &RequestContext) -> Answer {
    let server = &context.server;
    let status = if server.is_draining() {
        "draining"
    } else if let Err(error) = server.catalogue.check().await {
        tracing::error!(%error, "the catalogue does not answer");
        "catalogue"
    } else if let Err(error) = stowage_store::BlobStore::check(server.stores.local()).await {
        tracing::error!(%error, "the local disk takes no files");
        "local disk"
    } else {
        "ok"
    };
    let mut response = json(&Health { status, version: env!("CARGO_PKG_VERSION") });
    if status != "ok" {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    Ok(response)
}

/// Prometheus figures.
#[utoipa::path(get, path = "/metrics", operation_id = "metrics", tag = "Operations",
    responses((status = 200, description = "OpenMetrics text", content_type = "application/openmetrics-text")))]
pub async fn metrics(context: &RequestContext) -> Answer {
    let server = &context.server;
    let figures = server.metrics.encode(server.transformer.figures());
    let mut response = Response::new(ResponseBody::from(figures));
    let content_type = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    Ok(response)
}

/// The OpenAPI document.
#[utoipa::path(get, path = "/openapi.json", operation_id = "openapi", tag = "Operations", responses((status = 200, description = "This document")))]
pub async fn openapi() -> Answer {
    let mut response = Response::new(ResponseBody::from(openapi_json()));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}
