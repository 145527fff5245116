//! Before the first request.

use crate::http::Http;
use crate::{Gateway, HostKind, McpClient, Revision, Settings};
use anyhow::{Result, ensure};
use serde_json::json;

/// Settings that are wrong serve nobody, and the operator is told what is wrong and how it should be. Of the key only the name.
pub async fn wrong_settings_are_refused_at_start(host: HostKind) -> Result<()> {
    const WEAK: &str = "hunter2-hunter2";
    for (settings, expected) in [
        (Settings::new().with("/mcpServer", json!({})), ["mcpserver: unknown key", "mcpservers"]),
        (Settings::new().with("/limits/mcp/perUsr", json!("1/60s")), ["perusr", "peruser"]),
        (Settings::new().variable("MCP_EDGE_TOKEN_KEY", WEAK), ["token_key", "32 bytes"]),
    ] {
        let said = refusal(host, settings).await?;
        let lower = said.to_lowercase();
        ensure!(expected.iter().all(|text| lower.contains(text)), "{expected:?} is not in:\n{said}");
        ensure!(!said.contains(WEAK), "the key is told:\n{said}");
    }
    Ok(())
}

/// What the operator reads. A host that looks at settings ends before it listens; Spin does not look, there the components
/// give nobody an answer.
async fn refusal(host: HostKind, settings: Settings) -> Result<String> {
    let gateway = match Gateway::start_on(host, settings).await {
        Err(error) => return Ok(format!("{error:#}")),
        Ok(gateway) => gateway,
    };
    ensure!(!matches!(host, HostKind::Wasmtime | HostKind::Workers), "it serves:\n{}", gateway.output());
    let http = Http::new();
    for path in ["/.well-known/oauth-authorization-server", "/oauth/authorize"] {
        let answer = http.get(&format!("{}{path}", gateway.url())).await?;
        ensure!(answer.status == 503, "{path}: {}", answer.status);
    }
    http.post_form(&format!("{}/oauth/token", gateway.url()), &[("grant_type", "refresh_token")]).await?.expect(503)?;
    let client = McpClient::new(gateway.mcp_url(), Some("some-token"), Revision::V2026_07_28);
    client.open("tools/list", json!({})).await?.expect(503).await?;
    Ok(gateway.output())
}
