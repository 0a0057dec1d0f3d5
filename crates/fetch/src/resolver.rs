//! Name resolution that answers permitted addresses only: what is checked is what is dialled, so a second answer cannot rebind (threats A4, A5).

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use futures_util::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::{
    FetchError,
    guard::{Guard, Reach},
};

/// Looks host names up. The answer is not trusted: [`crate::Fetcher`] dials only those addresses of it that are permitted.
pub trait Resolver: Send + Sync + 'static {
    /// All addresses of the name.
    fn resolve(&self, name: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>>;
}

/// The resolver of the operating system.
pub(crate) struct SystemResolver;

impl Resolver for SystemResolver {
    fn resolve(&self, name: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        Box::pin(async move {
            let addresses = tokio::net::lookup_host((name, 0)).await?;
            Ok(addresses.map(|address| address.ip()).collect())
        })
    }
}

/// Leaves out every address that may not be dialled.
pub(crate) struct GuardedResolver {
    pub(crate) guard: Arc<Guard>,
    pub(crate) reach: Reach,
    pub(crate) inner: Arc<dyn Resolver>,
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (guard, reach) = (Arc::clone(&self.guard), self.reach);
        let answer = self.inner.resolve(name.as_str().to_owned());
        Box::pin(async move {
            let mut permitted = Vec::new();
            let mut refusal = None;
            for address in answer.await? {
                match guard.check_address(address, reach) {
                    Ok(()) => permitted.push(SocketAddr::new(address, 0)),
                    Err(error) => refusal = Some(error),
                }
            }
            if permitted.is_empty() {
                let refusal = refusal.unwrap_or_else(|| FetchError::failed("the name resolves to no address"));
                return Err(refusal.into());
            }
            Ok(Box::new(permitted.into_iter()) as Addrs)
        })
    }
}
