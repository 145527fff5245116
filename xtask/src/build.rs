//! `cargo xtask build`: the components, the host, the composed file, and the checks on them.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use crate::{
    imports::Rows,
    run::{cargo, read, root, run, shown, target_dir},
    size::Size,
    target::{self, TARGET},
    ui,
};

/// The four components, named like their packages and worlds.
pub const COMPONENTS: [&str; 4] = ["router", "oauth", "session", "connector"];

/// Where the artefacts are.
#[derive(Clone)]
pub struct Artefacts {
    /// The folder with the single components and the composed file.
    pub components: PathBuf,
    /// The composed file.
    pub composed: PathBuf,
    /// The host.
    pub host: PathBuf,
    /// The demo upstream.
    pub upstream: PathBuf,
}

impl Artefacts {
    /// Their places, whether they are built or not.
    pub fn places() -> Self {
        let target = target_dir();
        let components = target.join("mcp-edge");
        Self {
            composed: components.join("mcp-edge.wasm"),
            components,
            host: target.join("release/mcp-edge"),
            upstream: target.join("release/upstream"),
        }
    }

    /// One component's file.
    pub fn component(&self, name: &str) -> PathBuf {
        self.components.join(name).with_extension("wasm")
    }
}

/// Build everything that `up`, `test` and `bench` need.
pub fn all() -> Result<Artefacts> {
    let artefacts = Artefacts::places();
    components(&artefacts)?;
    native()?;
    compose(&artefacts)?;
    check_imports(&artefacts)?;
    Ok(artefacts)
}

/// The four components, each a file of its own.
fn components(artefacts: &Artefacts) -> Result<()> {
    target::ensure()?;
    ui::step(&format!("Build the components for {TARGET}"), || {
        let mut build = cargo(["build", "--profile", "component", "--target", TARGET]);
        build.args(COMPONENTS.iter().flat_map(|name| ["-p", *name]));
        run(&mut build)?;
        fs::create_dir_all(&artefacts.components)
            .with_context(|| format!("cannot create {}", shown(&artefacts.components)))?;
        for name in COMPONENTS {
            let built = target_dir().join(TARGET).join("component").join(name).with_extension("wasm");
            copy_if_changed(&built, &artefacts.component(name))?;
        }
        Ok(())
    })
}

/// The host and the demo upstream. One cargo call for each: features are then those of the plain `cargo build -p …`
/// that one types while working on it, and nothing (above all not wasmtime) is compiled twice.
fn native() -> Result<()> {
    ui::step("Build the host (the first time takes minutes: it compiles wasmtime)", || {
        run(&mut cargo(["build", "--release", "-p", "mcp-edge"]))
    })?;
    ui::step("Build the demo server", || run(&mut cargo(["build", "--release", "-p", "upstream"])))
}

/// All of it, and for spin.dependencies.toml what Spin does not compose itself.
fn compose(artefacts: &Artefacts) -> Result<()> {
    compose_from("router", artefacts, &artefacts.composed)?;
    compose_from("session", artefacts, &artefacts.component("session-connector"))
}

fn compose_from(entry: &str, artefacts: &Artefacts, composed: &Path) -> Result<()> {
    ui::step(&format!("Compose {}", shown(composed)), || {
        let fresh = composed.with_extension("wasm.new");
        let mut compose = Command::new(&artefacts.host);
        compose.current_dir(root()).arg("compose").args(["--entry", entry]);
        compose.arg("--components").arg(&artefacts.components).arg("--out").arg(&fresh);
        read(&mut compose)?;
        copy_if_changed(&fresh, composed)?;
        fs::remove_file(&fresh).with_context(|| format!("cannot remove {}", shown(&fresh)))
    })
}

/// `cargo xtask check-imports`: imports of all five files and the size of the composed one.
pub fn check_imports(artefacts: &Artefacts) -> Result<()> {
    let size = ui::step("Check imports and size", || {
        let rows = Rows::read(&root().join("wit"))?;
        for name in COMPONENTS {
            rows.check_component(name, &artefacts.component(name))?;
        }
        rows.check_composed(&artefacts.composed)?;
        let size = Size::of(&artefacts.composed)?;
        size.check()?;
        Ok(size)
    })?;
    ui::note(format!("{}: {size}", shown(&artefacts.composed)));
    Ok(())
}

/// Keep the time stamp of what did not change: nothing that depends on it has to be done again.
fn copy_if_changed(from: &Path, to: &Path) -> Result<()> {
    let new = fs::read(from).with_context(|| format!("cannot read {}", shown(from)))?;
    if fs::read(to).is_ok_and(|old| old == new) {
        return Ok(());
    }
    fs::write(to, new).with_context(|| format!("cannot write {}", shown(to)))
}
