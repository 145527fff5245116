//! A gateway that serves.

use crate::runtime::cache::Origin;
use crate::serve::Server;
use crate::settings::DevLogin;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// A gateway at work. Dropping it without [`Running::stop`] leaves it serving until the process ends.
pub struct Running {
    pub(super) server: Server,
    pub(super) address: SocketAddr,
    pub(super) public_url: String,
    pub(super) state: PathBuf,
    pub(super) upstreams: Vec<String>,
    pub(super) login: Option<DevLogin>,
    pub(super) origin: Origin,
}

impl Running {
    /// The address it listens on, with the real port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address that clients know it by, without a slash at the end: the issuer.
    pub fn public_url(&self) -> &str {
        &self.public_url
    }

    /// What a client is given to connect to.
    pub fn mcp_url(&self) -> String {
        format!("{}/mcp", self.public_url)
    }

    /// The state folder.
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// Names of the upstreams.
    pub fn upstreams(&self) -> &[String] {
        &self.upstreams
    }

    /// The login that `dev` made, if the settings name nobody.
    pub fn dev_login(&self) -> Option<&DevLogin> {
        self.login.as_ref()
    }

    /// Whether the components had to be compiled.
    pub fn compiled(&self) -> Origin {
        self.origin
    }

    /// Stop accepting, finish open requests (for [`crate::serve::limits::GRACE`] at most), end streams, close the store.
    pub async fn stop(self) {
        self.server.stop().await;
    }
}
