//! Formatting and clippy, with stricter lints for what ships as a component.

use anyhow::Result;

use crate::{
    build::COMPONENTS,
    run::{cargo, run},
    target::{self, TARGET},
};

/// A panic in a component ends every request that shares its instance, so code that ships in one does without whatever
/// panics on unexpected input. Tests may use it: they are not compiled for the component.
/// Arithmetic is not listed: it wraps in the profile that ships.
const NO_PANICS: [&str; 10] = [
    "clippy::expect_used",
    "clippy::get_unwrap",
    "clippy::indexing_slicing",
    "clippy::panic",
    "clippy::string_slice",
    "clippy::todo",
    "clippy::unimplemented",
    "clippy::unreachable",
    "clippy::unwrap_in_result",
    "clippy::unwrap_used",
];

/// `rustfmt` over all packages.
pub fn format() -> Result<()> {
    run(&mut cargo(["fmt", "--all", "--check"]))
}

/// Clippy over the rules and what they share (the workspace's default members), and xtask: with their tests.
pub fn rules() -> Result<()> {
    run(&mut cargo(["clippy", "--all-targets", "--", "-D", "warnings"]))?;
    run(&mut cargo(["clippy", "--all-targets", "-p", "xtask", "--", "-D", "warnings"]))
}

/// Clippy over the components and all that is linked into them, for the target they ship on.
pub fn components() -> Result<()> {
    target::ensure()?;
    let mut clippy = cargo(["clippy", "--profile", "component", "--target", TARGET]);
    clippy.args(COMPONENTS.iter().flat_map(|name| ["-p", *name]));
    clippy.args(["-p", "store-contract", "--", "-D", "warnings"]);
    clippy.args(NO_PANICS.iter().flat_map(|lint| ["-D", *lint]));
    run(&mut clippy)?;
    // Misbehaves on request, for the tests of the host: it may panic.
    let guest =
        ["clippy", "--profile", "component", "--target", TARGET, "-p", "host-test-guest", "--", "-D", "warnings"];
    run(&mut cargo(guest))
}

/// Clippy over the host, the demo server and the harness, in the profile they are built in.
pub fn native() -> Result<()> {
    for package in ["mcp-edge", "upstream", "harness"] {
        run(&mut cargo(["clippy", "--release", "--all-targets", "-p", package, "--", "-D", "warnings"]))?;
    }
    Ok(())
}
