//! The official clients, each through login, consent, lists, calls and progress, against the running gateway on our host
//! and on workerd; and `mcp-remote`.
//!
//! They need Node and Python packages and the Worker, which `cargo xtask test` installs and builds.

use anyhow::{Context, Result, bail, ensure};
use harness::https::{Authority, HttpsServer};
use harness::process::free_port;
use harness::programs::{node, python};
use harness::{ALICE, Gateway, HostKind, Settings, Upstream};
use serde_json::{Value, json};
use std::process::Command;

/// What the client must end up with.
struct Expected {
    /// Revision it negotiates.
    revision: &'static str,
    /// Whether it has a session, where the client tells.
    session: Option<bool>,
}

const SESSION: Expected = Expected { revision: "2025-11-25", session: Some(true) };
const STATELESS: Expected = Expected { revision: "2026-07-28", session: Some(false) };

/// How the gateway gets to know the client.
enum Known {
    /// The client registers itself (RFC 7591).
    Registered,
    /// Its id is the address of a document about it, fetched over TLS.
    Document,
}

/// Where the clients may be sent back to, but for the port.
const CALLBACKS: [&str; 2] = ["http://127.0.0.1:33419/callback", "http://127.0.0.1:33420/callback"];

/// A server of one client's document.
struct Documents {
    authority: Authority,
    server: HttpsServer,
    url: String,
    port: u16,
}

impl Documents {
    async fn start() -> Result<Self> {
        let authority = Authority::new()?;
        let server = HttpsServer::start(&authority, &["localhost"]).await?;
        let (url, port) = (server.url("localhost", "/client.json"), free_port()?);
        let own = format!("http://localhost:{port}/oauth/callback");
        let document = json!({
            "client_id": url, "client_name": "mcp-edge e2e", "redirect_uris": [CALLBACKS[0], CALLBACKS[1], own],
            "grant_types": ["authorization_code", "refresh_token"], "token_endpoint_auth_method": "none",
        });
        server.put_json("/client.json", &document)?;
        Ok(Self { authority, server, url, port })
    }
}

/// Run a client that registers itself against a gateway on this host, in front of this upstream, and check its report.
async fn check(
    host: HostKind,
    command: Result<Command>,
    mode: &str,
    upstream: &[&str],
    expected: Expected,
) -> Result<()> {
    check_as(host, Known::Registered, command, mode, upstream, expected).await
}

/// The same for a client with a document. On our host: the others do not take certificate authorities of a test.
async fn check_document(command: Result<Command>, mode: &str, expected: Expected) -> Result<()> {
    check_as(HostKind::Wasmtime, Known::Document, command, mode, &[], expected).await
}

async fn check_as(
    host: HostKind,
    known: Known,
    command: Result<Command>,
    mode: &str,
    upstream: &[&str],
    expected: Expected,
) -> Result<()> {
    let mut command = tokio::process::Command::from(command?);
    let upstream = Upstream::start(&[&["--set", "fixtures"], upstream].concat()).await?;
    let mut settings = Settings::new().upstream("fix", upstream.url());
    let documents = match known {
        Known::Registered => None,
        Known::Document => Some(Documents::start().await?),
    };
    if let Some(documents) = &documents {
        settings = settings
            .with("/oauth/clientDocuments/allowLoopbackForDevelopment", json!(true))
            .trust(&documents.authority.file());
        command.env("CLIENT_METADATA_URL", &documents.url).env("CALLBACK_PORT", documents.port.to_string());
    }
    let gateway = Gateway::start_on(host, settings).await?;
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
    // It made itself known, sent the person to the pages once, and got tokens once.
    let known = if documents.is_some() { "document" } else { "registered" };
    ensure!(report["steps"] == json!([known, "authorized", "tokens"]), "{report}");
    if let Some(documents) = documents {
        let seen = documents.server.seen();
        ensure!(seen.requests.len() == 1, "{seen:?}");
    }
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

#[tokio::test]
async fn mcp_remote() -> Result<()> {
    check(HostKind::Wasmtime, node("mcp-remote.mjs"), "", &[], SESSION).await
}

#[tokio::test]
async fn typescript_1_with_a_document() -> Result<()> {
    check_document(node("client-v1.mjs"), "", SESSION).await
}

#[tokio::test]
async fn typescript_2_with_a_document() -> Result<()> {
    check_document(node("client-v2.mjs"), "auto", STATELESS).await
}

#[tokio::test]
async fn python_2_with_a_document() -> Result<()> {
    check_document(python("client.py"), "auto", STATELESS).await
}

#[tokio::test]
async fn mcp_remote_with_a_document() -> Result<()> {
    check_document(node("mcp-remote.mjs"), "", SESSION).await
}
