//! `cargo xtask`: everything a developer of mcp-edge does, each in one command.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

mod apt;
mod bench;
mod build;
mod chromium;
mod conformance;
mod debian;
mod imports;
mod layers;
mod licences;
mod lints;
mod logline;
mod logs;
mod matrix;
mod process;
mod progress;
mod run;
mod serve;
mod size;
mod spin;
mod target;
mod test;
mod tools;
mod ui;
mod up;
mod welcome;
mod wit_vendor;
mod workers;

/// Build, run and test mcp-edge.
#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    after_help = "Start with `cargo xtask up`: it builds everything (the first time takes several minutes) and serves \
                  a gateway with a demo MCP server behind it on http://127.0.0.1:8787/mcp."
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Build all and serve the gateway on this machine, with a demo MCP server behind it.
    Up(up::Options),
    /// Run every test: format, lints, layers, imports, rules, host, whole gateway on each host and with real clients.
    Test(test::Options),
    /// Build target/mcp-edge/*.wasm and target/release/mcp-edge.
    ///
    /// Sees to the wasm32-wasip2 target by itself: there already, else `rustup target add`, else built from Debian's
    /// rust-src and wasi-libc.
    Build,
    /// Measure `tools/call` through the gateway against the bare upstream: requests/s, p50, p99, memory, size.
    Bench(bench::Options),
    /// Run the public MCP conformance suite through the gateway, in every combination of eras.
    Conformance(conformance::Options),
    /// Check what the built components import against wit/worlds.wit, and the size of the composed file.
    CheckImports,
    /// Run the scenarios on every host there is, and write tests/MATRIX.md from the results.
    Matrix(matrix::Options),
    /// Compare wit/deps with the packages they were copied from, or copy them again.
    WitVendor(wit_vendor::Options),
}

fn main() -> ExitCode {
    match dispatch(Arguments::parse().command) {
        Ok(code) => code,
        Err(error) => {
            ui::error(&error);
            ExitCode::FAILURE
        }
    }
}

fn dispatch(command: Command) -> Result<ExitCode> {
    match command {
        Command::Up(options) => up::up(&options)?,
        Command::Test(options) => return test::test(&options),
        Command::Build => drop(build::all()?),
        Command::Bench(options) => bench::bench(&options)?,
        Command::Conformance(options) => conformance::conformance(&options)?,
        Command::CheckImports => build::check_imports(&build::Artefacts::places())?,
        Command::Matrix(options) => return matrix::matrix(&options),
        Command::WitVendor(options) => wit_vendor::wit_vendor(&options)?,
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
