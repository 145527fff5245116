//! `mcp-edge serve`.

use anyhow::{Context, Result};
use clap::Args;
use mcp_edge::Gateway;
use mcp_edge::runtime::LogWriter;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::net::SocketAddr;
use std::path::PathBuf;
use tokio::signal::unix::{SignalKind, signal};

/// Serve the gateway.
///
/// Standard output gets one JSON line for each request, standard error events and problems. When it serves, it prints the line
/// `listening on http://ADDRESS` on standard error. SIGINT and SIGTERM stop it: open requests are finished first.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  mcp-edge serve --dev\n  MCP_EDGE_TOKEN_KEY=$(cat token.key) mcp-edge serve --config mcp-edge.json\n  \
                  mcp-edge serve --dev --listen 127.0.0.1:0 --state /tmp/trial\n\n\
                  Environment:\n  MCP_EDGE_TOKEN_KEY     key of tokens and cookies, at least 32 bytes; make one with `openssl rand -hex 32`\n  \
                  MCP_EDGE_TOKEN_KEY_PREVIOUS  the key before, while it is being changed; then also:\n  \
                  MCP_EDGE_USER_KEY      names what is stored for a user; for good the first MCP_EDGE_TOKEN_KEY there was\n  \
                  MCP_EDGE_COOKIE_KEY, MCP_EDGE_COOKIE_KEY_PREVIOUS  keys of their own for cookies and forms\n  \
                  MCP_EDGE_DEV_PASSWORD  password of the login that --dev makes\n  RUST_LOG               what of the host's own log is shown, for example `mcp_edge=debug`\n  \
                  and every NAME that the settings refer to as ${NAME}"
)]
pub struct Options {
    /// Settings file (JSON with comments). Without it everything is at its default.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Address to listen on; port 0 takes any free port.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8787")]
    listen: SocketAddr,
    /// Folder for state, keys and compiled code; must belong to you alone.
    #[arg(long, value_name = "DIR", default_value = ".mcp-edge")]
    state: PathBuf,
    /// Folder with router.wasm, oauth.wasm, session.wasm and connector.wasm [default: mcp-edge/ beside the folder of this program].
    #[arg(long, value_name = "DIR")]
    components: Option<PathBuf>,
    /// PEM file with certificate authorities that are trusted besides those that Mozilla trusts, for MCP servers, identity
    /// providers and clients' documents with certificates of your own.
    #[arg(long, value_name = "FILE")]
    trust: Option<PathBuf>,
    /// For trying it on your own machine: make keys and keep them in the state folder, and a login `dev` if the settings
    /// name no user (its password is in STATE/dev-password).
    #[arg(long)]
    dev: bool,
}

pub fn run(options: Options) -> Result<()> {
    raise_file_limit();
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start threads")?
        .block_on(serve(options))
}

async fn serve(options: Options) -> Result<()> {
    // Before anything that takes time, so that no signal is lost.
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let log = LogWriter::start(std::io::stdout()).context("cannot start threads")?;
    let events = LogWriter::start(std::io::stderr()).context("cannot start threads")?;
    let mut builder = Gateway::builder()
        .listen(options.listen)
        .state(options.state)
        .dev(options.dev)
        .log(log.sink())
        .events(events.sink());
    if let Some(path) = options.config {
        builder = builder.settings_file(path);
    }
    if let Some(folder) = options.components {
        builder = builder.components(folder);
    }
    if let Some(path) = options.trust {
        builder = builder.trust(path);
    }
    let running = tokio::select! {
        running = builder.start() => running?,
        _ = interrupt.recv() => return Ok(()),
        _ = terminate.recv() => return Ok(()),
    };
    let upstreams = running.upstreams();
    let names = if upstreams.is_empty() { "none".into() } else { upstreams.join(", ") };
    eprintln!("MCP endpoint {}, state in {}, upstreams: {names}", running.mcp_url(), running.state().display());
    if running.dev_login().is_some() {
        eprintln!("login `dev`, its password is in {}", running.state().join("dev-password").display());
    }
    eprintln!("listening on http://{}", running.address());
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    eprintln!("stopping: open requests are finished first");
    tokio::select! {
        () = running.stop() => {}
        // Impatience: the state is safe, what is open is cut.
        _ = interrupt.recv() => {}
    }
    match log.finish() + events.finish() {
        0 => {}
        lines => eprintln!("mcp-edge: {lines} log lines were dropped because the output was not read fast enough"),
    }
    Ok(())
}

/// Each connection is a file descriptor, and the usual soft limit is 1024.
fn raise_file_limit() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        tracing::warn!(%error, ?current, "the limit of open files stays as it is");
    }
}
