//! The contract of `wasi:keyvalue` (tests/store-contract) on every host and backend.

use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use harness::http::Http;
use harness::process::{Lines, Process};
use harness::redis::{self, Redis};
use harness::{artefacts, spin as spin_up};
use mcp_edge::compose::Part;
use mcp_edge::{Environment, Running};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use tempfile::TempDir;

/// What keeps the values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Backend {
    /// Our host, in memory.
    Memory,
    /// Our host, in its database.
    Redb,
    /// Spin's default, SQLite.
    Spin,
    /// Spin with a Redis server.
    SpinRedis,
    /// workerd's Durable Objects.
    Workers,
}

macro_rules! on_each_backend {
    ($($module:ident $backend:ident: $($case:ident)*;)*) => {
        $(mod $module {
            use super::*;
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() -> Result<()> {
                    if skipped(Backend::$backend) {
                        return Ok(());
                    }
                    super::$case(Backend::$backend).await
                }
            )*
        })*
    };
}

on_each_backend! {
    memory Memory: every_case_holds twenty_at_once_get_twenty_numbers;
    redb Redb: every_case_holds twenty_at_once_get_twenty_numbers what_was_written_outlives_a_restart;
    spin Spin: every_case_holds twenty_at_once_get_twenty_numbers what_was_written_outlives_a_restart;
    spin_redis SpinRedis: every_case_holds twenty_at_once_get_twenty_numbers what_was_written_outlives_a_restart;
    workers Workers: every_case_holds twenty_at_once_get_twenty_numbers what_was_written_outlives_a_restart;
}

async fn every_case_holds(backend: Backend) -> Result<()> {
    let folder = TempDir::new()?;
    let subject = Subject::start(backend, folder.path()).await?;
    // Twice: hosts may treat keys that were there before differently.
    for _ in 0..2 {
        let outcomes = subject.ask("/suite").await?;
        let outcomes = outcomes.as_object().context("no object")?;
        ensure!(outcomes.len() >= 9, "cases are missing: {outcomes:?}");
        let wrong: Vec<_> = outcomes.iter().filter(|(_, outcome)| !outcome.is_null()).collect();
        ensure!(wrong.is_empty(), "{wrong:#?}");
    }
    subject.end().await
}

/// Single use hangs on this: exactly one of all who ask at once gets 1.
async fn twenty_at_once_get_twenty_numbers(backend: Backend) -> Result<()> {
    let folder = TempDir::new()?;
    let subject = Subject::start(backend, folder.path()).await?;
    for key in ["oauth:contract:once", "user:contract:once", "limit:contract:once"] {
        let target = format!("/increment?{key}");
        let answers = try_join_all((0..20).map(|_| subject.ask(&target))).await?;
        let numbers: BTreeSet<i64> = answers.iter().filter_map(|answer| answer["value"].as_i64()).collect();
        ensure!(numbers == (1..=20).collect(), "{key}: {answers:?}");
    }
    subject.end().await
}

async fn what_was_written_outlives_a_restart(backend: Backend) -> Result<()> {
    let folder = TempDir::new()?;
    let subject = Subject::start(backend, folder.path()).await?;
    ensure!(subject.ask("/write").await?.is_null(), "{:?}", subject.ask("/write").await?);
    subject.end().await?;
    let subject = Subject::start(backend, folder.path()).await?;
    let outcome = subject.ask("/read").await?;
    ensure!(outcome.is_null(), "{outcome}");
    subject.end().await
}

/// A host that serves the component.
struct Subject {
    url: String,
    runs: Runs,
    /// What it keeps the values in, where that is a program of its own.
    redis: Option<Redis>,
}

enum Runs {
    Here(Running),
    There(Process),
}

impl Subject {
    /// State is below `folder`.
    async fn start(backend: Backend, folder: &Path) -> Result<Self> {
        match backend {
            Backend::Memory => Self::ours(json!({ "store": { "type": "memory" } }), folder).await,
            Backend::Redb => Self::ours(json!({}), folder).await,
            Backend::Spin => Self::spin(folder, None).await,
            Backend::SpinRedis => {
                let redis = Redis::start(&folder.join("redis")).await?;
                Self::spin(folder, Some(redis)).await
            }
            Backend::Workers => Self::workers(folder).await,
        }
    }

    async fn ours(settings: Value, folder: &Path) -> Result<Self> {
        let part = Part { name: "store-contract".into(), bytes: std::fs::read(component())? };
        let running = mcp_edge::Gateway::builder()
            .listen("127.0.0.1:0".parse()?)
            .state(folder.join("state"))
            .parts(vec![part])
            .settings(settings)
            .dev(true)
            .environment(Environment::of([("MCP_EDGE_DEV_PASSWORD", "test")]))
            .start()
            .await?;
        Ok(Self { url: format!("http://{}", running.address()), runs: Runs::Here(running), redis: None })
    }

    async fn workers(folder: &Path) -> Result<Self> {
        let (node, dist) = worker().context("no Worker")?;
        let config = folder.join("mcp-edge.json");
        std::fs::write(&config, "{}")?;
        let mut command = Command::new(node);
        command.arg(artefacts::root().join("host/workers/tools/serve.ts")).arg("--dev").arg("--dist").arg(dist);
        command.arg("--host").arg(artefacts::host()?).arg("--config").arg(config);
        command.arg("--state").arg(folder.join("state")).args(["--listen", "127.0.0.1:0"]);
        let mut process = Process::start(command, Lines::default(), Lines::default())?;
        let url = process.listening(0).await?;
        Ok(Self { url, runs: Runs::There(process), redis: None })
    }

    async fn spin(folder: &Path, redis: Option<Redis>) -> Result<Self> {
        let manifest = folder.join("spin.toml");
        std::fs::write(
            &manifest,
            format!(
                "spin_manifest_version = 2\n[application]\nname = \"store-contract\"\nversion = \"0.1.0\"\n\
                 [[trigger.http]]\nroute = \"/...\"\ncomponent = \"contract\"\n\
                 [component.contract]\nsource = {:?}\nkey_value_stores = [\"default\"]\n",
                component()
            ),
        )?;
        let runtime_config = match &redis {
            Some(redis) => Some(redis.runtime_config(folder)?),
            None => None,
        };
        let launch = spin_up::Launch {
            manifest: &manifest,
            state: &folder.join("state"),
            port: harness::process::free_port()?,
            runtime_config: runtime_config.as_deref(),
            variables: BTreeMap::new(),
        };
        let process = launch.run(Lines::default(), Lines::default()).await?;
        Ok(Self { url: launch.url(), runs: Runs::There(process), redis })
    }

    async fn ask(&self, target: &str) -> Result<Value> {
        Http::new().get(&format!("{}{target}", self.url)).await?.expect(200)?.json()
    }

    /// Our host is stopped, since it is part of this process; others are killed as a crash would.
    async fn end(self) -> Result<()> {
        match self.runs {
            Runs::Here(running) => running.stop().await,
            Runs::There(mut process) => process.kill_9().await?,
        }
        match self.redis {
            Some(redis) => redis.kill_9().await,
            None => Ok(()),
        }
    }
}

/// The component, built once for each run of the tests.
fn component() -> &'static Path {
    static FILE: OnceLock<PathBuf> = OnceLock::new();
    FILE.get_or_init(|| {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--profile", "component", "--target", "wasm32-wasip2", "-p", "store-contract"]);
        let status = cargo.current_dir(artefacts::root()).status();
        assert!(
            status.is_ok_and(|status| status.success()),
            "the component does not build; if the target is missing, run `cargo xtask build` first"
        );
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or("target".into(), PathBuf::from);
        artefacts::root().join(target).join("wasm32-wasip2/component/store_contract.wasm")
    })
}

/// Node, and the folder of a Worker that was built of the component alone (`tools/build.ts --only`).
fn worker() -> Option<(PathBuf, PathBuf)> {
    Some((std::env::var_os("MCP_EDGE_NODE")?.into(), std::env::var_os("MCP_EDGE_CONTRACT_DIST")?.into()))
}

fn skipped(backend: Backend) -> bool {
    let reason = match backend {
        Backend::Spin | Backend::SpinRedis if spin_up::binary().is_none() => "SKIPPED: no spin binary (set SPIN)",
        Backend::SpinRedis if redis::binary().is_none() => "SKIPPED: no redis-server (set REDIS_SERVER)",
        Backend::Workers if worker().is_none() => {
            "SKIPPED: no Worker (`cargo xtask test --only workers` builds it and sets MCP_EDGE_NODE and MCP_EDGE_CONTRACT_DIST)"
        }
        _ => return false,
    };
    let _ = writeln!(std::io::stderr(), "{reason}");
    true
}
