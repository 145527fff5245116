//! The gateway, started as users start it.

use crate::process::{Lines, Process, free_port};
use crate::settings::{Person, Settings};
use crate::{McpClient, Revision, artefacts, oauth, spin, warm};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// What runs the components. Everything that differs between hosts is in this type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostKind {
    /// Our host.
    Wasmtime,
    /// `spin up` with the composed component (`spin.toml`).
    Spin,
    /// `spin up` with the single components, which Spin composes (`spin.dependencies.toml`).
    SpinDependencies,
    /// workerd with the Worker of `host/workers`.
    Workers,
}

impl HostKind {
    /// Why tests on this host cannot run here; none where they can.
    pub fn missing(self) -> Option<&'static str> {
        match self {
            Self::Wasmtime => None,
            Self::Spin | Self::SpinDependencies => match spin::binary() {
                Some(_) => None,
                None => Some("SKIPPED: no spin binary (set SPIN)"),
            },
            Self::Workers => match worker() {
                Some(_) => None,
                None => Some(
                    "SKIPPED: no Worker (`cargo xtask test --only workers` builds it and sets MCP_EDGE_NODE and MCP_EDGE_WORKERS_DIST)",
                ),
            },
        }
    }
}

/// Node, and the folder of the built Worker.
fn worker() -> Option<(OsString, OsString)> {
    Some((std::env::var_os("MCP_EDGE_NODE")?, std::env::var_os("MCP_EDGE_WORKERS_DIST")?))
}

/// A gateway with its state.
pub struct Gateway {
    kind: HostKind,
    settings: Settings,
    dev: bool,
    folder: TempDir,
    process: Process,
    url: String,
}

impl Gateway {
    /// Start our host.
    pub async fn start(settings: Settings) -> Result<Self> {
        Self::start_on(HostKind::Wasmtime, settings).await
    }

    /// Start on this host.
    pub async fn start_on(kind: HostKind, settings: Settings) -> Result<Self> {
        Self::create(kind, settings, false).await
    }

    /// Start our host with `--dev` and this document.
    pub async fn start_dev(document: Value) -> Result<Self> {
        let mut settings = Settings::new().with("", document);
        settings.environment.clear();
        Self::create(HostKind::Wasmtime, settings, true).await
    }

    async fn create(kind: HostKind, settings: Settings, dev: bool) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("mcp-edge-test-").tempdir()?;
        let launch = Launch { kind, settings: &settings, dev, folder: &folder, port: None };
        let (process, url) = launch.run(Lines::default(), Lines::default()).await?;
        Ok(Self { kind, settings, dev, folder, process, url })
    }

    /// `http://127.0.0.1:PORT`, also the issuer.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The MCP endpoint, also the resource's identifier.
    pub fn mcp_url(&self) -> String {
        format!("{}/mcp", self.url)
    }

    /// The folder with settings and state.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Kill the host as a crash would.
    pub async fn kill_9(&mut self) -> Result<()> {
        self.process.kill_9().await
    }

    /// Stop the host in good order.
    pub async fn stop(&mut self) -> Result<()> {
        let status = self.process.terminate().await?;
        ensure!(status.success(), "stopped with {status}:\n{}", self.errors());
        Ok(())
    }

    /// Start again on the same state and port, with the same settings; [`Self::kill_9`] or [`Self::stop`] came before.
    pub async fn restart(&mut self) -> Result<()> {
        let port = self.url.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).context("port")?;
        let (kind, dev) = (self.kind, self.dev);
        let launch = Launch { kind, settings: &self.settings, dev, folder: &self.folder, port: Some(port) };
        let (process, url) = launch.run(self.process.out.clone(), self.process.err.clone()).await?;
        ensure!(url == self.url, "another address after the restart: {url}");
        self.process = process;
        Ok(())
    }

    /// The log lines so far.
    pub fn log(&self) -> Vec<Value> {
        self.components_output().all().iter().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// Wait for a log line.
    pub async fn logged(&self, find: impl Fn(&Value) -> bool) -> Result<Value> {
        self.components_output()
            .wait_for(|lines| lines.iter().filter_map(|line| serde_json::from_str(line).ok()).find(|line| find(line)))
            .await
    }

    /// Where the components' standard output goes.
    fn components_output(&self) -> &Lines {
        match self.kind {
            HostKind::Spin | HostKind::SpinDependencies => &self.process.err,
            HostKind::Wasmtime | HostKind::Workers => &self.process.out,
        }
    }

    /// Wait for a line on standard error that has this in it: events of the components, and problems.
    pub async fn noted(&self, text: &str) -> Result<String> {
        self.process.err.wait_for(|lines| lines.iter().find(|line| line.contains(text)).cloned()).await
    }

    /// Everything the host has written, to both outputs.
    pub fn output(&self) -> String {
        format!("{}\n{}", self.process.out.all().join("\n"), self.errors())
    }

    /// Standard error.
    pub fn errors(&self) -> String {
        self.process.err.all().join("\n")
    }

    /// Log a person in, with a client of its own.
    pub async fn login(&self, person: Person) -> Result<oauth::Tokens> {
        oauth::login(&self.mcp_url(), person).await.with_context(|| format!("login of {}", person.name))
    }

    /// A connected client with this token.
    pub async fn client(&self, token: &str, revision: Revision) -> Result<McpClient> {
        McpClient::connected(self.mcp_url(), Some(token), revision).await
    }

    /// Log a person in and connect.
    pub async fn connect(&self, person: Person, revision: Revision) -> Result<McpClient> {
        let tokens = self.login(person).await?;
        self.client(&tokens.access, revision).await
    }
}

/// How a gateway is started.
struct Launch<'a> {
    kind: HostKind,
    settings: &'a Settings,
    dev: bool,
    folder: &'a TempDir,
    port: Option<u16>,
}

impl Launch<'_> {
    async fn run(&self, out: Lines, err: Lines) -> Result<(Process, String)> {
        // Lines of a first run are not about the second.
        let skip = err.all().len();
        let state = self.folder.path().join("state");
        let starting = warm::lock().await;
        let started = match self.kind {
            HostKind::Wasmtime => {
                warm::seed(&state)?;
                let mut process = Process::start(self.wasmtime(&state)?, out, err)?;
                let url = process.listening(skip).await?;
                warm::keep(&state)?;
                (process, url)
            }
            HostKind::Spin => self.spin("spin.toml", &state, out, err).await?,
            HostKind::SpinDependencies => self.spin("spin.dependencies.toml", &state, out, err).await?,
            HostKind::Workers => {
                let mut process = Process::start(self.workers(&state)?, out, err)?;
                let url = process.listening(skip).await?;
                (process, url)
            }
        };
        drop(starting);
        Ok(started)
    }

    fn wasmtime(&self, state: &Path) -> Result<Command> {
        let program = artefacts::host()?;
        let mut command = match &self.settings.hosts {
            Some(hosts) => with_hosts(hosts, &program),
            None => Command::new(program),
        };
        command.arg("serve").arg("--components").arg(artefacts::components()?);
        self.options(&mut command, state)?;
        command.args(&self.settings.arguments);
        Ok(command)
    }

    /// workerd. Its runner takes the options that our host takes, and asks our host what they mean.
    fn workers(&self, state: &Path) -> Result<Command> {
        let (node, dist) = worker().context("no Worker (set MCP_EDGE_NODE and MCP_EDGE_WORKERS_DIST)")?;
        let mut command = Command::new(node);
        command.arg(artefacts::root().join("host/workers/tools/serve.ts"));
        command.arg("--dist").arg(dist).arg("--host").arg(artefacts::host()?);
        self.options(&mut command, state)?;
        Ok(command)
    }

    /// The options of `mcp-edge serve` and its environment.
    fn options(&self, command: &mut Command, state: &Path) -> Result<()> {
        let config = self.folder.path().join("mcp-edge.json");
        std::fs::write(&config, self.settings.document())?;
        command.arg("--config").arg(config).arg("--state").arg(state);
        command.args(["--listen", &format!("127.0.0.1:{}", self.port.unwrap_or(0))]);
        if self.dev {
            command.arg("--dev");
        }
        for variable in [
            "MCP_EDGE_TOKEN_KEY",
            "MCP_EDGE_TOKEN_KEY_PREVIOUS",
            "MCP_EDGE_COOKIE_KEY",
            "MCP_EDGE_COOKIE_KEY_PREVIOUS",
            "MCP_EDGE_USER_KEY",
            "MCP_EDGE_DEV_PASSWORD",
        ] {
            command.env_remove(variable);
        }
        command.envs(&self.settings.environment).current_dir(self.folder.path());
        Ok(())
    }

    /// Spin, with a manifest of the repository.
    async fn spin(&self, manifest: &str, state: &Path, out: Lines, err: Lines) -> Result<(Process, String)> {
        let port = self.port.map_or_else(free_port, Ok)?;
        let mut document: Value = serde_json::from_str(&self.settings.document())?;
        if document["publicUrl"].is_null() {
            document["publicUrl"] = format!("http://127.0.0.1:{port}").into();
        }
        let mut variables = BTreeMap::from([("settings".to_owned(), document.to_string())]);
        for (name, value) in &self.settings.environment {
            variables.insert(name.strip_prefix("MCP_EDGE_").unwrap_or(name).to_lowercase(), value.clone());
        }
        let file = self.folder.path().join("spin.toml");
        std::fs::write(&file, spin::manifest(manifest, &artefacts::components()?, variables.keys())?)?;
        let launch = spin::Launch { manifest: &file, state, port, runtime_config: None, variables };
        let process = launch.run(out, err).await?;
        spin::healthy(&launch.url(), &process).await?;
        Ok((process, launch.url()))
    }
}

/// A program in a mount namespace of its own, where this file is `/etc/hosts`. Names are then looked up
/// the way they always are, and lead where a test wants them to.
fn with_hosts(hosts: &Path, program: &Path) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--mount", "sh", "-c", r#"mount --bind "$0" /etc/hosts && exec "$@""#]);
    command.arg(hosts).arg(program);
    command
}

/// Whether this system lets a process have a `/etc/hosts` of its own; `unshare` does it on most Linux machines.
pub fn can_replace_hosts() -> bool {
    let tried = with_hosts(Path::new("/etc/hosts"), Path::new("true")).output();
    tried.is_ok_and(|output| output.status.success())
}
