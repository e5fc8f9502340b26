//! Builds of a tree: which test programs it gives, and where the compiler stopped.

use std::collections::HashSet;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::Result;

/// One test program.
#[derive(Clone)]
pub struct Program {
    pub package: String,
    pub path: PathBuf,
    pub folder: PathBuf,
}

impl Program {
    /// Its name without the hash that cargo puts behind.
    pub fn name(&self) -> String {
        let file = self.path.file_name().unwrap_or_default().to_string_lossy();
        file.rsplit_once('-').map_or_else(|| file.to_string(), |(name, _)| name.to_owned())
    }
}

/// A place that the compiler complained about: file within the tree, and bytes.
pub type Place = (String, Range<usize>);

/// An error: its code, and its places, the first ones those that matter most.
#[derive(PartialEq, Eq, Hash, Clone, Debug)]
pub struct Fault {
    pub code: String,
    pub places: Vec<Place>,
}

pub enum Built {
    /// The test programs, the smallest first.
    Programs(Vec<Program>),
    /// What the compiler complained about.
    Errors(Vec<Fault>),
}

/// Builds the tests of `packages`, some or all of those that are `changed`. Warnings are silenced: a changed program is full of them.
pub fn build(tree: &Path, target: &Path, changed: &[String], packages: &[String]) -> Result<Built> {
    let mut command = Command::new("cargo");
    command.current_dir(tree).env("CARGO_TARGET_DIR", target).env("RUSTFLAGS", "--cap-lints allow");
    command.env("CARGO_PROFILE_DEV_DEBUG", "0").env("CARGO_PROFILE_DEV_SPLIT_DEBUGINFO", "off");
    for package in changed {
        // Built often, and run for less long than they are built.
        command.arg(format!("--config=profile.dev.package.{package}.opt-level=1"));
    }
    command.args(["test", "--no-run", "--quiet", "--locked", "--offline", "--message-format=json"]);
    command.args(packages.iter().flat_map(|package| ["-p", package]));
    built(&mut command)
}

/// Builds every test of a tree as `cargo test --workspace` would, so that executables which tests run are there as well.
pub fn build_all(tree: &Path, target: &Path) -> Result<Built> {
    let mut command = Command::new("cargo");
    command.current_dir(tree).env("CARGO_TARGET_DIR", target);
    command.args([
        "test",
        "--no-run",
        "--quiet",
        "--workspace",
        "--locked",
        "--offline",
        "--message-format=json",
    ]);
    built(&mut command)
}

fn built(command: &mut Command) -> Result<Built> {
    let output = command.output()?;
    let mut programs = Vec::new();
    let mut errors = Vec::new();
    for line in output.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let message: Value = serde_json::from_slice(line)?;
        let text = |pointer: &str| message.pointer(pointer).and_then(Value::as_str);
        if text("/reason") == Some("compiler-artifact") {
            if let (Some(path), Some(manifest)) = (text("/executable"), text("/manifest_path")) {
                let folder = Path::new(manifest).parent().ok_or("a manifest without a folder")?;
                let package = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
                programs.push(Program { package, path: path.into(), folder: folder.into() });
            }
        } else if text("/message/level") == Some("error") {
            let code = text("/message/code/code").unwrap_or_default().to_owned();
            errors.push(Fault { code, places: places(&message["message"]) });
        }
    }
    let mut seen = HashSet::new();
    errors.retain(|fault| !fault.places.is_empty() && seen.insert(fault.clone()));
    if output.status.success() {
        programs.sort_by_key(|program| program.path.metadata().map_or(0, |metadata| metadata.len()));
        return Ok(Built::Programs(programs));
    }
    if errors.is_empty() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    Ok(Built::Errors(errors))
}

fn places(message: &Value) -> Vec<Place> {
    let mut spans: Vec<&Value> = message["spans"].as_array().into_iter().flatten().collect();
    spans.sort_by_key(|span| span["is_primary"] != true);
    let place = |span: &&Value| {
        let byte = |name: &str| span[name].as_u64().and_then(|at| usize::try_from(at).ok());
        Some((span["file_name"].as_str()?.to_owned(), byte("byte_start")?..byte("byte_end")?))
    };
    spans.iter().filter_map(place).collect()
}
