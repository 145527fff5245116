//! Chromium for the tests of the pages.

use std::{env, path::PathBuf};

use anyhow::{Context, Result};

use crate::{apt, ui};

/// What distributions and vendors call it. Any of them does; the tests use nothing that is new.
const NAMES: [&str; 5] = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome"];

/// What to do where it cannot be installed for the user.
const FIX: &str =
    "Fix: install Chromium (for example `sudo apt-get install chromium`), or MCP_EDGE_CHROMIUM=/path/to/chromium";

/// `MCP_EDGE_CHROMIUM`: that of the environment, that on PATH, or Debian's, installed now by root or sudo.
pub fn chromium() -> Result<PathBuf> {
    if let Some(program) = env::var_os("MCP_EDGE_CHROMIUM") {
        return Ok(program.into());
    }
    if let Some(program) = on_path() {
        return Ok(program);
    }
    ui::step("   Debian package chromium", || apt::install("chromium"))
        .with_context(|| format!("there is no Chromium on PATH. {FIX}"))?;
    // Ubuntu's package of this name is an empty shell.
    on_path().with_context(|| format!("the package chromium brought no program of that name. {FIX}"))
}

fn on_path() -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let folders: Vec<PathBuf> = env::split_paths(&path).collect();
    NAMES.iter().find_map(|name| folders.iter().map(|folder| folder.join(name)).find(|program| program.is_file()))
}
