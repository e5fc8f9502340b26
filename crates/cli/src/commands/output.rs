//! Where a file that is decrypted here goes: checked before anybody is asked for a passphrase.

use crate::app::App;
use crate::args::Output;
use crate::fault::{Class, Fault};
use client::{OnConflict, Target};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

/// Refuses what plainly cannot work.
pub(super) fn check(app: &App, args: &Output) -> Result<(), Fault> {
    if args.is_stdout() && app.console.json {
        return Err(Fault::new(Class::Usage, "standard output cannot carry both the file and JSON")
            .hint("write the file somewhere with -o FILE"));
    }
    if args.is_stdout() && !args.force && std::io::stdout().is_terminal() {
        return Err(Fault::new(
            Class::Usage,
            "standard output is a terminal, and the file may hold anything",
        )
        .hint("write it somewhere with -o FILE, or insist with --force"));
    }
    match args.path.as_deref().filter(|_| !args.is_stdout()) {
        Some(path) => look_at(path, args.force || args.keep_both),
        None => Ok(()),
    }
}

/// What is plainly wrong with the target is told before anybody is asked for a passphrase.
fn look_at(path: &Path, may_exist: bool) -> Result<(), Fault> {
    match std::fs::metadata(path) {
        Ok(kind) if kind.is_dir() || may_exist => Ok(()),
        Ok(_) => Err(client::Error::TargetExists(path.to_owned()).into()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let folder =
                path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            match std::fs::metadata(folder) {
                Ok(kind) if kind.is_dir() => Ok(()),
                Ok(_) => Err(Fault::file("write into", folder, &std::io::ErrorKind::NotADirectory.into())),
                Err(e) => Err(Fault::file("write into", folder, &e).hint("make the folder first")),
            }
        }
        Err(error) => Err(Fault::file("write", path, &error)),
    }
}

/// What becomes of a file whose name is taken.
pub(super) fn on_conflict(args: &Output) -> OnConflict {
    match (args.force, args.keep_both) {
        (true, _) => OnConflict::Replace,
        (false, true) => OnConflict::KeepBoth,
        (false, false) => OnConflict::Refuse,
    }
}

/// Where the file goes.
pub(super) fn target(args: &Output) -> Target {
    let on_conflict = on_conflict(args);
    match &args.path {
        None => Target::Directory { path: PathBuf::from("."), on_conflict },
        Some(path) if path == Path::new("-") => Target::Writer(Box::new(std::io::stdout())),
        Some(path) if path.is_dir() => Target::Directory { path: path.clone(), on_conflict },
        Some(path) => Target::File { path: path.clone(), overwrite: args.force },
    }
}
