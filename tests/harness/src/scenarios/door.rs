//! What the router decides by itself.

use crate::http::{Http, request};
use crate::{ALICE, Gateway, HostKind, McpClient, PATIENCE, Revision, Settings};
use anyhow::{Context, Result, ensure};
use http::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Largest body the gateway takes.
const MAX_BODY: usize = 4 * 1024 * 1024;

/// `GET /health`.
pub async fn health_is_open_to_all(host: HostKind) -> Result<()> {
    let gateway = Gateway::start_on(host, Settings::new()).await?;
    let health = Http::new().get(&format!("{}/health", gateway.url())).await?.expect(200)?;
    ensure!(health.json()?["status"] == "ok", "{}", health.text());
    Ok(())
}

/// MCP, "Security Warning": DNS rebinding.
pub async fn a_foreign_origin_is_refused(host: HostKind) -> Result<()> {
    let gateway =
        Gateway::start_on(host, Settings::new().with("/allowedOrigins", json!(["https://app.example"]))).await?;
    let tokens = gateway.login(ALICE).await?;
    let client = McpClient::new(gateway.mcp_url(), Some(&tokens.access), Revision::V2025_11_25);
    let initialize = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "page", "version": "1" } } });
    for (origin, status) in [
        (Some("https://evil.example"), 403),
        (Some("null"), 403),
        (Some("http://127.0.0.1.evil.example"), 403),
        (Some("https://app.example"), 200),
        (Some(gateway.url()), 200),
        (None, 200),
    ] {
        let mut headers = vec![
            ("accept".to_owned(), "application/json, text/event-stream".to_owned()),
            ("content-type".into(), "application/json".into()),
            ("authorization".into(), format!("Bearer {}", tokens.access)),
        ];
        headers.extend(origin.map(|origin| ("origin".into(), origin.into())));
        let reply = client.send(Method::POST, headers, initialize.to_string()).await?;
        ensure!(reply.status == status, "{origin:?}: {}", reply.status);
    }
    Ok(())
}

/// 413, whether the length is announced or not.
pub async fn a_body_over_the_cap_is_refused(host: HostKind) -> Result<()> {
    let gateway = Gateway::start_on(host, Settings::new()).await?;
    let client = gateway.connect(ALICE, Revision::V2026_07_28).await?;
    let token = client.token.clone().context("token")?;
    let head = format!(
        "POST /mcp HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\n\
         accept: application/json, text/event-stream\r\nmcp-protocol-version: 2026-07-28\r\nmcp-method: tools/list\r\n",
        gateway.url().trim_start_matches("http://"),
    );
    let announced = format!("{head}content-length: {}\r\n\r\n", MAX_BODY + 1);
    ensure!(raw_status(gateway.url(), &announced, &[]).await? == 413, "with Content-Length");
    let chunked = format!("{head}transfer-encoding: chunked\r\n\r\n");
    let chunk = [b"10000\r\n".to_vec(), vec![b' '; 0x10000], b"\r\n".to_vec()].concat();
    ensure!(raw_status(gateway.url(), &chunked, &chunk.repeat(MAX_BODY / 0x10000 + 1)).await? == 413, "in chunks");
    // And everybody else goes on.
    client.tools().await?;
    Ok(())
}

/// Send raw bytes and read the status. The answer may come before the body was taken, so failing to send is no failure.
async fn raw_status(url: &str, head: &str, body: &[u8]) -> Result<u16> {
    let mut stream = TcpStream::connect(url.trim_start_matches("http://")).await?;
    stream.write_all(head.as_bytes()).await?;
    let (mut reader, mut writer) = stream.split();
    let send = async {
        let _ = writer.write_all(body).await;
        std::future::pending::<()>().await;
    };
    let read = async {
        let mut answer = Vec::new();
        let mut buffer = [0; 1024];
        while !answer.windows(2).any(|pair| pair == b"\r\n") {
            let length = reader.read(&mut buffer).await.context("no answer")?;
            ensure!(length > 0, "closed without an answer");
            answer.extend_from_slice(&buffer[..length]);
        }
        let line = String::from_utf8_lossy(&answer).into_owned();
        line.split(' ').nth(1).and_then(|status| status.parse().ok()).with_context(|| line)
    };
    tokio::select! {
        () = send => unreachable!("never ends"),
        status = tokio::time::timeout(PATIENCE, read) => status.context("no answer")?,
    }
}

/// RFC 6750 section 2.3 and MCP: never in the query.
pub async fn a_token_counts_only_in_its_header(host: HostKind) -> Result<()> {
    let gateway = Gateway::start_on(host, Settings::new()).await?;
    let tokens = gateway.login(ALICE).await?;
    for url in [
        format!("{}?access_token={}", gateway.mcp_url(), tokens.access),
        format!("{}?token={}", gateway.mcp_url(), tokens.access),
    ] {
        let client = McpClient::new(url, None, Revision::V2026_07_28);
        client.open("tools/list", json!({})).await?.expect(401).await?;
    }
    // A refresh token is no access token.
    let client = McpClient::new(gateway.mcp_url(), Some(&tokens.refresh), Revision::V2026_07_28);
    client.open("tools/list", json!({})).await?.expect(401).await?;
    Ok(())
}

/// 429 with `Retry-After`, for this user only.
pub async fn a_limit_is_told_with_the_time_to_wait(host: HostKind) -> Result<()> {
    let settings = Settings::new().with("/limits/mcp/perUser", json!("3/600s"));
    let gateway = Gateway::start_on(host, settings).await?;
    let tokens = gateway.login(ALICE).await?;
    let client = McpClient::new(gateway.mcp_url(), Some(&tokens.access), Revision::V2026_07_28);
    for _ in 0..3 {
        client.open("tools/list", json!({})).await?.expect(200).await?;
    }
    let reply = client.open("tools/list", json!({})).await?.expect(429).await?;
    let wait: u64 = reply.header("retry-after").context("no Retry-After")?.parse()?;
    // The refused request counts too, so the wait may reach into the window after the next one begins.
    ensure!((1..=1200).contains(&wait), "{wait}");
    gateway.connect(crate::BOB, Revision::V2026_07_28).await?;
    Ok(())
}

/// A client's address is what its connection says: not a new one for each connection, and not what a header says.
pub async fn an_address_is_limited_whatever_headers_say(host: HostKind) -> Result<()> {
    const LIMIT: usize = 3;
    let settings = Settings::new().with("/limits/mcp/perIp", json!(format!("{LIMIT}/600s")));
    let gateway = Gateway::start_on(host, settings).await?;
    // The header of our host and of Workers, Spin's, Cloudflare's, and those of proxies.
    let names = ["mcp-edge-client-address", "spin-client-addr", "cf-connecting-ip", "x-forwarded-for", "x-real-ip"];
    for request_number in 0..2 * LIMIT {
        let address = format!("192.0.2.{request_number}");
        let headers = names.map(|name| (name, address.as_str()));
        // A connection of its own, so that the client's port is another one.
        let answer = Http::new().send(request(Method::POST, &gateway.mcp_url(), &headers, "{}")?).await?;
        let expected = if request_number < LIMIT { 401 } else { 429 };
        ensure!(answer.status == expected, "request {request_number}: {}", answer.status);
    }
    Ok(())
}

/// Unknown paths and methods.
pub async fn what_is_not_there_is_404(host: HostKind) -> Result<()> {
    let gateway = Gateway::start_on(host, Settings::new()).await?;
    let http = Http::new();
    for path in ["/nothing", "/mcpx", "/mcp/a/b/c", "/oauth/nothing", "/.well-known/nothing", "/%2e%2e/etc/passwd"] {
        http.get(&format!("{}{path}", gateway.url())).await?.expect(404).with_context(|| path.to_owned())?;
    }
    let put = http.send(request(Method::PUT, &gateway.mcp_url(), &[], "")?).await?.expect(405)?;
    ensure!(put.header("allow").is_some(), "a 405 without Allow");
    Ok(())
}
