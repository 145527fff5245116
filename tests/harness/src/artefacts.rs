//! Where the built files are, and whether they are as new as their sources.

use anyhow::{Context, Result, bail, ensure};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The folder of the components, composed and single.
pub fn components() -> Result<PathBuf> {
    if let Some(folder) = std::env::var_os("MCP_EDGE_COMPONENTS") {
        return Ok(folder.into());
    }
    let folder = root().join("target/mcp-edge");
    for name in ["router", "oauth", "session", "connector"] {
        let file = format!("{name}.wasm");
        let built = root().join("target/wasm32-wasip2/component").join(&file);
        fresh(&built, &["components", "wit"])?;
        // The copy is only touched when its contents change, so its age says nothing.
        let copy = folder.join(&file);
        ensure!(same(&built, &copy)?, "{} is not what was built last: run `cargo xtask build`", copy.display());
    }
    let composed = folder.join("mcp-edge.wasm");
    ensure!(composed.exists(), "{} is missing: run `cargo xtask build`", composed.display());
    Ok(folder)
}

/// The host.
pub fn host() -> Result<PathBuf> {
    binary("MCP_EDGE_BIN", "mcp-edge", &["host/src", "host/Cargo.toml"])
}

/// The upstream.
pub fn upstream() -> Result<PathBuf> {
    binary("MCP_EDGE_UPSTREAM_BIN", "upstream", &["tests/upstream/src", "tests/upstream/Cargo.toml"])
}

fn binary(variable: &str, name: &str, sources: &[&str]) -> Result<PathBuf> {
    if let Some(binary) = std::env::var_os(variable) {
        return Ok(binary.into());
    }
    let binary = root().join("target/release").join(name);
    fresh(&binary, sources)?;
    Ok(binary)
}

fn fresh(artefact: &Path, sources: &[&str]) -> Result<()> {
    let shown = artefact.strip_prefix(root()).unwrap_or(artefact).display();
    let Ok(built) = artefact.metadata().and_then(|metadata| metadata.modified()) else {
        bail!("{shown} is missing: run `cargo xtask build`");
    };
    for source in sources {
        if let Some(newer) = newer_than(&root().join(source), built)? {
            let newer = newer.strip_prefix(root()).unwrap_or(&newer).display();
            bail!("{shown} is older than {newer}: run `cargo xtask build`");
        }
    }
    Ok(())
}

/// A source below `path` that changed after `time`. Tests and test data do not count.
fn newer_than(path: &Path, time: SystemTime) -> Result<Option<PathBuf>> {
    if path.is_dir() {
        if ["tests", "testdata", "target"].iter().any(|name| path.ends_with(name)) {
            return Ok(None);
        }
        for entry in path.read_dir().with_context(|| path.display().to_string())? {
            if let Some(newer) = newer_than(&entry?.path(), time)? {
                return Ok(Some(newer));
            }
        }
        return Ok(None);
    }
    let source =
        path.extension().is_some_and(|extension| ["rs", "toml", "wit", "html", "css"].iter().any(|e| extension == *e));
    let newer =
        source && path.file_name().is_some_and(|name| name != "clippy.toml") && path.metadata()?.modified()? > time;
    Ok(newer.then(|| path.to_owned()))
}

fn same(one: &Path, other: &Path) -> Result<bool> {
    let (Ok(a), Ok(b)) = (one.metadata(), other.metadata()) else {
        return Ok(false);
    };
    Ok(a.len() == b.len() && std::fs::read(one)? == std::fs::read(other)?)
}
