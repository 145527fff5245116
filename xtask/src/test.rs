//! `cargo xtask test`: every test, in layers from quick to slow.

use std::{
    ffi::OsString,
    process::{Command, ExitCode},
    time::Instant,
};

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use serde_json::Value;

use crate::{
    build::{self, Artefacts},
    chromium::chromium,
    layers, lints, matrix,
    run::{cargo, exists, read, root, run, stream},
    spin::Spin,
    tools::{self, Tools},
    ui,
    workers::Worker,
};

/// What to run.
#[derive(Args)]
pub struct Options {
    /// Run one layer only.
    #[arg(long, value_enum, value_name = "LAYER")]
    only: Option<Layer>,
}

/// The layers, in the order they run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Layer {
    /// Formatting of all packages.
    Format,
    /// Who may depend on whom, and licences (`cargo deny` too, where it is installed).
    Layers,
    /// The rules, natively: `cargo test` at the top, and xtask's own.
    Rules,
    /// Build all; imports of the components and size of the composed file.
    Imports,
    /// The host, the demo server, and the whole gateway through the harness.
    Gateway,
    /// The Worker of host/workers in the real workerd, with the scenarios of the whole gateway.
    Workers,
    /// Official MCP clients (TypeScript and Python) on our host and on workerd; mcp-remote, an OpenID provider and the
    /// conformance suite against the whole gateway.
    Clients,
    /// The pages, in Chromium.
    Pages,
    /// Clippy with warnings as errors; nothing in a component may panic.
    Lints,
}

/// Run the layers; the first that fails ends the run, since what follows stands on it.
pub fn test(options: &Options) -> Result<ExitCode> {
    let start = Instant::now();
    let mut so_far = Progress::default();
    let layers = Layer::value_variants().iter().filter(|layer| options.only.is_none_or(|only| only == **layer));
    let mut result = Ok(());
    for layer in layers {
        result = run_layer(*layer, &mut so_far);
        if result.is_err() {
            break;
        }
    }
    if let Err(error) = &result {
        ui::error(error);
        if so_far.failed == 0 {
            so_far.failed_steps += 1;
        }
    }
    for skipped in &so_far.skipped {
        println!("skipped: {skipped}");
    }
    println!("{} ({})", so_far.line(), ui::seconds(start.elapsed()));
    Ok(if result.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn run_layer(layer: Layer, so_far: &mut Progress) -> Result<()> {
    match layer {
        Layer::Format => ui::step("Formatting", lints::format),
        Layer::Layers => {
            ui::step("Layers and licences", layers::check)?;
            ui::step("Scenarios of tests/MATRIX.md", matrix::check_names)?;
            if exists("cargo-deny") {
                ui::step("cargo deny", || run(&mut cargo(["deny", "check", "bans", "licenses", "sources"])))?;
            }
            Ok(())
        }
        Layer::Rules => {
            ui::step("Tests of the rules", || cargo_test(&mut cargo(["test"]), so_far))?;
            ui::step("Tests of xtask", || cargo_test(&mut cargo(["test", "-p", "xtask"]), so_far))
        }
        Layer::Imports => so_far.build().map(drop),
        Layer::Gateway => {
            let artefacts = so_far.build()?;
            ui::step("Tests of the host", || cargo_test(&mut native("mcp-edge", &artefacts), so_far))?;
            ui::step("Tests of the demo server", || cargo_test(&mut native("upstream", &artefacts), so_far))?;
            ui::step("Tests of the whole gateway", || {
                let mut command = native("harness", &artefacts);
                command.args(["--lib", "--bins"]);
                command.args(
                    harness_tests()?.iter().filter(|name| !has_own_layer(name)).flat_map(|name| ["--test", name]),
                );
                // A layer of its own.
                command.args(["--", "--skip", "workers::"]);
                let spin = Spin::find();
                command.envs(spin.environment()).args(spin.skips());
                so_far
                    .skipped
                    .extend(spin.absent.iter().map(|(module, reason)| format!("tests {module}::…: {reason}")));
                cargo_test(&mut command, so_far)
            })
        }
        Layer::Workers => {
            let artefacts = so_far.build()?;
            let worker = Worker::build(&artefacts)?;
            let contract = worker.contract()?;
            ui::step("Tests of the Worker", || cargo_test(&mut worker.test(&artefacts)?, so_far))?;
            ui::step("Would Cloudflare take it (wrangler deploy --dry-run)", || read(&mut worker.check()?).map(drop))?;
            ui::step("Tests of the whole gateway on workerd", || {
                let mut command = native("harness", &artefacts);
                command.envs(worker.environment(contract));
                command.args(["--test", "hosts", "--test", "store", "--", "workers::"]);
                cargo_test(&mut command, so_far)
            })
        }
        Layer::Clients => {
            let targets = harness_tests()?;
            let targets: Vec<_> = targets.iter().filter(|name| is_client_test(name)).collect();
            if targets.is_empty() {
                so_far
                    .skipped
                    .push("tests with real clients: there is no test target e2e* in tests/harness".to_owned());
                return Ok(());
            }
            let artefacts = so_far.build()?;
            let tools = Tools::install()?;
            let worker = Worker::build(&artefacts)?;
            ui::step("Tests with real clients", || {
                let mut command = native("harness", &artefacts);
                command.args(targets.iter().flat_map(|name| ["--test", name]));
                command.env("MCP_EDGE_NODE", &tools.node).env("MCP_EDGE_PYTHON", &tools.python);
                command.env("MCP_EDGE_E2E_MODULES", &tools.modules).env("MCP_EDGE_CONFORMANCE", &tools.conformance);
                command.env("MCP_EDGE_WORKERS_DIST", &worker.dist);
                cargo_test(&mut command, so_far)
            })
        }
        Layer::Pages => {
            let artefacts = so_far.build()?;
            let (node, chromium) =
                ui::step("Get Node, npm packages and Chromium (below .cache and tests/browser)", || {
                    let node = tools::node()?;
                    tools::modules(&node, &root().join("tests/browser"), &["--ignore-scripts"])?;
                    Ok((node, chromium()?))
                })?;
            ui::step("Tests of the pages in a browser", || {
                let mut command = native("harness", &artefacts);
                // What Node says is the report.
                command.args(["--test", PAGES, "--", "--nocapture"]);
                command.env("MCP_EDGE_NODE", node).env("MCP_EDGE_CHROMIUM", chromium);
                cargo_test(&mut command, so_far)
            })
        }
        Layer::Lints => {
            ui::step("Clippy: rules and xtask", lints::rules)?;
            ui::step("Clippy: components", lints::components)?;
            ui::step("Clippy: host, demo server, harness", lints::native)
        }
    }
}

/// Where the tests find what was built.
pub fn environment(artefacts: &Artefacts) -> Vec<(&'static str, OsString)> {
    vec![
        ("MCP_EDGE_COMPONENTS", artefacts.components.clone().into()),
        ("MCP_EDGE_BIN", artefacts.host.clone().into()),
        ("MCP_EDGE_UPSTREAM_BIN", artefacts.upstream.clone().into()),
    ]
}

/// Cargo test of one native package, in the profile it is built in.
fn native(package: &str, artefacts: &Artefacts) -> Command {
    let mut command = cargo(["test", "--release", "--no-fail-fast", "-p", package]);
    command.envs(environment(artefacts));
    command
}

/// Test targets with programs that are not part of this repository.
fn is_client_test(name: &str) -> bool {
    name.starts_with("e2e")
}

/// The test target with a browser.
const PAGES: &str = "pages";

/// Test targets that need more than what is built here.
fn has_own_layer(name: &str) -> bool {
    is_client_test(name) || name == PAGES
}

/// Names of the integration tests of the harness.
fn harness_tests() -> Result<Vec<String>> {
    let metadata = read(&mut cargo(["metadata", "--no-deps", "--format-version", "1"]))?;
    let metadata: Value = serde_json::from_str(&metadata).context("`cargo metadata` gave no JSON")?;
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let targets =
        packages.filter(|package| package["name"] == "harness").flat_map(|package| package["targets"].as_array());
    let tests = targets.flatten().filter(|target| target["kind"][0] == "test");
    Ok(tests.filter_map(|target| target["name"].as_str()).map(str::to_owned).collect())
}

/// Run `cargo test`, pass its output on, and count.
fn cargo_test(command: &mut Command, so_far: &mut Progress) -> Result<()> {
    stream(command, |line| so_far.read(line))
}

/// What the layers hand on: counts, and what was built.
#[derive(Default)]
struct Progress {
    passed: u64,
    failed: u64,
    ignored: u64,
    failed_steps: u64,
    skipped: Vec<String>,
    artefacts: Option<Artefacts>,
}

impl Progress {
    /// Build all, the first time it is asked for.
    fn build(&mut self) -> Result<Artefacts> {
        if self.artefacts.is_none() {
            self.artefacts = Some(build::all()?);
        }
        self.artefacts.clone().context("built just now")
    }

    /// Take in one line of output; libtest's result of a binary counts, and that of Node's test runner.
    fn read(&mut self, line: &str) {
        let node = line.strip_prefix("ℹ ").or_else(|| line.strip_prefix("# "));
        if let Some((what, count)) = node.and_then(|rest| rest.split_once(' '))
            && let Ok(count) = count.parse::<u64>()
        {
            match what {
                "pass" => self.passed += count,
                "fail" => self.failed += count,
                "skipped" => self.ignored += count,
                _ => {}
            }
        }
        if let Some(counts) = line.trim().strip_prefix("test result: ") {
            let count = |what| counts_of(counts, what).unwrap_or(0);
            self.passed += count("passed");
            self.failed += count("failed");
            self.ignored += count("ignored");
        }
    }

    fn line(&self) -> String {
        let mut line = format!("{} passed, {} failed", self.passed, self.failed);
        if self.ignored > 0 {
            line.push_str(&format!(", {} ignored", self.ignored));
        }
        if !self.skipped.is_empty() {
            line.push_str(&format!(", {} skipped", self.skipped.len()));
        }
        if self.failed_steps > 0 {
            line.push_str(", and a step that is no test failed");
        }
        line
    }
}

/// The number before `what` in `ok. 5 passed; 0 failed; 0 ignored; …`.
fn counts_of(counts: &str, what: &str) -> Option<u64> {
    let words: Vec<&str> = counts.split([' ', ';']).filter(|word| !word.is_empty()).collect();
    words.windows(2).find(|pair| pair[1] == what).and_then(|pair| pair[0].parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_several_binaries_are_added_up() {
        let mut so_far = Progress::default();
        for line in [
            "running 3 tests",
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s",
            "test result: FAILED. 12 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s",
            "ℹ tests 5",
            "ℹ pass 4",
            "ℹ fail 1",
            "# skipped 0",
        ] {
            so_far.read(line);
        }
        assert_eq!(so_far.line(), "19 passed, 3 failed, 1 ignored");
    }

    #[test]
    fn a_run_without_tests_that_failed_says_so() {
        let so_far = Progress { failed_steps: 1, ..Progress::default() };
        assert_eq!(so_far.line(), "0 passed, 0 failed, and a step that is no test failed");
    }
}
