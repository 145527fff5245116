//! The pages, in a real browser: `tests/browser` against one gateway.
//!
//! It needs Node packages and Chromium, which `cargo xtask test` installs.

use anyhow::{Context, Result, ensure};
use harness::{ALICE, BOB, Gateway, Settings, artefacts, unique};
use serde_json::json;
use std::ffi::OsString;
use std::time::Duration;
use tokio::process::Command;

/// For all of the walks together. Each wait within them gives up much earlier.
const PATIENCE: Duration = Duration::from_secs(300);

fn variable(name: &str) -> Result<OsString> {
    std::env::var_os(name).with_context(|| {
        format!("{name} is not set: run `cargo xtask test --only pages`, which installs what this needs")
    })
}

#[tokio::test]
async fn people_get_through_the_pages_in_a_real_browser_and_attackers_do_not() -> Result<()> {
    let (node, chromium) = (variable("MCP_EDGE_NODE")?, variable("MCP_EDGE_CHROMIUM")?);
    let folder = artefacts::root().join("tests/browser").canonicalize()?;
    let modules = folder.join("node_modules/playwright-core");
    ensure!(modules.is_dir(), "{} is missing: run `cargo xtask test --only pages`", modules.display());
    let secret = unique("secret-of-the-client-that-checks-tokens");
    let skill = |meaning: &str| json!({ "meaning": meaning });
    let settings = Settings::new()
        .with("/identity/type", json!("oidc"))
        .with(
            "/identity/providers/example",
            // Only the browser goes there, and it is stopped on the way.
            json!({
                "label": "Example & Söhne",
                "clientId": "gateway",
                "authorizationEndpoint": "https://id.example/authorize",
                "tokenEndpoint": "https://id.example/token",
                "userinfoEndpoint": "https://id.example/userinfo",
            }),
        )
        .with(
            "/oauth/scopes",
            json!({
                "notes:read": skill("Read your notes"),
                "notes:write": skill("Create and change notes"),
                "send": skill("Send mail in your name"),
            }),
        )
        .with(
            "/oauth/clients/checker",
            json!({ "name": "Checker", "secret": "${CHECKER_SECRET}", "redirectUris": ["https://checker.example/callback"] }),
        )
        .with("/oauth/registration/perAddress", json!(1000))
        .variable("CHECKER_SECRET", &secret);
    let gateway = Gateway::start(settings).await?;
    let mut command = Command::new(node);
    command.arg("--test-reporter=spec").arg(folder.join("main.mjs"));
    command.env("MCP_EDGE_URL", gateway.url());
    command.env("MCP_EDGE_CHROMIUM", chromium);
    command.env("MCP_EDGE_PASSWORDS", json!({ ALICE.name: ALICE.password, BOB.name: BOB.password }).to_string());
    command.env("MCP_EDGE_CHECKER_SECRET", secret);
    command.env("MCP_EDGE_SCREENSHOTS", artefacts::root().join("target/mcp-edge-tests/screenshots"));
    let status = tokio::time::timeout(PATIENCE, command.kill_on_drop(true).status())
        .await
        .context("the browser does not come to an end")??;
    ensure!(status.success(), "the walks above failed; the gateway said:\n{}", gateway.errors());
    Ok(())
}
