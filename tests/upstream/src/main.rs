//! A real MCP server, built on rmcp: what the demo and the tests put behind the gateway.
//!
//! `--set demo` has a few tools worth trying by hand, `--set fixtures` has what the public conformance suite and our own
//! scenarios ask for. Both speak the 2025 revisions (sessions) and 2026-07-28 (stateless).

mod content;
mod demo;
mod era;
mod fixtures;
mod http;
mod mrtr;
mod server;
mod signals;
mod state;
mod stats;
mod turn;

use crate::era::Era;
use crate::state::State;
use anyhow::Context as _;
use clap::{Parser, ValueEnum};
use std::net::SocketAddr;
use std::sync::Arc;

/// An MCP server for trying out and testing the gateway.
#[derive(Parser)]
#[command(name = "upstream")]
pub(crate) struct Options {
    /// Where to listen; port 0 takes any free port.
    #[arg(long, default_value = "127.0.0.1:8788")]
    listen: SocketAddr,
    /// What it offers.
    #[arg(long, value_enum, default_value = "demo")]
    set: Set,
    /// Which protocol revisions it speaks.
    #[arg(long, value_enum, default_value = "both")]
    era: Era,
    /// Serve the 2025 revisions without sessions.
    #[arg(long)]
    stateless: bool,
    /// Answer every request as an event stream, even where JSON would do.
    #[arg(long)]
    always_stream: bool,
    /// Longest list before it continues on another page; 0 is no limit.
    #[arg(long, default_value_t = 0)]
    page: usize,
    /// Say nothing outside of calls: no GET stream, no subscriptions.
    #[arg(long)]
    mute: bool,
    /// Keep the last requests for `GET /requests`.
    #[arg(long)]
    record: bool,
}

/// What the server offers.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Set {
    /// Tools for people to try.
    Demo,
    /// Tools, prompts and resources of the conformance suite and of our scenarios.
    Fixtures,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    anyhow::ensure!(
        options.listen.ip().is_loopback(),
        "--listen {} is not a loopback address: this server has no access control, use 127.0.0.1",
        options.listen
    );
    let listener = tokio::net::TcpListener::bind(options.listen)
        .await
        .with_context(|| format!("cannot listen on {}: choose another port with --listen", options.listen))?;
    let state = Arc::new(State::new(&options));
    eprintln!("listening on http://{}/mcp", listener.local_addr()?);
    let set = options.set;
    let serve = async move {
        match set {
            Set::Demo => http::serve::<demo::Demo>(listener, state, &options).await,
            Set::Fixtures => http::serve::<fixtures::Fixtures>(listener, state, &options).await,
        }
    };
    tokio::select! {
        result = serve => result,
        // Open streams do not hold the process: returning drops them with the runtime.
        result = stop_signal() => result,
    }
}

/// Ctrl-C or SIGTERM.
async fn stop_signal() -> anyhow::Result<()> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        result = tokio::signal::ctrl_c() => Ok(result?),
        _ = terminate.recv() => Ok(()),
    }
}
