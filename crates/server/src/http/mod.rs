//! HTTP: from an accepted connection to a handler and back. The only place that writes responses.

pub mod authorise;
pub mod body;
pub mod connection;
pub mod context;
pub mod cors;
pub mod error;
mod exchanges;
pub mod headers;
pub mod routes;
mod watched;

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

pub use body::{BodyError, RequestBody, ResponseBody};
pub use error::{ApiError, ErrorFormat};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version, header};
use hyper::body::Incoming;
use stowage_core::query::Query;

use self::{
    connection::Peer,
    context::RequestContext,
    cors::CrossOrigin,
    routes::{HostRole, Operation, Resolved},
};
use crate::{api, state::Server};

/// Bytes of an unread body that are still taken so that the connection can serve the next request.
const DRAIN_LIMIT: u64 = 256 * 1024;

/// Longest time that they are waited for.
const DRAIN_TIME: Duration = Duration::from_secs(1);

const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Code of a read that met an overwrite.
pub const FILE_CHANGED: &str = "file_changed";

/// Characters of an upload's id that the log shows: enough to find its requests, too few to go on with it.
const SHOWN_OF_UPLOAD: usize = 8;

/// Answers one request. Sets `still_sending` when the client may be sending a body that nobody will read.
pub async fn answer(
    server: Arc<Server>,
    peer: Peer,
    request: Request<Incoming>,
    still_sending: &AtomicBool,
) -> Response<ResponseBody> {
    let started = Instant::now();
    let _live = server.metrics.request();
    let request_id = request_id();
    let (mut parts, incoming) = request.into_parts();
    name_host(&mut parts);
    let body = RequestBody::new(incoming, &server.config.limits);
    let method = parts.method.clone();
    let path = parts.uri.path().to_owned();
    // HTTP/2 ends one exchange without ending the connection.
    let shares_connection = parts.version == Version::HTTP_2;
    let waits_for_continue = parts.headers.contains_key(header::EXPECT);

    let (operation, mut response, cross_origin) = dispatch(&server, peer, parts, body.clone(), &request_id).await;

    let status = response.status();
    finish(response.headers_mut(), &request_id, &cross_origin);
    if !shares_connection && (status.is_client_error() || status.is_server_error()) {
        let unread = settle_body(body, waits_for_continue, response.headers_mut()).await;
        still_sending.store(unread, Ordering::Relaxed);
    }
    let elapsed = started.elapsed();
    server.metrics.answered(operation, status.as_u16(), elapsed);
    if server.config.log.access {
        tracing::info!(
            target: "stowage::access",
            id = request_id, peer = %peer.address, %method, path = &*redacted(&path), status = status.as_u16(), ms = elapsed.as_millis() as u64,
        );
    }
    response
}

/// HTTP/2 names the host beside the headers; from here on it stands where HTTP/1 has it.
fn name_host(parts: &mut http::request::Parts) {
    if !parts.headers.contains_key(header::HOST)
        && let Some(authority) = parts.uri.authority()
        && let Ok(host) = HeaderValue::from_str(authority.as_str())
    {
        parts.headers.insert(header::HOST, host);
    }
}

/// The headers that every answer has.
fn finish(headers: &mut HeaderMap, request_id: &str, cross_origin: &CrossOrigin) {
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(CROSS_ORIGIN_RESOURCE_POLICY, HeaderValue::from_static("cross-origin"));
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert(X_REQUEST_ID, id);
    }
    if !headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN) {
        cross_origin.apply(headers);
    }
}

/// After an early error, takes the little that the client is still sending, or announces that the connection ends and has it linger.
async fn settle_body(body: RequestBody, waits_for_continue: bool, headers: &mut HeaderMap) -> bool {
    let left = body.length.map_or(DRAIN_LIMIT, |length| length.saturating_sub(body.received()));
    if left == 0 {
        return false;
    }
    // A client that waits for `100 Continue` sends nothing more once it has an answer.
    let sends = body.received() > 0 || !waits_for_continue;
    let drained = async { tokio::time::timeout(DRAIN_TIME, body.drain(DRAIN_LIMIT)).await };
    let ended = left <= DRAIN_LIMIT && sends && matches!(drained.await, Ok(Ok(true)));
    if !ended {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    !ended
}

/// Finds the route and runs its handler within the limits of the server.
async fn dispatch(
    server: &Arc<Server>,
    peer: Peer,
    parts: http::request::Parts,
    body: RequestBody,
    request_id: &str,
) -> (Option<Operation>, Response<ResponseBody>, CrossOrigin) {
    if parts.method == Method::OPTIONS {
        return (None, preflight(server, parts.uri.path()), CrossOrigin::Open);
    }
    let mut parts = parts;
    parts.method = api::tus::method_of(&parts);
    let refuse = |error: ApiError| (None, error.into_response(ErrorFormat::Json), CrossOrigin::Open);
    if let Err(error) = check_size(server, &parts) {
        return refuse(error);
    }
    let query = match Query::parse(parts.uri.query().unwrap_or_default(), server.config.limits.max_fields) {
        Ok(query) => query,
        Err(error) => return refuse(ApiError::new(StatusCode::BAD_REQUEST, "too_many_parameters", error.to_string())),
    };
    let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let (route, segments) = match routes::resolve(HostRole::of(host), &parts.method, parts.uri.path()) {
        Resolved::Found(route, segments) => (route, segments),
        Resolved::MethodNotAllowed(methods) => return (None, method_not_allowed(&methods), CrossOrigin::Open),
        Resolved::NotFound => {
            return refuse(ApiError::new(
                StatusCode::NOT_FOUND,
                "route_not_found",
                "there is nothing here; see /openapi.json",
            ));
        }
    };
    let segments = segments.into_iter().map(|(name, value)| (name, value.to_owned())).collect();
    let mut context = RequestContext::new(server.clone(), route, segments, parts, query, request_id.to_owned(), peer);
    let limit = server.config.limits.request_timeout;
    let outcome = match tokio::time::timeout(limit, handle_again(&mut context, body)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(ApiError::new(StatusCode::REQUEST_TIMEOUT, "request_timeout", "the request took too long")),
    };
    let response = outcome.unwrap_or_else(|error| report(&context, error));
    (Some(route.operation), response, context.cross_origin())
}

fn preflight(server: &Server, path: &str) -> Response<ResponseBody> {
    let mut response = cors::preflight();
    if api::tus::is_ours(path) {
        api::tus::announce(server, response.headers_mut());
    }
    response
}

/// A file that is replaced while it is being opened is opened once more.
async fn handle_again(context: &mut RequestContext, body: RequestBody) -> api::Answer {
    match handle(context, body.clone()).await {
        Err(error) if error.code == FILE_CHANGED => handle(context, body).await,
        outcome => outcome,
    }
}

async fn handle(context: &mut RequestContext, body: RequestBody) -> api::Answer {
    match context.route.operation {
        Operation::StoreFile => api::store::store_file(context, body).await,
        Operation::CopyFile => api::copy::copy_file(context).await,
        Operation::ReadFile => api::read::read_file(context).await,
        Operation::ConvertFile => api::convert::convert_file(context, body).await,
        Operation::ReadMetadata => api::metadata::read_metadata(context).await,
        Operation::OverwriteFile => api::write::overwrite_file(context, body).await,
        Operation::DeleteFile => api::remove::delete_file(context, body).await,
        Operation::Prefetch => api::prefetch::prefetch(context, body).await,
        Operation::StartUpload => api::multipart::start(context, body).await,
        Operation::AnnouncePart => api::multipart::announce_part(context, body).await,
        Operation::ReceivePart => api::multipart::receive_part(context, body).await,
        Operation::CommitPart => api::multipart::commit_part(context, body).await,
        Operation::CompleteUpload => api::multipart::complete(context, body).await,
        Operation::CreateResumable => api::tus::create(context, body).await,
        Operation::ReadResumable => api::tus::read(context, body).await,
        Operation::AppendResumable => api::tus::append(context, body).await,
        Operation::CancelResumable => api::tus::cancel(context, body).await,
        Operation::Process => api::process::process(context, body).await,
        Operation::Deliver => api::deliver::deliver(context).await,
        Operation::Health => api::operations::health().await,
        Operation::Ready => api::operations::ready(context).await,
        Operation::Metrics => api::operations::metrics(context).await,
        Operation::OpenApi => api::operations::openapi().await,
    }
}

/// Logs an error and writes its answer.
pub(crate) fn report(context: &RequestContext, error: ApiError) -> Response<ResponseBody> {
    let cause = error.cause.as_deref().unwrap_or_default();
    if error.status.is_server_error() {
        tracing::error!(id = context.request_id, code = error.code, cause, "{}", error.message);
    } else if !cause.is_empty() {
        tracing::warn!(id = context.request_id, code = error.code, cause, "{}", error.message);
    }
    let wants_json = context.header(header::ACCEPT).is_some_and(|accept| accept.contains("application/json"));
    error.into_response(if wants_json { ErrorFormat::Json } else { context.route.errors })
}

fn method_not_allowed(methods: &[Method]) -> Response<ResponseBody> {
    let names: Vec<&str> = methods.iter().map(Method::as_str).collect();
    let names = names.join(", ");
    let error = ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", format!("use {names} here"));
    let mut response = error.into_response(ErrorFormat::Json);
    if let Ok(value) = HeaderValue::from_str(&names) {
        response.headers_mut().insert(header::ALLOW, value);
    }
    response
}

fn check_size(server: &Server, parts: &http::request::Parts) -> Result<(), ApiError> {
    let limits = &server.config.limits;
    let target = parts.uri.path_and_query().map_or(0, |target| target.as_str().len());
    if target > limits.max_url_bytes {
        return Err(ApiError::new(
            StatusCode::URI_TOO_LONG,
            "url_too_long",
            format!("the request target is longer than {} bytes", limits.max_url_bytes),
        ));
    }
    let head: usize = parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if head > limits.max_header_bytes {
        return Err(ApiError::new(
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "headers_too_large",
            format!("the request head is larger than {} bytes", limits.max_header_bytes),
        ));
    }
    Ok(())
}

/// Unlike any other; the standard library's seeds take no system call.
fn request_id() -> String {
    format!("{:016x}", RandomState::new().build_hasher().finish())
}

/// A policy in a path is a bearer token, and so is the id of an upload: they stay out of the log (threat I6).
fn redacted(path: &str) -> std::borrow::Cow<'_, str> {
    for prefix in ["/tus/", "/multipart/part/"] {
        if let Some(upload) = path.strip_prefix(prefix) {
            let shown = upload.char_indices().nth(SHOWN_OF_UPLOAD).map_or(upload, |(end, _)| &upload[..end]);
            return format!("{prefix}{shown}...").into();
        }
    }
    let lower = path.to_ascii_lowercase();
    let Some(start) = lower.find("security") else { return path.into() };
    // A standard-alphabet policy may hold slashes, so nothing behind the word is trusted to end it.
    format!("{}security=...", &path[..start]).into()
}

#[cfg(test)]
mod tests {
    use super::redacted;

    #[test]
    fn what_opens_an_upload_or_a_file_is_not_logged() {
        let id = "0123456789abcdef0123456789abcdef";
        assert_eq!(redacted(&format!("/tus/{id}")), "/tus/01234567...");
        assert_eq!(redacted(&format!("/multipart/part/{id}/3")), "/multipart/part/01234567...");
        assert_eq!(redacted("/tus/é"), "/tus/é...");
        assert_eq!(redacted("/Security=p:eyJ,s:00/resize=w:1/h"), "/security=...");
        assert_eq!(redacted("/tus"), "/tus");
    }
}
