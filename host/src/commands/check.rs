//! `mcp-edge check`.

use anyhow::Result;
use clap::Args;
use mcp_edge::settings::Settings;
use mcp_edge::{Environment, StartError};
use std::path::PathBuf;

/// Check a settings file: unknown keys, wrong values, references that the environment does not set.
///
/// Prints one line for each problem, with its path and the fix. Starts nothing and connects to nothing.
#[derive(Args)]
#[command(after_help = "Example:\n  mcp-edge check --config mcp-edge.json")]
pub struct Options {
    /// Settings file (JSON with comments).
    #[arg(long, value_name = "FILE", default_value = "mcp-edge.json")]
    config: PathBuf,
}

pub fn run(options: &Options) -> Result<()> {
    let settings = Settings::read(&options.config, &Environment::process()).map_err(StartError::from)?;
    let upstreams = settings.upstreams().count();
    println!("{} is sound; {upstreams} upstream{}", options.config.display(), if upstreams == 1 { "" } else { "s" });
    if !settings.has_identity() {
        println!("it names no identity: `mcp-edge serve` needs one, or --dev");
    }
    Ok(())
}
