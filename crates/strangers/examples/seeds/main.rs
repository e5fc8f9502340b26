//! Writes seeds for the fuzzers: real sealed things, legal text and JSON, and near misses of each.
//!
//! `seeds FOLDER` makes `FOLDER/TARGET/NAME` for every target. Keys and nonces are fresh in each run.

mod files;
mod keys;
mod layouts;
mod text;
mod wire;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

use strangers::TARGETS;

type Outcome = Result<(), Box<dyn Error>>;

/// Writes seeds under one folder.
struct Seeds(PathBuf);

impl Seeds {
    fn write(&self, target: &str, name: &str, bytes: &[u8]) -> Outcome {
        assert!(TARGETS.iter().any(|(known, _)| *known == target), "{target} is no target");
        let folder = self.0.join(target);
        fs::create_dir_all(&folder)?;
        Ok(fs::write(folder.join(name), bytes)?)
    }

    /// The bytes, and what is wrong by a little: one byte less, one more, one bit at some places.
    fn write_with_misses(&self, target: &str, name: &str, bytes: &[u8]) -> Outcome {
        self.write(target, name, bytes)?;
        self.write(target, &format!("{name}_truncated"), &bytes[..bytes.len().saturating_sub(1)])?;
        self.write(target, &format!("{name}_trailing"), &[bytes, &[0]].concat())?;
        for part in 0..4 {
            let at = bytes.len().saturating_sub(1) * part / 3;
            let mut flipped = bytes.to_vec();
            if let Some(byte) = flipped.get_mut(at) {
                *byte ^= 1;
            }
            self.write(target, &format!("{name}_flipped_{part}"), &flipped)?;
        }
        Ok(())
    }
}

fn main() -> Outcome {
    let folder = env::args_os().nth(1).ok_or("name a folder")?;
    let seeds = Seeds(Path::new(&folder).to_owned());
    files::files(&seeds)?;
    layouts::layouts(&seeds)?;
    files::bundles(&seeds)?;
    layouts::behind_seals(&seeds)?;
    wire::deflate(&seeds)?;
    keys::signatures(&seeds)?;
    text::sizes(&seeds)?;
    text::text(&seeds)?;
    wire::json(&seeds)?;
    keys::keys(&seeds)?;
    for (target, _) in TARGETS {
        seeds.write(target, "empty", &[])?;
    }
    Ok(())
}
