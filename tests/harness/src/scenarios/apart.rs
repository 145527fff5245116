//! Who may see what.

use crate::{ALICE, BOB, Gateway, HostKind, McpClient, Revision, Settings, Upstream};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;

async fn fixtures(host: HostKind) -> Result<(Upstream, Gateway)> {
    let upstream = Upstream::fixtures().await?;
    let gateway = Gateway::start_on(host, Settings::new().upstream("fix", upstream.url())).await?;
    Ok((upstream, gateway))
}

/// 404, so that a client starts again, and so that nobody learns that the session exists.
pub async fn a_session_is_unknown_to_everybody_else(host: HostKind) -> Result<()> {
    let (_upstream, gateway) = fixtures(host).await?;
    let alice = gateway.connect(ALICE, Revision::V2025_11_25).await?;
    let id = alice.session.clone().context("no session")?;
    ensure!(!id.is_empty() && id.bytes().all(|byte| (0x21..=0x7e).contains(&byte)), "{id}");
    let bob = gateway.login(BOB).await?;
    let alice_elsewhere = gateway.login(ALICE).await?;
    let mut forged = id.clone();
    forged.pop();
    let guesses =
        [(&bob.access, id.as_str()), (&alice_elsewhere.access, &id), (&bob.access, "made-up"), (&bob.access, &forged)];
    for (token, session) in guesses {
        let mut client = McpClient::new(gateway.mcp_url(), Some(token), Revision::V2025_11_25);
        client.session = Some(session.to_owned());
        client.open("tools/list", json!({})).await?.expect(404).await?;
        // 405 where the gateway has no such stream for anybody.
        let stream = client.listen(None).await?;
        ensure!(stream.status == 404 || stream.status == 405, "GET: {}", stream.status);
        client.delete().await?.expect(404).await?;
    }
    // None of that has hurt the session.
    alice.tools().await?;
    Ok(())
}

/// DELETE, then 404.
pub async fn an_ended_session_is_unknown(host: HostKind) -> Result<()> {
    let (_upstream, gateway) = fixtures(host).await?;
    let client = gateway.connect(ALICE, Revision::V2025_11_25).await?;
    client.tools().await?;
    let ended = client.delete().await?;
    ensure!(ended.status.is_success(), "DELETE: {}", ended.status);
    client.open("tools/list", json!({})).await?.expect(404).await?;
    client.delete().await?.expect(404).await?;
    Ok(())
}

/// Each session of each person has one of its own at the upstream.
pub async fn two_people_never_share_a_session_upstream(host: HostKind) -> Result<()> {
    let upstream = Upstream::start(&["--set", "fixtures", "--era", "2025"]).await?;
    let gateway = Gateway::start_on(host, Settings::new().upstream("fix", upstream.url())).await?;
    let mut sessions: Vec<BTreeSet<String>> = Vec::new();
    for person in [ALICE, BOB, ALICE] {
        let client = gateway.connect(person, Revision::V2025_11_25).await?;
        let before = upstream.requests().await?.len();
        for _ in 0..3 {
            client.tool("fix_echo", json!({ "text": person.name })).await?;
        }
        let requests = upstream.requests().await?;
        let calls = requests.iter().skip(before).filter(|request| request["method"] == "tools/call");
        let used: BTreeSet<String> =
            calls.filter_map(|request| request["headers"]["mcp-session-id"].as_str().map(Into::into)).collect();
        ensure!(used.len() == 1, "{}: {used:?}", person.name);
        sessions.push(used);
    }
    let all: BTreeSet<&String> = sessions.iter().flatten().collect();
    ensure!(all.len() == 3, "shared: {sessions:?}");
    Ok(())
}

/// Neither in a header nor in a body.
pub async fn no_token_of_a_client_reaches_an_upstream(host: HostKind) -> Result<()> {
    let (upstream, gateway) = fixtures(host).await?;
    let tokens = gateway.login(ALICE).await?;
    for revision in Revision::ERAS {
        let client = gateway.client(&tokens.access, revision).await?;
        client.tools().await?;
        client.tool("fix_echo", json!({ "text": "x" })).await?;
        client.open_tool("fix_test_tool_with_progress", json!({}), "t").await?.all().await?;
    }
    let requests = upstream.requests().await?;
    ensure!(requests.iter().any(|request| request["method"] == "tools/call"), "{requests:?}");
    for request in &requests {
        let text = request.to_string();
        ensure!(request["headers"].get("authorization").is_none(), "{text}");
        ensure!(request["headers"].get("cookie").is_none(), "{text}");
        ensure!(!text.contains(&tokens.access) && !text.contains(&tokens.refresh), "{text}");
        ensure!(!text.contains("alice"), "the upstream learns the name: {text}");
        ensure!(request["headers"].get("mcp-edge-client-address").is_none(), "{text}");
    }
    Ok(())
}

/// `headers` of an entry in `mcpServers`, with a secret by reference.
pub async fn credentials_go_to_their_upstream_only(host: HostKind) -> Result<()> {
    let (one, two) = (Upstream::fixtures().await?, Upstream::fixtures().await?);
    let with_header = json!({ "url": one.url(), "headers": { "Authorization": "Bearer ${ONE_TOKEN}", "X-Team": "a" } });
    let settings = Settings::new().with("/mcpServers/one", with_header).upstream("two", two.url());
    let gateway = Gateway::start_on(host, settings.variable("ONE_TOKEN", "s3cret-of-one")).await?;
    let client = gateway.connect(ALICE, Revision::V2026_07_28).await?;
    client.tool("one_echo", json!({ "text": "x" })).await?;
    client.tool("two_echo", json!({ "text": "x" })).await?;
    let hash: String = Sha256::digest(b"Bearer s3cret-of-one").iter().map(|byte| format!("{byte:02x}")).collect();
    for request in one.requests().await? {
        ensure!(request["headers"]["authorization"] == format!("sha256:{hash}"), "{request}");
        ensure!(request["headers"]["x-team"] == "a", "{request}");
    }
    for request in two.requests().await? {
        ensure!(
            request["headers"]["authorization"] == Value::Null && request["headers"]["x-team"] == Value::Null,
            "{request}"
        );
    }
    ensure!(!gateway.output().contains("s3cret-of-one"), "the secret is in the log");
    Ok(())
}

/// Once connected, a call costs one request.
pub async fn one_call_is_one_request_upstream(host: HostKind) -> Result<()> {
    let (upstream, gateway) = fixtures(host).await?;
    let tokens = gateway.login(ALICE).await?;
    for revision in Revision::ERAS {
        let client = gateway.client(&tokens.access, revision).await?;
        client.tools().await?;
        client.tool("fix_echo", json!({ "text": "warm" })).await?;
        let before = upstream.requests().await?.len();
        for _ in 0..5 {
            client.tool("fix_echo", json!({ "text": "x" })).await?;
        }
        let requests = upstream.requests().await?;
        let methods: Vec<&str> =
            requests.iter().skip(before).filter_map(|request| request["method"].as_str()).collect();
        ensure!(methods == ["tools/call"; 5], "{revision:?}: {methods:?}");
    }
    Ok(())
}
