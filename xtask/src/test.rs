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
    build::Artefacts,
    chromium::chromium,
    layers, lints, matrix,
    progress::Progress,
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
    /// Clippy with warnings as errors; nothing in a component may panic.
    Lints,
    /// The Worker of host/workers in the real workerd, with the scenarios of the whole gateway.
    Workers,
    /// Official MCP clients (TypeScript and Python) on our host and on workerd; mcp-remote, an OpenID provider and the
    /// conformance suite against the whole gateway.
    Clients,
    /// The pages, in Chromium.
    Pages,
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
                    harness_tests()?
                        .iter()
                        .filter(|name| !WITH_OWN_LAYER.contains(&name.as_str()))
                        .flat_map(|name| ["--test", name]),
                );
                // A layer of its own.
                command.args(["--", "--skip", "workers::"]);
                if !can_replace_hosts() {
                    command.args(["--skip", WITH_HOSTS]);
                    so_far
                        .skipped
                        .push(format!("test {WITH_HOSTS}: `unshare --map-root-user --mount` is not allowed here"));
                }
                let spin = Spin::find();
                command.envs(spin.environment()).args(spin.skips());
                so_far
                    .skipped
                    .extend(spin.absent.iter().map(|(module, reason)| format!("tests {module}::…: {reason}")));
                cargo_test(&mut command, so_far)
            })
        }
        Layer::Lints => {
            ui::step("Clippy: rules and xtask", lints::rules)?;
            ui::step("Clippy: components", lints::components)?;
            ui::step("Clippy: host, demo server, harness", lints::native)
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
            let artefacts = so_far.build()?;
            let tools = Tools::install()?;
            let worker = Worker::build(&artefacts)?;
            ui::step("Tests with real clients", || {
                let mut command = native("harness", &artefacts);
                command.args(["--test", CLIENTS]);
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
                    tools::modules(&root().join("tests/browser"))?;
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
    }
}

/// The test of names that lead into private networks: it needs a `/etc/hosts` of its own.
const WITH_HOSTS: &str = "a_name_that_leads_into_a_private_network_is_not_followed_there_today_or_tomorrow";

/// Does this system let a process have a `/etc/hosts` of its own? Tried as the harness does it.
fn can_replace_hosts() -> bool {
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--mount", "mount", "--bind", "/etc/hosts", "/etc/hosts"]);
    read(&mut command).is_ok()
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

/// The test target with programs that are not part of this repository.
pub const CLIENTS: &str = "e2e";

/// The test target with a browser.
const PAGES: &str = "pages";

/// Test targets that need more than what is built here.
const WITH_OWN_LAYER: [&str; 2] = [CLIENTS, PAGES];

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

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_test_that_is_left_out_by_name_has_that_name() {
        let documents = fs::read_to_string(root().join("tests/harness/tests/documents.rs")).unwrap();
        assert!(documents.contains(&format!("async fn {WITH_HOSTS}()")));
    }
}
