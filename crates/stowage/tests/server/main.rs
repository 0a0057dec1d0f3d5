//! Black-box tests: the real binary on port 0, spoken to over HTTP. One module per route or concern.

mod store_api;
mod support;
