//! Why a gateway does not start.

use crate::compose::ComposeError;
use crate::plugins::keyvalue::redb::OpenError;
use crate::plugins::outbound::TrustError;
use crate::settings::{KeyError, SettingsError};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Why a gateway does not start. The texts are for the operator: one line each (one for each problem of the settings),
/// with the fix.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The settings are wrong.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// Nobody could log in.
    #[error(
        "settings: identity: nobody could log in: add \"identity\": {{ \"type\": \"local\", \"users\": [{{ \"name\": \"…\", \"passwordHash\": \"…\" }}] }} (`mcp-edge hash-password` makes the hash), or try the gateway with --dev"
    )]
    NoIdentity,
    /// The dev login is for one's own machine.
    #[error(
        "the login of --dev is for this machine only: listen on 127.0.0.1 instead of {0}, or add an identity to the settings"
    )]
    DevLoginInPublic(SocketAddr),
    /// Nothing to derive the public URL from.
    #[error(
        "settings: publicUrl: is needed to listen on {0}: write the address that clients use, as in \"https://mcp.example.com\""
    )]
    NoPublicUrl(SocketAddr),
    /// The given public URL is none.
    #[error("--public-url {0}: {1}: write the address that clients use, as in https://mcp.example.com")]
    PublicUrl(String, String),
    /// The port is taken, or not ours to take.
    #[error("{}", listen_text(.0, .1))]
    Listen(SocketAddr, #[source] io::Error),
    /// The state folder cannot be made.
    #[error("the folder {0} cannot be made: {1}: check the path given to --state")]
    State(PathBuf, #[source] io::Error),
    /// A key is missing or bad.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// A component is missing or does not fit.
    #[error(transparent)]
    Compose(#[from] ComposeError),
    /// This program does not know where it is.
    #[error("this program's own path is unknown: give --components FOLDER")]
    Program(#[source] io::Error),
    /// The file with further certificate authorities is no good.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// TLS for outbound requests cannot be set up.
    #[error("TLS cannot be set up")]
    Tls(#[source] rustls::Error),
    /// The component cannot be compiled or linked.
    #[error("the components cannot be loaded: build them and the host from one checkout with `cargo xtask build`")]
    Engine(#[source] wasmtime::Error),
}

fn listen_text(address: &SocketAddr, error: &io::Error) -> String {
    let fix = match error.kind() {
        io::ErrorKind::AddrInUse => "is taken: stop what listens there, or choose another port with --listen",
        io::ErrorKind::PermissionDenied => "is not allowed: choose a port above 1023 with --listen",
        io::ErrorKind::AddrNotAvailable => "is not an address of this machine: choose another with --listen",
        _ => return format!("cannot listen on {address}: {error}: choose another address with --listen"),
    };
    format!("{address} {fix}")
}
