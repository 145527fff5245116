//! DNS, with an error that can be told from all others.

use hyper_util::client::legacy::connect::dns::{GaiAddrs, GaiResolver, Name};
use std::pin::Pin;
use std::task::{Context, Poll};
use tower_service::Service;

/// The name of a server has no address.
#[derive(Debug, thiserror::Error)]
#[error("DNS lookup failed")]
pub struct ResolveError(#[source] std::io::Error);

/// The system's resolver (`getaddrinfo`, in a thread pool).
#[derive(Clone)]
pub struct Resolver(GaiResolver);

impl Default for Resolver {
    fn default() -> Self {
        Self(GaiResolver::new())
    }
}

impl Service<Name> for Resolver {
    type Response = GaiAddrs;
    type Error = ResolveError;
    type Future = Pin<Box<dyn Future<Output = Result<GaiAddrs, ResolveError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), ResolveError>> {
        self.0.poll_ready(context).map_err(ResolveError)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let addresses = self.0.call(name);
        Box::pin(async move { addresses.await.map_err(ResolveError) })
    }
}
