//! `mcp-edge values`.

use anyhow::Result;
use clap::Args;
use mcp_edge::{Gateway, Values};
use serde_json::{Map, Value, json};
use std::net::SocketAddr;
use std::path::PathBuf;

/// Print what `serve` would give the components, for runners of other hosts. Secrets are among it.
///
/// Settings, key and login are checked and made as `serve` does; nothing is served. Standard output gets one JSON object:
/// `publicUrl`, `upstreams` (names), `devLogin` (whether --dev made it), and `values`, the names and values of wasi:config:
/// `settings` (the document as text, with publicUrl and identity), `token_key`, `client_address_header`, and for each ${NAME}
/// of the settings the value under the lower-case name.
#[derive(Args)]
#[command(after_help = "Example:\n  mcp-edge values --dev --listen 127.0.0.1:8787 --state .mcp-edge/workers")]
pub struct Options {
    /// Settings file (JSON with comments). Without it everything is at its default.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Address that the other host will listen on: the public URL if the settings name none.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8787")]
    listen: SocketAddr,
    /// Public URL if the settings name none.
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// Folder for the keys that --dev makes; must belong to you alone.
    #[arg(long, value_name = "DIR", default_value = ".mcp-edge")]
    state: PathBuf,
    /// Make keys, and a login `dev` if the settings name nobody, as `serve --dev` does.
    #[arg(long)]
    dev: bool,
}

pub fn run(options: Options) -> Result<()> {
    let mut builder = Gateway::builder().listen(options.listen).state(options.state).dev(options.dev);
    if let Some(path) = options.config {
        builder = builder.settings_file(path);
    }
    if let Some(url) = options.public_url {
        builder = builder.public_url(url);
    }
    println!("{}", shown(&builder.values()?));
    Ok(())
}

fn shown(values: &Values) -> Value {
    let config: Map<String, Value> =
        values.config.all().map(|(name, value)| (name.to_owned(), Value::from(value))).collect();
    json!({
        "publicUrl": values.public_url,
        "upstreams": values.upstreams,
        "devLogin": values.dev_login,
        "values": config,
    })
}
