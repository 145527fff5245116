//! Compiled code on disk, so that a second start takes milliseconds instead of seconds.
//!
//! Loading compiled code is running it with the host's own rights, so a file is believed only if its folder belongs to us
//! and nobody else can write there, and if its content is exactly what we wrote (a SHA-256 at its end). Its name says
//! which component and which engine it is for. Anything else means: compile again.

use super::Runtime;
use sha2::{Digest, Sha256};
use std::hash::{Hash, Hasher};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use wasmtime::component::Component;

/// Bytes of the checksum at the end of a file.
const CHECKSUM: usize = 32;

/// Whether the code came from the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// It was there already.
    Cache,
    /// It was compiled now.
    Compiled,
}

/// Compiled code of a component, from the folder if it is there and sound, else compiled and, if possible, put there.
pub fn load_or_compile(runtime: &Runtime, wasm: &[u8], folder: &Path) -> wasmtime::Result<(Component, Origin)> {
    let path = folder.join(file_name(runtime, wasm));
    match load(runtime, folder, &path) {
        Ok(component) => return Ok((component, Origin::Cache)),
        Err(reason) => tracing::debug!(%reason, ?path, "compiling"),
    }
    let code = runtime.engine.precompile_component(wasm)?;
    if let Err(error) = store(folder, &path, &code) {
        tracing::warn!(%error, ?path, "compiled code cannot be kept: the next start compiles again");
    }
    // Not `load`: this is what the compiler has just given us.
    Ok((deserialize(runtime, &code)?, Origin::Compiled))
}

fn file_name(runtime: &Runtime, wasm: &[u8]) -> String {
    let mut engine = Sha256Hasher(Sha256::new());
    runtime.engine.precompile_compatibility_hash().hash(&mut engine);
    let engine = engine.0.finalize();
    let component = Sha256::digest(wasm);
    format!("{}-{}.compiled", hex(&component[..16]), hex(&engine[..8]))
}

fn load(runtime: &Runtime, folder: &Path, path: &Path) -> Result<Component, String> {
    check_ours(folder)?;
    let bytes = std::fs::read(path).map_err(|error| error.to_string())?;
    let (code, checksum) =
        bytes.len().checked_sub(CHECKSUM).map(|at| bytes.split_at(at)).ok_or("shorter than its checksum")?;
    if Sha256::digest(code)[..] != *checksum {
        return Err("checksum does not match".into());
    }
    deserialize(runtime, code).map_err(|error| error.to_string())
}

#[expect(unsafe_code, reason = "loading compiled code is unsafe by nature; this is the only place that does it")]
fn deserialize(runtime: &Runtime, code: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: the bytes are what `precompile_component` of this wasmtime gave: either a moment ago, or read from a
    // folder that only we can write, with their checksum intact. wasmtime checks version and settings itself.
    unsafe { Component::deserialize(&runtime.engine, code) }
}

/// Write beside the name and rename, so that a reader sees all of it or nothing.
fn store(folder: &Path, path: &Path, code: &[u8]) -> io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    check_ours(folder).map_err(io::Error::other)?;
    let temporary = folder.join(format!("{}.partial", std::process::id()));
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
    file.write_all(code)?;
    file.write_all(&Sha256::digest(code))?;
    file.sync_all()?;
    std::fs::rename(&temporary, path)?;
    remove_others(folder, path);
    Ok(())
}

/// Code of earlier builds is of no use any more.
fn remove_others(folder: &Path, keep: &Path) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    let old: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path != keep && path.extension().is_some_and(|extension| extension == "compiled"))
        .collect();
    for path in old {
        let _ = std::fs::remove_file(path);
    }
}

fn check_ours(folder: &Path) -> Result<(), String> {
    let metadata = std::fs::symlink_metadata(folder).map_err(|error| error.to_string())?;
    if !metadata.is_dir() || metadata.uid() != rustix::process::geteuid().as_raw() {
        return Err(format!("{} is not a folder of ours", folder.display()));
    }
    if metadata.mode() & 0o022 != 0 {
        return Err(format!("others may write into {}: `chmod 700` it", folder.display()));
    }
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

struct Sha256Hasher(Sha256);

impl Hasher for Sha256Hasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Nobody asks for the short form.
    fn finish(&self) -> u64 {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    /// Two components with nothing in them but, in one, a custom section.
    const WASM: &[u8] = b"\0asm\x0d\0\x01\0";
    const OTHER: &[u8] = b"\0asm\x0d\0\x01\0\0\x02\x01a";

    #[test]
    fn code_is_kept_and_anything_wrong_with_it_means_compiling_again() {
        let state = tempfile::tempdir().unwrap();
        let folder = state.path().join("cache");
        let runtime = Runtime::new().unwrap();
        let origin = || load_or_compile(&runtime, WASM, &folder).unwrap().1;
        assert_eq!(origin(), Origin::Compiled);
        assert_eq!(origin(), Origin::Cache);
        let path = folder.join(file_name(&runtime, WASM));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

        let sound = std::fs::read(&path).unwrap();
        let mut flipped = sound.clone();
        flipped[sound.len() / 2] ^= 1;
        for damaged in [&flipped[..], &sound[..sound.len() - 1], b"", b"MZ"] {
            std::fs::write(&path, damaged).unwrap();
            assert_eq!(origin(), Origin::Compiled);
            assert_eq!(origin(), Origin::Cache);
        }

        std::fs::set_permissions(&folder, PermissionsExt::from_mode(0o777)).unwrap();
        assert_eq!(origin(), Origin::Compiled);
        assert_eq!(origin(), Origin::Compiled);
    }

    #[test]
    fn code_of_an_earlier_build_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o700)).unwrap();
        let runtime = Runtime::new().unwrap();
        for wasm in [WASM, OTHER] {
            load_or_compile(&runtime, wasm, folder.path()).unwrap();
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
