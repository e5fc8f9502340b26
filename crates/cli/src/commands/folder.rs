//! Folders: what is said of one that was sent or received, and what is in one.

use super::send::Teller;
use crate::app::App;
use crate::args::Get;
use crate::console::{Tone, safe, size};
use crate::expiry::count;
use crate::fault::{Class, Fault};
use client::{FolderReceived, OnConflict, Pattern, Received, SentFolder, Skipped, Target};
use serde::Serialize;
use std::path::PathBuf;

/// Things that were left out and are named one by one.
const NAMED: usize = 5;

/// A folder that was sent.
#[derive(Serialize)]
pub(super) struct SentJson {
    files: u64,
    bytes: u64,
    /// Files that an earlier try had sent.
    already_there: u64,
    /// Sealed bytes that the server received for it, in all tries.
    received_bytes: u64,
    /// What was left out: symbolic links, pipes, sockets, devices.
    left_out: Vec<String>,
}

impl SentJson {
    pub(super) fn of(sent: &SentFolder) -> Self {
        Self {
            files: sent.files,
            bytes: sent.bytes,
            already_there: sent.there,
            received_bytes: sent.received_bytes,
            left_out: sent.skipped.iter().map(|skipped| skipped.path.display().to_string()).collect(),
        }
    }
}

/// A folder that was received, or looked into.
#[derive(Serialize)]
pub(super) struct ReceivedJson {
    /// Files in it.
    files: u64,
    /// Files that were wanted.
    wanted: u64,
    fetched: u64,
    already_there: u64,
    /// Paths that were made safe.
    renamed: u64,
    /// With `--list`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    list: Vec<InFolderJson>,
}

#[derive(Serialize)]
struct InFolderJson {
    path: String,
    bytes: u64,
}

impl ReceivedJson {
    pub(super) fn of(folder: &FolderReceived) -> Self {
        let list = folder.list.iter().map(|one| InFolderJson { path: one.path.clone(), bytes: one.bytes });
        Self {
            files: folder.all,
            wanted: folder.wanted,
            fetched: folder.fetched,
            already_there: folder.there,
            renamed: folder.renamed,
            list: list.collect(),
        }
    }
}

impl Teller<'_> {
    /// All about a folder that was sent.
    pub(super) fn tell_folder(&self, sent: &SentFolder) -> Result<(), Fault> {
        let console = &self.app.console;
        let (name, files) = (safe(&sent.list.name), count(sent.files, "file"));
        console.note(format!("sent {name} ({files}, {}, encrypted on this device)", size(sent.bytes)));
        left_out(self.app, &sent.skipped);
        if console.json {
            return Ok(());
        }
        let id = sent.list.file_id.to_string();
        console.say(format!("id       {}", console.paint(Tone::Bold, &id)))?;
        self.tell_terms()?;
        let mut words = format!("{files}, {}", size(sent.bytes));
        if sent.there > 0 {
            words.push_str(&format!(" ({} were there already)", sent.there));
        }
        console.say(format!("folder   {words}"))?;
        self.tell_how_to_fetch(&id);
        Ok(())
    }
}

/// What is not in the folder that was sent is never left out silently.
fn left_out(app: &App, skipped: &[Skipped]) {
    for one in skipped.iter().take(NAMED) {
        let kind = if one.is_link { "a symbolic link" } else { "no regular file" };
        app.console
            .warn(format!("left out, because it is {kind}: {}", safe(&one.path.display().to_string())));
    }
    if let Some(more) = skipped.len().checked_sub(NAMED).filter(|more| *more > 0) {
        app.console.warn(format!("left out as well: {more} more symbolic links and the like"));
    }
}

/// Where what is asked for goes, if it is asked for as only a folder can be.
pub(super) fn target(args: &Get) -> Option<Target> {
    if args.list {
        return Some(Target::List);
    }
    if args.only.is_empty() {
        return None;
    }
    let output = &args.output;
    let on_conflict = match (output.force, output.keep_both) {
        (true, _) => OnConflict::Replace,
        (false, true) => OnConflict::KeepBoth,
        (false, false) => OnConflict::Refuse,
    };
    let path = output.path.clone().unwrap_or_else(|| PathBuf::from("."));
    Some(Target::Some { path, on_conflict, only: args.only.iter().map(|text| Pattern::new(text)).collect() })
}

/// Refuses what plainly cannot work.
pub(super) fn check(args: &Get) -> Result<(), Fault> {
    if !args.only.is_empty() && args.output.is_stdout() {
        return Err(Fault::new(Class::Usage, "files of a folder cannot go to standard output")
            .hint("give a folder to write into: -o FOLDER"));
    }
    Ok(())
}

/// What is said of a folder that was received, before where it is and who sent it.
pub(super) fn tell(app: &App, got: &Received, folder: &FolderReceived) -> Result<(), Fault> {
    let console = &app.console;
    let name = safe(&got.name);
    if got.path.is_none() {
        console.note(format!("{name}: {}, {}", count(folder.all, "file"), size(got.bytes)));
        if !console.json {
            for one in &folder.list {
                console.say(format!("{:>10}  {}", size(one.bytes), safe(&one.path)))?;
            }
        }
        return Ok(());
    }
    let mut words = match folder.wanted == folder.all {
        true => count(folder.all, "file"),
        false => format!("{} of {}", folder.wanted, count(folder.all, "file")),
    };
    words.push_str(&format!(", {}", size(got.bytes)));
    if folder.there > 0 {
        words.push_str(&format!("; {} were here already", folder.there));
    }
    console.note(format!("received {name} ({words}), verified and decrypted on this device"));
    if folder.renamed > 0 {
        let paths = count(folder.renamed, "path");
        console.warn(format!("{paths} could not be used as sent and were made safe"));
    }
    Ok(())
}
