//! Programs that are not part of this repository. `cargo xtask test` installs them and says where they are.

use crate::artefacts;
use anyhow::{Context, Result, ensure};
use std::path::PathBuf;
use std::process::Command;

/// What `cargo xtask test` has put into the environment.
pub fn variable(name: &str) -> Result<PathBuf> {
    let value = std::env::var_os(name)
        .with_context(|| format!("{name} is not set: run `cargo xtask test`, which installs what this test needs"))?;
    Ok(value.into())
}

/// A script of `tests/e2e`, on Node, with the packages that are installed there.
pub fn node(script: &str) -> Result<Command> {
    let modules = variable("MCP_EDGE_E2E_MODULES")?;
    let scripts = artefacts::root().join("tests/e2e").canonicalize()?;
    // Node finds packages beside the scripts, and nowhere else.
    ensure!(
        modules.canonicalize()? == scripts.join("node_modules"),
        "MCP_EDGE_E2E_MODULES is {}, but Node looks in {}",
        modules.display(),
        scripts.join("node_modules").display()
    );
    let mut command = Command::new(variable("MCP_EDGE_NODE")?);
    command.arg(scripts.join(script));
    Ok(command)
}

/// A script of `tests/e2e`, on Python.
pub fn python(script: &str) -> Result<Command> {
    let mut command = Command::new(variable("MCP_EDGE_PYTHON")?);
    command.arg(artefacts::root().join("tests/e2e").join(script));
    Ok(command)
}

/// The public MCP conformance suite (`tests/conformance`). Its own servers stay on this machine.
pub fn conformance() -> Result<Command> {
    let suite = variable("MCP_EDGE_CONFORMANCE")?;
    let mut command = Command::new(variable("MCP_EDGE_NODE")?);
    command.arg("--require").arg(suite.join("loopback.cjs").canonicalize()?);
    command.arg(suite.join("node_modules/@modelcontextprotocol/conformance/dist/index.js"));
    Ok(command)
}
