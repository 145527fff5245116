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
        Ok(Self { child, out, err })
    }

    /// Wait for `listening on http://…`, in one of the outputs after `skip` lines of standard error, and return the URL.
    pub async fn listening(&mut self, skip: usize) -> Result<String> {
        let err = self.err.clone();
        let line = err.wait_for(|lines| {
            lines.iter().skip(skip).find_map(|line| line.split_once("listening on ").map(|(_, rest)| rest.to_owned()))
        });
        tokio::select! {
            line = line => {
                let url = line?;
                let url = url.split_whitespace().next().context("listening on what?")?;
                Ok(url.trim_end_matches(['/', '.', ',']).to_owned())
            }
            status = self.child.wait() => {
                // Its last words may still be on the way.
                tokio::task::yield_now().await;
                bail!("ended with {} before it listened:\n{}", status?, self.err.all().join("\n"))
            }
        }
    }

    /// Kill it, as a crash or `kill -9` does.
    pub async fn kill_9(&mut self) -> Result<()> {
        self.child.kill().await.context("kill -9")
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
