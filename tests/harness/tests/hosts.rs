//! Every scenario on every host.

use anyhow::Result;
use harness::{HostKind, for_each_scenario, scenarios};
use std::io::Write;
use std::sync::{Mutex, PoisonError};

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

        mod workers {
            use super::*;
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() -> Result<()> {
                    if skipped(HostKind::Workers) {
                        return Ok(());
                    }
                    scenarios::$module::$name(HostKind::Workers).await
                }
            )*
        }
    };
}

for_each_scenario!(on_each_host);

/// Says so once for each host, past the test runner's capture, so that nobody takes a skipped host for a tested one.
fn skipped(host: HostKind) -> bool {
    static SAID: Mutex<Vec<&str>> = Mutex::new(Vec::new());
    let Some(reason) = host.missing() else {
        return false;
    };
    let mut said = SAID.lock().unwrap_or_else(PoisonError::into_inner);
    if !said.contains(&reason) {
        said.push(reason);
        let _ = writeln!(std::io::stderr(), "{reason}");
    }
    true
}
