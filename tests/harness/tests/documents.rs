//! Client ID Metadata Documents over real TLS: what is fetched, from where, and what is not.

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use harness::browser::Browser;
use harness::gateway::can_replace_hosts;
use harness::http::Http;
use harness::https::{Authority, HttpsServer};
use harness::oauth::{self, Client, REDIRECT};
use harness::{ALICE, Gateway, Revision, Settings, Upstream};
use http::Response;
use http_body_util::Full;
use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::time::{Duration, Instant};

/// A connection that nobody answers is given up after 10 seconds: what is refused sooner was not tried.
const AT_ONCE: Duration = Duration::from_secs(5);

const SWITCH: &str = "/oauth/clientDocuments/allowLoopbackForDevelopment";

fn document(url: &str) -> Value {
    json!({
        "client_id": url, "client_name": "Documented", "redirect_uris": [REDIRECT],
        "grant_types": ["authorization_code", "refresh_token"], "token_endpoint_auth_method": "none",
    })
}

async fn client(gateway: &Gateway, url: &str) -> Result<Client> {
    let http = Http::new();
    let metadata = oauth::discover(&http, &gateway.mcp_url()).await?;
    Ok(Client { http, metadata, id: url.into() })
}

/// The page that a person sees whom a client has sent that is not let in. He is not sent anywhere.
async fn refused(gateway: &Gateway, url: &str) -> Result<String> {
    let authorization = client(gateway, url).await?.authorization()?;
    let start = Instant::now();
    let page = Browser::default().get(&authorization.url).await?;
    let text = page.answer.text();
    ensure!(page.answer.status == 400, "{url}: {} {text}", page.answer.status);
    ensure!(page.redirect().is_none() && page.forms().is_empty(), "{url}: {text}");
    ensure!(start.elapsed() < AT_ONCE, "{url}: after {:?}: {text}", start.elapsed());
    Ok(text)
}

#[tokio::test]
async fn a_client_logs_in_with_a_document_that_is_fetched_once() -> Result<()> {
    let authority = Authority::new()?;
    let server = HttpsServer::start(&authority, &["localhost"]).await?;
    let url = server.url("localhost", "/client.json");
    server.put_json("/client.json", &document(&url))?;
    let upstream = Upstream::fixtures().await?;
    let settings = Settings::new().upstream("fix", upstream.url()).with(SWITCH, json!(true)).trust(&authority.file());
    let gateway = Gateway::start(settings).await?;
    let client = client(&gateway, &url).await?;
    ensure!(client.metadata.server["client_id_metadata_document_supported"] == true, "{}", client.metadata.server);
    for _ in 0..2 {
        let tokens = client.log_in(ALICE).await?;
        let mcp = gateway.client(&tokens.access, Revision::V2025_11_25).await?;
        ensure!(mcp.tools().await?.contains(&"fix_echo".to_owned()));
        oauth::Tokens::read(&client.refresh(&tokens.refresh).await?)?;
    }
    let seen = server.seen();
    let [(path, headers)] = seen.requests.as_slice() else { anyhow::bail!("{seen:?}") };
    ensure!(path == "/client.json" && !headers.iter().any(|name| name.starts_with("mcp-edge")), "{seen:?}");
    Ok(())
}

#[tokio::test]
async fn a_document_that_is_not_where_and_what_it_should_be_is_refused() -> Result<()> {
    let authority = Authority::new()?;
    let server = HttpsServer::start(&authority, &["localhost"]).await?;
    let elsewhere = HttpsServer::start(&authority, &["localhost"]).await?;
    let gateway = Gateway::start(Settings::new().with(SWITCH, json!(true)).trust(&authority.file())).await?;

    let other = server.url("localhost", "/other.json");
    server.put_json("/liar.json", &document(&other))?;
    let target = elsewhere.url("localhost", "/target.json");
    elsewhere.put_json("/target.json", &document(&server.url("localhost", "/moved.json")))?;
    let moved = Response::builder().status(302).header("location", &target).body(Full::default())?;
    server.put("/moved.json", moved);
    let mut large = document(&server.url("localhost", "/large.json"));
    large["x"] = "x".repeat(5 * 1024).into();
    server.put_json("/large.json", &large)?;
    let page = Response::builder().header("content-type", "text/html").body(Full::from(Bytes::from("<p>hello")))?;
    server.put("/page.json", page);
    for path in ["/liar.json", "/moved.json", "/large.json", "/page.json", "/absent.json"] {
        let text = refused(&gateway, &server.url("localhost", path)).await?;
        ensure!(!text.contains("hello"), "{path}: {text}");
    }
    ensure!(server.seen().requests.len() == 5, "{:?}", server.seen());
    ensure!(elsewhere.seen().connections == 0, "a redirect was followed: {:?}", elsewhere.seen());
    Ok(())
}

#[tokio::test]
async fn a_certificate_counts_only_for_its_names_and_only_from_an_authority_that_is_trusted() -> Result<()> {
    let (authority, stranger) = (Authority::new()?, Authority::new()?);
    let good = HttpsServer::start(&authority, &["localhost"]).await?;
    let misnamed = HttpsServer::start(&authority, &["client.example.com"]).await?;
    let unknown = HttpsServer::start(&stranger, &["localhost"]).await?;
    for server in [&good, &misnamed, &unknown] {
        server.put_json("/client.json", &document(&server.url("localhost", "/client.json")))?;
    }
    let settings = Settings::new().with(SWITCH, json!(true));
    let gateway = Gateway::start(settings.clone().trust(&authority.file())).await?;
    client(&gateway, &good.url("localhost", "/client.json")).await?.log_in(ALICE).await?;
    for server in [&misnamed, &unknown] {
        refused(&gateway, &server.url("localhost", "/client.json")).await?;
        // It came to TLS, and ended there.
        ensure!(server.seen().connections > 0 && server.seen().requests.is_empty(), "{:?}", server.seen());
    }
    // Without the option nobody trusts the authority.
    let before = good.seen();
    let gateway = Gateway::start(settings).await?;
    refused(&gateway, &good.url("localhost", "/client.json")).await?;
    let after = good.seen();
    ensure!(after.connections > before.connections && after.requests.len() == before.requests.len(), "{after:?}");
    Ok(())
}

#[tokio::test]
async fn documents_come_from_this_machine_only_with_the_switch_for_development() -> Result<()> {
    let authority = Authority::new()?;
    let server = HttpsServer::start(&authority, &["localhost", "127.0.0.1"]).await?;
    let gateway = Gateway::start(Settings::new().trust(&authority.file())).await?;
    for name in ["localhost", "127.0.0.1"] {
        let url = server.url(name, "/client.json");
        server.put_json("/client.json", &document(&url))?;
        refused(&gateway, &url).await?;
    }
    ensure!(server.seen().connections == 0, "{:?}", server.seen());
    Ok(())
}

#[tokio::test]
async fn a_name_that_leads_into_a_private_network_is_not_followed_there_today_or_tomorrow() -> Result<()> {
    const NAME: &str = "client.example.com";
    if !can_replace_hosts() {
        let reason = "SKIPPED: names cannot be given addresses here (needs Linux, and leave to `unshare --map-root-user --mount`)";
        let _ = writeln!(std::io::stderr(), "{reason}");
        return Ok(());
    }
    let authority = Authority::new()?;
    let server = HttpsServer::start(&authority, &[NAME]).await?;
    let folder = tempfile::tempdir()?;
    let hosts = folder.path().join("hosts");
    let lead = |address: &str| fs::write(&hosts, format!("127.0.0.1 localhost\n{address} {NAME}\n"));
    lead("127.0.0.1")?;
    let settings = Settings::new().trust(&authority.file()).hosts(&hosts);

    // The name looks like any other; where it leads is known to the host alone.
    let gateway = Gateway::start(settings.clone()).await?;
    for address in ["127.0.0.1", "10.0.0.1", "169.254.169.254", "192.168.1.1", "::1", "fd00::1", "::ffff:10.0.0.1"] {
        lead(address)?;
        let url = server.url(NAME, &format!("/{}.json", address.replace(':', "-")));
        refused(&gateway, &url).await.with_context(|| address.to_owned())?;
    }
    ensure!(server.seen().connections == 0, "{:?}", server.seen());

    // The same with the switch: so it was the address, and nothing else.
    let gateway = Gateway::start(settings.with(SWITCH, json!(true))).await?;
    lead("127.0.0.1")?;
    let (before, after) = (server.url(NAME, "/before.json"), server.url(NAME, "/after.json"));
    for (path, url) in [("/before.json", &before), ("/after.json", &after)] {
        let body = document(url).to_string().into();
        let json = Response::builder().header("content-type", "application/json").header("connection", "close");
        server.put(path, json.body(body)?);
    }
    client(&gateway, &before).await?.log_in(ALICE).await?;
    // The name's owner lets it lead elsewhere now (DNS rebinding).
    for address in ["10.0.0.1", "169.254.169.254"] {
        lead(address)?;
        refused(&gateway, &after).await.with_context(|| address.to_owned())?;
    }
    Ok(())
}
