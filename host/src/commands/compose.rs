//! `mcp-edge compose`.

use anyhow::{Context, Result};
use clap::Args;
use mcp_edge::compose;
use std::path::PathBuf;

/// Wire router, oauth, session and connector into one component, as `serve` does in memory.
#[derive(Args)]
#[command(after_help = "Example:\n  mcp-edge compose --components target/mcp-edge --out target/mcp-edge/mcp-edge.wasm")]
pub struct Options {
    /// Folder with router.wasm, oauth.wasm, session.wasm and connector.wasm [default: mcp-edge/ beside the folder of this program].
    #[arg(long, value_name = "DIR")]
    components: Option<PathBuf>,
    /// File to write.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

pub fn run(options: &Options) -> Result<()> {
    let folder = match &options.components {
        Some(folder) => folder.clone(),
        None => mcp_edge::beside_this_program()?,
    };
    let wasm = compose::compose(&compose::read_parts(&folder)?)?;
    std::fs::write(&options.out, &wasm).with_context(|| format!("cannot write {}", options.out.display()))?;
    eprintln!("{}: {} bytes", options.out.display(), wasm.len());
    Ok(())
}
