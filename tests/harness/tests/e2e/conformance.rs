//! The public conformance suite through the running gateway with its real login: the server leg in front of the fixture
//! upstream, in every combination of client's and upstream's era, and the client leg with the suite's server behind the
//! gateway.
//!
//! It needs Node and npm packages, which `cargo xtask test` and `cargo xtask conformance` install.

use anyhow::{Context, Result, ensure};
use harness::conformance::{self, Report};
use harness::proxy::TokenProxy;
use harness::{ALICE, Gateway, Settings, Upstream};
use serde_json::json;
use std::collections::BTreeSet;

/// A scenario that cannot hold, and why.
type Exception = (&'static str, &'static str);

/// Scenarios in which a person logs in at the upstream. The gateway knows the operator's credentials for upstreams only.
const UPSTREAM_LOGIN: &str = "auth/";

/// The suite as a client of `revision` on a gateway whose upstream speaks `era` only.
async fn server_leg(revision: &str, era: &str) -> Result<Report> {
    let upstream = Upstream::start(&["--set", "fixtures", "--era", era]).await?;
    let settings = Settings::new().upstream("fix", upstream.url()).with("/names", json!("bare"));
    let gateway = Gateway::start(settings).await?;
    let proxy = TokenProxy::start(gateway.url(), &gateway.login(ALICE).await?.access).await?;
    let url = format!("{}/mcp", proxy.url());
    let report = conformance::run(&["server", "--url", &url, "--requirements", revision]).await?;
    println!("client {revision}, upstream {era}: {}", report.line());
    ensure!(
        gateway.log().iter().all(|line| line["status"].as_u64().is_some_and(|status| status < 500)),
        "{}",
        gateway.output()
    );
    Ok(report)
}

/// The gateway as client of the suite's servers of `revision`.
async fn client_leg(revision: &str) -> Result<Report> {
    let command = env!("CARGO_BIN_EXE_conformance-client");
    // Each scenario starts a gateway of its own, several at a time.
    let mut report =
        conformance::run(&["client", "--command", command, "--requirements", revision, "--timeout", "120000"]).await?;
    report.scenarios.retain(|name, _| !name.starts_with(UPSTREAM_LOGIN));
    println!("upstream is the suite at {revision}, without {UPSTREAM_LOGIN}*: {}", report.line());
    Ok(report)
}

/// What fails must be what is known, and what is known must fail: an exception that holds again has to go.
fn check(report: &Report, exceptions: &[Exception]) -> Result<()> {
    let failing: BTreeSet<&str> = report.failing().into_iter().collect();
    let known: BTreeSet<&str> = exceptions.iter().map(|(scenario, _)| *scenario).collect();
    for (scenario, why) in exceptions {
        println!("  {scenario}: {why}");
    }
    let unknown: Vec<_> = failing.difference(&known).collect();
    let held: Vec<_> = known.difference(&failing).collect();
    ensure!(unknown.is_empty(), "these fail: {unknown:?}\n{}", report.failures.join("\n"));
    ensure!(held.is_empty(), "these hold now; take them out of the exceptions: {held:?}");
    Ok(())
}

#[tokio::test]
async fn clients_of_2025_with_an_upstream_of_2025() -> Result<()> {
    check(&server_leg("2025-11-25", "2025").await?, &[])
}

#[tokio::test]
async fn clients_of_2026_with_an_upstream_of_2026() -> Result<()> {
    check(&server_leg("2026-07-28", "2026").await?, &[])
}

#[tokio::test]
async fn clients_of_2025_with_an_upstream_of_2026() -> Result<()> {
    check(&server_leg("2025-11-25", "2026").await?, &[])
}

#[tokio::test]
async fn clients_of_2026_with_an_upstream_of_2025() -> Result<()> {
    let exceptions = [
        (
            "input-required-result-basic-elicitation",
            "expects the key `user_name`: requests of the 2025 revisions have no keys, so the gateway makes them",
        ),
        (
            "input-required-result-multiple-input-requests",
            "expects three requests at once: the 2025 fixture asks one thing after the other, as its revision has it",
        ),
        (
            "tasks-capability-negotiation",
            "not required; expects the extension of 2026-07-28, and tasks of the 2025 revisions have another shape",
        ),
    ];
    check(&server_leg("2026-07-28", "2025").await?, &exceptions)
}

#[tokio::test]
async fn upstreams_of_2025() -> Result<()> {
    check(&client_leg("2025-11-25").await.context("client leg")?, &[])
}

#[tokio::test]
async fn upstreams_of_2026() -> Result<()> {
    check(&client_leg("2026-07-28").await.context("client leg")?, &[])
}
