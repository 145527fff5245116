//! `mcp-edge`: arguments, log, exit code. What the commands do is in the library and in `commands/`.

mod commands;

use clap::{Parser, Subcommand};
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

/// An MCP gateway: OAuth, limits, sessions and one merged tool list in front of your MCP servers.
#[derive(Parser)]
#[command(
    version,
    after_help = "Start here:\n  mcp-edge serve --dev                      try it on this machine, with a login made for you\n  \
                  mcp-edge check --config mcp-edge.json     find everything that is wrong in the settings\n  \
                  mcp-edge serve --config mcp-edge.json     serve\n\n\
                  Exit codes: 0 done, 1 failed (standard error says why and what to do), 2 wrong usage."
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Serve(commands::serve::Options),
    Check(commands::check::Options),
    HashPassword(commands::hash_password::Options),
    Compose(commands::compose::Options),
    Schema(commands::schema::Options),
    Values(commands::values::Options),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // House rules of the host's log: standard error, one line for each event, level by who should act: `error` us, `warn` the
    // operator, `info` nobody, `debug` the caller's mistakes. `RUST_LOG` changes what is shown.
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false).init();
    let result = match arguments.command {
        Command::Serve(options) => commands::serve::run(options),
        Command::Check(options) => commands::check::run(&options),
        Command::HashPassword(options) => commands::hash_password::run(&options),
        Command::Compose(options) => commands::compose::run(&options),
        Command::Schema(options) => commands::schema::run(&options),
        Command::Values(options) => commands::values::run(options),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            commands::report(&error);
            ExitCode::FAILURE
        }
    }
}
