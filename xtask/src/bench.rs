//! `cargo xtask bench`: builds all and lets the harness measure.

use std::process::Command;

use anyhow::Result;
use clap::Args;

use crate::{
    build,
    run::{cargo, run, shown, target_dir},
    size::Size,
    test::environment,
    ui,
};

/// How long, and how many clients at once.
#[derive(Args)]
pub struct Options {
    /// Clients at once, one row of the result for each.
    #[arg(long, value_name = "N,N,…", value_delimiter = ',', default_value = "1,8,64")]
    clients: Vec<u32>,
    /// Seconds of load for each row and side, in rounds that alternate between gateway and upstream.
    #[arg(long, value_name = "SECONDS", default_value_t = 8)]
    seconds: u32,
    /// Instead: hold so many streams open; what each costs, and whether all of them live.
    #[arg(long, value_name = "N")]
    streams: Option<u32>,
    /// Seconds for which they are held.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, requires = "streams")]
    hold: u32,
}

/// Build, measure, print.
pub fn bench(options: &Options) -> Result<()> {
    let artefacts = build::all()?;
    let clients: Vec<String> = options.clients.iter().map(u32::to_string).collect();
    let seconds = options.seconds.to_string();
    ui::step("Build the load generator", || {
        run(&mut cargo(["build", "--release", "-p", "harness", "--bin", "bench"]))
    })?;
    let mut bench = Command::new(target_dir().join("release/bench"));
    bench.args(["--clients", &clients.join(","), "--seconds", &seconds]).envs(environment(&artefacts));
    if let Some(streams) = options.streams {
        bench.args(["--streams", &streams.to_string(), "--hold", &options.hold.to_string()]);
    }
    ui::step("Measure", || run(&mut bench))?;
    println!("composed file: {} ({})", Size::of(&artefacts.composed)?, shown(&artefacts.composed));
    Ok(())
}
