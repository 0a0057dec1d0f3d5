//! One module per operation of the route table.

pub mod answer;
pub mod content;
pub mod convert;
pub mod copy;
pub mod debug;
pub mod deliver;
pub mod fallback;
pub mod metadata;
pub mod multipart;
pub mod openapi;
pub mod operations;
pub mod plan;
pub mod prefetch;
pub mod process;
pub mod read;
pub mod remove;
pub mod store;
pub mod tus;
pub mod verified;
pub mod write;

use http::Response;

use crate::http::{ApiError, ResponseBody};

/// What every handler gives.
pub type Answer = Result<Response<ResponseBody>, ApiError>;
