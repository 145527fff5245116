//! `cargo xtask up`: build all, start the demo upstream and the gateway, say how to use it, stop both on Ctrl-C.

use std::{
    fs,
    io::ErrorKind,
    net::{SocketAddr, TcpListener, ToSocketAddrs},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::mpsc::channel,
};

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};

use crate::{
    build,
    logs::Logs,
    run::{root, shown},
    serve::{serve, watch_signals},
    workers::Worker,
};

/// Where things are served and kept.
#[derive(Args)]
pub struct Options {
    /// Settings file. Without it: one upstream, the demo server that is started along [made in the state folder].
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// What runs the components.
    #[arg(long, value_enum, value_name = "HOST", default_value = "wasmtime")]
    host: Host,
    /// Address the gateway listens on.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8787")]
    listen: String,
    /// Folder for tokens, sessions, keys and logs; remove it to start afresh [default: .mcp-edge in the repository, and
    /// .mcp-edge/workers for workerd].
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Show every line of the gateway and of the demo server as it is.
    #[arg(long)]
    verbose: bool,
}

/// What can run the components here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Host {
    /// Our host, on wasmtime.
    Wasmtime,
    /// Cloudflare's workerd, with the Worker of host/workers.
    Workers,
}

/// Build, and run until Ctrl-C.
pub fn up(options: &Options) -> Result<()> {
    let mut plan = Plan::new(options)?;
    let artefacts = build::all()?;
    if options.host == Host::Workers {
        plan.worker = Some(Worker::build(&artefacts)?);
    }
    let (events, inbox) = channel();
    watch_signals(&events)?;
    let logs = Logs::create(&plan.state, options.verbose)?;
    serve(&plan, &artefacts, &events, &inbox, logs)
}

/// What the options come down to, checked before anything is built.
pub struct Plan {
    /// Settings file.
    pub config: PathBuf,
    /// Where the gateway listens.
    pub listen: String,
    /// State folder.
    pub state: PathBuf,
    /// Is the demo server started along?
    pub demo: bool,
    /// What serves instead of our host.
    pub worker: Option<Worker>,
}

impl Plan {
    fn new(options: &Options) -> Result<Self> {
        let state = match &options.state {
            Some(state) => absolute(state)?,
            None if options.host == Host::Workers => root().join(".mcp-edge/workers"),
            None => root().join(".mcp-edge"),
        };
        // Keys and a password will be in it.
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&state).with_context(|| {
            format!("cannot create the state folder {}. Fix: --state DIR with a folder of yours", shown(&state))
        })?;
        let (config, demo, dev_login) = match &options.config {
            Some(file) => {
                let file = absolute(file)?;
                let text = fs::read_to_string(&file).with_context(|| {
                    format!("cannot read the settings file {}. Fix: check the path after --config", shown(&file))
                })?;
                (file, uses_demo(&text), !text.contains("\"identity\""))
            }
            None => (default_config(&state)?, true, true),
        };
        if dev_login {
            check_loopback(&options.listen)?;
        }
        check_free(&options.listen, "--listen 127.0.0.1:PORT with another port")?;
        if demo {
            check_free(DEMO_ADDRESS, "stop the program that listens there; the demo server needs exactly this port")?;
        }
        Ok(Self { config, listen: options.listen.clone(), state, demo, worker: None })
    }
}

/// The demo server's address: written in the default settings, so it is fixed.
pub const DEMO_ADDRESS: &str = "127.0.0.1:8788";

/// Do the settings reach for the demo server?
fn uses_demo(settings: &str) -> bool {
    ["127.0.0.1:8788", "localhost:8788"].iter().any(|address| settings.contains(address))
}

/// The settings for a first look. Kept once made, so that changes to the file stay.
fn default_config(state: &Path) -> Result<PathBuf> {
    let file = state.join("mcp-edge.json");
    if !file.exists() {
        let text = format!(
            "// Made by `cargo xtask up`; yours to change. It is read when the gateway starts.\n\
             {{\n  \"mcpServers\": {{\n    \"demo\": {{ \"url\": \"http://{DEMO_ADDRESS}/mcp\" }}\n  }}\n}}\n"
        );
        fs::write(&file, text).with_context(|| format!("cannot write {}", shown(&file)))?;
    }
    Ok(file)
}

/// Paths are relative to where the user is; the children run at the top of the repository.
fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).with_context(|| format!("cannot use the path {}", path.display()))
}

/// The gateway refuses this too, but after the build.
fn check_loopback(address: &str) -> Result<()> {
    if addresses(address)?.iter().any(|address| !address.ip().is_loopback()) {
        bail!(
            "{address} can be reached from other machines, and the dev login is for this one only. \
             Fix: --listen 127.0.0.1:8787, or --config with a file that has `identity`"
        );
    }
    Ok(())
}

fn addresses(address: &str) -> Result<Vec<SocketAddr>> {
    let addresses = address.to_socket_addrs();
    let addresses = addresses
        .with_context(|| format!("`{address}` is not an address to listen on. Fix: --listen 127.0.0.1:8787"))?;
    Ok(addresses.collect())
}

/// Fail now and not after minutes of building.
fn check_free(address: &str, fix: &str) -> Result<()> {
    match TcpListener::bind(&addresses(address)?[..]) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AddrInUse => bail!("{address} is taken. Fix: {fix}"),
        Err(error) => bail!("cannot listen on {address}: {error}. Fix: {fix}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_one_line_with_the_fix() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap().to_string();
        let error = check_free(&address, "another port").unwrap_err().to_string();
        assert_eq!(error, format!("{address} is taken. Fix: another port"));
        drop(taken);
        check_free(&address, "another port").unwrap();
    }

    #[test]
    fn the_dev_login_is_not_offered_to_other_machines() {
        for address in ["0.0.0.0:8787", "[::]:8787", "192.0.2.1:8787"] {
            let error = check_loopback(address).unwrap_err().to_string();
            assert!(error.contains("Fix: --listen 127.0.0.1:8787"), "{error}");
        }
        check_loopback("127.0.0.1:8787").unwrap();
        check_loopback("[::1]:8787").unwrap();
    }

    #[test]
    fn an_unreadable_config_is_one_line_with_the_fix() {
        let state = tempfile::tempdir().unwrap();
        let options = Options {
            config: Some(state.path().join("missing.json")),
            host: Host::Wasmtime,
            listen: "127.0.0.1:0".to_owned(),
            state: Some(state.path().join("state")),
            verbose: false,
        };
        let error = Plan::new(&options).err().expect("refused").to_string();
        assert!(error.starts_with("cannot read the settings file") && error.contains("Fix:"), "{error}");
    }

    #[test]
    fn the_default_settings_are_made_once_and_name_the_demo_server() {
        let state = tempfile::tempdir().unwrap();
        let file = default_config(state.path()).unwrap();
        assert!(uses_demo(&fs::read_to_string(&file).unwrap()));
        fs::write(&file, "mine").unwrap();
        default_config(state.path()).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
    }
}
