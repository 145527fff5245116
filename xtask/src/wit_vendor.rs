//! `cargo xtask wit-vendor`: `wit/deps` is a copy of the WIT that two pinned crates carry. Copied, because everybody must
//! build from the same text; from crates, because that is where the bindings and Spin have theirs.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::Value;

use crate::{
    run::{cache_dir, cargo, read, root, shown},
    ui,
};

/// What to do with the difference.
#[derive(Args)]
pub struct Options {
    /// Change nothing; fail if there is a difference.
    #[arg(long)]
    check: bool,
}

/// Copy, or compare.
pub fn wit_vendor(options: &Options) -> Result<()> {
    let crates = ui::step("Find the crates that wit/deps comes from", crate_folders)?;
    let wanted = wanted(&crates)?;
    let deps = root().join("wit/deps");
    let difference = difference(&wanted, &files_below(&deps)?);
    if difference.is_empty() {
        ui::note(format!("wit/deps equals its sources ({} files)", wanted.len()));
        return Ok(());
    }
    if options.check {
        bail!(
            "wit/deps differs from its sources; `cargo xtask wit-vendor` copies them again:\n{}",
            difference.join("\n")
        );
    }
    for line in difference {
        ui::note(line);
    }
    fs::remove_dir_all(&deps).with_context(|| format!("cannot remove {}", shown(&deps)))?;
    for (name, text) in wanted {
        let file = deps.join(name);
        fs::create_dir_all(file.parent().context("a file lies in a folder")?)?;
        fs::write(&file, text).with_context(|| format!("cannot write {}", shown(&file)))?;
    }
    Ok(())
}

/// Crates and their exact versions: the newest whose interfaces are WASI 0.3.0, and what Spin 4.1 serves.
const CRATES: [(&str, &str); 2] = [("wasip3", "0.7.1"), ("spin-sdk", "7.0.0")];

/// Crate, file or folder below its `wit/deps`, folder below ours.
const SOURCES: [(&str, &str, &str); 8] = [
    ("wasip3", "cli.wit", "wasi-cli-0.3.0"),
    ("wasip3", "clocks.wit", "wasi-clocks-0.3.0"),
    ("wasip3", "filesystem.wit", "wasi-filesystem-0.3.0"),
    ("wasip3", "http.wit", "wasi-http-0.3.0"),
    ("wasip3", "random.wit", "wasi-random-0.3.0"),
    ("wasip3", "sockets.wit", "wasi-sockets-0.3.0"),
    ("spin-sdk", "wasi-keyvalue-2024-10-17", "wasi-keyvalue-0.2.0-draft2"),
    ("spin-sdk", "wasi-runtime-config-2024-09-27", "wasi-config-0.2.0-draft-2024-09-27"),
];

/// Let cargo fetch the crates for a package that depends on both, outside our workspace.
fn crate_folders() -> Result<BTreeMap<String, PathBuf>> {
    let folder = cache_dir().join("wit-vendor");
    fs::create_dir_all(folder.join("src")).with_context(|| format!("cannot create {}", shown(&folder)))?;
    fs::write(folder.join("src/lib.rs"), "")?;
    let mut manifest =
        "[package]\nname = \"wit-vendor\"\nedition = \"2024\"\n\n[workspace]\n\n[dependencies]\n".to_owned();
    for (name, version) in CRATES {
        manifest.push_str(&format!("{name} = {{ version = \"={version}\", default-features = false }}\n"));
    }
    fs::write(folder.join("Cargo.toml"), manifest)?;
    let metadata = read(cargo(["metadata", "--format-version", "1"]).current_dir(&folder))?;
    let metadata: Value = serde_json::from_str(&metadata).context("`cargo metadata` gave no JSON")?;
    let mut folders = BTreeMap::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        if let (Some(name), Some(manifest)) = (package["name"].as_str(), package["manifest_path"].as_str())
            && let Some(folder) = Path::new(manifest).parent()
        {
            folders.insert(name.to_owned(), folder.to_owned());
        }
    }
    Ok(folders)
}

type Files = BTreeMap<PathBuf, String>;

fn wanted(crates: &BTreeMap<String, PathBuf>) -> Result<Files> {
    let mut files = Files::new();
    for (name, from, to) in SOURCES {
        let source =
            crates.get(name).with_context(|| format!("cargo did not fetch {name}"))?.join("wit/deps").join(from);
        if source.is_dir() {
            files.extend(files_below(&source)?.into_iter().map(|(file, text)| (Path::new(to).join(file), text)));
        } else {
            files.insert(Path::new(to).join("package.wit"), text_of(&source)?);
        }
    }
    Ok(files)
}

/// The files of a folder and of those in it, by their path below it.
fn files_below(folder: &Path) -> Result<Files> {
    let mut files = Files::new();
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", shown(folder)))? {
        let path = entry?.path();
        let name = PathBuf::from(path.file_name().unwrap_or_default());
        if path.is_dir() {
            files.extend(files_below(&path)?.into_iter().map(|(file, text)| (name.join(file), text)));
        } else {
            files.insert(name, text_of(&path)?);
        }
    }
    Ok(files)
}

fn text_of(file: &Path) -> Result<String> {
    fs::read_to_string(file).with_context(|| format!("cannot read {}", shown(file)))
}

fn difference(wanted: &Files, there: &Files) -> Vec<String> {
    let all = wanted.keys().chain(there.keys().filter(|file| !wanted.contains_key(*file)));
    all.filter_map(|file| {
        let what = match (wanted.get(file), there.get(file)) {
            (Some(wanted), Some(there)) if wanted == there => return None,
            (Some(_), Some(_)) => "differs",
            (Some(_), None) => "is missing",
            (None, _) => "has no source",
        };
        Some(format!("wit/deps/{} {what}", file.display()))
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_difference_is_named() {
        let files = |list: &[(&str, &str)]| -> Files {
            list.iter().map(|(name, text)| (PathBuf::from(name), (*text).to_owned())).collect()
        };
        let wanted = files(&[("a/same.wit", "1"), ("a/changed.wit", "1"), ("a/missing.wit", "1")]);
        let there = files(&[("a/same.wit", "1"), ("a/changed.wit", "2"), ("b/new.wit", "1")]);
        assert_eq!(
            difference(&wanted, &there),
            ["wit/deps/a/changed.wit differs", "wit/deps/a/missing.wit is missing", "wit/deps/b/new.wit has no source"]
        );
    }
}
