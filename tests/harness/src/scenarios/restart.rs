//! Crashes and restarts.

use crate::mcp::text_of;
use crate::oauth::{Client, Tokens};
use crate::{ALICE, BOB, Gateway, HostKind, McpClient, Revision, Settings, Upstream, unique};
use anyhow::{Context, Result, ensure};
use serde_json::json;

/// Somebody in the middle of work.
struct Worker {
    oauth: Client,
    tokens: Tokens,
    sessions: McpClient,
    stateless: McpClient,
}

impl Worker {
    async fn start(gateway: &Gateway, person: crate::Person) -> Result<Self> {
        let oauth = Client::register(&gateway.mcp_url(), person.name).await?;
        let tokens = oauth.log_in(person).await?;
        let sessions = gateway.client(&tokens.access, Revision::V2025_11_25).await?;
        let stateless = gateway.client(&tokens.access, Revision::V2026_07_28).await?;
        let worker = Self { oauth, tokens, sessions, stateless };
        worker.work().await?;
        Ok(worker)
    }

    /// With the same sessions and tokens.
    async fn work(&self) -> Result<()> {
        for client in [&self.sessions, &self.stateless] {
            ensure!(client.tools().await?.contains(&"fix_echo".to_owned()), "{:?}", client.revision);
            let text = unique("text");
            let result = client.tool("fix_echo", json!({ "text": text })).await?;
            ensure!(text_of(&result) == text, "{result}");
        }
        Ok(())
    }
}

async fn goes_on(host: HostKind, crash: bool) -> Result<()> {
    let upstream = Upstream::fixtures().await?;
    let mut gateway = Gateway::start_on(host, Settings::new().upstream("fix", upstream.url())).await?;
    let mut workers = [Worker::start(&gateway, ALICE).await?, Worker::start(&gateway, BOB).await?];
    // In the middle of a run: streams are open, and tokens were rotated a moment ago.
    let mut open = Vec::new();
    for worker in &mut workers {
        let refreshed = Tokens::read(&worker.oauth.refresh(&worker.tokens.refresh).await?)?;
        worker.tokens = refreshed;
        for client in [&worker.sessions, &worker.stateless] {
            let mut reply = client.open_tool("fix_wait_for_signal", json!({ "name": unique("never") }), "t").await?;
            reply.next().await?.context("no progress")?;
            open.push(reply);
        }
    }
    match crash {
        true => gateway.kill_9().await?,
        false => gateway.stop().await?,
    }
    drop(open);
    gateway.restart().await?;
    for worker in &workers {
        worker.work().await?;
        let fresh = Tokens::read(&worker.oauth.refresh(&worker.tokens.refresh).await?)?;
        gateway.client(&fresh.access, Revision::V2026_07_28).await?.tools().await?;
    }
    // Still each one's own.
    let mut bob_as_alice =
        McpClient::new(gateway.mcp_url(), workers[1].sessions.token.as_deref(), Revision::V2025_11_25);
    bob_as_alice.session.clone_from(&workers[0].sessions.session);
    bob_as_alice.open("tools/list", json!({})).await?.expect(404).await?;
    Ok(())
}

/// `kill -9`.
pub async fn everybody_goes_on_after_a_crash(host: HostKind) -> Result<()> {
    goes_on(host, true).await
}

/// SIGTERM, which also does not wait for streams that never end.
pub async fn everybody_goes_on_after_a_stop(host: HostKind) -> Result<()> {
    goes_on(host, false).await
}

/// What was acknowledged is not forgotten.
pub async fn a_code_used_before_a_crash_stays_used(host: HostKind) -> Result<()> {
    let mut gateway = Gateway::start_on(host, Settings::new()).await?;
    let client = Client::register(&gateway.mcp_url(), "harness").await?;
    let used = client.authorization()?;
    let used_code = client.code(&used, ALICE).await?;
    let unused = client.authorization()?;
    let unused_code = client.code(&unused, ALICE).await?;
    Tokens::read(&client.redeem(&used_code, &used.verifier).await?)?;
    gateway.kill_9().await?;
    gateway.restart().await?;
    // First the code that is still good: showing the other one again may end what it gave.
    Tokens::read(&client.redeem(&unused_code, &unused.verifier).await?)?;
    let again = client.redeem(&used_code, &used.verifier).await?.expect(400)?;
    ensure!(again.json()?["error"] == "invalid_grant", "{}", again.text());
    Ok(())
}

/// An upstream's 404 is not the client's.
pub async fn an_upstream_that_forgot_its_sessions_is_asked_again(host: HostKind) -> Result<()> {
    let mut upstream = Upstream::start(&["--set", "fixtures", "--era", "2025"]).await?;
    let gateway = Gateway::start_on(host, Settings::new().upstream("fix", upstream.url())).await?;
    let client = gateway.connect(ALICE, Revision::V2025_11_25).await?;
    client.tool("fix_echo", json!({ "text": "before" })).await?;
    upstream.stop().await?;
    upstream.restart().await?;
    let result = client.tool("fix_echo", json!({ "text": "after" })).await?;
    ensure!(text_of(&result) == "after", "{result}");
    ensure!(upstream.count("initialize").await? == 1, "{}", upstream.stats().await?);
    Ok(())
}
