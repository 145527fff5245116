//! What the two programs of `up` say: in full in files, as a readable extract on the terminal.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, anyhow};

use crate::{
    logline,
    process::{Role, Running},
    run::shown,
};

const GATEWAY_LOG: &str = "gateway.log";
const UPSTREAM_LOG: &str = "demo-server.log";

/// The files, and what of their content is shown.
pub struct Logs {
    folder: PathBuf,
    gateway: File,
    upstream: File,
    verbose: bool,
    /// Has the welcome text been shown? Before it, requests are nobody's.
    pub live: bool,
    /// The last lines of the gateway's and the upstream's stderr, for when one of them ends by itself.
    last: [Vec<String>; 2],
}

impl Logs {
    /// Open the files anew; those of the last run are kept under another name.
    pub fn create(state: &Path, verbose: bool) -> Result<Self> {
        let folder = state.join("log");
        fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", shown(&folder)))?;
        let open = |name: &str| {
            let file = folder.join(name);
            if file.exists() {
                fs::rename(&file, file.with_extension("log.old"))?;
            }
            File::create(&file).with_context(|| format!("cannot write {}", shown(&file)))
        };
        let (gateway, upstream) = (open(GATEWAY_LOG)?, open(UPSTREAM_LOG)?);
        Ok(Self { folder, gateway, upstream, verbose, live: false, last: Default::default() })
    }

    /// A line of stdout.
    pub fn out(&mut self, role: Role, line: &str) {
        self.keep(role, line);
        if self.verbose {
            println!("{line}");
        } else if role == Role::Gateway
            && self.live
            && let Some(readable) = logline::readable(line)
        {
            eprintln!("{readable}");
        }
    }

    /// A line of stderr.
    pub fn err(&mut self, role: Role, line: &str) {
        self.keep(role, line);
        let last = &mut self.last[role as usize];
        last.push(line.to_owned());
        if last.len() > LAST_LINES {
            last.remove(0);
        }
        if self.verbose || (role == Role::Gateway && self.live) {
            eprintln!("{line}");
        }
    }

    /// The gateway's log file.
    pub fn gateway_file(&self) -> PathBuf {
        self.folder.join(GATEWAY_LOG)
    }

    fn keep(&mut self, role: Role, line: &str) {
        let file = match role {
            Role::Gateway => &mut self.gateway,
            Role::Upstream => &mut self.upstream,
        };
        // A full disk must not stop the gateway.
        let _ = writeln!(file, "{line}");
    }

    /// The error for a program that ended by itself.
    pub fn why_it_ended(&self, role: Role, gateway: &mut Running) -> anyhow::Error {
        let last = self.last[role as usize].join("\n  ");
        match role {
            Role::Gateway => {
                let status = gateway.wait_for(Duration::from_secs(1));
                let status = status.map(|status| format!(" ({status})")).unwrap_or_default();
                anyhow!("the gateway ended by itself{status}. It said:\n  {last}")
            }
            Role::Upstream => anyhow!("the demo server ended by itself. It said:\n  {last}"),
        }
    }
}

/// An error with its causes.
const LAST_LINES: usize = 10;
