//! `cargo xtask conformance`: the public MCP conformance suite through the gateway.

use anyhow::Result;
use clap::Args;

use crate::{
    build,
    run::{cargo, run},
    test::{CLIENTS, environment},
    tools::Tools,
    ui,
};

/// Which part of the suite.
#[derive(Args)]
pub struct Options {
    /// Only legs whose name begins with this: `clients_of_2025`, `upstreams_of_2026`, …
    leg: Option<String>,
}

/// Build, install, run; each leg says how many scenarios hold, and which cannot and why.
pub fn conformance(options: &Options) -> Result<()> {
    let artefacts = build::all()?;
    let tools = Tools::install()?;
    let mut command =
        cargo(["test", "--release", "--no-fail-fast", "-p", "harness", "--test", CLIENTS, "--", "--nocapture"]);
    command.arg(format!("conformance::{}", options.leg.as_deref().unwrap_or_default()));
    command
        .envs(environment(&artefacts))
        .env("MCP_EDGE_NODE", &tools.node)
        .env("MCP_EDGE_CONFORMANCE", &tools.conformance);
    ui::step("Run the suite (about two minutes)", || run(&mut command))
}
