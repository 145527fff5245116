//! What keeps a gateway from starting, and what it says then.

mod common;

use common::{builder, get, start, url};
use mcp_edge::compose::Part;
use mcp_edge::runtime::cache::Origin;
use mcp_edge::{Environment, Gateway};
use serde_json::json;

/// The one line of the error.
async fn refusal(builder: mcp_edge::GatewayBuilder) -> String {
    match builder.start().await {
        Ok(running) => panic!("it serves on {}", running.address()),
        Err(error) => error.to_string(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_start_does_not_compile() {
    let subject = start().await;
    assert_eq!(subject.running.compiled(), Origin::Compiled);
    assert_eq!(subject.running.public_url(), format!("http://{}", subject.running.address()));
    subject.running.stop().await;
    let running = builder(subject.state.path()).start().await.unwrap();
    assert_eq!(running.compiled(), Origin::Cache);
    assert_eq!(get(&url(&running, "/hello")).await, (200, "hello".into()));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_state_folder_serves_one_gateway_at_a_time() {
    let subject = start().await;
    let second = refusal(builder(subject.state.path())).await;
    assert!(second.contains("in use by another mcp-edge"), "{second}");
    subject.running.stop().await;
    builder(subject.state.path()).start().await.unwrap().stop().await;
}

#[tokio::test]
async fn each_reason_not_to_start_is_one_line_with_the_fix() {
    let state = tempfile::tempdir().unwrap();
    let fresh = || builder(state.path());
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let key = Environment::of([("MCP_EDGE_TOKEN_KEY", "k".repeat(32))]);
    let identity =
        json!({ "identity": { "type": "local", "users": [{ "name": "a", "passwordHash": "$argon2id$x" }] } });
    for (builder, text) in [
        (fresh().dev(false), "nobody could log in"),
        (fresh().listen("0.0.0.0:0".parse().unwrap()), "for this machine only"),
        (fresh().listen(taken.local_addr().unwrap()), "is taken"),
        (fresh().components(state.path().join("absent")), "cargo xtask build"),
        (fresh().parts(vec![Part { name: "a".into(), bytes: b"x".into() }; 2]), "a.wasm is not a component"),
        (fresh().settings_file(state.path().join("absent.json")), "--config"),
        (fresh().settings(json!({ "mcpServer": {} })), "did you mean `mcpServers`"),
        (fresh().dev(false).settings(identity.clone()), "openssl rand -hex 32"),
        (
            fresh().dev(false).environment(key).settings(identity).listen("0.0.0.0:0".parse().unwrap()),
            "publicUrl: is needed",
        ),
        (fresh().state("/proc/nowhere"), "--state"),
    ] {
        let line = refusal(builder).await;
        assert!(line.contains(text), "{line}");
        assert_eq!(line.lines().count(), 1, "{line}");
    }
}

#[tokio::test]
async fn the_default_components_are_named_when_they_are_missing() {
    let state = tempfile::tempdir().unwrap();
    let line = refusal(Gateway::builder().state(state.path()).dev(true)).await;
    assert!(line.contains("router.wasm") && line.contains("cargo xtask build"), "{line}");
}
