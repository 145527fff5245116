//! `mcp-edge compose`.

use anyhow::{Context, Result};
use clap::Args;
use mcp_edge::compose::{self, COMPONENTS};
use std::path::PathBuf;

/// Wire router, oauth, session and connector into one component, as `serve` does in memory.
#[derive(Args)]
#[command(after_help = "Example:\n  mcp-edge compose --components target/mcp-edge --out target/mcp-edge/mcp-edge.wasm")]
pub struct Options {
    /// Folder with router.wasm, oauth.wasm, session.wasm and connector.wasm [default: mcp-edge/ beside the folder of this program].
    #[arg(long, value_name = "DIR")]
    components: Option<PathBuf>,
    /// The component that requests come in by. Those before it are left out, for who composes them in another way.
    #[arg(long, value_name = "NAME", default_value = COMPONENTS[0], value_parser = COMPONENTS)]
    entry: String,
    /// File to write.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

pub fn run(options: &Options) -> Result<()> {
    let folder = match &options.components {
        Some(folder) => folder.clone(),
        None => mcp_edge::beside_this_program()?,
    };
    let mut parts = compose::read_parts(&folder)?;
    parts.drain(..parts.iter().position(|part| part.name == options.entry).unwrap_or_default());
    let wasm = compose::compose(&parts)?;
    std::fs::write(&options.out, &wasm).with_context(|| format!("cannot write {}", options.out.display()))?;
    eprintln!("{}: {} bytes", options.out.display(), wasm.len());
    Ok(())
}
