//! A gateway that serves the test guest, and a client.

#![allow(dead_code, reason = "each test file uses a part of it")]

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use mcp_edge::compose::Part;
use mcp_edge::{Environment, Gateway, GatewayBuilder, Running};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The test guest, built once for each run of the tests.
pub fn guest() -> Vec<Part> {
    static WASM: OnceLock<Vec<u8>> = OnceLock::new();
    let bytes = WASM.get_or_init(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let status = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--profile", "component", "--target", "wasm32-wasip2", "-p", "host-test-guest"])
            .current_dir(&root)
            .status()
            .unwrap();
        assert!(
            status.success(),
            "the test guest does not build; if the target is missing, run `cargo xtask build` first"
        );
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or(root.join("target"), PathBuf::from);
        std::fs::read(target.join("wasm32-wasip2/component/host_test_guest.wasm")).unwrap()
    });
    vec![Part { name: "guest".into(), bytes: bytes.clone() }]
}

/// A builder for a gateway in this state folder that serves the test guest on a free port.
pub fn builder(state: &Path) -> GatewayBuilder {
    Gateway::builder()
        .listen("127.0.0.1:0".parse().unwrap())
        .state(state)
        .parts(guest())
        .dev(true)
        .environment(Environment::of([("MCP_EDGE_DEV_PASSWORD", "test")]))
}

/// A gateway of one test.
pub struct Subject {
    pub running: Running,
    pub state: tempfile::TempDir,
}

pub async fn start() -> Subject {
    let state = tempfile::tempdir().unwrap();
    let running = builder(state.path()).start().await.unwrap();
    Subject { running, state }
}

impl Subject {
    pub fn url(&self, target: &str) -> String {
        url(&self.running, target)
    }

    pub async fn get(&self, target: &str) -> (u16, String) {
        get(&self.url(target)).await
    }

    /// Status and body where both are as expected in any sane case.
    pub async fn text(&self, target: &str) -> String {
        let (status, body) = self.get(target).await;
        assert_eq!(status, 200, "{target}: {body}");
        body
    }
}

pub fn url(running: &Running, target: &str) -> String {
    format!("http://{}{target}", running.address())
}

pub fn client() -> Client<HttpConnector, Empty<Bytes>> {
    Client::builder(TokioExecutor::new()).build_http()
}

pub async fn get(url: &str) -> (u16, String) {
    let response = client().get(url.parse().unwrap()).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}
