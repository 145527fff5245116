//! The portability contract, checked on built files: a component imports what its world in `wit/worlds.wit` says and what
//! Rust's std brings, nothing else; the composed file imports standard interfaces only.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use anyhow::{Context, Result, bail};
use wasmparser::{Encoding, Parser, Payload};
use wit_parser::{Resolve, WorldItem, WorldKey};

use crate::run::shown;

/// What each file may import.
pub struct Rows {
    /// Component name to the interfaces of its world, types-only ones included.
    worlds: BTreeMap<String, BTreeSet<String>>,
}

impl Rows {
    /// Read the worlds of the WIT folder. They are the only list: there is no second one to keep in step.
    pub fn read(wit: &Path) -> Result<Self> {
        let mut resolve = Resolve::default();
        let (package, _) = resolve.push_dir(wit).with_context(|| format!("cannot read {}", shown(wit)))?;
        let worlds = &resolve.packages[package].worlds;
        let row = |world: &wit_parser::WorldId| -> BTreeSet<String> {
            let items = resolve.worlds[*world].imports.iter();
            items.map(|(key, item)| import_name(&resolve, key, item)).collect()
        };
        Ok(Self { worlds: worlds.iter().map(|(name, world)| (name.clone(), row(world))).collect() })
    }

    /// Check one component by the name of its world.
    ///
    /// # Errors
    /// It is no component, there is no such world, or an import is not in the world's row.
    pub fn check_component(&self, world: &str, file: &Path) -> Result<()> {
        let row = self.worlds.get(world).with_context(|| format!("wit/worlds.wit has no world `{world}`"))?;
        let imports = imports_of_file(file)?;
        let forbidden: Vec<_> = imports.iter().filter(|import| !row.contains(*import) && !std_brings(import)).collect();
        refuse(&forbidden, |import| {
            format!(
                "{} imports `{import}`, which its world does not list. If `{world}` really needs it, say so and why in \
                 `world {world}` of wit/worlds.wit",
                shown(file)
            )
        })
    }

    /// Check the composed file: what is left open after composition.
    ///
    /// # Errors
    /// It is no component, a component's import was not satisfied, or an import is outside the portability contract.
    pub fn check_composed(&self, file: &Path) -> Result<()> {
        let imports = imports_of_file(file)?;
        let listed = |import: &str| self.worlds.values().any(|row| row.contains(import));
        let portable = |import: &str| listed(import) && PORTABLE.iter().any(|prefix| import.starts_with(prefix));
        let forbidden: Vec<_> = imports.iter().filter(|import| !portable(import) && !std_brings(import)).collect();
        refuse(&forbidden, |import| match import.strip_prefix("mcp-edge:") {
            Some(_) => format!("{} leaves `{import}` open: no composed component exports it", shown(file)),
            None => format!(
                "{} imports `{import}`, which not every host has. The contract is PORTABLE in xtask/src/imports.rs and \
                 the worlds in wit/worlds.wit",
                shown(file)
            ),
        })
    }
}

/// The contract of the composed file: these exist on wasmtime with our host, on Spin and on workerd. Versions are exact,
/// because hosts look imports up by them.
const PORTABLE: [&str; 6] = [
    "wasi:http/",
    "wasi:clocks/",
    "wasi:random/",
    "wasi:cli/",
    "wasi:keyvalue/",
    "wasi:config/store@0.2.0-draft-2024-09-27",
];

/// What Rust's std of `wasm32-wasip2` links into a component that reads no file, no socket and no clock through it:
/// standard streams (with wasi-libc's question whether they are terminals), environment, exit, and the seed of
/// `HashMap`. `std::fs`, `std::net` and `std::time` would bring more, and are refused by leaving them out here.
const STD: [&str; 14] = [
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stderr",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stderr",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:random/insecure-seed",
];

/// Is it std's? Std is on WASI 0.2, whose patch releases are compatible with each other.
fn std_brings(import: &str) -> bool {
    import
        .split_once('@')
        .is_some_and(|(name, version)| version.starts_with("0.2.") && !version.contains('-') && STD.contains(&name))
}

fn refuse(forbidden: &[&String], say: impl Fn(&str) -> String) -> Result<()> {
    if forbidden.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = forbidden.iter().map(|import| say(import)).collect();
    bail!("{}", lines.join("\n"))
}

fn import_name(resolve: &Resolve, key: &WorldKey, item: &WorldItem) -> String {
    match (key, item) {
        (WorldKey::Interface(id), _) | (_, WorldItem::Interface { id, .. }) => {
            resolve.id_of(*id).unwrap_or_else(|| resolve.name_world_key(key))
        }
        (WorldKey::Name(name), _) => name.clone(),
    }
}

fn imports_of_file(file: &Path) -> Result<BTreeSet<String>> {
    let bytes = fs::read(file).with_context(|| format!("cannot read {}. Fix: run `cargo xtask build`", shown(file)))?;
    imports(&bytes).with_context(|| format!("{} is not a component that can be checked", shown(file)))
}

/// The names a component imports, those of components inside it not counted.
fn imports(bytes: &[u8]) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload? {
            Payload::Version { encoding: Encoding::Module, .. } if depth == 0 => bail!("it is a core module"),
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    names.insert(import?.name.name.to_owned());
                }
            }
            _ => {}
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::root;

    fn rows() -> Rows {
        Rows::read(&root().join("wit")).unwrap()
    }

    /// A component that imports the given interfaces, with a nested component that imports one more.
    fn component(imports: &[&str]) -> tempfile::NamedTempFile {
        let imports: String = imports.iter().map(|name| format!("(import \"{name}\" (instance))\n")).collect();
        let text = format!("(component {imports} (component (import \"inner:is/satisfied@1.0.0\" (instance))))");
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), wat::parse_str(text).unwrap()).unwrap();
        file
    }

    fn check_component(world: &str, imports: &[&str], expected: Result<(), &str>) {
        compare(rows().check_component(world, component(imports).path()), expected);
    }

    fn check_composed(imports: &[&str], expected: Result<(), &str>) {
        compare(rows().check_composed(component(imports).path()), expected);
    }

    fn compare(result: Result<()>, expected: Result<(), &str>) {
        match (result, expected) {
            (Ok(()), Ok(())) => {}
            (Err(error), Err(part)) => assert!(format!("{error:#}").contains(part), "{error:#}"),
            (result, expected) => panic!("got {result:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn a_component_may_import_what_its_world_lists_and_the_types_that_it_uses() {
        check_component("router", &["mcp-edge:oauth/tokens@0.1.0", "wasi:http/types@0.3.0"], Ok(()));
        check_component("connector", &["wasi:http/client@0.3.0", "wasi:clocks/types@0.3.0"], Ok(()));
    }

    #[test]
    fn a_component_may_import_what_std_brings_in_any_patch_release() {
        check_component("session", &["wasi:cli/stdout@0.2.6", "wasi:io/streams@0.2.9"], Ok(()));
        check_component(
            "session",
            &["wasi:cli/stdout@0.2.0-rc-2023-11-10"],
            Err("wasi:cli/stdout@0.2.0-rc-2023-11-10"),
        );
    }

    #[test]
    fn an_import_of_another_components_world_is_refused_with_the_place_to_allow_it() {
        check_component("router", &["wasi:http/client@0.3.0"], Err("`world router` of wit/worlds.wit"));
        check_component("session", &["wasi:http/client@0.3.0"], Err("imports `wasi:http/client@0.3.0`"));
    }

    #[test]
    fn files_sockets_and_stds_clocks_are_refused_everywhere() {
        for import in ["wasi:filesystem/types@0.2.6", "wasi:sockets/tcp@0.2.6", "wasi:clocks/wall-clock@0.2.6"] {
            check_component("oauth", &[import], Err(import));
            check_composed(&[import], Err(import));
        }
    }

    #[test]
    fn another_version_of_an_allowed_interface_is_refused() {
        check_component("connector", &["wasi:http/client@0.3.2"], Err("wasi:http/client@0.3.2"));
        check_component("oauth", &["wasi:keyvalue/store@0.2.0-draft"], Err("wasi:keyvalue/store@0.2.0-draft"));
    }

    #[test]
    fn every_forbidden_import_is_named_at_once() {
        check_component("router", &["a:b/c@1.0.0", "d:e/f@1.0.0"], Err("d:e/f@1.0.0"));
        check_component("router", &["a:b/c@1.0.0", "d:e/f@1.0.0"], Err("a:b/c@1.0.0"));
    }

    #[test]
    fn the_composed_file_may_import_standard_interfaces_only() {
        check_composed(
            &["wasi:keyvalue/store@0.2.0-draft2", "wasi:http/client@0.3.0", "wasi:cli/stdout@0.2.6"],
            Ok(()),
        );
        check_composed(&["fermyon:spin/key-value@2.0.0"], Err("which not every host has"));
        check_composed(&["mcp-edge:oauth/tokens@0.1.0"], Err("no composed component exports it"));
    }

    #[test]
    fn what_is_no_component_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), wat::parse_str("(module)").unwrap()).unwrap();
        compare(rows().check_component("router", file.path()), Err("core module"));
        fs::write(file.path(), b"").unwrap();
        compare(rows().check_component("router", file.path()), Err("is not a component"));
        compare(rows().check_component("router", Path::new("/nonexistent.wasm")), Err("cargo xtask build"));
        compare(rows().check_component("nobody", file.path()), Err("no world `nobody`"));
    }
}
