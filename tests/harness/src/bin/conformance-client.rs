//! What the client leg of the conformance suite runs as "the client": a gateway whose upstream is the suite's server, and
//! an official client in front of it. Not for people: `cargo xtask conformance` starts the suite, and the suite this.

use anyhow::{Context, Result, ensure};
use harness::{ALICE, Gateway, Settings, artefacts};
use serde_json::json;
use tokio::process::Command;

#[tokio::main]
async fn main() -> Result<()> {
    let server = std::env::args().nth(1).context("usage: conformance-client URL-OF-THE-SUITES-SERVER")?;
    let settings = Settings::new().upstream("suite", &server).with("/names", json!("bare"));
    let gateway = Gateway::start(settings).await?;
    let token = gateway.login(ALICE).await?.access;
    let node = std::env::var_os("MCP_EDGE_NODE").context("MCP_EDGE_NODE is not set: run `cargo xtask conformance`")?;
    let script = artefacts::root().join("tests/conformance/client.mjs");
    let client = Command::new(node).arg(script).arg(gateway.mcp_url()).env("TOKEN", token).status();
    let status = client.await.context("the client did not start")?;
    // The suite keeps what is said here.
    eprintln!("{}", gateway.output());
    ensure!(status.success(), "the client ended with {status}");
    Ok(())
}
