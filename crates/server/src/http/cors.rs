//! Cross-origin headers (spec 00 §5.3, threat F6). Never credentials, so `*` is safe where an app restricts nothing.

use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use stowage_catalogue::App;

use super::{ApiError, ResponseBody, context::RequestContext};

const METHODS: HeaderValue = HeaderValue::from_static("GET,HEAD,POST,PUT,DELETE,OPTIONS");
const REQUEST_HEADERS: HeaderValue = HeaderValue::from_static(
    "Origin,Content-Type,Accept,User-Agent,UJID,UJID-Path,Filestack-Upload-Region,Filestack-Source,Filestack-Trace-Id,\
     Filestack-Trace-Span,Authorization,Content-MD5,Range,If-None-Match,X-NO-STREAM,X-Requested-With,x-amz-date,\
     x-amz-content-sha256,x-amz-acl,x-amz-security-token",
);
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "ETag,Content-Length,Content-Range,Content-Disposition,X-File-Name,X-Request-Id,Filestack-Limit,Filestack-Remaining,Filestack-Reset",
);
const MAX_AGE: HeaderValue = HeaderValue::from_static("86400");

/// Answers an `OPTIONS` request. Which app it is about is known only with the request that follows, which is checked again.
pub fn preflight() -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS);
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    response
}

/// Adds the cross-origin headers of a plain answer unless a handler has decided otherwise.
pub fn open(headers: &mut HeaderMap, restricted: Option<&HeaderValue>) {
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    match restricted {
        None => {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        }
        Some(origin) => {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            headers.append(header::VARY, HeaderValue::from_static("Origin"));
        }
    }
}

/// Refuses a browser origin that the app does not list; exact match of the whole origin.
pub fn check_origin(context: &RequestContext, app: &App) -> Result<(), ApiError> {
    let allowed = &app.settings.cors_origins;
    if allowed.is_empty() {
        return Ok(());
    }
    match context.parts.headers.get(header::ORIGIN) {
        // Not a browser's cross-origin request.
        None => context.restrict_origin(HeaderValue::from_static("null")),
        Some(origin) if allowed.iter().any(|allowed| origin.as_bytes() == allowed.as_bytes()) => {
            context.restrict_origin(origin.clone());
        }
        Some(_) => {
            context.restrict_origin(HeaderValue::from_static("null"));
            return Err(ApiError::new(
                StatusCode::FORBIDDEN,
                "origin_not_allowed",
                "this app may not be used from this origin; its operator can add it with `stowage app set --cors-origins`",
            ));
        }
    }
    Ok(())
}
