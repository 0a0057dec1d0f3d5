//! Real servers and hostile peers for tests. Development only.

mod s3;
mod server;

pub use s3::S3Server;
pub use server::{App, Stowage, client};
