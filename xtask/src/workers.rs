//! The Worker of host/workers: its npm packages, its build, its tests, and how it is started.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use crate::{
    build::{Artefacts, COMPONENTS},
    run::{cargo, read, root, run, shown, target_dir},
    target::TARGET,
    tools::{self, once, with_node},
    ui,
};

/// A built Worker.
pub struct Worker {
    /// `MCP_EDGE_NODE`: the Node that its tools run on.
    pub node: PathBuf,
    /// `MCP_EDGE_WORKERS_DIST`: the folder with worker.js and its modules.
    pub dist: PathBuf,
}

/// A Worker of tests/store-contract alone.
pub struct Contract {
    /// `MCP_EDGE_CONTRACT_DIST`, likewise.
    pub dist: PathBuf,
}

impl Worker {
    /// Install what is missing, and build if a component or a source has changed.
    pub fn build(artefacts: &Artefacts) -> Result<Self> {
        let folder = folder();
        let node = ui::step("Get Node, jco and workerd (below .cache and host/workers)", || {
            let node = tools::node()?;
            tools::modules(&folder)?;
            Ok(node)
        })?;
        let dist = folder.join("dist");
        ui::step("Build the Worker", || {
            let components = COMPONENTS.iter().map(|name| artefacts.component(name));
            build(&node, components, &[OsStr::new("--components"), artefacts.components.as_os_str()], &dist)
        })?;
        Ok(Self { node, dist })
    }

    /// The component that tests the store of its host, as a Worker.
    pub fn contract(&self) -> Result<Contract> {
        let dist = target_dir().join("mcp-edge-tests/store-contract");
        ui::step("Build the Worker of tests/store-contract", || {
            run(&mut cargo(["build", "--profile", "component", "--target", TARGET, "-p", "store-contract"]))?;
            let component = target_dir().join(TARGET).join("component/store_contract.wasm");
            build(&self.node, [component.clone()], &[OsStr::new("--only"), component.as_os_str()], &dist)
        })?;
        Ok(Contract { dist })
    }

    /// The program that serves it, without the options that `mcp-edge serve` has too.
    pub fn serve(&self, artefacts: &Artefacts) -> Command {
        let mut command = Command::new(&self.node);
        command.current_dir(root()).arg(folder().join("tools/serve.ts"));
        command.arg("--dist").arg(&self.dist).arg("--host").arg(&artefacts.host);
        command
    }

    /// Where the harness finds it.
    pub fn environment(&self, contract: Contract) -> [(&'static str, PathBuf); 3] {
        [
            ("MCP_EDGE_NODE", self.node.clone()),
            ("MCP_EDGE_WORKERS_DIST", self.dist.clone()),
            ("MCP_EDGE_CONTRACT_DIST", contract.dist),
        ]
    }

    /// All of `wrangler deploy` except the upload.
    pub fn check(&self) -> Result<Command> {
        let mut check = with_node(Command::new(&self.node), &self.node)?;
        check.current_dir(folder()).arg("tools/check.ts");
        Ok(check)
    }

    /// Its own tests: types, units, the contract of the store, a restart in workerd.
    pub fn test(&self, artefacts: &Artefacts) -> Result<Command> {
        // Not `npm test`: npm runs on the machine's own node only.
        let mut test = with_node(Command::new(&self.node), &self.node)?;
        test.current_dir(folder()).args(["--run", "test"]).env("MCP_EDGE_BIN", &artefacts.host);
        Ok(test)
    }
}

fn folder() -> PathBuf {
    root().join("host/workers")
}

/// Run tools/build.ts, if what `dist` was built from has changed.
fn build(node: &Path, components: impl IntoIterator<Item = PathBuf>, options: &[&OsStr], dist: &Path) -> Result<()> {
    once(dist, &fingerprint(&sources(components)?)?, &dist.join("worker.js"), || {
        let mut build = Command::new(node);
        build.arg(folder().join("tools/build.ts")).args(options).arg("--out").arg(dist);
        read(&mut build).map(|line| ui::note(line.trim()))
    })
}

/// All that a build depends on, in a fixed order.
fn sources(components: impl IntoIterator<Item = PathBuf>) -> Result<BTreeSet<PathBuf>> {
    let mut files: BTreeSet<PathBuf> = components.into_iter().collect();
    files.insert(folder().join("package-lock.json"));
    for name in ["src", "tools"] {
        let folder = folder().join(name);
        for entry in fs::read_dir(&folder).with_context(|| format!("cannot read {}", shown(&folder)))? {
            files.insert(entry?.path());
        }
    }
    Ok(files)
}

/// Changes when a name or a content does.
fn fingerprint<P: AsRef<Path>>(files: impl IntoIterator<Item = P>) -> Result<String> {
    let mut hasher = DefaultHasher::new();
    for file in files {
        let file = file.as_ref();
        file.hash(&mut hasher);
        fs::read(file).with_context(|| format!("cannot read {}", shown(file)))?.hash(&mut hasher);
    }
    Ok(format!("{:016x}", hasher.finish()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worker_is_built_again_when_a_name_or_a_content_changes() {
        let folder = tempfile::tempdir().unwrap();
        let (one, other) = (folder.path().join("one"), folder.path().join("other"));
        fs::write(&one, "1").unwrap();
        fs::write(&other, "1").unwrap();
        let first = fingerprint([&one]).unwrap();
        assert_eq!(fingerprint([&one]).unwrap(), first);
        assert_ne!(fingerprint([&other]).unwrap(), first);
        fs::write(&one, "2").unwrap();
        assert_ne!(fingerprint([&one]).unwrap(), first);
        assert!(fingerprint([folder.path().join("absent")]).is_err());
    }
}
