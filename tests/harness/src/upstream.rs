//! An upstream, started as a process.

use crate::http::{Http, request};
use crate::process::{Lines, Process};
use crate::{PATIENCE, artefacts};
use anyhow::{Context, Result, ensure};
use http::Method;
use serde_json::Value;
use std::process::Command;
use std::time::Duration;

/// The upstream.
pub struct Upstream {
    process: Process,
    url: String,
    arguments: Vec<String>,
    http: Http,
}

impl Upstream {
    /// The fixtures in all revisions.
    pub async fn fixtures() -> Result<Self> {
        Self::start(&["--set", "fixtures"]).await
    }

    /// With these options of `upstream`; requests are recorded.
    pub async fn start(arguments: &[&str]) -> Result<Self> {
        let arguments: Vec<String> = arguments.iter().map(|a| (*a).to_owned()).collect();
        let (process, url) = launch(&arguments, 0).await?;
        Ok(Self { process, url, arguments, http: Http::new() })
    }

    /// Its MCP endpoint.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Let `wait_for_signal` of this name go on.
    pub async fn signal(&self, name: &str) -> Result<()> {
        let url = format!("{}/signal/{name}", self.base());
        self.http.send(request(Method::POST, &url, &[], "")?).await?.expect(204)?;
        Ok(())
    }

    /// Have it say something outside of calls, or hang up: `change/tools`, `touch`, `say`, `ask`, `hang-up` and so on, see
    /// the upstream's `http.rs`.
    pub async fn tell(&self, path: &str, body: &str) -> Result<()> {
        let url = format!("{}/{path}", self.base());
        self.http.send(request(Method::POST, &url, &[], body.to_owned())?).await?.expect(204)?;
        Ok(())
    }

    /// `GET /stats`: `requests`, `methods`, `sessions`, `openStreams`, `waiting`, `cancelled`, `lastHeaders`, `answers`.
    pub async fn stats(&self) -> Result<Value> {
        self.http.get(&format!("{}/stats", self.base())).await?.expect(200)?.json()
    }

    /// The requests it got, oldest first: `http`, `method`, `headers`, `body`.
    pub async fn requests(&self) -> Result<Vec<Value>> {
        let requests = self.http.get(&format!("{}/requests", self.base())).await?.expect(200)?.json()?;
        requests.as_array().cloned().context("a list")
    }

    /// How many requests of a JSON-RPC method it got.
    pub async fn count(&self, method: &str) -> Result<u64> {
        Ok(self.stats().await?["methods"][method].as_u64().unwrap_or(0))
    }

    /// Wait until the stats are so.
    pub async fn until(&self, what: &str, is_so: impl Fn(&Value) -> bool) -> Result<Value> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let stats = self.stats().await?;
            if is_so(&stats) {
                return Ok(stats);
            }
            ensure!(tokio::time::Instant::now() < deadline, "never came to pass: {what}; now {stats}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// End it.
    pub async fn stop(&mut self) -> Result<()> {
        let status = self.process.terminate().await?;
        ensure!(status.success(), "stopped with {status}");
        Ok(())
    }

    /// Start it again on the same port, with nothing left of before.
    pub async fn restart(&mut self) -> Result<()> {
        let port = self.base().rsplit_once(':').and_then(|(_, port)| port.parse().ok()).context("port")?;
        (self.process, self.url) = launch(&self.arguments, port).await?;
        Ok(())
    }

    /// Start another one on the same port, with these options.
    pub async fn become_another(&mut self, arguments: &[&str]) -> Result<()> {
        self.stop().await?;
        self.arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        self.restart().await
    }

    fn base(&self) -> &str {
        self.url.strip_suffix("/mcp").unwrap_or(&self.url)
    }
}

async fn launch(arguments: &[String], port: u16) -> Result<(Process, String)> {
    let mut command = Command::new(artefacts::upstream()?);
    command.args(["--listen", &format!("127.0.0.1:{port}"), "--record"]).args(arguments);
    let mut process = Process::start(command, Lines::default(), Lines::default())?;
    let url = process.listening(0).await?;
    Ok((process, url))
}
