//! Real servers and hostile peers for tests. Development only.

mod s3;

pub use s3::S3Server;
