//! A Redis server, for Spin to keep its keys and values in.

use crate::process::free_port;
use crate::process::{Lines, Process};
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The `redis-server` of `REDIS_SERVER` or PATH.
pub fn binary() -> Option<PathBuf> {
    if let Some(redis) = std::env::var_os("REDIS_SERVER") {
        return Some(redis.into());
    }
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders).map(|folder| folder.join("redis-server")).find(|redis| redis.is_file())
}

/// A server. What it has acknowledged is on disk, as the gateway expects of a store.
pub struct Redis {
    process: Process,
    port: u16,
}

impl Redis {
    /// Start it with what an earlier one has left in this folder.
    pub async fn start(folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder)?;
        let port = free_port()?;
        let mut command = Command::new(binary().context("no redis-server (set REDIS_SERVER)")?);
        command.args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--dir"]).arg(folder);
        command.args(["--appendonly", "yes", "--appendfsync", "always", "--save", ""]);
        let mut process = Process::start(command, Lines::default(), Lines::default())?;
        process.said(&process.out.clone(), 0, "Ready to accept connections").await?;
        Ok(Self { process, port })
    }

    /// Write a runtime config of Spin that keeps the store `default` here.
    pub fn runtime_config(&self, folder: &Path) -> Result<PathBuf> {
        let file = folder.join("runtime-config.toml");
        let url = format!("redis://127.0.0.1:{}", self.port);
        std::fs::write(&file, format!("[key_value_store.default]\ntype = \"redis\"\nurl = \"{url}\"\n"))?;
        Ok(file)
    }

    /// Kill it as a crash would.
    pub async fn kill_9(mut self) -> Result<()> {
        self.process.kill_9().await
    }
}
