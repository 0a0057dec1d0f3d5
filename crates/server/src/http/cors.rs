//! Cross-origin headers (spec 00 §5.3, threat F6). Never credentials, so `*` is safe where an app restricts nothing.

use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use stowage_catalogue::App;

use super::{ApiError, ResponseBody, context::RequestContext};

const METHODS: HeaderValue = HeaderValue::from_static("GET,HEAD,POST,PUT,PATCH,DELETE,OPTIONS");
const REQUEST_HEADERS: HeaderValue = HeaderValue::from_static(
    "Origin,Content-Type,Accept,User-Agent,UJID,UJID-Path,Filestack-Upload-Region,Filestack-Source,Filestack-Trace-Id,\
     Filestack-Trace-Span,Authorization,Content-MD5,Content-Disposition,Range,If-None-Match,X-NO-STREAM,X-Requested-With,x-amz-date,\
     x-amz-content-sha256,x-amz-acl,x-amz-security-token,Tus-Resumable,Upload-Length,Upload-Offset,Upload-Metadata,Upload-Checksum,\
     Upload-Concat,Upload-Defer-Length,Upload-Complete,Upload-Incomplete,Upload-Draft-Interop-Version,Content-Digest,X-HTTP-Method-Override,X-Request-ID",
);
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "ETag,Content-Length,Content-Range,Content-Disposition,X-File-Name,X-Request-Id,Filestack-Limit,Filestack-Remaining,Filestack-Reset,\
     Location,Stowage-Handle,Stowage-Url,Tus-Resumable,Tus-Version,Tus-Extension,Tus-Max-Size,Tus-Checksum-Algorithm,Upload-Length,\
     Upload-Offset,Upload-Metadata,Upload-Concat,Upload-Defer-Length,Upload-Expires,Upload-Complete,Upload-Incomplete,Upload-Limit,\
     Upload-Draft-Interop-Version,X-Stowage-Error",
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

/// Which pages of other origins may read an answer.
#[derive(Clone, Debug, Default)]
pub enum CrossOrigin {
    /// All.
    #[default]
    Open,
    /// Those of this origin, which the app lists.
    Only(HeaderValue),
    /// None: the app lists origins, and the request named no listed one.
    Closed,
}

impl CrossOrigin {
    /// Adds the headers of an answer.
    pub fn apply(&self, headers: &mut HeaderMap) {
        let origin = match self {
            Self::Open => Some(HeaderValue::from_static("*")),
            Self::Only(origin) => Some(origin.clone()),
            Self::Closed => None,
        };
        if !matches!(self, Self::Open) {
            headers.append(header::VARY, HeaderValue::from_static("Origin"));
        }
        if let Some(origin) = origin {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
        }
    }
}

/// Refuses a browser origin that the app does not list; exact match of the whole origin.
pub fn check_origin(context: &RequestContext, app: &App) -> Result<(), ApiError> {
    let allowed = &app.settings.cors_origins;
    if allowed.is_empty() {
        return Ok(());
    }
    let origin = context.parts.headers.get(header::ORIGIN);
    let listed = origin.filter(|origin| allowed.iter().any(|allowed| origin.as_bytes() == allowed.as_bytes()));
    context.set_cross_origin(listed.map_or(CrossOrigin::Closed, |origin| CrossOrigin::Only(origin.clone())));
    // Without an origin it is no cross-origin request of a browser.
    if origin.is_none() || listed.is_some() {
        return Ok(());
    }
    Err(ApiError::new(
        StatusCode::FORBIDDEN,
        "origin_not_allowed",
        "this app may not be used from this origin; its operator can add it with `stowage app set --cors-origins`",
    ))
}
