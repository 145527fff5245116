//! The gateway and the demo server while they run: from their start to Ctrl-C.

use std::{
    env, fs,
    process::Command,
    sync::mpsc::{Receiver, RecvTimeoutError, Sender},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
};

use crate::{
    build::Artefacts,
    logline,
    logs::Logs,
    process::{Event, Role, Running},
    run::{root, shown},
    ui,
    up::{DEMO_ADDRESS, Plan},
    welcome,
};

/// Run both programs until [`Event::Stop`], or until one of them ends by itself, which is an error.
pub fn serve(
    plan: &Plan,
    artefacts: &Artefacts,
    events: &Sender<Event>,
    inbox: &Receiver<Event>,
    mut logs: Logs,
) -> Result<()> {
    // Ended in reverse order: first the gateway, then what it may still be asking.
    let mut upstream = None;
    if plan.demo {
        let mut command = Command::new(&artefacts.upstream);
        command.current_dir(root()).args(["--listen", DEMO_ADDRESS, "--set", "demo"]);
        upstream = Some(Running::start(&mut command, Role::Upstream, events)?);
    }
    let mut gateway = Running::start(&mut gateway_command(artefacts, plan), Role::Gateway, events)?;
    let title = match plan.worker {
        Some(_) => "Start the gateway in workerd",
        None => "Start the gateway (the first time it compiles the components to machine code)",
    };
    let started = ui::step(title, || wait_until_listening(inbox, &mut logs, &mut gateway));
    let result = match started {
        Ok(Some(ready)) => {
            eprint!("{}", welcome::text(&facts(plan, &ready)));
            logs.live = true;
            serve_until_stopped(inbox, &mut logs, &mut gateway)
        }
        // Stopped by the user before it was ready.
        Ok(None) => Ok(()),
        Err(error) => Err(error),
    };
    gateway.stop();
    drop(upstream);
    result
}

fn gateway_command(artefacts: &Artefacts, plan: &Plan) -> Command {
    let mut command = match &plan.worker {
        Some(worker) => worker.serve(artefacts),
        None => {
            let mut command = Command::new(&artefacts.host);
            command.current_dir(root()).arg("serve").arg("--components").arg(&artefacts.components);
            command
        }
    };
    command.args(["--dev", "--listen", &plan.listen]);
    command.arg("--config").arg(&plan.config).arg("--state").arg(&plan.state);
    command
}

fn facts(plan: &Plan, ready: &Ready) -> welcome::Facts {
    let password = || match env::var("MCP_EDGE_DEV_PASSWORD") {
        Ok(password) if !password.is_empty() => Some("the value of MCP_EDGE_DEV_PASSWORD".to_owned()),
        _ => fs::read_to_string(plan.state.join("dev-password")).ok().map(|text| text.trim().to_owned()),
    };
    welcome::Facts {
        mcp_url: ready.mcp_url.clone(),
        password: if ready.dev_login { password() } else { None },
        config: shown(&plan.config),
        state: shown(&plan.state),
        demo: plan.demo.then(|| format!("http://{DEMO_ADDRESS}/mcp")),
    }
}

/// Turn Ctrl-C, and what ends a process or its terminal, into [`Event::Stop`].
pub fn watch_signals(events: &Sender<Event>) -> Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).context("cannot watch for Ctrl-C")?;
    let events = events.clone();
    thread::spawn(move || {
        for _ in signals.forever() {
            if events.send(Event::Stop).is_err() {
                return;
            }
        }
    });
    Ok(())
}

/// What the gateway said until it was ready.
struct Ready {
    /// What clients are given. Not always the address it listens on: the settings may name a public URL.
    mcp_url: String,
    /// Did it make the dev login? It does not if the settings name who may log in.
    dev_login: bool,
}

/// Wait for the gateway; nothing if the user stopped it before it was ready.
fn wait_until_listening(inbox: &Receiver<Event>, logs: &mut Logs, gateway: &mut Running) -> Result<Option<Ready>> {
    let deadline = Instant::now() + START_PATIENCE;
    let (mut mcp_url, mut dev_login) = (None, false);
    loop {
        match inbox.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(Event::Stop) => return Ok(None),
            Ok(Event::Closed(role)) => return Err(logs.why_it_ended(role, gateway)),
            Ok(Event::Out(role, line)) => logs.out(role, &line),
            Ok(Event::Err(role, line)) => {
                logs.err(role, &line);
                if role != Role::Gateway {
                    continue;
                }
                mcp_url = mcp_url.or_else(|| logline::mcp_url(&line));
                dev_login |= line.starts_with("login `dev`");
                if let Some(address) = logline::listening_address(&line) {
                    let mcp_url = mcp_url.unwrap_or_else(|| format!("http://{address}/mcp"));
                    return Ok(Some(Ready { mcp_url, dev_login }));
                }
            }
            Err(RecvTimeoutError::Timeout) => bail!(
                "the gateway did not start within {}. Its log: {}",
                ui::seconds(START_PATIENCE),
                shown(&logs.gateway_file())
            ),
            Err(RecvTimeoutError::Disconnected) => return Ok(None),
        }
    }
}

fn serve_until_stopped(inbox: &Receiver<Event>, logs: &mut Logs, gateway: &mut Running) -> Result<()> {
    for event in inbox {
        match event {
            Event::Out(role, line) => logs.out(role, &line),
            Event::Err(role, line) => logs.err(role, &line),
            Event::Closed(role) => return Err(logs.why_it_ended(role, gateway)),
            Event::Stop => break,
        }
    }
    eprintln!("\nStopping. State is kept; `cargo xtask up` goes on with it.");
    Ok(())
}

/// Compiling the components to machine code takes seconds; a busy small machine may need minutes.
const START_PATIENCE: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests {
    use std::{os::unix::fs::PermissionsExt, sync::mpsc::channel};

    use super::*;

    /// Run `up` on shell scripts in place of the programs; `Stop` comes when the gateway says the line `stop now`.
    fn run_with(gateway: &str, upstream: &str) -> (Result<()>, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let script = |name: &str, text: &str| {
            let file = folder.path().join(name);
            fs::write(&file, format!("#!/bin/sh\nhere={}\n{text}\n", folder.path().display())).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
            file
        };
        let artefacts = Artefacts {
            components: folder.path().to_owned(),
            composed: folder.path().join("mcp-edge.wasm"),
            host: script("gateway", gateway),
            upstream: script("upstream", upstream),
        };
        let plan = Plan {
            config: folder.path().join("mcp-edge.json"),
            listen: "127.0.0.1:0".to_owned(),
            state: folder.path().to_owned(),
            demo: true,
            worker: None,
        };
        let (events, inbox) = channel();
        let (to_up, from_children) = channel();
        thread::spawn(move || {
            for event in inbox {
                let stop = matches!(&event, Event::Out(Role::Gateway, line) if line == "stop now");
                if to_up.send(event).is_err() || (stop && to_up.send(Event::Stop).is_err()) {
                    return;
                }
            }
        });
        let logs = Logs::create(&plan.state, false).unwrap();
        (serve(&plan, &artefacts, &events, &from_children, logs), folder)
    }

    const LIVES_ON: &str = "while :; do sleep 0.05; done";

    #[test]
    fn a_stop_ends_the_gateway_first_and_then_the_demo_server_without_an_error() {
        let ends = |name: &str| format!("trap 'echo {name} >> $here/ended; exit 0' TERM");
        let (result, folder) = run_with(
            &format!(
                "{}\necho 'listening on http://127.0.0.1:1' >&2\nsleep 0.2\necho 'stop now'\n{LIVES_ON}",
                ends("gateway")
            ),
            &format!("{}\n{LIVES_ON}", ends("upstream")),
        );
        result.unwrap();
        assert_eq!(fs::read_to_string(folder.path().join("ended")).unwrap(), "gateway\nupstream\n");
    }

    #[test]
    fn a_gateway_that_does_not_start_is_an_error_with_its_own_words() {
        let (result, _folder) = run_with("echo 'mcp-edge.json: unknown key `mcpServer`' >&2; exit 1", LIVES_ON);
        let error = result.unwrap_err().to_string();
        assert!(
            error.contains("ended by itself (exit status: 1)") && error.contains("unknown key `mcpServer`"),
            "{error}"
        );
    }

    #[test]
    fn a_demo_server_that_ends_stops_the_gateway_too() {
        let gateway = format!(
            "trap 'echo gateway >> $here/ended; exit 0' TERM\necho 'listening on http://127.0.0.1:1' >&2\n{LIVES_ON}"
        );
        let (result, folder) = run_with(&gateway, "sleep 0.3; echo 'address in use' >&2; exit 1");
        let error = result.unwrap_err().to_string();
        assert!(error.contains("the demo server ended by itself") && error.contains("address in use"), "{error}");
        assert_eq!(fs::read_to_string(folder.path().join("ended")).unwrap(), "gateway\n");
    }
}
