//! The contract of the stores: what every driver does, and what each adds to it.

mod common;
mod every_driver;
mod local;
mod s3;
