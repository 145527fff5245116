//! A process whose output is kept.

use crate::PATIENCE;
use anyhow::{Context, Result, bail};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::Notify;
use tokio::time::timeout;

/// Lines of one output, and news of more.
#[derive(Clone, Default)]
pub struct Lines(Arc<(Mutex<Vec<String>>, Notify)>);

impl Lines {
    /// All lines so far.
    pub fn all(&self) -> Vec<String> {
        self.lines().clone()
    }

    /// Wait until `find` finds something in the lines so far.
    pub async fn wait_for<T>(&self, find: impl Fn(&[String]) -> Option<T>) -> Result<T> {
        let search = async {
            loop {
                let news = self.0.1.notified();
                if let Some(found) = find(&self.lines()) {
                    return found;
                }
                news.await;
            }
        };
        timeout(PATIENCE, search)
            .await
            .with_context(|| format!("what was waited for is not in:\n{}", self.all().join("\n")))
    }

    fn lines(&self) -> MutexGuard<'_, Vec<String>> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn follow(&self, output: impl AsyncRead + Unpin + Send + 'static) {
        let lines = self.clone();
        tokio::spawn(async move {
            let mut reader = BufReader::new(output).lines();
            while let Ok(Some(line)) = reader.next_line().await {
                lines.lines().push(line);
                lines.0.1.notify_waiters();
            }
        });
    }
}

/// A running process. It is killed when dropped.
pub struct Process {
    child: Child,
    with_children: bool,
    /// Standard output.
    pub out: Lines,
    /// Standard error.
    pub err: Lines,
}

impl Process {
    /// Start it. Output is added to `out` and `err`, so that a restarted process goes on where the first one ended.
    pub fn start(command: std::process::Command, out: Lines, err: Lines) -> Result<Self> {
        let shown = format!("{command:?}");
        let mut command = Command::from(command);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().with_context(|| shown)?;
        out.follow(child.stdout.take().context("stdout")?);
        err.follow(child.stderr.take().context("stderr")?);
        Ok(Self { child, with_children: false, out, err })
    }

    /// What it has started is killed with it, since it would go on by itself.
    pub fn with_children(mut self) -> Self {
        self.with_children = true;
        self
    }

    /// Wait for `listening on http://…`, after `skip` lines of standard error, and return the URL.
    pub async fn listening(&mut self, skip: usize) -> Result<String> {
        let url = self.said(&self.err.clone(), skip, "listening on ").await?;
        let url = url.split_whitespace().next().context("listening on what?")?;
        Ok(url.trim_end_matches(['/', '.', ',']).to_owned())
    }

    /// Wait for a line with `text` in one of the outputs, after `skip` lines, and return what follows.
    pub async fn said(&mut self, output: &Lines, skip: usize, text: &str) -> Result<String> {
        let line = output.wait_for(|lines| {
            lines.iter().skip(skip).find_map(|line| line.split_once(text).map(|(_, rest)| rest.to_owned()))
        });
        tokio::select! {
            line = line => line,
            status = self.child.wait() => {
                // Its last words may still be on the way.
                tokio::task::yield_now().await;
                bail!("ended with {} before it listened:\n{}", status?, self.err.all().join("\n"))
            }
        }
    }

    /// Kill it, as a crash or `kill -9` does.
    pub async fn kill_9(&mut self) -> Result<()> {
        if self.kill_children() {
            // It ends when it has seen that they are gone, and with them what they held.
            timeout(PATIENCE, self.child.wait()).await.context("outlives its children")??;
            return Ok(());
        }
        self.child.kill().await.context("kill -9")
    }

    /// Whether there were any to kill.
    fn kill_children(&self) -> bool {
        let Some(parent) = self.child.id().filter(|_| self.with_children) else {
            return false;
        };
        let children = children(parent);
        for child in &children {
            let _ = std::process::Command::new("kill").args(["-KILL", child]).stderr(Stdio::null()).status();
        }
        !children.is_empty()
    }

    /// Wait until it ends by itself.
    pub async fn wait(&mut self) -> Result<ExitStatus> {
        timeout(PATIENCE, self.child.wait()).await.context("does not end")?.context("wait")
    }

    /// End it by SIGTERM and wait.
    pub async fn terminate(&mut self) -> Result<ExitStatus> {
        if let Some(pid) = self.child.id() {
            let status = Command::new("kill").args(["-TERM", &pid.to_string()]).status().await?;
            anyhow::ensure!(status.success(), "kill -TERM {pid}: {status}");
        }
        timeout(PATIENCE, self.child.wait()).await.context("does not end after SIGTERM")?.context("wait")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill_children();
    }
}

/// Process ids, by `ps`, which every Unix has.
fn children(parent: u32) -> Vec<String> {
    let parent = parent.to_string();
    let output = std::process::Command::new("ps").args(["-A", "-o", "pid=", "-o", "ppid="]).output();
    let table = output.map_or_else(|_| String::new(), |output| String::from_utf8_lossy(&output.stdout).into_owned());
    let rows = table.lines().filter_map(|line| line.trim().split_once(char::is_whitespace));
    rows.filter(|(_, its_parent)| its_parent.trim() == parent).map(|(child, _)| child.to_owned()).collect()
}

/// A port that is free now; for programs that cannot tell which one they took.
pub fn free_port() -> Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
