//! `mcp-edge hash-password`.

use anyhow::{Context, Result, bail};
use clap::Args;
use std::io::{IsTerminal, Read};

/// Read a password from standard input and print its hash for `passwordHash` in the settings.
///
/// One line end after the password is not part of it.
#[derive(Args)]
#[command(after_help = "Example:\n  read -rs P && printf %s \"$P\" | mcp-edge hash-password")]
pub struct Options {}

/// Longest password, in bytes: what the login page takes.
const LONGEST: u64 = 1024;

pub fn run(_options: &Options) -> Result<()> {
    if std::io::stdin().is_terminal() {
        eprintln!("Type the password (it is shown), then Enter and Ctrl-D:");
    }
    let mut password = String::new();
    std::io::stdin()
        .take(LONGEST + 3)
        .read_to_string(&mut password)
        .context("the password is not readable as UTF-8 text")?;
    let password = password.strip_suffix('\n').unwrap_or(&password);
    let password = password.strip_suffix('\r').unwrap_or(password);
    if password.is_empty() || password.len() as u64 > LONGEST {
        bail!("a password has 1 to {LONGEST} bytes: give it on standard input");
    }
    println!("{}", mcp_edge::settings::hash_password(password)?);
    Ok(())
}
