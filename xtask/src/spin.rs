//! Spin for the tests, where there is one, and a Redis server for Spin.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use crate::{
    run::{cache_dir, exists, read},
    tools::once,
    ui,
};

/// What the tests on Spin find.
pub struct Spin {
    /// Modules of tests that cannot run here, and why.
    pub absent: Vec<(&'static str, String)>,
    redis: Option<PathBuf>,
}

impl Spin {
    /// Look for `spin`. Only where there is one, Redis is looked for, and fetched if it is missing.
    pub fn find() -> Self {
        if env::var_os("SPIN").is_none() && !exists("spin") {
            let reason = "no spin on PATH, and SPIN does not name one";
            return Self {
                absent: ["spin", "spin_redis"].map(|module| (module, reason.to_owned())).into(),
                redis: None,
            };
        }
        match redis() {
            Ok(redis) => Self { absent: Vec::new(), redis: Some(redis) },
            Err(error) => Self { absent: vec![("spin_redis", format!("no redis-server: {error:#}"))], redis: None },
        }
    }

    /// Tell the tests where Redis is.
    pub fn environment(&self) -> Option<(&'static str, &Path)> {
        self.redis.as_deref().map(|redis| ("REDIS_SERVER", redis))
    }

    /// Arguments of the test runner (behind `--`) that leave out what cannot run: each would end at once and count as passed.
    pub fn skips(&self) -> impl Iterator<Item = String> {
        self.absent.iter().flat_map(|(module, _)| ["--skip".to_owned(), format!("{module}::")])
    }
}

/// The server of REDIS_SERVER, that on PATH, or Debian's.
fn redis() -> Result<PathBuf> {
    if let Some(redis) = env::var_os("REDIS_SERVER") {
        return Ok(redis.into());
    }
    if exists("redis-server") {
        return Ok("redis-server".into());
    }
    let folder = cache_dir().join("redis");
    let server = folder.join("redis-server");
    ui::step("Get Debian's redis-server (below .cache)", || once(&folder, "1", &server, || unpack(&folder, &server)))?;
    Ok(server)
}

/// Fetch what the package needs and this machine lacks (apt checks signatures), and unpack it; nothing is installed.
fn unpack(folder: &Path, server: &Path) -> Result<()> {
    let plan = read(Command::new("apt-get").args(["install", "--simulate", "--no-install-recommends", "redis-server"]))
        .context("Fix: install redis-server, or name one by REDIS_SERVER")?;
    let mut download = Command::new("apt-get");
    read(download.arg("download").args(packages(&plan)).current_dir(folder))?;
    let mut libraries = Vec::new();
    for entry in fs::read_dir(folder)? {
        let archive = entry?.path();
        if archive.extension().is_some_and(|extension| extension == "deb") {
            read(Command::new("dpkg-deb").arg("--extract").arg(&archive).arg(folder))?;
            fs::remove_file(&archive)?;
        }
    }
    for entry in fs::read_dir(folder.join("usr/lib"))? {
        libraries.push(entry?.path().display().to_string());
    }
    let program = folder.join("usr/bin/redis-server");
    if !program.exists() {
        bail!("Debian's packages have no usr/bin/redis-server");
    }
    let script = format!(
        "#!/bin/sh\nLD_LIBRARY_PATH={} exec {} \"$@\"\n",
        quoted(&libraries.join(":")),
        quoted(&program.display().to_string())
    );
    fs::write(server, script)?;
    read(Command::new("chmod").arg("+x").arg(server)).map(drop)
}

/// Those of the lines `Inst NAME (…)`.
fn packages(plan: &str) -> impl Iterator<Item = &str> {
    plan.lines().filter_map(|line| line.strip_prefix("Inst ")?.split(' ').next())
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_those_that_apt_would_install() {
        let plan = "NOTE: This is only a simulation!\nReading package lists...\n\
                    Inst libjemalloc2 (5.3.0-1 Debian:12.5/oldstable [amd64])\n\
                    Inst redis-server (5:7.0.15-1~deb12u10 Debian:12.5/oldstable [amd64])\nConf redis-server (5:7.0.15)\n";
        assert_eq!(packages(plan).collect::<Vec<_>>(), ["libjemalloc2", "redis-server"]);
    }

    #[test]
    fn paths_are_quoted_for_the_shell() {
        assert_eq!(quoted("/a b/it's"), r"'/a b/it'\''s'");
    }

    #[test]
    fn what_is_absent_is_skipped() {
        let spin = Spin { absent: vec![("spin_redis", "no server".to_owned())], redis: None };
        assert_eq!(spin.skips().collect::<Vec<_>>(), ["--skip", "spin_redis::"]);
        assert!(spin.environment().is_none());
    }
}
