//! Std for wasm32-wasip2 from Debian's packages: `rust-src` of the compiler's version, compiled here, and the C library
//! of `wasi-libc`. For machines that reach a Debian mirror but not Rust's own servers.
//!
//! apt's own configuration is only read: package lists and files go to `.cache/debian`.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, id},
};

use anyhow::{Context, Result, bail};

use crate::{
    run::{cache_dir, read, run},
    target::{Rustc, TARGET, cargo_for_std},
    ui,
};

/// Build std for the target and put it where the compiler looks for it.
///
/// # Errors
/// No apt or no mirror, no package of the compiler's version, no network, or a toolchain that may not be written to.
pub fn build_std(rustc: &Rustc) -> Result<()> {
    writable(rustc)?;
    let folder = cache_dir().join("debian");
    let apt = Apt::new(&folder)?;
    let source = ui::step(&format!("   Debian package rust-src {}", rustc.version), || {
        let (suite, version) = apt.find("rust-src", &rustc.version)?;
        ui::note(format!("   {version} in {suite}"));
        apt.unpack("rust-src", &version)
    })?;
    let libc = ui::step("   Debian package wasi-libc", || {
        // From the suite that was chosen for rust-src: it was built against this one.
        let version = apt.newest("wasi-libc")?;
        apt.unpack("wasi-libc", &version)
    })?;
    let library = source.join("usr/src").join(format!("rustc-{}", rustc.version)).join("library");
    if !library.is_dir() {
        bail!("Debian's rust-src has no folder {}", library.display());
    }
    let target_dir = folder.join("target");
    ui::step("   Compile std", || {
        run(cargo_for_std(rustc, &library)
            .env("CARGO_TARGET_DIR", &target_dir)
            // Std is written in unstable Rust, and its crates must look like the ones that Rust ships.
            .env("RUSTC_BOOTSTRAP", "1")
            .env("__CARGO_DEFAULT_LIB_METADATA", "stablestd")
            .env("RUSTFLAGS", "-Zforce-unstable-if-unmarked -Cembed-bitcode=yes"))
    })?;
    let built = target_dir.join(TARGET).join("release/deps");
    install(rustc, &built, &libc.join("usr/lib").join(TARGET))
}

/// Say early that the toolchain belongs to somebody else, before 46 MB are fetched.
fn writable(rustc: &Rustc) -> Result<()> {
    let probe = rustc.sysroot.join("lib/rustlib").join(format!(".mcp-edge-{}", id()));
    fs::create_dir(&probe).and_then(|()| fs::remove_dir(&probe)).with_context(|| {
        format!("the toolchain in {} may not be written to; use a toolchain of your own", rustc.sysroot.display())
    })
}

/// Copy beside the destination first and rename at the end: a broken-off run leaves nothing that looks complete.
fn install(rustc: &Rustc, crates: &Path, libc: &Path) -> Result<()> {
    let destination = rustc.sysroot.join("lib/rustlib").join(TARGET);
    let fresh = destination.with_extension(format!("new-{}", id()));
    let objects = fresh.join("lib/self-contained");
    fs::create_dir_all(&objects).with_context(|| format!("cannot create {}", objects.display()))?;
    let copy = |from: &Path, to: &Path, wanted: &dyn Fn(&str) -> bool| -> Result<usize> {
        let mut count = 0;
        for file in fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
            let file = file?;
            if wanted(&file.file_name().to_string_lossy()) {
                fs::copy(file.path(), to.join(file.file_name()))?;
                count += 1;
            }
        }
        Ok(count)
    };
    let crates = copy(crates, &fresh.join("lib"), &|name| name.ends_with(".rlib"))?;
    let objects =
        copy(libc, &objects, &|name| name == "libc.a" || (name.starts_with("crt1-") && name.ends_with(".o")))?;
    if crates == 0 || objects < 3 {
        bail!("std was compiled to {crates} crates and wasi-libc has {objects} of the three files needed");
    }
    if destination.exists() {
        fs::remove_dir_all(&destination).with_context(|| format!("cannot replace {}", destination.display()))?;
    }
    fs::rename(&fresh, &destination).with_context(|| format!("cannot create {}", destination.display()))?;
    ui::note(format!("   {crates} crates and the C library are now in {}", destination.display()));
    Ok(())
}

/// apt with lists and archives of its own.
struct Apt {
    folder: PathBuf,
    mirror: String,
}

impl Apt {
    fn new(folder: &Path) -> Result<Self> {
        let targets = read(Command::new("apt-get").args([
            "indextargets",
            "--format",
            "$(ORIGIN) $(REPO_URI)",
            "Created-By: Packages",
        ]))
        .context("this machine has no apt-get that lists its mirrors")?;
        let mirror = debian_mirror(&targets).context("apt is not set up with a mirror of Debian")?;
        for part in ["state/lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(folder.join(part)).with_context(|| format!("cannot create {}", folder.display()))?;
        }
        fs::write(folder.join("dpkg-status"), "")?;
        Ok(Self { folder: folder.to_owned(), mirror })
    }

    /// The suite and the full version of a package whose upstream version is exactly `version`. The suite stays selected.
    fn find(&self, package: &str, version: &str) -> Result<(&'static str, String)> {
        let mut said = Vec::new();
        for suite in SUITES {
            let found = self.select(suite).and_then(|()| self.versions(package));
            match found {
                Ok(versions) => match versions.iter().find(|full| upstream_version(full) == version) {
                    Some(full) => return Ok((suite, full.clone())),
                    None => said.push(format!(
                        "{suite} has {}",
                        if versions.is_empty() { "none".into() } else { versions.join(", ") }
                    )),
                },
                Err(error) => said.push(format!("{suite}: {error:#}")),
            }
        }
        bail!("Debian has no {package} {version} ({})", said.join("; "))
    }

    fn newest(&self, package: &str) -> Result<String> {
        let versions = self.versions(package)?;
        versions.into_iter().next().with_context(|| format!("the suite has no {package}"))
    }

    fn select(&self, suite: &str) -> Result<()> {
        fs::write(self.folder.join("sources.list"), format!("deb {} {suite} main\n", self.mirror))?;
        read(self.tool("apt-get").args(["update", "--error-on=any"])).map(drop)
    }

    fn versions(&self, package: &str) -> Result<Vec<String>> {
        let table = read(self.tool("apt-cache").args(["madison", package]))?;
        Ok(madison_versions(&table))
    }

    /// Fetch a package (apt checks its signature and hash) and unpack its files; nothing of it is installed or run.
    fn unpack(&self, package: &str, version: &str) -> Result<PathBuf> {
        let files = self.folder.join(format!("{package}-{version}"));
        if files.is_dir() {
            return Ok(files);
        }
        let archives = self.folder.join("archives");
        let fresh = self.folder.join(format!("{package}.new-{}", id()));
        fs::create_dir_all(&archives)?;
        read(self.tool("apt-get").arg("download").arg(format!("{package}={version}")).current_dir(&archives))?;
        let prefix = format!("{package}_");
        let archive = fs::read_dir(&archives)?
            .filter_map(|file| file.ok())
            .find(|file| file.file_name().to_string_lossy().starts_with(&prefix))
            .with_context(|| format!("apt-get download left no {package} in {}", archives.display()))?
            .path();
        read(Command::new("dpkg-deb").arg("--extract").arg(&archive).arg(&fresh))?;
        fs::remove_file(&archive)?;
        fs::rename(&fresh, &files)?;
        Ok(files)
    }

    fn tool(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let mut option = |name: &str, value: PathBuf| {
            command.arg("-o").arg(format!("{name}={}", value.display()));
        };
        option("Dir::Etc::sourcelist", self.folder.join("sources.list"));
        option("Dir::Etc::sourceparts", "/dev/null".into());
        option("Dir::State", self.folder.join("state"));
        option("Dir::State::status", self.folder.join("dpkg-status"));
        option("Dir::Cache", self.folder.join("cache"));
        // apt's own user may not read this folder; without root there is no such user anyway.
        option("APT::Sandbox::User", "".into());
        option("Acquire::Languages", "none".into());
        command.env("LC_ALL", "C").env("TMPDIR", env::temp_dir());
        command
    }
}

/// Where newer compilers arrive: backports for the stable release first (its list is small), then the rolling suites.
const SUITES: [&str; 4] = ["trixie-backports", "trixie", "testing", "unstable"];

/// The first mirror of Debian proper in `ORIGIN URI` lines: not the one for security updates, whose pool is another.
fn debian_mirror(targets: &str) -> Option<String> {
    let mirrors = targets.lines().filter_map(|line| line.strip_prefix("Debian "));
    mirrors.map(str::trim).find(|uri| !uri.trim_end_matches('/').ends_with("-security")).map(str::to_owned)
}

/// The versions in the table of `apt-cache madison`, newest first.
fn madison_versions(table: &str) -> Vec<String> {
    table.lines().filter_map(|line| line.split('|').nth(1)).map(|version| version.trim().to_owned()).collect()
}

/// `1.95.0+dfsg1-2~bpo13+1` is Debian's packaging of `1.95.0`.
fn upstream_version(full: &str) -> &str {
    full.split(['+', '-', '~']).next().unwrap_or(full)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mirror_is_the_first_of_debian_that_is_not_for_security() {
        let check = |targets, expected: Option<&str>| assert_eq!(debian_mirror(targets).as_deref(), expected);
        check(
            "Docker http://a.test/linux/\nDebian http://b.test/debian-security/\nDebian http://b.test/debian/\n",
            Some("http://b.test/debian/"),
        );
        check("Ubuntu http://a.test/ubuntu/\n", None);
        check("", None);
    }

    #[test]
    fn versions_are_read_from_madison() {
        let table = " rust-src | 1.96.1+dfsg1-2~bpo13+1 | http://m.test/debian trixie-backports/main amd64 Packages\n \
                     rust-src | 1.95.0+dfsg1-2~bpo13+1 | http://m.test/debian trixie-backports/main amd64 Packages\n";
        assert_eq!(madison_versions(table), ["1.96.1+dfsg1-2~bpo13+1", "1.95.0+dfsg1-2~bpo13+1"]);
    }

    #[test]
    fn debians_suffix_is_not_part_of_the_compilers_version() {
        let check = |full, expected| assert_eq!(upstream_version(full), expected);
        check("1.95.0+dfsg1-2~bpo13+1", "1.95.0");
        check("1.95.0-1", "1.95.0");
        check("1.95.0", "1.95.0");
    }
}
