//! Real servers and hostile peers for tests. Development only.

mod azurite;
mod clients;
mod double;
mod dropbox;
mod gcs;
mod installed;
mod moto;
mod origin;
mod proxy;
mod s3;
mod server;
mod swift;

pub use azurite::{AZURITE_ACCOUNT, AZURITE_KEY, Azurite};
pub use clients::OfficialClient;
pub use dropbox::Dropbox;
pub use gcs::GcsServer;
pub use installed::{installed, on_search_path};
pub use moto::Moto;
pub use origin::{Origin, Received, Reply};
pub use proxy::{Fault, FaultProxy, Way};
pub use s3::{S3_ACCESS_KEY_ID, S3_SECRET_ACCESS_KEY, S3Server};
pub use server::{App, Stowage, client, client_builder};
pub use swift::{Identity, IdentityAnswer, SwiftServer};
