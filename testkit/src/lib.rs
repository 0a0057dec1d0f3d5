//! Real servers and hostile peers for tests. Development only.

mod origin;
mod s3;
mod server;

pub use origin::{Origin, Received, Reply};
pub use s3::{S3_ACCESS_KEY_ID, S3_SECRET_ACCESS_KEY, S3Server};
pub use server::{App, Stowage, client};
