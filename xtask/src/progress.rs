//! What a run of the tests has come to: counts read from the output of test runners, and what was built on the way.

use anyhow::{Context, Result};

use crate::build::{self, Artefacts};

/// What the layers hand on: counts, and what was built.
#[derive(Default)]
pub struct Progress {
    passed: u64,
    /// Tests that failed.
    pub failed: u64,
    ignored: u64,
    /// Steps that failed and are no tests.
    pub failed_steps: u64,
    /// What could not run here, and why.
    pub skipped: Vec<String>,
    artefacts: Option<Artefacts>,
}

impl Progress {
    /// Build all, the first time it is asked for.
    pub fn build(&mut self) -> Result<Artefacts> {
        if self.artefacts.is_none() {
            self.artefacts = Some(build::all()?);
        }
        self.artefacts.clone().context("built just now")
    }

    /// Take in one line of output; libtest's result of a binary counts, and that of Node's test runner.
    pub fn read(&mut self, line: &str) {
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

    /// The last line of a run.
    pub fn line(&self) -> String {
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
