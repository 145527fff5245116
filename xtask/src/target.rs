//! Sees to std for the target of the components, in up to three ways.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use crate::{
    debian,
    run::{cargo, read, typed},
    ui,
};

/// The target the components are built for. Rust's std for it is on WASI 0.2; WASI 0.3 comes from the bindings.
pub const TARGET: &str = "wasm32-wasip2";

/// Make sure that `cargo build --target wasm32-wasip2` can work: std is there already, or rustup adds it, or it is built
/// from Debian's packages.
pub fn ensure() -> Result<()> {
    let rustc = Rustc::find()?;
    if rustc.has_target() {
        return Ok(());
    }
    ui::step(&format!("Get Rust's std for {TARGET} (Rust {})", rustc.version), || {
        ui::note(format!("1. not there yet: {} has no libstd", rustc.target_libdir().display()));
        let rustup = add_by_rustup(&rustc);
        let Err(rustup) = rustup else { return Ok(()) };
        ui::note(format!("2. rustup could not add it: {rustup:#}"));
        ui::note("3. building it from Debian's rust-src and wasi-libc");
        let debian = debian::build_std(&rustc);
        debian.with_context(|| {
            format!(
                "no way to get Rust's std for {TARGET}. rustup said: {rustup:#}. \
                 Fix: `rustup target add {TARGET}` with access to the internet, then start again"
            )
        })
    })
}

/// The compiler that cargo will use.
pub struct Rustc {
    /// Where its libraries are.
    pub sysroot: PathBuf,
    /// For example `1.95.0`.
    pub version: String,
}

impl Rustc {
    /// Ask the compiler about itself.
    ///
    /// # Errors
    /// There is none on PATH, or it is broken.
    pub fn find() -> Result<Self> {
        let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let ask = |arguments: &[&str]| -> Result<String> {
            let text = read(Command::new(&rustc).args(arguments))
                .context("no usable Rust compiler. Fix: install Rust 1.95 or newer, for example with rustup")?;
            Ok(text.trim().to_owned())
        };
        let version = ask(&["--version", "--verbose"])?;
        let version = version.lines().find_map(|line| line.strip_prefix("release: "));
        let version = version.context("`rustc --version --verbose` has no line `release:`")?.to_owned();
        Ok(Self { sysroot: ask(&["--print", "sysroot"])?.into(), version })
    }

    /// Where std for the target has to be.
    pub fn target_libdir(&self) -> PathBuf {
        self.sysroot.join("lib/rustlib").join(TARGET).join("lib")
    }

    /// Is std for the target there, with the C start files it is linked with?
    fn has_target(&self) -> bool {
        let libdir = self.target_libdir();
        let std =
            fs::read_dir(&libdir).is_ok_and(|mut files| files.any(|file| file.is_ok_and(|file| is_std(&file.path()))));
        std && libdir.join("self-contained/libc.a").exists()
    }
}

fn is_std(file: &Path) -> bool {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with("libstd-") && name.ends_with(".rlib")
}

fn add_by_rustup(rustc: &Rustc) -> Result<()> {
    let mut rustup = Command::new(env::var_os("RUSTUP").unwrap_or_else(|| "rustup".into()));
    rustup.args(["target", "add", TARGET]);
    read(&mut rustup)?;
    if !rustc.has_target() {
        bail!("`{}` succeeded, but for another toolchain than {}", typed(&rustup), rustc.sysroot.display());
    }
    Ok(())
}

/// Cargo with the compiler of `rustc` and nothing from this workspace: for building std itself.
pub fn cargo_for_std(rustc: &Rustc, library: &Path) -> Command {
    let mut command = cargo(["build", "--release", "--target", TARGET, "-p", "sysroot"]);
    command.args(["--features", "panic-unwind,compiler-builtins-mem"]).current_dir(library);
    let own = rustc.sysroot.join("bin/rustc");
    if own.exists() {
        command.env("RUSTC", own);
    }
    command
}
