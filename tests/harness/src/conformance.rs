//! The public conformance suite against the running gateway.

use crate::programs;
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use tokio::process::Command;

/// How long one leg may take: the slowest takes a minute alone, and test machines are busy.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(600);

/// What became of one scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// Whether the revision requires it.
    pub required: bool,
    /// Checks that passed.
    pub passed: u32,
    /// Checks that failed.
    pub failed: u32,
}

/// What became of each scenario of a leg.
#[derive(Debug, Clone)]
pub struct Report {
    /// By name.
    pub scenarios: BTreeMap<String, Outcome>,
    /// The checks that failed and what the suite says of them, one in a line.
    pub failures: Vec<String>,
}

impl Report {
    /// Read the summary that the suite prints: a line for each scenario, then which of them are not scored.
    fn read(output: &str) -> Result<Self> {
        let (_, summary) = output.rsplit_once("SUMMARY ===").context("no summary")?;
        let mut scenarios = BTreeMap::new();
        let mut scored = true;
        for line in summary.lines() {
            scored &= !line.starts_with("Not scored");
            let Some(rest) = line.trim().strip_prefix(['✓', '✗', '~', '⚠']) else { continue };
            if scored && let Some((name, counts)) = rest.trim().split_once(": ") {
                let count = |what: &str| -> Option<u32> {
                    counts.split(", ").find_map(|c| c.strip_suffix(what))?.trim().parse().ok()
                };
                let (passed, failed) =
                    (count("passed").unwrap_or(0), count("failed").with_context(|| line.to_owned())?);
                scenarios.insert(name.to_owned(), Outcome { required: true, passed, failed });
            } else if !scored
                && let Some(name) = rest.split_whitespace().next()
                && let Some(outcome) = scenarios.get_mut(name)
            {
                outcome.required = false;
            }
        }
        ensure!(!scenarios.is_empty(), "no scenario in the summary");
        Ok(Self { scenarios, failures: Vec::new() })
    }

    /// Names of the scenarios in which a check failed.
    pub fn failing(&self) -> Vec<&str> {
        self.scenarios.iter().filter(|(_, outcome)| outcome.failed > 0).map(|(name, _)| name.as_str()).collect()
    }

    /// For people: how many of the required scenarios hold, how many checks, what fails.
    pub fn line(&self) -> String {
        let required = || self.scenarios.values().filter(|outcome| outcome.required);
        let passed: u32 = self.scenarios.values().map(|outcome| outcome.passed).sum();
        let failed: u32 = self.scenarios.values().map(|outcome| outcome.failed).sum();
        let held = required().filter(|outcome| outcome.failed == 0).count();
        let all = required().count();
        let mut line = format!("{held} of {all} required scenarios; {passed} checks passed, {failed} failed");
        if failed > 0 {
            line += &format!(" in {}", self.failing().join(", "));
        }
        line
    }
}

/// Run the suite with these arguments.
pub async fn run(arguments: &[&str]) -> Result<Report> {
    let results = tempfile::tempdir()?;
    let mut command = Command::from(programs::conformance()?);
    command.args(arguments).arg("-o").arg(results.path()).stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(PATIENCE, command.output()).await.context("the suite does not end")??;
    let text = format!("{}{}", String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout));
    let mut report = Report::read(&text).with_context(|| text)?;
    report.failures = failures(results.path())?;
    Ok(report)
}

/// The failed checks in the suite's results: a folder for each scenario, with a list of checks in it; scenarios with a slash
/// in their names are one folder deeper.
fn failures(results: &Path) -> Result<Vec<String>> {
    let mut failures = Vec::new();
    for entry in results.read_dir()? {
        let folder = entry?.path();
        match std::fs::read(folder.join("checks.json")) {
            Ok(checks) => {
                let scenario = folder.file_name().unwrap_or_default().to_string_lossy();
                let checks: Vec<Value> = serde_json::from_slice(&checks)?;
                let failed = checks.iter().filter(|check| check["status"] == "FAILURE");
                failures.extend(failed.map(|check| format!("{scenario}: {}: {}", check["id"], check["errorMessage"])));
            }
            Err(_) if folder.is_dir() => failures.extend(self::failures(&folder)?),
            Err(_) => {}
        }
    }
    failures.sort();
    Ok(failures)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_is_read() -> Result<()> {
        let output = "=== Running …\n✓ no: 1 passed, 0 failed\n=== SUMMARY ===\n✓ ping: 2 passed, 0 failed\n\
                      ✗ tools-list: 1 passed, 2 failed\n✗ tasks: 0 passed, 3 failed, 1 warnings\n\nTotal: 3 passed, 5 failed\n\n\
                      Not scored for 2025-11-25: 1 scenario(s) run, 1 failing.\n  ✗ tasks (extension)\n";
        let report = Report::read(output)?;
        assert_eq!(report.scenarios["ping"], Outcome { required: true, passed: 2, failed: 0 });
        assert_eq!(report.failing(), ["tasks", "tools-list"]);
        assert_eq!(report.line(), "1 of 2 required scenarios; 3 checks passed, 5 failed in tasks, tools-list");
        Ok(())
    }
}
