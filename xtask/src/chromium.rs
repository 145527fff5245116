//! Chromium for the tests of the pages.

use std::{env, path::PathBuf, process::Command};

use anyhow::{Context, Result, bail};

use crate::{
    run::{exists, read},
    ui,
};

/// What distributions and vendors call it. Any of them does; the tests use nothing that is new.
const NAMES: [&str; 5] = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome"];

/// What to do where it cannot be installed for the user.
const FIX: &str =
    "Fix: install Chromium (for example `sudo apt-get install chromium`), or MCP_EDGE_CHROMIUM=/path/to/chromium";

/// `MCP_EDGE_CHROMIUM`: that of the environment, that on PATH, or Debian's, installed now.
pub fn chromium() -> Result<PathBuf> {
    if let Some(program) = env::var_os("MCP_EDGE_CHROMIUM") {
        return Ok(program.into());
    }
    if let Some(program) = on_path() {
        return Ok(program);
    }
    if !exists("apt-get") {
        bail!("there is no Chromium on PATH, and no apt-get to install it with. {FIX}");
    }
    if read(Command::new("id").arg("-u"))?.trim() != "0" {
        bail!("there is no Chromium on PATH, and only root may install it. {FIX}");
    }
    ui::step("   Debian package chromium", install).context(FIX)?;
    // Ubuntu's package of this name is an empty shell.
    on_path().with_context(|| format!("the package chromium brought no program of that name. {FIX}"))
}

fn install() -> Result<()> {
    let apt = || {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive");
        command
    };
    read(apt().arg("update"))?;
    read(apt().args(["install", "--yes", "--no-install-recommends", "chromium"])).map(drop)
}

fn on_path() -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let folders: Vec<PathBuf> = env::split_paths(&path).collect();
    NAMES.iter().find_map(|name| folders.iter().map(|folder| folder.join(name)).find(|program| program.is_file()))
}
