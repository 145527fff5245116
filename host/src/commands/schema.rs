//! `mcp-edge schema`.

use anyhow::Result;
use clap::Args;

/// Print the JSON Schema of the settings file, for editors: `"$schema": "./mcp-edge.schema.json"`.
#[derive(Args)]
#[command(after_help = "Example:\n  mcp-edge schema > mcp-edge.schema.json")]
pub struct Options {}

pub fn run(_options: &Options) -> Result<()> {
    println!("{}", serde_json::to_string_pretty(&mcp_edge::settings::json_schema())?);
    Ok(())
}
