//! Black-box tests: the real binary on port 0, spoken to over HTTP. One module per route or concern.

mod active_content;
mod apps;
mod bad_input;
mod cors;
mod delivery;
mod disk_full;
mod docs;
mod drain;
mod durability;
mod file_api;
mod hostile;
mod isolation;
mod limits;
mod metadata;
mod migrate;
mod openapi;
mod operations;
mod overwrite_delete;
mod process;
mod provider_faults;
mod providers;
mod remote_url;
mod s3;
mod security;
mod store_api;
mod support;
