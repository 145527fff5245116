//! Compiled code, carried from one gateway's state folder to the next, so that a test run compiles the components once.

use crate::artefacts;
use anyhow::{Context, Result};
use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::{Mutex, MutexGuard};

/// One start at a time: the second one finds what the first one has compiled.
static STARTING: Mutex<()> = Mutex::const_new(());

/// Copies begun by this process.
static COPIES: AtomicU64 = AtomicU64::new(0);

/// Take this while a gateway starts.
pub async fn lock() -> MutexGuard<'static, ()> {
    STARTING.lock().await
}

/// Put what was compiled before into a state folder that may not exist yet.
pub fn seed(state: &Path) -> Result<()> {
    let cache = state.join("cache");
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&cache)?;
    copy(&shared()?, &cache)
}

/// Keep what a gateway has compiled.
pub fn keep(state: &Path) -> Result<()> {
    copy(&state.join("cache"), &shared()?)
}

fn shared() -> Result<PathBuf> {
    let folder = artefacts::root().join("target/mcp-edge-tests/cache");
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
    Ok(folder)
}

/// Copy what is missing, each file under its name only when it is whole. The name says what it was compiled from and for.
fn copy(from: &Path, to: &Path) -> Result<()> {
    let Ok(entries) = from.read_dir() else {
        return Ok(());
    };
    for entry in entries {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.path().extension().is_some_and(|extension| extension == "compiled") && !target.exists() {
            // Tests of one process come here side by side, and so do several processes.
            let number = COPIES.fetch_add(1, Ordering::Relaxed);
            let partial = to.join(format!("{}-{number}.copying", std::process::id()));
            fs::copy(entry.path(), &partial).with_context(|| entry.path().display().to_string())?;
            fs::rename(partial, target)?;
        }
    }
    Ok(())
}
