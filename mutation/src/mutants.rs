//! The list of changes, as `cargo mutants --list --json` prints it.

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;
use std::process::Command;

use serde::Deserialize;

use crate::Result;

#[derive(Deserialize)]
pub struct Mutant {
    pub name: String,
    pub package: String,
    pub file: String,
    pub genre: String,
    pub replacement: String,
    span: Span,
}

#[derive(Deserialize)]
struct Span {
    start: Position,
    end: Position,
}

#[derive(Deserialize)]
struct Position {
    line: usize,
    column: usize,
}

impl Mutant {
    /// Where the changed text stands in the bytes of its file.
    pub fn range(&self, source: &str) -> Range<usize> {
        let at = |position: &Position| {
            let line_at: usize = source.split_inclusive('\n').take(position.line - 1).map(str::len).sum();
            let line = &source[line_at..];
            let column = position.column - 1;
            line_at + line.char_indices().nth(column).map_or(line.len(), |(at, _)| at)
        };
        at(&self.span.start)..at(&self.span.end)
    }

    /// The file with this one change, as `cargo mutants` would write it.
    pub fn applied(&self, source: &str) -> String {
        let range = self.range(source);
        [&source[..range.start], " ", &self.replacement, " ", &source[range.end..]].concat()
    }
}

/// All changes of `packages` but those of `Debug` and `Display`.
pub fn list(root: &Path, packages: &[String]) -> Result<Vec<Mutant>> {
    let mut command = Command::new("cargo");
    command.current_dir(root).args(["mutants", "--list", "--json", "--exclude-re"]);
    command.arg("impl (fmt::)?(Debug|Display)");
    command.args(packages.iter().flat_map(|package| ["-p", package]));
    let output = command.output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    let mutants: Vec<Mutant> = serde_json::from_slice(&output.stdout)?;
    let names: HashMap<&str, usize> = mutants.iter().map(|mutant| (mutant.name.as_str(), 0)).collect();
    if names.len() != mutants.len() {
        return Err("two changes of one name".into());
    }
    Ok(mutants)
}
