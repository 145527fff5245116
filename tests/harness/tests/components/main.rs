//! Single components, without the others: every function of their WIT interfaces and every error case that it lists, called through
//! wasmtime with the production linker. And the whole gateway within this process, where the tests move the clock.

mod clock;
mod connector;
mod fake;
mod listening;
mod oauth;
mod provider;
mod session;

use anyhow::{Context, Result};
use harness::{Settings, artefacts, warm};
use mcp_edge::plugins::config::ConfigValues;
use mcp_edge::plugins::outbound::PUBLIC_ONLY;
use mcp_edge::runtime::{Guest, Runtime, Services};
use serde_json::Value;
use std::sync::Arc;
use tempfile::TempDir;
use wasmtime::component::Component;

/// One component, ready to be instantiated, and what it is given.
pub struct Single {
    /// Engine and production linker.
    pub runtime: Runtime,
    /// The compiled component.
    pub component: Component,
    /// Store, settings, clock.
    pub services: Services,
}

impl Single {
    /// `name.wasm` with these settings and an empty store in memory.
    pub fn load(name: &str, settings: &Settings, public_url: &str) -> Result<Self> {
        let runtime = Runtime::new().map_err(wasmtime_error)?;
        let wasm = std::fs::read(artefacts::components()?.join(format!("{name}.wasm")))?;
        let component = runtime.compile(&wasm).map_err(wasmtime_error)?;
        let mut services = Services::in_memory()?;
        services.config = Arc::new(config(settings, public_url)?);
        Ok(Self { runtime, component, services })
    }

    /// A store for a fresh instance.
    pub fn store(&self) -> wasmtime::Store<Guest> {
        self.runtime.store(&self.services)
    }
}

/// What the host would give the guests.
fn config(settings: &Settings, public_url: &str) -> Result<ConfigValues> {
    let mut document: Value = serde_json::from_str(&settings.document())?;
    document["publicUrl"] = public_url.into();
    let mut values = ConfigValues::default();
    values
        .set("settings", document.to_string())
        .set("client_address_header", "mcp-edge-client-address")
        .set("public_only_header", PUBLIC_ONLY);
    for (name, value) in &settings.environment {
        let name = name.strip_prefix("MCP_EDGE_").unwrap_or(name);
        values.set_secret(name.to_ascii_lowercase(), value);
    }
    Ok(values)
}

/// wasmtime's error as ours.
pub fn wasmtime_error(error: wasmtime::Error) -> anyhow::Error {
    anyhow::anyhow!("{error:?}")
}

/// A state folder with compiled code in it.
pub fn state() -> Result<TempDir> {
    let folder = tempfile::Builder::new().prefix("mcp-edge-test-").tempdir()?;
    warm::seed(folder.path()).context("compiled code")?;
    Ok(folder)
}
