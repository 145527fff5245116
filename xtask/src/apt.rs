//! Packages of the distribution that the tests cannot have otherwise.

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::run::{exists, read};

/// Install a package of Debian or Ubuntu on this machine, as root or with a `sudo` that asks for no password.
///
/// # Errors
/// There is no apt here, no right to use it, or it has no such package.
pub fn install(package: &str) -> Result<()> {
    if !exists("apt-get") {
        bail!("there is no apt-get to install {package} with");
    }
    let sudo = if read(Command::new("id").arg("-u"))?.trim() == "0" {
        None
    } else if read(Command::new("sudo").args(["-n", "true"])).is_ok() {
        Some("sudo")
    } else {
        bail!("only root may install {package}, or a sudo that asks for no password");
    };
    // One mirror of many that does not answer is no reason to stop: what is known already may do.
    let updated = read(&mut apt(sudo, &["update"]));
    let installed = read(&mut apt(sudo, &["install", "--yes", "--no-install-recommends", package]));
    match (installed, updated) {
        (Ok(_), _) => Ok(()),
        (Err(error), Ok(_)) => Err(error),
        (Err(error), Err(before)) => Err(error).with_context(|| format!("{before:#}")),
    }
}

fn apt(sudo: Option<&str>, arguments: &[&str]) -> Command {
    let mut command = Command::new(sudo.unwrap_or("env"));
    if sudo.is_some() {
        command.args(["-n", "env"]);
    }
    command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get"]).args(arguments);
    command
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::typed;

    #[test]
    fn apt_never_asks_with_sudo_or_without() {
        let check = |sudo, expected| assert_eq!(typed(&apt(sudo, &["install", "--yes", "chromium"])), expected);
        check(None, "env DEBIAN_FRONTEND=noninteractive apt-get install --yes chromium");
        check(Some("sudo"), "sudo -n env DEBIAN_FRONTEND=noninteractive apt-get install --yes chromium");
    }
}
