//! What the check of an access token costs: `mcp-edge:oauth/tokens#validate` of oauth.wasm, called through wasmtime with the
//! production linker, the gateway's own settings, and the store that it has left behind.

use crate::processes::program;
use anyhow::{Context, Result, anyhow};
use mcp_edge::Gateway;
use mcp_edge::plugins::keyvalue::Store;
use mcp_edge::plugins::keyvalue::redb::RedbBackend;
use mcp_edge::runtime::{Runtime, Services};
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

mod world {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "mcp-edge:gateway/oauth",
        exports: { default: async },
        with: { "wasi:http": wasmtime_wasi_http::p3::bindings::http },
    });
}

/// A gateway that has ended, and a token that it gave.
pub struct Check {
    /// Its settings file.
    pub config: PathBuf,
    /// Its state folder.
    pub state: PathBuf,
    /// Where it listened.
    pub listen: SocketAddr,
    /// The token.
    pub token: String,
}

/// The result.
pub struct Cost {
    /// CPU time of the whole process for one call, in microseconds.
    pub micros: f64,
    /// How many calls were made.
    pub calls: u32,
}

impl Check {
    /// Call again and again, as many requests do that share an instance.
    pub async fn measure(self) -> Result<Cost> {
        let runtime = Runtime::new().map_err(wasmtime_error)?;
        let wasm = fs::read(Path::new(&program("MCP_EDGE_COMPONENTS")?).join("oauth.wasm"))?;
        let component = runtime.compile(&wasm).map_err(wasmtime_error)?;
        let gateway =
            Gateway::builder().settings_file(self.config).listen(self.listen).state(self.state.clone()).dev(true);
        let values = gateway.values()?;
        let resource = format!("{}/mcp", values.public_url);
        let mut services = Services::in_memory()?;
        services.config = Arc::new(values.config);
        services.store = Store::new(RedbBackend::open(&self.state.join("state.redb"))?);
        let mut store = runtime.store(&services);
        let oauth = world::Oauth::instantiate_async(&mut store, &component, &runtime.linker).await;
        let oauth = oauth.map_err(wasmtime_error)?;
        let mut calls = 0;
        let (mut from, mut cpu) = (Instant::now(), cpu_time()?);
        let mut warm = false;
        while !warm || from.elapsed() < MEASURED {
            let answer = oauth.mcp_edge_oauth_tokens().call_validate(&mut store, &self.token, &resource).await;
            answer.map_err(wasmtime_error)?.map_err(|error| anyhow!("the token was refused: {error:?}"))?;
            store.data().pace.request_started();
            calls += 1;
            if !warm && from.elapsed() > WARM_UP {
                (from, cpu, calls, warm) = (Instant::now(), cpu_time()?, 0, true);
            }
        }
        let spent = cpu_time()?.saturating_sub(cpu);
        Ok(Cost { micros: spent.as_secs_f64() * 1e6 / f64::from(calls), calls })
    }
}

/// Long against the clock tick in which the kernel counts (10 ms).
const MEASURED: Duration = Duration::from_secs(3);

/// Settings are read and caches are warm when measuring starts.
const WARM_UP: Duration = Duration::from_millis(500);

/// Kernel ticks a second in `/proc`: the same on every Linux (`USER_HZ`).
const TICKS: u64 = 100;

/// CPU time of this process, all threads, user and system: fields 14 and 15 of Linux's `/proc/self/stat`.
fn cpu_time() -> Result<Duration> {
    let stat = fs::read_to_string("/proc/self/stat").context("CPU time is read from Linux's /proc")?;
    // The second field is the name of the program in brackets, in which anything may stand.
    let (_, rest) = stat.rsplit_once(')').context("/proc/self/stat")?;
    let ticks: Vec<u64> = rest
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(str::parse)
        .collect::<Result<_, _>>()
        .context("/proc/self/stat")?;
    Ok(Duration::from_millis(ticks.iter().sum::<u64>() * 1000 / TICKS))
}

fn wasmtime_error(error: wasmtime::Error) -> anyhow::Error {
    anyhow!("{error:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn computing_takes_cpu_time_and_waiting_does_not() {
        let before = cpu_time().unwrap();
        let from = Instant::now();
        let mut sum = 0u64;
        while cpu_time().unwrap() < before + Duration::from_millis(50) {
            assert!(from.elapsed() < Duration::from_secs(60), "no CPU time was counted");
            sum = (0..100_000u64).fold(sum, |sum, n| std::hint::black_box(sum ^ n));
        }
        // Other tests of this process may compute meanwhile, so not every pause is one.
        let pause = Duration::from_millis(100);
        loop {
            let before = cpu_time().unwrap();
            std::thread::sleep(pause);
            if cpu_time().unwrap() < before + pause / 2 {
                break;
            }
            assert!(from.elapsed() < Duration::from_secs(60), "waiting was counted as CPU time");
        }
    }
}
