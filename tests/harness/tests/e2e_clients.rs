//! The official clients, each through login, consent, lists, calls and progress, against the running gateway on our host and on workerd.
//!
//! They need Node and Python packages and the Worker, which `cargo xtask test` installs and builds.

use anyhow::{Context, Result, bail, ensure};
use harness::{ALICE, Gateway, HostKind, Settings, Upstream, artefacts};
use serde_json::{Value, json};
use std::path::PathBuf;
use tokio::process::Command;

/// What the client must end up with.
struct Expected {
    /// Revision it negotiates.
    revision: &'static str,
    /// Whether it has a session, where the client tells.
    session: Option<bool>,
}

const SESSION: Expected = Expected { revision: "2025-11-25", session: Some(true) };
const STATELESS: Expected = Expected { revision: "2026-07-28", session: Some(false) };

fn variable(name: &str) -> Result<PathBuf> {
    let value = std::env::var_os(name)
        .with_context(|| format!("{name} is not set: run `cargo xtask test`, which installs what this test needs"))?;
    Ok(value.into())
}

fn node(script: &str) -> Result<Command> {
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

fn python(script: &str) -> Result<Command> {
    let mut command = Command::new(variable("MCP_EDGE_PYTHON")?);
    command.arg(artefacts::root().join("tests/e2e").join(script));
    Ok(command)
}

/// Run a client against a gateway on this host, in front of this upstream, and check its report.
async fn check(
    host: HostKind,
    command: Result<Command>,
    mode: &str,
    upstream: &[&str],
    expected: Expected,
) -> Result<()> {
    let mut command = command?;
    let upstream = Upstream::start(&[&["--set", "fixtures"], upstream].concat()).await?;
    let gateway = Gateway::start_on(host, Settings::new().upstream("fix", upstream.url())).await?;
    command.args([gateway.mcp_url().as_str(), "fix_", ALICE.name, ALICE.password]).env("MODE", mode).kill_on_drop(true);
    let output =
        tokio::time::timeout(harness::PATIENCE, command.output()).await.context("the client does not end")??;
    let stdout = String::from_utf8_lossy(&output.stdout);
    let told = || format!("{stdout}\n{}\n{}", String::from_utf8_lossy(&output.stderr), gateway.output());
    if !output.status.success() {
        bail!("the client failed: {}", told());
    }
    let report: Value = stdout.lines().last().and_then(|line| serde_json::from_str(line).ok()).with_context(told)?;
    let list =
        |key: &str| -> Vec<&str> { report[key].as_array().into_iter().flatten().filter_map(Value::as_str).collect() };
    ensure!(list("tools").contains(&"fix_echo"), "{report}");
    ensure!(list("prompts").contains(&"fix_test_simple_prompt"), "{report}");
    for (key, value) in [
        ("sum", json!(5)),
        ("echo", json!("Grüße \u{1F44B}")),
        ("streamed", json!("Sent progress 3 times.")),
        ("isError", json!(true)),
        ("resource", json!("This is the content of the static text resource.")),
        ("prompt", json!("Prompt with arguments: arg1='hello', arg2='world'")),
        ("revision", json!(expected.revision)),
    ] {
        let same = report[key] == value || (value.is_number() && report[key].as_f64() == value.as_f64());
        ensure!(same, "{key} is {}, not {value}: {report}", report[key]);
    }
    let progress: Vec<f64> = report["progress"].as_array().into_iter().flatten().filter_map(Value::as_f64).collect();
    ensure!(progress == [0.0, 50.0, 100.0], "{report}");
    if let (Some(session), Some(told)) = (expected.session, report["session"].as_bool()) {
        ensure!(session == told, "{report}");
    }
    // It registered, sent the person to the pages once, and got tokens once.
    ensure!(report["steps"] == json!(["registered", "authorized", "tokens"]), "{report}");
    ensure!(gateway.log().iter().all(|line| line["status"].as_u64().is_some_and(|status| status < 500)), "{}", told());
    Ok(())
}

/// The tests, once for each host.
macro_rules! on_each_host {
    ($($name:ident($host:ident) => $test:expr;)*) => {
        mod wasmtime {
            use super::*;
            $(
                #[tokio::test]
                async fn $name() -> Result<()> {
                    let $host = HostKind::Wasmtime;
                    $test
                }
            )*
        }

        mod workers {
            use super::*;
            $(
                #[tokio::test]
                async fn $name() -> Result<()> {
                    let $host = HostKind::Workers;
                    // `cargo xtask test` builds it; nobody is to take a skipped host for a tested one.
                    ensure!($host.missing().is_none(), "{}", $host.missing().unwrap_or_default());
                    $test
                }
            )*
        }
    };
}

on_each_host! {
    typescript_1(host) => check(host, node("client-v1.mjs"), "", &[], SESSION).await;
    typescript_2_legacy(host) => check(host, node("client-v2.mjs"), "legacy", &[], SESSION).await;
    typescript_2_auto(host) => check(host, node("client-v2.mjs"), "auto", &[], STATELESS).await;
    typescript_2_pinned_to_2026(host) => check(host, node("client-v2.mjs"), "2026-07-28", &[], STATELESS).await;
    python_2_legacy(host) => check(host, python("client.py"), "legacy", &[], SESSION).await;
    python_2_auto(host) => check(host, python("client.py"), "auto", &[], STATELESS).await;
    python_2_pinned_to_2026(host) => check(host, python("client.py"), "2026-07-28", &[], STATELESS).await;
    clients_of_either_era_use_an_upstream_of_the_same_era_only(host) => {
        check(host, node("client-v1.mjs"), "", &["--era", "2025"], SESSION).await?;
        check(host, node("client-v2.mjs"), "2026-07-28", &["--era", "2026"], STATELESS).await
    };
}
