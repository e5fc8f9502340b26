//! What must hold when a server comes back on a disk that a power loss has left.

use super::disk::{Disk, Luck};
use super::homes::{Homes, restore_journal};
use super::story::{Story, Watched, is_part};
use crate::scene::executable;
use stage::{Person, Server, ServerOptions, sha256_of, text_at};
use std::path::Path;

/// Sealed bytes: whatever stands under a final name is whole, and all that was acknowledged is there.
pub(crate) fn sealed_bytes(story: &Story, at: usize, luck: Luck) -> Result<(), String> {
    let recording = &story.recording;
    let disk = Disk::after_loss(recording, at, luck);
    let mut whole = 0;
    for path in disk.found.keys().filter(|path| is_blob(path)) {
        if !disk.is_whole(path) {
            return Err(format!("{} is not whole", path.display()));
        }
        whole += 1;
    }
    let parts = recording.answers.iter().filter(|answer| answer.at <= at && is_part(answer)).count();
    let complete = story.sent.iter().filter(|sent| sent.told <= at).map(|sent| sent.blobs).sum::<usize>();
    let told = parts + complete;
    let removals = recording.names.iter().filter(|change| change.span.began <= at && change.to.is_none());
    let removed = removals.filter(|change| change.from.as_ref().is_some_and(|(_, name)| is_name(name)));
    let removed = removed.count();
    if whole + removed < told {
        return Err(format!("{told} blobs were acknowledged, {removed} removed, and {whole} are there"));
    }
    Ok(())
}

/// The whole: a server starts, everybody finds their files, and every file opens and is what was sent.
pub(crate) fn the_whole(story: &Story, at: usize, luck: Luck) -> Result<(), String> {
    sealed_bytes(story, at, luck)?;
    let scene = &story.scene;
    let host = scene.host();
    std::fs::remove_dir_all(&host).unwrap();
    std::fs::create_dir(&host).unwrap();
    let disk = Disk::after_loss(&story.recording, at, luck);
    disk.lay_out(&host, |path| scene.finished(path)).unwrap();
    scene.restore_homes();
    let (waxd, data, logs) = (executable("waxd"), host.join("server"), scene.path("logs"));
    let options =
        ServerOptions { waxd: &waxd, data: &data, logs: &logs, port: story.port, quiet: true, more: &[] };
    let server = Server::start(&options).map_err(|error| error.to_string())?;
    let held = files_hold(story, at);
    server.kill().unwrap();
    held
}

fn files_hold(story: &Story, at: usize) -> Result<(), String> {
    if at < story.signed_up {
        return Ok(());
    }
    let (alice, bob) = (&story.scene.alice, &story.scene.bob);
    for person in [alice, bob] {
        let listed = listed_by(person)?;
        let owed = story.sent.iter().filter(|sent| sent.is_owed(at));
        if let Some(lost) = owed.map(|sent| &sent.id).find(|id| !listed.contains(id)) {
            return Err(format!("{} no longer finds {lost}", person.name));
        }
        for id in listed {
            let sent = story.sent.iter().find(|sent| sent.id == id);
            let sent = sent.filter(|sent| sent.is_possible(at));
            let sent = sent.ok_or_else(|| format!("{} finds {id}, which is not there", person.name))?;
            if person.name == bob.name {
                opens(story, &sent.id, &sent.digest)?;
            }
        }
    }
    goes_on(story, at)
}

fn listed_by(person: &Person) -> Result<Vec<String>, String> {
    let done = person.wax(&["ls", "--all"]).map_err(|error| error.to_string())?;
    if done.said["refused"].as_array().is_none_or(|refused| !refused.is_empty()) {
        return Err(format!("{} finds files that do not verify", person.name));
    }
    let files = done.said["files"].as_array().ok_or("no list of files")?;
    files.iter().map(|file| text_at(file, "id").map_err(|error| error.to_string())).collect()
}

fn opens(story: &Story, id: &str, digest: &str) -> Result<(), String> {
    let target = story.scene.path("got.bin");
    let _ = std::fs::remove_file(&target);
    let path = target.to_str().expect("a temporary path is text");
    story.scene.bob.wax(&["get", id, "-o", path]).map_err(|error| error.to_string())?;
    let got = sha256_of(&target).map_err(|error| error.to_string())?;
    if got == digest { Ok(()) } else { Err(format!("{id} is not what was sent")) }
}

/// An upload under way goes on with every part of which its sender was told that it is kept.
fn goes_on(story: &Story, at: usize) -> Result<(), String> {
    let Some(sent) = story.sent.iter().find(|sent| sent.begun <= at && at < sent.told) else { return Ok(()) };
    let Some(journal) = &sent.journal else { return Ok(()) };
    let parts_by = |end: usize| {
        let answers = story.recording.answers.iter().filter(|answer| (sent.begun..=end).contains(&answer.at));
        answers.filter(|answer| is_part(answer)).count() as u64
    };
    let (told, all) = (parts_by(at), parts_by(sent.told));
    let (alice, args) = (&story.scene.alice, sent.args.iter().map(String::as_str).collect::<Vec<_>>());
    restore_journal(alice, &sent.id, journal, told == all);
    let done = alice.wax(&args).map_err(|error| error.to_string())?;
    let again = done.sent().map_err(|error| error.to_string())?;
    let kept = again["resumed_parts"].as_u64().ok_or("no count of parts")?;
    if kept < told {
        return Err(format!("{told} parts were acknowledged, and {kept} are not asked for again"));
    }
    let id = done.sent_id().map_err(|error| error.to_string())?;
    opens(story, &id, &sent.digest)
}

/// `server/blobs/ab/ab01…`
fn is_blob(path: &Path) -> bool {
    path.strip_prefix("server/blobs").is_ok_and(|inside| {
        inside.components().count() == 2 && !inside.starts_with("tmp") && inside.file_name().is_some()
    })
}

/// Names under `tmp` look the same, but those are renamed and not removed.
fn is_name(name: &Path) -> bool {
    name.to_str().is_some_and(|name| name.len() == 32 && name.bytes().all(|byte| byte.is_ascii_hexdigit()))
}
