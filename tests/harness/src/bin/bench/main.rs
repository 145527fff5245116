//! `cargo xtask bench`: `tools/call` through the gateway against the same call to the bare upstream.
//!
//! Gateway, upstream and this load generator share the machine. Rounds alternate between the two sides, so that both see
//! it in the same state; what compares is the ratio, not the absolute numbers. At the end the check of an access token, on the
//! state that the gateway has left.

mod load;
mod processes;
mod report;
mod streams;
mod token;

use std::{path::Path, time::Duration};

use anyhow::{Context, Result};
use clap::Parser;
use harness::{ALICE, Person, Upstream, oauth};
use load::{Era, Round, Side, round};
use processes::Server;
use report::Figures;
use token::Check;

/// Measure the gateway.
#[derive(Parser)]
struct Options {
    /// Clients at once, one row for each.
    #[arg(long, value_delimiter = ',', default_value = "1,8,64")]
    clients: Vec<usize>,
    /// Seconds of load for each row and side.
    #[arg(long, default_value_t = 8)]
    seconds: u64,
    /// Instead of all that: hold so many streams open.
    #[arg(long)]
    streams: Option<usize>,
    /// For so long.
    #[arg(long, default_value_t = 60, requires = "streams")]
    hold: u64,
}

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::parse();
    let state = tempfile::tempdir()?;
    if let Some(count) = options.streams {
        return hold(state.path(), count, Duration::from_secs(options.hold)).await;
    }
    let upstream = Server::upstream().await.context("the upstream")?;
    let gateway = Server::gateway(upstream.address, state.path(), PASSWORD).await.context("the gateway")?;
    let person = Person { name: "dev", password: PASSWORD, ..ALICE };
    let mcp_url = format!("http://{}/mcp", gateway.address);
    let token = oauth::login(&mcp_url, person).await.context("logging in at the gateway")?.access;

    let bare = Side { address: upstream.address, token: None, tool: "echo" };
    let through = Side { address: gateway.address, token: Some(token.clone()), tool: "demo_echo" };
    // One call each before memory is called idle: it loads code that any use needs.
    for era in [Era::Session, Era::Stateless] {
        round(&bare, era, 1, Duration::ZERO).await.context("the bare upstream")?;
        round(&through, era, 1, Duration::ZERO).await.context("the gateway")?;
    }
    tokio::time::sleep(SETTLE).await;
    let idle = gateway.resident_kb()?;
    let watch = gateway.watch_memory()?;

    println!("{}", report::header());
    for era in [Era::Session, Era::Stateless] {
        for clients in &options.clients {
            let (through, bare) = row(&through, &bare, era, *clients, Duration::from_secs(options.seconds)).await?;
            println!("{}", report::rows(era.revision(), *clients, &through, &bare));
        }
    }
    let check =
        Check { config: Server::config(state.path()), state: state.path().into(), listen: gateway.address, token };
    println!("memory of the gateway: {:.1} MB idle, {:.1} MB under load (highest)", mb(idle), mb(watch.highest_kb()));
    gateway.stop().await?;
    let cost = check.measure().await.context("the token check")?;
    println!("token check: {:.1} µs of CPU (mean of {} calls of oauth.wasm, state in redb)", cost.micros, cost.calls);
    Ok(())
}

/// Streams instead of calls.
async fn hold(state: &Path, count: usize, time: Duration) -> Result<()> {
    let upstream = Upstream::fixtures().await?;
    let address =
        upstream.url().trim_start_matches("http://").trim_end_matches("/mcp").parse().context("its address")?;
    let gateway = Server::gateway(address, state, PASSWORD).await.context("the gateway")?;
    let person = Person { name: "dev", password: PASSWORD, ..ALICE };
    let token = oauth::login(&format!("http://{}/mcp", gateway.address), person).await?.access;
    let held = streams::hold(&gateway, &upstream, &token, count, time).await?;
    println!(
        "{} streams open for {} s: {:.1} kB each, all heard the news at the end",
        held.count,
        time.as_secs(),
        held.kb_each
    );
    Ok(())
}

/// Measure one row: both sides in turn, several times.
async fn row(through: &Side, bare: &Side, era: Era, clients: usize, time: Duration) -> Result<(Figures, Figures)> {
    for side in [through, bare] {
        round(side, era, clients, WARM_UP).await?;
    }
    let (mut of_gateway, mut of_bare): (Vec<Round>, Vec<Round>) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        of_gateway.push(round(through, era, clients, time / ROUNDS).await.context("the gateway")?);
        of_bare.push(round(bare, era, clients, time / ROUNDS).await.context("the bare upstream")?);
    }
    Ok((Figures::of(of_gateway), Figures::of(of_bare)))
}

/// Of the login that exists on this machine for the time of the run.
const PASSWORD: &str = "only for the time of this measurement";

/// Rounds of each side in a row.
const ROUNDS: u32 = 4;

/// Connections, pools and instances are there when measuring starts.
const WARM_UP: Duration = Duration::from_millis(500);

/// After the start, before memory counts as idle.
const SETTLE: Duration = Duration::from_secs(2);

fn mb(kb: u64) -> f64 {
    // Kernel "kB" are 1024 bytes.
    kb as f64 * 1024.0 / 1e6
}
