//! The contract of the stores: what every driver does, and what each adds to it.

mod azure;
mod checksums;
mod common;
mod double;
mod dropbox;
mod every_driver;
mod failures;
mod faults;
mod gcs;
mod local;
mod moto;
mod parts;
mod s3;
mod swift;
