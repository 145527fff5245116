//! The whole gateway within this process, where time goes as fast as the test wants.

use crate::state;
use anyhow::{Context, Result, ensure};
use harness::oauth::{Client, Tokens};
use harness::{ALICE, McpClient, Revision, Settings, Upstream, artefacts};
use mcp_edge::runtime::Clock;
use mcp_edge::{Environment, Running};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use tempfile::TempDir;

struct InProcess {
    gateway: Running,
    time: Arc<AtomicI64>,
    state: TempDir,
}

impl InProcess {
    async fn start(settings: Settings) -> Result<Self> {
        let state = state()?;
        let time = Arc::new(AtomicI64::new(0));
        let gateway = mcp_edge::Gateway::builder()
            .listen("127.0.0.1:0".parse()?)
            .state(state.path())
            .components(artefacts::components()?)
            .settings(serde_json::from_str(&settings.document())?)
            .environment(Environment::of(settings.environment))
            .clock(Clock::with_offset(time.clone()))
            .start()
            .await?;
        harness::warm::keep(state.path())?;
        Ok(Self { gateway, time, state })
    }

    fn mcp_url(&self) -> String {
        self.gateway.mcp_url()
    }

    /// Let so many seconds go by.
    fn pass(&self, seconds: i64) {
        self.time.fetch_add(seconds, Ordering::Relaxed);
    }

    async fn stop(self) {
        self.gateway.stop().await;
        drop(self.state);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_access_token_ends_and_its_refresh_token_goes_on() -> Result<()> {
    let gateway = InProcess::start(Settings::new().with("/oauth/accessTokenSeconds", json!(600))).await?;
    let client = Client::register(&gateway.mcp_url(), "clock").await?;
    let tokens = client.log_in(ALICE).await?;
    ensure!(tokens.expires_in == 600, "{tokens:?}");
    let caller = McpClient::connected(gateway.mcp_url(), Some(&tokens.access), Revision::V2026_07_28).await?;
    gateway.pass(590);
    caller.tools().await?;
    gateway.pass(20);
    let reply = caller.open("tools/list", json!({})).await?.expect(401).await?;
    ensure!(
        reply.header("www-authenticate").is_some_and(|challenge| challenge.contains("invalid_token")),
        "{:?}",
        reply.headers
    );
    let fresh = Tokens::read(&client.refresh(&tokens.refresh).await?)?;
    McpClient::connected(gateway.mcp_url(), Some(&fresh.access), Revision::V2026_07_28).await?;
    gateway.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_ends() -> Result<()> {
    let gateway = InProcess::start(Settings::new()).await?;
    let client = Client::register(&gateway.mcp_url(), "clock").await?;
    for (seconds, good) in [(590, true), (610, false)] {
        let authorization = client.authorization()?;
        let code = client.code(&authorization, ALICE).await?;
        gateway.pass(seconds);
        let answer = client.redeem(&code, &authorization.verifier).await?;
        ensure!((answer.status == 200) == good, "after {seconds} s: {} {}", answer.status, answer.text());
        if !good {
            ensure!(answer.json()?["error"] == "invalid_grant", "{}", answer.text());
        }
    }
    gateway.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_refresh_token_gives_the_same_for_a_moment_and_ends_the_grant_later() -> Result<()> {
    let gateway = InProcess::start(Settings::new()).await?;
    let client = Client::register(&gateway.mcp_url(), "clock").await?;
    let first = client.log_in(ALICE).await?;
    let second = Tokens::read(&client.refresh(&first.refresh).await?)?;
    gateway.pass(25);
    let again = Tokens::read(&client.refresh(&first.refresh).await?)?;
    ensure!((&again.access, &again.refresh) == (&second.access, &second.refresh), "others within the window");
    gateway.pass(40);
    let late = client.refresh(&first.refresh).await?.expect(400)?;
    ensure!(late.json()?["error"] == "invalid_grant", "{}", late.text());
    // Somebody has stolen one of the two, so neither is good any more.
    let after = client.refresh(&second.refresh).await?.expect(400)?;
    ensure!(after.json()?["error"] == "invalid_grant", "{}", after.text());
    let caller = McpClient::new(gateway.mcp_url(), Some(&second.access), Revision::V2026_07_28);
    caller.open("tools/list", json!({})).await?.expect(401).await?;
    gateway.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refresh_token_ends_when_it_is_not_used_for_its_lifetime() -> Result<()> {
    let gateway = InProcess::start(Settings::new().with("/oauth/refreshTokenSeconds", json!(7200))).await?;
    let client = Client::register(&gateway.mcp_url(), "clock").await?;
    let mut tokens = client.log_in(ALICE).await?;
    for _ in 0..3 {
        gateway.pass(7000);
        tokens = Tokens::read(&client.refresh(&tokens.refresh).await?)?;
    }
    gateway.pass(7300);
    let late = client.refresh(&tokens.refresh).await?.expect(400)?;
    ensure!(late.json()?["error"] == "invalid_grant", "{}", late.text());
    gateway.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_session_ends_after_a_day() -> Result<()> {
    let upstream = Upstream::fixtures().await?;
    let settings = Settings::new().upstream("fix", upstream.url()).with("/oauth/accessTokenSeconds", json!(86_400));
    let gateway = InProcess::start(settings).await?;
    let client = Client::register(&gateway.mcp_url(), "clock").await?;
    let mut tokens = client.log_in(ALICE).await?;
    let mut caller = McpClient::connected(gateway.mcp_url(), Some(&tokens.access), Revision::V2025_11_25).await?;
    let session = caller.session.clone().context("session")?;
    for (hours, status) in [(23, 200), (23, 200), (25, 404)] {
        gateway.pass(hours * 3600);
        tokens = Tokens::read(&client.refresh(&tokens.refresh).await?)?;
        caller.token = Some(tokens.access.clone());
        let reply = caller.open("tools/list", json!({})).await?;
        ensure!(reply.status == status, "after {hours} h: {}", reply.status);
    }
    // It starts again.
    caller.connect().await?;
    ensure!(caller.session.as_deref() != Some(&*session), "the same session again");
    caller.tools().await?;
    gateway.stop().await;
    Ok(())
}
