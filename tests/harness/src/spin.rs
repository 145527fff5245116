//! Spin, and what is different there:
//!
//! * `spin up` is two processes. Killed, it leaves the one that serves running ([`Process::with_children`]).
//! * It says on standard output where it serves; what components write goes to its standard error, and to files of the
//!   state folder.
//! * It does not look at settings: only an answer tells whether they are right.
//! * Settings and secrets are variables (`SPIN_VARIABLE_…`), and a variable that the manifest does not declare does not exist.

use crate::artefacts;
use crate::http::Http;
use crate::process::{Lines, Process};
use anyhow::{Context, Result, bail, ensure};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The `spin` of `SPIN` or PATH.
pub fn binary() -> Option<PathBuf> {
    if let Some(spin) = std::env::var_os("SPIN") {
        return Some(spin.into());
    }
    std::env::split_paths(&std::env::var_os("PATH")?).map(|folder| folder.join("spin")).find(|spin| spin.is_file())
}

/// An application.
pub struct Launch<'a> {
    /// Its manifest.
    pub manifest: &'a Path,
    /// Folder for the key-value store and what the components write.
    pub state: &'a Path,
    /// Port on 127.0.0.1; Spin is not asked to find one, since the settings name it.
    pub port: u16,
    /// `--runtime-config-file`.
    pub runtime_config: Option<&'a Path>,
    /// Values, by the variables' names.
    pub variables: BTreeMap<String, String>,
}

impl Launch<'_> {
    /// Start it, and come back when it serves.
    pub async fn run(&self, out: Lines, err: Lines) -> Result<Process> {
        let skip = out.all().len();
        let mut command = Command::new(binary().context("no spin binary (set SPIN)")?);
        command.arg("up").arg("--from").arg(self.manifest).arg("--state-dir").arg(self.state);
        command.args(["--listen", &format!("127.0.0.1:{}", self.port)]);
        if let Some(file) = self.runtime_config {
            command.arg("--runtime-config-file").arg(file);
        }
        // Those of the shell that the tests were started from are none of the test's.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SPIN_VARIABLE_")) {
            command.env_remove(name);
        }
        for (name, value) in &self.variables {
            command.env(format!("SPIN_VARIABLE_{}", name.to_uppercase()), value);
        }
        let mut process = Process::start(command, out.clone(), err)?.with_children();
        process.said(&out, skip, "Available Routes").await?;
        Ok(process)
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

/// A manifest of the repository for components elsewhere, with these variables declared for its component `gateway`.
pub fn manifest<'a>(name: &str, components: &Path, variables: impl Iterator<Item = &'a String>) -> Result<String> {
    let file = artefacts::root().join(name);
    let mut text = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    let built = "\"target/mcp-edge/";
    ensure!(text.contains(built), "{name} names no component below target/mcp-edge");
    text = text.replace(built, &format!("\"{}/", std::path::absolute(components)?.display()));
    for variable in variables {
        if text.contains(&format!("\n{variable} = ")) {
            continue;
        }
        for (section, line) in [
            ("\n[variables]\n", "{ required = true, secret = true }".to_owned()),
            ("\n[component.gateway.variables]\n", format!("\"{{{{ {variable} }}}}\"")),
        ] {
            ensure!(text.contains(section), "{name} has no section {}", section.trim());
            text = text.replace(section, &format!("{section}{variable} = {line}\n"));
        }
    }
    Ok(text)
}

/// Whether the settings are right: `GET /health` is 200. The error has the log line that says what is wrong with them.
pub async fn healthy(url: &str, process: &Process) -> Result<()> {
    let answer = Http::new().get(&format!("{url}/health")).await?;
    if answer.status != 200 {
        let line = process.err.wait_for(|lines| lines.iter().rfind(|line| line.starts_with('{')).cloned()).await?;
        bail!("{url}/health: {} {}\n{line}", answer.status, answer.text());
    }
    Ok(())
}
