//! The authorization server scenarios of the public MCP conformance suite, against the running gateway.
//!
//! Node and the suite (`tests/conformance`) are installed by `cargo xtask test`.

use anyhow::{Context, Result, ensure};
use harness::browser::Browser;
use harness::http::Http;
use harness::oauth::{Consent, answer_page, discover};
use harness::process::free_port;
use harness::process::{Lines, Process};
use harness::{ALICE, Gateway, Settings, programs};
use serde_json::{Value, json};
use std::path::Path;
use url::Url;

/// Both of its scenarios; a warning counts as a failure.
async fn conforms(gateway: &Gateway, port: u16, client: &str) -> Result<()> {
    let results = tempfile::tempdir()?;
    let mut command = programs::conformance()?;
    command.args(["authorization", "--url", gateway.url(), "--resource", &gateway.mcp_url()]);
    command.args(["--port", &port.to_string(), "--client-id", client]).arg("--output-dir").arg(results.path());
    let mut suite = Process::start(command, Lines::default(), Lines::default())?;
    // It prints where the person has to go, and waits for the browser to come back.
    let authorize = format!("{}/oauth/authorize?", gateway.url());
    let find = |lines: &[String]| lines.iter().find(|line| line.starts_with(&authorize)).cloned();
    let start: Url = suite.out.wait_for(find).await?.parse()?;
    let mut browser = Browser::default();
    let mut page = browser.get(&start).await?;
    while page.url.as_str().starts_with(gateway.url()) {
        page = match page.redirect() {
            Some(target) => browser.get(&target).await?,
            None => answer_page(&mut browser, &page, ALICE, Consent::Allow).await?,
        };
    }
    let status = suite.wait().await?;
    let checks = checks(results.path())?;
    let told = || format!("{checks:#?}\n{}\n{}", suite.out.all().join("\n"), gateway.output());
    ensure!(status.success(), "{status}: {}", told());
    for id in ["authorization-server-metadata", "authorization-code-grant"] {
        ensure!(
            checks.iter().any(|check| check["id"].as_str().is_some_and(|found| found.starts_with(id))),
            "no {id}: {}",
            told()
        );
    }
    for check in &checks {
        ensure!(check["status"] == "SUCCESS" || check["status"] == "INFO", "{check:#}\n{}", told());
    }
    Ok(())
}

/// What the suite has found, from the `checks.json` of each scenario.
fn checks(folder: &Path) -> Result<Vec<Value>> {
    let mut all = Vec::new();
    for entry in folder.read_dir()? {
        let path = entry?.path();
        if path.is_dir() {
            all.extend(checks(&path)?);
        } else if path.ends_with("checks.json") {
            let found: Vec<Value> = serde_json::from_slice(&std::fs::read(&path)?)?;
            all.extend(found);
        }
    }
    Ok(all)
}

#[tokio::test]
async fn a_public_client_that_registered_itself() -> Result<()> {
    let gateway = Gateway::start(Settings::new()).await?;
    let port = free_port()?;
    let (http, redirect) = (Http::new(), format!("http://127.0.0.1:{port}/callback"));
    let metadata = discover(&http, &gateway.mcp_url()).await?;
    let registration =
        json!({ "client_name": "suite", "redirect_uris": [redirect], "token_endpoint_auth_method": "none" });
    let answer =
        http.post_json(metadata.endpoint("registration_endpoint")?, &registration).await?.expect(201)?.json()?;
    conforms(&gateway, port, answer["client_id"].as_str().context("no client_id")?).await
}

/// Not one with a secret: where a server takes public clients as well, the suite leaves the secret at home.
#[tokio::test]
async fn a_public_client_from_the_settings() -> Result<()> {
    let port = free_port()?;
    let client = json!({ "name": "suite", "redirectUris": [format!("http://127.0.0.1:{port}/callback")] });
    let gateway = Gateway::start(Settings::new().with("/oauth/clients/suite", client)).await?;
    conforms(&gateway, port, "suite").await
}
