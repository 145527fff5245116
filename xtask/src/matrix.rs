//! `cargo xtask matrix`: runs every scenario on every host there is, and writes what came of it to tests/MATRIX.md.

use std::{collections::BTreeMap, fs, process::ExitCode};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::{
    build,
    run::{cargo, root, stream},
    spin::Spin,
    test::environment,
    ui,
    workers::Worker,
};

/// What to do.
#[derive(Args)]
pub struct Options {
    /// Run nothing: only compare the scenarios of the file with those of the harness.
    #[arg(long)]
    check: bool,
}

const FILE: &str = "tests/MATRIX.md";

/// The list that the tests are made of.
const SCENARIOS: &str = "tests/harness/src/scenarios/mod.rs";

/// The module of `tests/harness/tests/hosts.rs`, and the host's name.
const HOSTS: [(&str, &str); 3] = [("wasmtime", "wasmtime"), ("spin", "Spin"), ("workers", "workerd")];

/// The list of the store's contract.
const STORE_CASES: &str = "tests/harness/tests/store.rs";

/// What their rows are below.
const STORE: &str = "store";

/// The module of the tests, and the backend's name.
const BACKENDS: [(&str, &str); 5] = [
    ("memory", "wasmtime, memory"),
    ("redb", "wasmtime, redb"),
    ("spin", "Spin, SQLite"),
    ("spin_redis", "Spin, Redis"),
    ("workers", "workerd, Durable Objects"),
];

/// Run and write, or check.
pub fn matrix(options: &Options) -> Result<ExitCode> {
    let scenarios = scenarios()?;
    if options.check {
        check(&scenarios)?;
        return Ok(ExitCode::SUCCESS);
    }
    let artefacts = build::all()?;
    let worker = Worker::build(&artefacts)?;
    let mut results = Results::default();
    let mut command =
        cargo(["test", "--release", "--no-fail-fast", "-p", "harness", "--test", "hosts", "--test", "store"]);
    command.envs(environment(&artefacts)).envs(worker.environment(worker.contract()?));
    let spin = Spin::find();
    command.envs(spin.environment()).arg("--").args(spin.skips());
    results.absent.extend(spin.absent);
    let run = ui::step("Run every scenario on every host", || stream(&mut command, |line| results.read(line)));
    if results.cells.is_empty() {
        run?;
        bail!("no scenario was run");
    }
    fs::write(root().join(FILE), results.text(&scenarios)).with_context(|| format!("cannot write {FILE}"))?;
    ui::note(FILE);
    let red = results.cells.values().any(|passed| !passed);
    Ok(if red { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Names of the scenarios in the file and in the harness must be the same; results are not looked at.
pub fn check_names() -> Result<()> {
    check(&scenarios()?)
}

fn check(scenarios: &[String]) -> Result<()> {
    let text = fs::read_to_string(root().join(FILE))
        .with_context(|| format!("cannot read {FILE}. Fix: cargo xtask matrix"))?;
    compare(scenarios, &rows(&text))
}

fn compare(scenarios: &[String], rows: &[String]) -> Result<()> {
    let lacks = |these: &[String], those: &[String]| -> Vec<String> {
        these.iter().filter(|name| !those.contains(name)).cloned().collect()
    };
    let (missing, gone) = (lacks(scenarios, rows), lacks(rows, scenarios));
    if missing.is_empty() && gone.is_empty() {
        return Ok(());
    }
    bail!("{FILE} is of other scenarios (missing: {missing:?}, gone: {gone:?}). Fix: cargo xtask matrix");
}

/// `module::name` of each scenario, in the order of the list.
fn scenarios() -> Result<Vec<String>> {
    let text = fs::read_to_string(root().join(SCENARIOS)).with_context(|| format!("cannot read {SCENARIOS}"))?;
    let mut names = listed(&text);
    let text = fs::read_to_string(root().join(STORE_CASES)).with_context(|| format!("cannot read {STORE_CASES}"))?;
    let cases = cases(&text);
    if names.is_empty() || cases.is_empty() {
        bail!("there is no list of scenarios in {SCENARIOS} or {STORE_CASES}");
    }
    names.extend(cases.iter().map(|case| format!("{STORE}::{case}")));
    Ok(names)
}

/// The names after the colons of the macro's call, each once.
fn cases(text: &str) -> Vec<String> {
    let list =
        text.split_once("on_each_backend! {\n").map_or("", |(_, rest)| rest.split('}').next().unwrap_or_default());
    let mut names: Vec<String> = Vec::new();
    for name in list.split(';').filter_map(|line| line.split_once(':')).flat_map(|(_, names)| names.split_whitespace())
    {
        if !names.iter().any(|other| other == name) {
            names.push(name.to_owned());
        }
    }
    names
}

/// The lines `module::name,` of the macro's call.
fn listed(text: &str) -> Vec<String> {
    let list = text.split_once("$macro! {").map_or("", |(_, rest)| rest.split('}').next().unwrap_or_default());
    list.lines().filter_map(|line| line.trim().strip_suffix(',')).map(str::to_owned).collect()
}

/// The scenarios that the file has a row for.
fn rows(text: &str) -> Vec<String> {
    let mut module = "";
    let mut rows = Vec::new();
    for line in text.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            module = heading;
        }
        if let Some(row) = line.strip_prefix("| ")
            && let Some((name, _)) = row.split_once(" |")
            && !["scenario", ""].contains(&name)
        {
            rows.push(format!("{module}::{}", name.replace(' ', "_")));
        }
    }
    rows
}

/// What the test runner said.
#[derive(Default)]
struct Results {
    /// Passed or not, by `host::name`.
    cells: BTreeMap<String, bool>,
    /// Why, by `host::name`: the first line of the error.
    reasons: BTreeMap<String, String>,
    /// Hosts that were not there, and why.
    absent: BTreeMap<&'static str, String>,
    /// The test whose output is being read.
    failing: Option<String>,
}

impl Results {
    fn read(&mut self, line: &str) {
        if let Some((name, result)) = line.strip_prefix("test ").and_then(|rest| rest.split_once(" ... ")) {
            match result {
                "ok" => self.cells.insert(name.to_owned(), true),
                "FAILED" => self.cells.insert(name.to_owned(), false),
                _ => None,
            };
        } else if let Some(name) = line.strip_prefix("---- ").and_then(|rest| rest.strip_suffix(" stdout ----")) {
            self.failing = Some(name.to_owned());
        } else if !line.trim().is_empty()
            && let Some(name) = self.failing.take()
        {
            self.reasons.insert(name, line.trim().trim_start_matches("Error: ").replace('|', "\\|"));
        }
    }

    /// The whole file.
    fn text(&self, scenarios: &[String]) -> String {
        let mut text = String::from(
            "# Scenario × host\n\nWritten by `cargo xtask matrix` from its run of `tests/harness/tests/{hosts,store}.rs`; not by hand.\n\
             ✓ holds, ✗ does not, – was not run; the notes say why.\n",
        );
        let mut notes = Vec::new();
        let mut module = "";
        for scenario in scenarios {
            let (own, name) = scenario.split_once("::").unwrap_or(("", scenario));
            let columns = if own == STORE { &BACKENDS[..] } else { &HOSTS[..] };
            if own != module {
                module = own;
                let titles: Vec<&str> = columns.iter().map(|(_, title)| *title).collect();
                let rule = "---|".repeat(columns.len() + 1);
                text.push_str(&format!("\n## {module}\n\n| scenario | {} |\n|{rule}\n", titles.join(" | ")));
            }
            let cells: Vec<String> = columns.iter().map(|(host, _)| self.cell(host, name, &mut notes)).collect();
            text.push_str(&format!("| {} | {} |\n", name.replace('_', " "), cells.join(" | ")));
        }
        if !notes.is_empty() {
            text.push_str("\n## Notes\n\n");
        }
        for (index, note) in notes.iter().enumerate() {
            text.push_str(&format!("{}. {note}\n", index + 1));
        }
        text
    }

    fn cell(&self, host: &str, name: &str, notes: &mut Vec<String>) -> String {
        let test = format!("{host}::{name}");
        let (sign, note) = match (self.cells.get(&test), self.absent.get(host)) {
            (Some(true), _) => return "✓".to_owned(),
            (Some(false), _) => {
                let reason = self.reasons.get(&test).map_or("no reason was given", String::as_str);
                ("✗", format!("{}: {reason}", test.replace('_', " ")))
            }
            (None, _) if host == "memory" => {
                ("–", "memory keeps nothing beyond its process, as is its purpose".to_owned())
            }
            (None, Some(reason)) => ("–", format!("{host} was not there: {reason}")),
            (None, None) => ("–", format!("{host} was there, but the run ended before")),
        };
        let number = notes.iter().position(|other| *other == note).unwrap_or_else(|| {
            notes.push(note);
            notes.len() - 1
        });
        format!("{sign} {}", number + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str =
        "macro_rules! x {\n ($macro:ident) => {\n $macro! {\n  a::one_holds,\n  a::two_holds,\n  b::three,\n }\n };\n}";

    #[test]
    fn rows_are_those_of_the_list_and_cells_those_of_the_run() {
        let scenarios = listed(LIST);
        assert_eq!(scenarios, ["a::one_holds", "a::two_holds", "b::three"]);
        let list = "x! { }\non_each_backend! {\n memory Memory: one two;\n redb Redb: one three;\n}\nfn two() {}";
        assert_eq!(cases(list), ["one", "two", "three"]);
        let mut results = Results::default();
        results.absent.insert("spin", "no spin".to_owned());
        for line in [
            "test wasmtime::one_holds ... ok",
            "test wasmtime::two_holds ... ok",
            "test wasmtime::three ... ok",
            "test workers::one_holds ... ok",
            "test workers::two_holds ... FAILED",
            "---- workers::two_holds stdout ----",
            "Error: it | does not",
            "more",
        ] {
            results.read(line);
        }
        let text = results.text(&scenarios);
        for line in [
            "## a",
            "| scenario | wasmtime | Spin | workerd |",
            "| one holds | ✓ | – 1 | ✓ |",
            "| two holds | ✓ | – 1 | ✗ 2 |",
            "| three | ✓ | – 1 | – 3 |",
            "1. spin was not there: no spin",
            "2. workers::two holds: it \\| does not",
            "3. workers was there, but the run ended before",
        ] {
            assert!(text.lines().any(|other| other == line), "{line} is not in:\n{text}");
        }
        compare(&scenarios, &rows(&text)).unwrap();
    }

    #[test]
    fn a_scenario_without_a_row_and_a_row_without_a_scenario_are_told() {
        let names = |names: &[&str]| -> Vec<String> { names.iter().map(|name| (*name).to_owned()).collect() };
        let error = compare(&names(&["a::new"]), &names(&["a::old"])).unwrap_err().to_string();
        assert!(error.contains(r#"missing: ["a::new"], gone: ["a::old"]"#) && error.contains("Fix:"), "{error}");
    }
}
