//! The command line: settings that are refused, and what `serve` says and does before it listens.

use anyhow::{Context, Result, ensure};
use harness::{Gateway, Person, Revision, Settings, artefacts};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};
use tempfile::TempDir;

fn run(arguments: &[&str], folder: &Path, environment: &[(&str, &str)]) -> Result<(bool, String)> {
    let mut command = Command::new(artefacts::host()?);
    command.args(arguments).current_dir(folder).env_remove("MCP_EDGE_TOKEN_KEY").envs(environment.iter().copied());
    let Output { status, stdout, stderr } = command.output()?;
    Ok((status.success(), format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr))))
}

fn check(document: &str) -> Result<(bool, String)> {
    let folder = TempDir::new()?;
    std::fs::write(folder.path().join("mcp-edge.json"), document)?;
    run(&["check"], folder.path(), &[("SET", "value")])
}

#[test]
fn wrong_settings_are_refused_with_a_line_that_names_the_place_and_the_fix() -> Result<()> {
    let users = |users: Value| json!({ "identity": { "type": "local", "users": users } });
    let server = |server: Value| json!({ "mcpServers": { "a": server } });
    for (document, expected) in [
        (json!({ "mcpServer": {} }), &["mcpServer", "mcpServers"][..]),
        (json!({ "publicUrl": "http://example.com" }), &["publicUrl", "https"]),
        (json!({ "publicUrl": "https://example.com/" }), &["publicUrl", "without a path"]),
        (json!({ "store": { "type": "postgres" } }), &["store", "redb"]),
        (users(json!([])), &["identity.users", "at least one user"]),
        (
            users(json!([{ "name": "a", "passwordHash": "hunter2" }])),
            &["identity.users[0].passwordHash", "hash-password"],
        ),
        (users(json!([{ "name": "a", "password": "hunter2" }])), &["identity.users[0].password", "passwordHash"]),
        (server(json!({ "url": "http://example.com/mcp" })), &["mcpServers.a.url", "https"]),
        (server(json!({ "url": "ftp://example.com" })), &["mcpServers.a.url", "http"]),
        (server(json!({ "command": "npx" })), &["mcpServers.a", "url"]),
        (
            server(json!({ "url": "https://a.example", "headers": { "Authorization": "Bearer abc" } })),
            &["mcpServers.a.headers.Authorization", "${NAME}"],
        ),
        (
            server(json!({ "url": "https://a.example", "headers": { "X-Key": "${UNSET}" } })),
            &["mcpServers.a.headers.X-Key", "UNSET", "not set"],
        ),
        (server(json!({ "url": "https://a.example", "timeout": 0 })), &["mcpServers.a.timeout", "1 to"]),
        (
            json!({ "names": "bare", "mcpServers": { "a": { "url": "https://a" }, "b": { "url": "https://b" } } }),
            &["names", "single upstream"],
        ),
        (server(json!({ "url": "https://a", "prefix": "a.b" })), &["mcpServers.a.prefix", "letters, digits"]),
        (
            json!({ "mcpServers": { "a": { "url": "https://a", "prefix": "x" }, "b": { "url": "https://b", "prefix": "x_y" } } }),
            &["mcpServers.b", "mistaken", "`prefix`"],
        ),
        (server(json!({ "url": "https://a", "tools": { "alow": ["x"] } })), &["mcpServers.a.tools.alow", "allow"]),
        (
            server(json!({ "url": "https://a", "tools": { "overrides": { "x": { "name": "a b" } } } })),
            &["mcpServers.a.tools.overrides.x.name", "letters, digits"],
        ),
        (
            server(json!({ "url": "https://a", "resources": { "allow": "x" } })),
            &["mcpServers.a.resources.allow", "a list"],
        ),
        (server(json!({ "url": "https://a", "features": { "a,b": {} } })), &["mcpServers.a.features", "address"]),
        (server(json!({ "url": "https://a", "region": "" })), &["mcpServers.a.region", "address"]),
        (server(json!({ "url": "https://a", "tenants": ["a/b"] })), &["mcpServers.a.tenants", "address"]),
        (server(json!({ "url": "https://a", "projects": "web" })), &["mcpServers.a.projects", "a list"]),
        (server(json!({ "url": "https://a", "bind": { "org": "{tenat}" } })), &["mcpServers.a.bind.org", "{tenant}"]),
        (server(json!({ "url": "https://a", "pinned": "yes" })), &["mcpServers.a.pinned", "true or false"]),
        (json!({ "toolSearch": 1 }), &["toolSearch", "true or false"]),
        (
            json!({ "oauth": { "scopes": { "s": { "meaning": "x", "mcpServers": { "a": {} } } } } }),
            &["oauth.scopes.s.mcpServers.a", "there is no"],
        ),
        (json!({ "limits": { "mcp": { "perUser": "fast" } } }), &["limits.mcp.perUser", "60/60s"]),
        (json!({ "oauth": { "codeSeconds": 6000 } }), &["oauth.codeSeconds", "600"]),
        (json!({ "allowedOrigins": ["*"] }), &["allowedOrigins", "not an origin"]),
    ] {
        let (good, output) = check(&document.to_string())?;
        ensure!(!good, "taken: {document}");
        let line = output.lines().find(|line| expected.iter().all(|text| line.contains(text)));
        ensure!(line.is_some(), "{document}: no line has {expected:?}:\n{output}");
        ensure!(!output.contains("hunter2") && !output.contains("Bearer abc"), "a secret is told:\n{output}");
        ensure!(!output.contains("panicked") && output.lines().count() <= 3, "{output}");
    }
    Ok(())
}

#[test]
fn all_that_is_wrong_is_told_at_once() -> Result<()> {
    let (good, output) = check(r#"{ "nmaes": "bare", "oauth": { "codeSeconds": 1, "codeSecond": 1 } }"#)?;
    ensure!(!good);
    for text in ["nmaes", "did you mean `names`", "oauth.codeSecond"] {
        ensure!(output.contains(text), "{text} is missing:\n{output}");
    }
    Ok(())
}

#[test]
fn settings_may_have_comments_and_references() -> Result<()> {
    let (good, output) = check(
        r#"{
            // One upstream.
            "mcpServers": { "a": { "url": "https://a.example/mcp", "headers": { "Authorization": "Bearer ${SET}" } } }, /* and */
            "publicUrl": "https://mcp.example.com",
        }"#,
    )?;
    ensure!(good, "{output}");
    let (good, output) = check("{ \"mcpServers\": ")?;
    ensure!(!good && output.contains("mcp-edge.json") && output.contains("not JSON"), "{output}");
    Ok(())
}

#[test]
fn serve_says_in_one_line_why_it_does_not_start() -> Result<()> {
    let folder = TempDir::new()?;
    let components = artefacts::components()?;
    let components = components.to_str().context("path")?;
    let key = ("MCP_EDGE_TOKEN_KEY", "0123456789abcdef0123456789abcdef");
    let taken = std::net::TcpListener::bind("127.0.0.1:0")?;
    let address = taken.local_addr()?.to_string();
    std::fs::write(folder.path().join("good.json"), Settings::new().document())?;
    std::fs::write(folder.path().join("empty.json"), "{}")?;
    let short = ("MCP_EDGE_TOKEN_KEY", "short");
    let short_cookie = ("MCP_EDGE_COOKIE_KEY", "short");
    let previous = ("MCP_EDGE_TOKEN_KEY_PREVIOUS", "fedcba9876543210fedcba9876543210");
    for (arguments, environment, expected) in [
        (&["--config", "absent.json"][..], &[key][..], &["absent.json", "--config"][..]),
        (&["--config", "empty.json"], &[key], &["identity", "--dev"]),
        (&["--config", "good.json"], &[], &["MCP_EDGE_TOKEN_KEY"]),
        (&["--config", "good.json"], &[short], &["MCP_EDGE_TOKEN_KEY", "32"]),
        (&["--config", "good.json"], &[key, short_cookie], &["MCP_EDGE_COOKIE_KEY", "32"]),
        (&["--config", "good.json"], &[key, previous], &["MCP_EDGE_TOKEN_KEY_PREVIOUS", "MCP_EDGE_USER_KEY"]),
        (&["--config", "good.json", "--listen", &address], &[key], &[&address, "taken", "--listen"]),
        (&["--config", "good.json", "--listen", "0.0.0.0:0"], &[key], &["publicUrl"]),
        (&["--config", "empty.json", "--dev", "--listen", "0.0.0.0:0"], &[], &["--dev", "127.0.0.1"]),
        (&["--config", "good.json", "--trust", "absent.pem"], &[key], &["absent.pem", "--trust"]),
        (&["--config", "good.json", "--trust", "good.json"], &[key], &["good.json", "BEGIN CERTIFICATE"]),
        (&["--config", "good.json", "--components", "/nowhere"], &[key], &["/nowhere", "cargo xtask build"]),
    ] {
        let mut all = vec!["serve", "--state", "state"];
        if !arguments.contains(&"--components") {
            all.extend(["--components", components]);
        }
        if !arguments.contains(&"--listen") {
            all.extend(["--listen", "127.0.0.1:0"]);
        }
        all.extend(arguments);
        let (good, output) = run(&all, folder.path(), environment)?;
        ensure!(!good, "{arguments:?} started");
        ensure!(expected.iter().all(|text| output.contains(text)), "{arguments:?}: {expected:?} is not in:\n{output}");
        ensure!(output.trim().lines().count() == 1, "more than a line:\n{output}");
    }
    Ok(())
}

#[tokio::test]
async fn dev_makes_keys_and_a_login_and_keeps_them() -> Result<()> {
    let mut gateway = Gateway::start_dev(json!({})).await?;
    let state = gateway.folder().join("state");
    let password = std::fs::read_to_string(state.join("dev-password"))?;
    for entry in state.read_dir()? {
        let entry = entry?;
        let mode = entry.metadata()?.permissions().mode() & 0o077;
        ensure!(mode == 0, "{} can be read by others", entry.path().display());
    }
    let person = Person { name: "dev", password: String::leak(password.trim().to_owned()), hash: "" };
    ensure!(person.password.len() >= 16, "a short password");
    let tokens = gateway.login(person).await?;
    ensure!(!gateway.output().contains(person.password), "the password is in the output");
    gateway.stop().await?;
    gateway.restart().await?;
    gateway.client(&tokens.access, Revision::V2025_11_25).await?;
    gateway.login(person).await?;
    Ok(())
}

#[test]
fn values_are_those_that_serve_would_serve_and_wrong_settings_are_refused_alike() -> Result<()> {
    let folder = TempDir::new()?;
    std::fs::write(
        folder.path().join("mcp-edge.json"),
        r#"{ "mcpServers": { "a": { "url": "https://a", "headers": { "X-Key": "${A_KEY}" } } } }"#,
    )?;
    let arguments = ["values", "--config", "mcp-edge.json", "--listen", "127.0.0.1:1234", "--state", "state"];
    let dev = [&arguments[..], &["--dev"]].concat();
    let (good, first) = run(&dev, folder.path(), &[("A_KEY", "hush")])?;
    ensure!(good, "{first}");
    let values: Value = serde_json::from_str(&first)?;
    let document: Value = serde_json::from_str(values["values"]["settings"].as_str().context("settings")?)?;
    ensure!(values["publicUrl"] == "http://127.0.0.1:1234" && document["publicUrl"] == values["publicUrl"], "{first}");
    ensure!(values["devLogin"] == true && document["identity"]["users"][0]["name"] == "dev", "{first}");
    ensure!(document["mcpServers"]["a"]["headers"]["X-Key"] == "${A_KEY}", "a reference is expanded: {first}");
    ensure!(values["values"]["a_key"] == "hush" && values["upstreams"] == json!(["a"]), "{first}");
    let again: Value = serde_json::from_str(&run(&dev, folder.path(), &[("A_KEY", "hush")])?.1)?;
    let key = &values["values"]["token_key"];
    ensure!(key.as_str().is_some_and(|key| key.len() >= 32) && again["values"]["token_key"] == *key, "another key");
    let key = ("MCP_EDGE_TOKEN_KEY", "0123456789abcdef0123456789abcdef");
    for (environment, expected) in
        [(&[key][..], &["A_KEY", "not set"][..]), (&[key, ("A_KEY", "hush")], &["identity", "--dev"])]
    {
        let (good, output) = run(&arguments, folder.path(), environment)?;
        ensure!(!good && expected.iter().all(|text| output.contains(text)), "{expected:?} is not in:\n{output}");
    }
    Ok(())
}

#[test]
fn a_password_becomes_a_hash() -> Result<()> {
    use std::io::Write;
    let mut child = Command::new(artefacts::host()?)
        .arg("hash-password")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()?;
    child.stdin.take().context("stdin")?.write_all(b"correct horse\n")?;
    let output = child.wait_with_output()?;
    let hash = String::from_utf8(output.stdout)?;
    ensure!(output.status.success() && hash.trim().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
    Ok(())
}
