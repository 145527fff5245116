//! Errors, and what is written about them.

use crate::oauth::{Client, Tokens};
use crate::{ALICE, BOB, Gateway, HostKind, Revision, Settings, Upstream, unique};
use anyhow::{Context, Result, ensure};
use http::Method;
use serde_json::json;

/// Partial lists, and an error that says who is missing.
pub async fn an_upstream_that_is_down_hides_nothing_else(host: HostKind) -> Result<()> {
    let (up, mut down) = (Upstream::fixtures().await?, Upstream::fixtures().await?);
    let settings = Settings::new().upstream("up", up.url()).upstream("down", down.url());
    let gateway = Gateway::start_on(host, settings).await?;
    let tokens = gateway.login(ALICE).await?;
    let mut clients = Vec::new();
    for revision in Revision::ERAS {
        let client = gateway.client(&tokens.access, revision).await?;
        let names = client.tools().await?;
        ensure!(names.contains(&"up_echo".into()) && names.contains(&"down_echo".into()), "{names:?}");
        clients.push(client);
    }
    down.stop().await?;
    for client in &clients {
        let names = client.tools().await?;
        ensure!(names.contains(&"up_echo".into()), "{:?}: {names:?}", client.revision);
        client.tool("up_echo", json!({ "text": "x" })).await?;
        let error =
            client.call_error("tools/call", json!({ "name": "down_echo", "arguments": { "text": "x" } })).await?;
        ensure!(error["code"] == -32001, "{error}");
        ensure!(error["message"].as_str().is_some_and(|message| message.contains("down")), "{error}");
        let port = down.url().trim_end_matches("/mcp").rsplit(':').next().unwrap_or_default();
        ensure!(!error.to_string().contains(port), "the address is told: {error}");
    }
    // New clients too, and those who come when it is back.
    let client = gateway.connect(BOB, Revision::V2025_11_25).await?;
    ensure!(client.tools().await?.contains(&"up_echo".into()), "a new session sees nothing");
    down.restart().await?;
    for client in &clients {
        client.tool("down_echo", json!({ "text": "x" })).await?;
        ensure!(client.tools().await?.contains(&"down_echo".into()), "{:?}: it does not come back", client.revision);
    }
    Ok(())
}

/// JSON-RPC and transport errors.
pub async fn broken_messages_get_precise_errors(host: HostKind) -> Result<()> {
    let upstream = Upstream::fixtures().await?;
    let gateway = Gateway::start_on(host, Settings::new().upstream("fix", upstream.url())).await?;
    let tokens = gateway.login(ALICE).await?;
    let client = gateway.client(&tokens.access, Revision::V2025_11_25).await?;
    let bearer = format!("Bearer {}", tokens.access);
    let headers = |more: &[(&str, &str)]| -> Vec<(String, String)> {
        let mut headers = vec![
            ("accept", "application/json, text/event-stream"),
            ("content-type", "application/json"),
            ("authorization", &bearer),
        ];
        headers.extend(more);
        headers.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    };
    let session = client.session.clone().context("session")?;
    let session = [("mcp-session-id", session.as_str()), ("mcp-protocol-version", "2025-11-25")];
    for (body, code) in [
        ("{", -32700),
        ("", -32700),
        ("[", -32700),
        ("7", -32600),
        (r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, -32600),
    ] {
        let mut reply = client.send(Method::POST, headers(&session), body).await?.expect(400).await?;
        let error = reply.next().await?.context("no error")?;
        ensure!(error["error"]["code"] == code, "{body}: {error}");
    }
    // A stateless request that contradicts its headers (2026-07-28, -32020), or of a revision nobody knows (-32022).
    let modern = |revision: &str| {
        json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": { "_meta": {
            "io.modelcontextprotocol/protocolVersion": revision, "io.modelcontextprotocol/clientCapabilities": {} } } })
    };
    for (revision, method, code) in [("2026-07-28", "tools/call", -32020), ("2099-01-01", "tools/list", -32022)] {
        let headers = headers(&[("mcp-protocol-version", revision), ("mcp-method", method)]);
        let mut reply = client.send(Method::POST, headers, modern(revision).to_string()).await?.expect(400).await?;
        let error = reply.next().await?.context("no error")?;
        ensure!(error["error"]["code"] == code && error["id"] == 1, "{error}");
    }
    // Unknown methods are the upstreams' or nobody's.
    let error = client.call_error("no/such/method", json!({})).await?;
    ensure!(error["code"] == -32601, "{error}");
    client.tools().await?;
    Ok(())
}

/// One JSON line for each request, with what is worth a column, and never a secret.
pub async fn each_request_is_one_log_line_without_secrets(host: HostKind) -> Result<()> {
    let upstream = Upstream::fixtures().await?;
    let gateway = Gateway::start_on(host, Settings::new().upstream("fix", upstream.url())).await?;
    let oauth = Client::register(&gateway.mcp_url(), "harness").await?;
    let authorization = oauth.authorization()?;
    let code = oauth.code(&authorization, ALICE).await?;
    let tokens = Tokens::read(&oauth.redeem(&code, &authorization.verifier).await?)?;
    let client = gateway.client(&tokens.access, Revision::V2025_11_25).await?;
    client.tool("fix_echo", json!({ "text": "what is said is nobody's business" })).await?;

    let line = gateway.logged(|line| line["rpc_method"] == "tools/call").await?;
    ensure!(line["status"] == 200 && line["route"] == "mcp" && line["http_method"] == "POST", "{line}");
    ensure!(line["rpc_name"] == "fix_echo" && line["upstream"] == "fix" && line["revision"] == "2025-11-25", "{line}");
    let hex = |text: &str| text.len() == 32 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    ensure!(line["user"].as_str().is_some_and(hex) && line["request_id"].as_str().is_some_and(hex), "{line}");
    ensure!(line["total_ms"].as_f64() >= line["headers_ms"].as_f64(), "{line}");
    let lines = gateway.log().into_iter().filter(|other| other["rpc_method"] == "tools/call").count();
    ensure!(lines == 1, "{lines} lines for one request");

    let refused = crate::McpClient::new(gateway.mcp_url(), Some("a-wrong-token"), Revision::V2026_07_28);
    refused.open("tools/list", json!({})).await?.expect(401).await?;
    gateway.logged(|line| line["status"] == 401 && line["route"] == "mcp" && line["user"].is_null()).await?;

    let output = gateway.output();
    let session = client.session.clone().context("session")?;
    for (what, secret) in [
        ("access token", tokens.access.as_str()),
        ("refresh token", &tokens.refresh),
        ("code", &code),
        ("verifier", &authorization.verifier),
        ("state", &authorization.state),
        ("password", ALICE.password),
        ("user name", ALICE.name),
        ("session id", &session),
        ("wrong token", "a-wrong-token"),
        ("arguments", "nobody's business"),
    ] {
        ensure!(!output.contains(secret), "the {what} is in the log:\n{output}");
    }
    Ok(())
}

/// `outcome` tells who was served to the end and who was gone before.
pub async fn who_hangs_up_is_logged_as_aborted(host: HostKind) -> Result<()> {
    let upstream = Upstream::fixtures().await?;
    let gateway = Gateway::start_on(host, Settings::new().upstream("fix", upstream.url())).await?;
    let client = gateway.connect(ALICE, Revision::V2026_07_28).await?;
    let signal = unique("signal");
    let wait = || client.open_tool("fix_wait_for_signal", json!({ "name": signal }), "t");
    let mut reply = wait().await?;
    reply.next().await?.context("no progress")?;
    drop(reply);
    upstream.until("the call is cancelled upstream", |stats| stats["cancelled"] == 1).await?;
    gateway.logged(|line| line["rpc_method"] == "tools/call" && line["outcome"] == "aborted").await?;
    upstream.signal(&signal).await?;
    wait().await?.all().await?;
    gateway.logged(|line| line["rpc_method"] == "tools/call" && line["outcome"] == "done").await?;
    Ok(())
}
