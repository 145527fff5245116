//! Calling other programs, and where things are.

use std::{
    env,
    ffi::OsStr,
    io::{BufRead, BufReader, ErrorKind, Write, stdout},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::LazyLock,
};

use anyhow::{Context, Result, bail};

/// The top folder of the repository.
pub fn root() -> &'static Path {
    static ROOT: LazyLock<PathBuf> = LazyLock::new(|| {
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies inside the repo").to_owned()
    });
    &ROOT
}

/// Cargo's target folder, `CARGO_TARGET_DIR` respected.
pub fn target_dir() -> PathBuf {
    match env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => root().join(dir),
        None => root().join("target"),
    }
}

/// What is fetched once and kept: tools for the tests, Debian packages. Ignored by git.
pub fn cache_dir() -> PathBuf {
    root().join(".cache")
}

/// `path` as a person at the top of the repository would type it.
pub fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

/// The cargo that runs us, at the top of the repository.
pub fn cargo<I: AsRef<OsStr>>(arguments: impl IntoIterator<Item = I>) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root()).args(arguments);
    // What `cargo run` sets for xtask is not the business of other packages' build scripts.
    for (name, _) in env::vars_os() {
        let name_text = name.to_string_lossy();
        if name_text.starts_with("CARGO_PKG_") || name_text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(name);
        }
    }
    command.env_remove("LD_LIBRARY_PATH").stdin(Stdio::null());
    command
}

/// A command line as a person would type it.
pub fn typed(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let mut text = program.file_name().unwrap_or(program.as_os_str()).to_string_lossy().into_owned();
    for argument in command.get_args() {
        text.push(' ');
        text.push_str(&argument.to_string_lossy());
    }
    text
}

/// Run a command that prints for itself; anything but success is an error.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("could not start `{}`", typed(command)))?;
    if !status.success() {
        bail!("`{}` failed ({status}); its own output above says why", typed(command));
    }
    Ok(())
}

/// Run a command that prints for itself, and look at each line of its stdout too.
pub fn stream(command: &mut Command, mut line: impl FnMut(&str)) -> Result<()> {
    let mut child =
        command.stdout(Stdio::piped()).spawn().with_context(|| format!("could not start `{}`", typed(command)))?;
    let pipe = child.stdout.take().context("stdout was piped")?;
    for bytes in BufReader::new(pipe).split(b'\n') {
        let bytes = bytes?;
        line(&String::from_utf8_lossy(&bytes));
        let mut out = stdout().lock();
        out.write_all(&bytes)?;
        out.write_all(b"\n")?;
    }
    let status = child.wait()?;
    if !status.success() {
        bail!("`{}` failed ({status}); the failures are listed above", typed(command));
    }
    Ok(())
}

/// Run a command and return what it printed; on failure the error has the last lines of its stderr.
pub fn read(command: &mut Command) -> Result<String> {
    let Output { status, stdout, stderr } =
        command.stdin(Stdio::null()).output().with_context(|| format!("could not start `{}`", typed(command)))?;
    if !status.success() {
        bail!("`{}` failed ({status}): {}", typed(command), last_lines(&String::from_utf8_lossy(&stderr)));
    }
    Ok(String::from_utf8_lossy(&stdout).into_owned())
}

/// Is there a program of this name (on PATH, or at this path)?
pub fn exists(program: impl AsRef<OsStr>) -> bool {
    let started = Command::new(program)
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    !matches!(started, Err(error) if error.kind() == ErrorKind::NotFound)
}

/// What a tool's stderr says about its failure, in one line: its error lines, or else its last lines.
fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let errors = lines.iter().filter(|line| ERROR_PREFIXES.iter().any(|prefix| line.starts_with(prefix)));
    let mut shown: Vec<&str> = errors.take(SHOWN_ERROR_LINES).copied().collect();
    if shown.is_empty() {
        shown = lines.iter().skip(lines.len().saturating_sub(SHOWN_ERROR_LINES)).copied().collect();
    }
    shown.join(" / ")
}

/// How cargo and rustup, apt, npm and pip begin the line that counts.
const ERROR_PREFIXES: [&str; 4] = ["error:", "E: ", "npm error ", "ERROR: "];

/// Enough for a message; what comes before it is progress, what comes after it is advice or a backtrace.
const SHOWN_ERROR_LINES: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_tools_stderr_the_error_is_shown() {
        let check = |text, expected| assert_eq!(last_lines(text), expected);
        check("info: syncing\nerror: no network\nbacktrace:\n 1: main\n", "error: no network");
        check("Reading lists\nE: no such package\n", "E: no such package");
        check("one\n\ntwo\n", "one / two");
        check("1\n2\n3\n4\n5\n", "2 / 3 / 4 / 5");
        check("", "");
    }

    #[test]
    fn commands_are_shown_as_typed() {
        let mut command = Command::new("/usr/bin/apt-get");
        assert_eq!(typed(command.args(["update", "-q"])), "apt-get update -q");
    }
}
