//! The real gateway and the real upstream as processes, and how much memory the gateway takes.

use std::{
    env, fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    time::timeout,
};

/// A program that listens.
pub struct Server {
    /// Where.
    pub address: SocketAddr,
    child: Child,
}

impl Server {
    /// The demo server.
    pub async fn upstream() -> Result<Self> {
        let mut command = Command::new(program("MCP_EDGE_UPSTREAM_BIN")?);
        command.args(["--listen", "127.0.0.1:0", "--set", "demo"]);
        Self::start(command).await
    }

    /// The gateway in front of one upstream.
    pub async fn gateway(upstream: SocketAddr, state: &Path, password: &str) -> Result<Self> {
        let config = Self::config(state);
        // Limits as in earnest, so that counting is part of what is measured, but out of reach.
        let rate = r#"{ "perUser": "1000000000/60s", "perIp": "1000000000/60s" }"#;
        fs::write(
            &config,
            format!(
                r#"{{ "mcpServers": {{ "demo": {{ "url": "http://{upstream}/mcp" }} }}, "limits": {{ "mcp": {rate}, "oauth": {rate} }} }}"#
            ),
        )?;
        let mut command = Command::new(program("MCP_EDGE_BIN")?);
        command.args(["serve", "--dev", "--listen", "127.0.0.1:0"]).arg("--config").arg(&config);
        command.arg("--state").arg(state).arg("--components").arg(program("MCP_EDGE_COMPONENTS")?);
        command.env("MCP_EDGE_DEV_PASSWORD", password);
        Self::start(command).await
    }

    /// The settings file of the gateway.
    pub fn config(state: &Path) -> PathBuf {
        state.join("mcp-edge.json")
    }

    /// End it and wait for it, so that somebody else can open its files.
    pub async fn stop(mut self) -> Result<()> {
        self.child.kill().await.context("it does not end")
    }

    async fn start(mut command: Command) -> Result<Self> {
        // One log line a request goes where a service manager would take it from: into a pipe that is read.
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child =
            command.spawn().with_context(|| format!("cannot start {:?}", command.as_std().get_program()))?;
        let mut stdout = child.stdout.take().context("stdout was piped")?;
        tokio::spawn(async move { tokio::io::copy(&mut stdout, &mut tokio::io::sink()).await });
        let mut lines = BufReader::new(child.stderr.take().context("stderr was piped")?).lines();
        let mut said = String::new();
        let address = timeout(START_PATIENCE, async {
            while let Some(line) = lines.next_line().await? {
                if let Some(address) = address_in(&line) {
                    return Ok(Some(address));
                }
                said.push_str(&line);
                said.push('\n');
            }
            Ok::<_, anyhow::Error>(None)
        });
        let address = address.await.context("it did not start to listen in time")??;
        let address = address.with_context(|| format!("it ended before it listened: {said}"))?;
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok(Self { address, child })
    }

    /// Memory in use now, in kB.
    pub fn resident_kb(&self) -> Result<u64> {
        resident_kb(self.child.id().context("it has ended")?)
    }

    /// Watch memory until the handle is dropped; the value is the highest seen, in kB.
    pub fn watch_memory(&self) -> Result<MemoryWatch> {
        let pid = self.child.id().context("it has ended")?;
        let highest = Arc::new(AtomicU64::new(0));
        let seen = highest.clone();
        let task = tokio::spawn(async move {
            while let Ok(now) = resident_kb(pid) {
                seen.fetch_max(now, Ordering::Relaxed);
                tokio::time::sleep(MEMORY_INTERVAL).await;
            }
        });
        Ok(MemoryWatch { highest, task: task.abort_handle() })
    }
}

/// Reads memory in the background.
pub struct MemoryWatch {
    highest: Arc<AtomicU64>,
    task: tokio::task::AbortHandle,
}

impl MemoryWatch {
    /// The highest value so far, in kB.
    pub fn highest_kb(&self) -> u64 {
        self.highest.load(Ordering::Relaxed)
    }
}

impl Drop for MemoryWatch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The first start compiles the components.
const START_PATIENCE: Duration = Duration::from_secs(300);

/// Often enough to see peaks, seldom enough to cost nothing.
const MEMORY_INTERVAL: Duration = Duration::from_millis(50);

/// The path in an environment variable that `cargo xtask bench` sets.
pub fn program(variable: &str) -> Result<std::ffi::OsString> {
    env::var_os(variable).with_context(|| format!("{variable} is not set. Fix: run `cargo xtask bench`"))
}

fn address_in(line: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once("listening on http://")?;
    rest.split(['/', ' ']).next()?.parse().ok()
}

/// `VmRSS` of Linux's `/proc/PID/status`.
fn resident_kb(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).context("memory is read from Linux's /proc")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("the process has ended")?;
    line.trim().trim_end_matches("kB").trim().parse().context("VmRSS is no number")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_found_in_what_servers_say_when_they_are_ready() {
        let check =
            |line, expected: Option<&str>| assert_eq!(address_in(line).map(|a| a.to_string()).as_deref(), expected);
        check("listening on http://127.0.0.1:8788/mcp", Some("127.0.0.1:8788"));
        check("INFO listening on http://127.0.0.1:1 (dev login)", Some("127.0.0.1:1"));
        check("compiling", None);
    }

    #[test]
    fn memory_of_a_process_is_more_than_nothing() {
        assert!(resident_kb(std::process::id()).unwrap() > 0);
    }
}
