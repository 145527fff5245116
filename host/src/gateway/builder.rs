//! What may be said about a gateway before it starts.

use crate::compose::Part;
use crate::runtime::{Clock, LogSink};
use crate::settings::Environment;
use serde_json::Value;
use std::net::SocketAddr;
use std::path::PathBuf;

/// What to serve and how. Every method returns the builder.
pub struct GatewayBuilder {
    pub(super) listen: SocketAddr,
    pub(super) state: PathBuf,
    pub(super) source: Source,
    pub(super) public_url: Option<String>,
    pub(super) components: Components,
    pub(super) dev: bool,
    pub(super) trust: Option<PathBuf>,
    pub(super) environment: Environment,
    pub(super) clock: Clock,
    pub(super) log: LogSink,
    pub(super) events: LogSink,
}

/// Where the settings are.
pub(super) enum Source {
    None,
    File(PathBuf),
    Document(Value),
}

/// Where the components are.
pub(super) enum Components {
    /// `mcp-edge/` beside the folder of this program: `target/mcp-edge` for `target/release/mcp-edge`.
    Beside,
    Folder(PathBuf),
    Parts(Vec<Part>),
}

impl GatewayBuilder {
    /// Address to listen on; port 0 takes any free one. Default `127.0.0.1:8787`.
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.listen = address;
        self
    }

    /// State folder; made (0700) if it is missing. Default `.mcp-edge`.
    pub fn state(mut self, folder: impl Into<PathBuf>) -> Self {
        self.state = folder.into();
        self
    }

    /// Settings file. Default: none, which is the empty document.
    pub fn settings_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.source = Source::File(path.into());
        self
    }

    /// Settings as a value; relative paths in it start at the state folder.
    pub fn settings(mut self, document: Value) -> Self {
        self.source = Source::Document(document);
        self
    }

    /// The address that clients know the gateway by, where the settings name none: scheme, host and port. Default: that of
    /// [`Self::listen`], if it is loopback.
    pub fn public_url(mut self, url: impl Into<String>) -> Self {
        self.public_url = Some(url.into());
        self
    }

    /// Folder with `router.wasm`, `oauth.wasm`, `session.wasm`, `connector.wasm`.
    pub fn components(mut self, folder: impl Into<PathBuf>) -> Self {
        self.components = Components::Folder(folder.into());
        self
    }

    /// Components as bytes, in the order of the path of a request; a single one is served as it is.
    pub fn parts(mut self, parts: Vec<Part>) -> Self {
        self.components = Components::Parts(parts);
        self
    }

    /// Make keys, and a login `dev` if the settings name no user; see `mcp-edge serve --help`. Default: no.
    pub fn dev(mut self, dev: bool) -> Self {
        self.dev = dev;
        self
    }

    /// PEM file with certificate authorities that outbound requests trust besides those that Mozilla trusts. Default: none.
    pub fn trust(mut self, path: impl Into<PathBuf>) -> Self {
        self.trust = Some(path.into());
        self
    }

    /// Where `${NAME}`, keys and passwords come from. Default: the process's environment.
    pub fn environment(mut self, environment: Environment) -> Self {
        self.environment = environment;
        self
    }

    /// The guests' wall clock. Default: the system's.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Where the guests' lines go: one JSON line for each request. Default: nowhere.
    pub fn log(mut self, log: LogSink) -> Self {
        self.log = log;
        self
    }

    /// Where the guests' events go, and the text of a panic: lines on standard error. Default: nowhere.
    pub fn events(mut self, events: LogSink) -> Self {
        self.events = events;
        self
    }
}
