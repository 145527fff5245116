//! Child processes of `up`: started in a group of their own, so that Ctrl-C reaches only us and we end them in order.

use std::{
    io::{BufRead, BufReader, Read},
    os::unix::process::CommandExt,
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::Sender,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};

use crate::run::typed;

/// What happens while the children run.
pub enum Event {
    /// A line of a child's stdout.
    Out(Role, String),
    /// A line of a child's stderr.
    Err(Role, String),
    /// A child closed its stdout and stderr: it has ended, or is about to.
    Closed(Role),
    /// Ctrl-C, or the end of the terminal.
    Stop,
}

/// Which child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The host.
    Gateway,
    /// The demo upstream.
    Upstream,
}

/// A running child; ended when dropped.
pub struct Running {
    child: Child,
}

impl Running {
    /// Start a program and report its lines.
    pub fn start(command: &mut Command, role: Role, events: &Sender<Event>) -> Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let mut child = command.spawn().with_context(|| format!("could not start `{}`", typed(command)))?;
        let stdout = child.stdout.take().map(|pipe| forward(pipe, events.clone(), move |line| Event::Out(role, line)));
        let stderr = child.stderr.take().map(|pipe| forward(pipe, events.clone(), move |line| Event::Err(role, line)));
        let events = events.clone();
        thread::spawn(move || {
            for reader in [stdout, stderr].into_iter().flatten() {
                // A reader that panicked has nothing more to say either.
                let _ = reader.join();
            }
            let _ = events.send(Event::Closed(role));
        });
        Ok(Self { child })
    }

    /// Ask it to end, wait, and after [`PATIENCE`] end it.
    pub fn stop(&mut self) {
        let Ok(None) = self.child.try_wait() else { return };
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            // It may have ended in between.
            let _ = kill_process(pid, Signal::TERM);
        }
        if self.wait_for(PATIENCE).is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }

    /// How it ended, if it does so soon.
    pub fn wait_for(&mut self, time: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + time;
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => return Some(status),
                Ok(None) if Instant::now() < deadline => thread::sleep(POLL),
                _ => return None,
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Longer than the gateway gives its open streams when it is asked to stop.
const PATIENCE: Duration = Duration::from_secs(15);

/// Nobody notices a twentieth of a second, and it costs nothing.
const POLL: Duration = Duration::from_millis(50);

fn forward(
    pipe: impl Read + Send + 'static,
    events: Sender<Event>,
    event: impl Fn(String) -> Event + Send + 'static,
) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        let mut reader = BufReader::new(pipe);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            line.clear();
            if events.send(event(text)).is_err() {
                return;
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn lines_of_both_streams_arrive_and_then_the_end() {
        let (sender, events) = channel();
        let _child = Running::start(&mut shell("echo out; echo err >&2"), Role::Upstream, &sender).unwrap();
        drop(sender);
        let mut seen: Vec<String> = events
            .iter()
            .map(|event| match event {
                Event::Out(_, line) | Event::Err(_, line) => line,
                Event::Closed(role) => format!("{role:?} closed"),
                Event::Stop => "stop".to_owned(),
            })
            .collect();
        assert_eq!(seen.pop().as_deref(), Some("Upstream closed"));
        seen.sort();
        assert_eq!(seen, ["err", "out"]);
    }

    #[test]
    fn a_child_that_ends_when_asked_is_not_killed() {
        let (sender, events) = channel();
        let mut child = Running::start(
            &mut shell("trap 'exit 7' TERM; echo ready; while :; do sleep 0.05; done"),
            Role::Gateway,
            &sender,
        )
        .unwrap();
        assert!(matches!(events.recv(), Ok(Event::Out(Role::Gateway, line)) if line == "ready"));
        child.stop();
        assert_eq!(child.wait_for(Duration::ZERO).and_then(|status| status.code()), Some(7));
    }

    #[test]
    fn a_child_does_not_outlive_its_handle() {
        let (sender, _events) = channel();
        let child = Running::start(&mut shell("exec sleep 60"), Role::Gateway, &sender).unwrap();
        let pid = Pid::from_raw(i32::try_from(child.child.id()).unwrap()).unwrap();
        drop(child);
        assert!(kill_process(pid, Signal::CONT).is_err());
    }
}
