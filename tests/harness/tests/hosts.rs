//! Every scenario on every host.

use anyhow::Result;
use harness::{HostKind, for_each_scenario, scenarios};
use std::io::Write;

macro_rules! on_each_host {
    ($($module:ident :: $name:ident,)*) => {
        mod wasmtime {
            use super::*;
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() -> Result<()> {
                    scenarios::$module::$name(HostKind::Wasmtime).await
                }
            )*
        }

        mod spin {
            use super::*;
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() -> Result<()> {
                    if skipped(HostKind::Spin) {
                        return Ok(());
                    }
                    scenarios::$module::$name(HostKind::Spin).await
                }
            )*
        }
    };
}

for_each_scenario!(on_each_host);

/// Says so once, past the test runner's capture, so that nobody takes a skipped host for a tested one.
fn skipped(host: HostKind) -> bool {
    static SAID: std::sync::Once = std::sync::Once::new();
    let Some(reason) = host.missing() else {
        return false;
    };
    SAID.call_once(|| {
        let _ = writeln!(std::io::stderr(), "{reason}");
    });
    true
}
