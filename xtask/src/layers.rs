//! The layers and licences of all crates, from `cargo metadata`: what `deny.toml` says, without installing anything.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::{
    licences,
    run::{cargo, read},
    target::TARGET,
};

/// Check the dependency graph as locked.
///
/// # Errors
/// `Cargo.lock` is out of date, a layer reaches for what it must not have, or a licence is not on the list.
pub fn check() -> Result<()> {
    let metadata = read(&mut cargo(["metadata", "--locked", "--format-version", "1", "--filter-platform", TARGET]))
        .context("Fix for an outdated Cargo.lock: run `cargo metadata` and commit it")?;
    let wasm = Graph::read(&metadata)?;
    let all = Graph::read(&read(&mut cargo(["metadata", "--locked", "--format-version", "1"]))?)?;
    let mut faults = bindings_in_rules(&wasm);
    faults.extend(direct_users(&all));
    faults.extend(unlisted_licences(&all));
    if !faults.is_empty() {
        bail!("{}", faults.join("\n"));
    }
    Ok(())
}

/// Crates that only some of ours may name as a dependency (`deny.toml` says the same with `wrappers`).
const DIRECT: [(&str, &[&str], &str); 4] = [
    ("wit-bindgen", ADAPTERS, "bindings belong in adapters: the rules stay natively testable"),
    ("wasip3", ADAPTERS, "bindings belong in adapters: the rules stay natively testable"),
    ("wasmtime", &["mcp-edge", "harness"], "one host"),
    ("rmcp", &["upstream", "harness", "mcp-edge"], "rmcp drops fields of messages that are passed on"),
];

/// The last is the component that the host's tests run.
const ADAPTERS: &[&str] =
    &["router", "oauth", "session", "connector", "shared-guest", "host-test-guest", "store-contract"];

/// What the rules must not reach, however far down: bindings, runtimes, and with them clock, randomness and network.
const NOT_IN_RULES: [&str; 10] = [
    "wit-bindgen",
    "wasip2",
    "wasip3",
    "spin-sdk",
    "wasmtime",
    "tokio",
    "hyper",
    "reqwest",
    "async-std",
    "shared-guest",
];

/// Is it plain Rust by the layout of the repository?
fn is_rules(name: &str) -> bool {
    name.ends_with("-core") || (name.starts_with("shared-") && name != "shared-guest")
}

fn bindings_in_rules(graph: &Graph) -> Vec<String> {
    let ours = graph.ours.iter().filter(|name| is_rules(name));
    let fault = |name: &String| -> Vec<String> {
        let reached = graph.reach(name);
        let forbidden = NOT_IN_RULES.iter().filter(|forbidden| reached.contains(**forbidden));
        forbidden
            .map(|forbidden| {
                format!("{name} reaches {forbidden} ({}); rules are plain Rust", graph.path(name, forbidden))
            })
            .collect()
    };
    ours.flat_map(fault).collect()
}

fn direct_users(graph: &Graph) -> Vec<String> {
    let mut faults = Vec::new();
    for (wanted, users, reason) in DIRECT {
        for name in graph.ours.iter().filter(|name| !users.contains(&name.as_str())) {
            if graph.all_edges.get(name).is_some_and(|edges| edges.contains(wanted)) {
                faults.push(format!("{name} may not depend on {wanted}: {reason}"));
            }
        }
    }
    faults
}

fn unlisted_licences(graph: &Graph) -> Vec<String> {
    let unknown = graph.licences.iter().filter(|(_, licence)| !licences::allowed(licence));
    unknown.map(|(name, licence)| format!("{name} has the licence `{licence}`, which is not on the list")).collect()
}

/// The dependency graph by crate names. Two versions of one crate are one node: the rules are about names.
struct Graph {
    ours: BTreeSet<String>,
    licences: BTreeMap<String, String>,
    /// What is linked in: normal dependencies, dev and build dependencies left out.
    edges: BTreeMap<String, BTreeSet<String>>,
    /// Dependencies of every kind.
    all_edges: BTreeMap<String, BTreeSet<String>>,
}

impl Graph {
    fn read(metadata: &str) -> Result<Self> {
        let metadata: Value = serde_json::from_str(metadata).context("`cargo metadata` gave no JSON")?;
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut names = BTreeMap::new();
        let mut graph = Self {
            ours: BTreeSet::new(),
            licences: BTreeMap::new(),
            edges: BTreeMap::new(),
            all_edges: BTreeMap::new(),
        };
        for package in list(&metadata["packages"]) {
            let name = text(&package["name"]);
            names.insert(text(&package["id"]), name.clone());
            graph.licences.insert(name, text(&package["license"]));
        }
        let name_of = |id: &Value| names.get(&text(id)).cloned().context("`cargo metadata` names an unknown package");
        for member in list(&metadata["workspace_members"]) {
            graph.ours.insert(name_of(&member)?);
        }
        for node in list(&metadata["resolve"]["nodes"]) {
            let name = name_of(&node["id"])?;
            for dependency in list(&node["deps"]) {
                let target = name_of(&dependency["pkg"])?;
                if list(&dependency["dep_kinds"]).iter().any(|kind| kind["kind"].is_null()) {
                    graph.edges.entry(name.clone()).or_default().insert(target.clone());
                }
                graph.all_edges.entry(name.clone()).or_default().insert(target);
            }
        }
        Ok(graph)
    }

    fn reach(&self, start: &str) -> BTreeSet<String> {
        self.parents(start).into_keys().collect()
    }

    /// Each crate reached from `start`, with the one it was first reached through.
    fn parents(&self, start: &str) -> BTreeMap<String, String> {
        let mut parents = BTreeMap::new();
        let mut open = vec![start.to_owned()];
        while let Some(name) = open.pop() {
            for next in self.edges.get(&name).into_iter().flatten() {
                if !parents.contains_key(next) {
                    parents.insert(next.clone(), name.clone());
                    open.push(next.clone());
                }
            }
        }
        parents
    }

    /// A way from one crate to another, for the error message.
    fn path(&self, start: &str, end: &str) -> String {
        let parents = self.parents(start);
        let mut path = vec![end];
        let mut at = end;
        while let Some(parent) = parents.get(at)
            && at != start
        {
            path.push(parent);
            at = parent;
        }
        path.reverse();
        path.join(" -> ")
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::run::root;

    /// A graph of our crates with `(from, to, kind)` edges.
    fn graph(ours: &[&str], edges: &[(&str, &str, Value)]) -> Graph {
        let names: BTreeSet<&str> =
            ours.iter().copied().chain(edges.iter().flat_map(|(from, to, _)| [*from, *to])).collect();
        let nodes: Vec<Value> = names
            .iter()
            .map(|name| {
                let deps = edges.iter().filter(|(from, _, _)| from == name);
                let deps: Vec<Value> = deps
                    .map(|(_, to, kind)| serde_json::json!({ "pkg": to, "dep_kinds": [{ "kind": kind }] }))
                    .collect();
                serde_json::json!({ "id": name, "deps": deps })
            })
            .collect();
        let packages: Vec<Value> =
            names.iter().map(|name| serde_json::json!({ "id": name, "name": name, "license": "MIT" })).collect();
        let metadata =
            serde_json::json!({ "packages": packages, "workspace_members": ours, "resolve": { "nodes": nodes } });
        Graph::read(&metadata.to_string()).unwrap()
    }

    #[test]
    fn bindings_deep_below_the_rules_are_found_with_the_way_to_them() {
        let graph = graph(&["oauth-core"], &[("oauth-core", "a", Value::Null), ("a", "wasip3", Value::Null)]);
        assert_eq!(
            bindings_in_rules(&graph),
            ["oauth-core reaches wasip3 (oauth-core -> a -> wasip3); rules are plain Rust"]
        );
    }

    #[test]
    fn tests_of_the_rules_may_use_what_they_like() {
        let graph = graph(&["oauth-core"], &[("oauth-core", "tokio", "dev".into())]);
        assert!(bindings_in_rules(&graph).is_empty());
    }

    #[test]
    fn only_adapters_may_name_bindings() {
        let graph =
            graph(&["router", "xtask"], &[("router", "wasip3", Value::Null), ("xtask", "wasip3", "dev".into())]);
        let faults = direct_users(&graph);
        assert!(
            matches!(faults.as_slice(), [fault] if fault.starts_with("xtask may not depend on wasip3")),
            "{faults:?}"
        );
    }

    #[test]
    fn deny_toml_says_the_same() {
        let deny = fs::read_to_string(root().join("deny.toml")).unwrap();
        for (name, users, _) in DIRECT {
            let line = deny.lines().find(|line| line.contains(&format!("crate = \"{name}\"")));
            let line = line.unwrap_or_else(|| panic!("deny.toml does not ban {name}"));
            for user in users {
                assert!(line.contains(&format!("\"{user}\"")), "deny.toml does not let {user} use {name}");
            }
        }
    }
}
