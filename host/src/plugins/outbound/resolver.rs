//! DNS, with errors that can be told from all others, and only as far as a request may reach.

use super::reach::Reach;
use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use tower_service::Service;

/// There is no address to connect to.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// The name of a server has none.
    #[error("DNS lookup failed")]
    Lookup(#[source] std::io::Error),
    /// It has none within the reach.
    #[error("name leads to addresses that are not allowed")]
    Prohibited,
}

/// The system's resolver (`getaddrinfo`, in a thread pool). Its caller connects to the very addresses it gives, so no
/// second lookup can lead elsewhere (DNS rebinding). Addresses in URLs do not come here: see [`Reach::allows_host`].
#[derive(Clone)]
pub struct Resolver {
    system: GaiResolver,
    reach: Reach,
}

impl Resolver {
    /// Gives addresses within `reach` only.
    pub fn new(reach: Reach) -> Self {
        Self { system: GaiResolver::new(), reach }
    }
}

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = ResolveError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, ResolveError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), ResolveError>> {
        self.system.poll_ready(context).map_err(ResolveError::Lookup)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let addresses = self.system.call(name);
        let reach = self.reach;
        Box::pin(async move {
            let addresses = addresses.await.map_err(ResolveError::Lookup)?;
            let allowed: Vec<_> = addresses.filter(|address| reach.allows(address.ip())).collect();
            if allowed.is_empty() { Err(ResolveError::Prohibited) } else { Ok(allowed.into_iter()) }
        })
    }
}
