//! What dies in the story, and what then happens: a server in the middle of a transfer, and a whole storage folder.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;
use stage::{Cluster, Doing, Parcel, Person, StageError, sha256_of};

use super::narrate::{chapter, size, tell};

/// The server that dies.
const VICTIM: &str = "server 2";
/// How long anything here may take.
const PATIENCE: Duration = Duration::from_secs(120);
/// Copies of each part.
const COPIES: u64 = 2;

/// Kills a server when some parts of the transfer are stored; the transfer finishes by itself. Gives the id of the file.
pub(super) fn a_server_dies(
    cluster: &Cluster,
    alice: &Person,
    bob: &Person,
    parcel: &Parcel,
    target: &Path,
) -> Result<String, StageError> {
    let path = parcel.path.to_string_lossy();
    let args = ["send", &path, "--no-compress", "--to", &bob.address];
    let before = stored(&cluster.data).0;
    let began = Instant::now();
    let mut child = alice.start(&args)?;
    while stored(&cluster.data).0 < before + COPIES {
        if child.try_wait().doing("watching a transfer")?.is_some() || began.elapsed() > PATIENCE {
            return Err(StageError::Unexpected("the transfer ended before a server could be killed".into()));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    let killed = cluster.kill(VICTIM)?;
    let struck = Instant::now();
    tell(&format!("{VICTIM}, process {}, is killed (kill -9) while parts are on their way", killed.pid));
    let sent = alice.finish(child, began)?.or_step(alice, &args)?;
    let file_id = sent.sent_id()?;
    let number = |key: &str| sent.sent().ok().and_then(|sent| sent.get(key)?.as_u64());
    if number("received_bytes") != number("sealed_bytes") {
        return Err(StageError::Broken("a part that was finished came twice".into()));
    }
    tell(&format!(
        "Alice's command went on by itself and ended well after {} ms: {file_id}",
        sent.took.as_millis()
    ));
    let again = cluster.wait_for(VICTIM, killed.times + 1, PATIENCE)?;
    tell(&format!(
        "{VICTIM} is back as process {}, {} ms after it was killed",
        again.pid,
        struck.elapsed().as_millis()
    ));
    fetch(bob, &file_id, parcel, target)?;
    tell("Bob opens the file: the same bytes; the servers received each part once");
    Ok(file_id)
}

/// Deletes a storage folder; everything still opens, and a scrub writes the copies anew.
pub(super) fn a_folder_is_lost(
    waxd: &Path,
    cluster: &Cluster,
    folders: &[PathBuf],
    opens: impl Fn() -> Result<usize, StageError>,
) -> Result<(), StageError> {
    chapter("A storage folder is deleted");
    let lost = folders.last().ok_or_else(|| StageError::Unexpected("there is no storage folder".into()))?;
    let (parts, bytes) = stored(lost);
    std::fs::remove_dir_all(lost).doing("deleting a storage folder")?;
    tell(&format!("{} is gone, with {parts} parts, {}", short(lost), size(bytes)));
    let files = opens()?;
    tell(&format!("Bob opens all {files} files from the copies in the other folders: the same bytes"));
    let began = Instant::now();
    let repaired = scrub(waxd, &cluster.data, folders, true)?;
    tell(&format!(
        "waxd admin scrub --repair wrote {repaired} copies anew in {} ms",
        began.elapsed().as_millis()
    ));
    scrub(waxd, &cluster.data, folders, false)?;
    let held: Vec<String> =
        folders.iter().map(|folder| format!("{} parts in {}", stored(folder).0, short(folder))).collect();
    tell(&format!("each part is in two folders again, as it was recorded: {}", held.join(", ")));
    Ok(())
}

/// Bob fetches a file and compares.
pub(super) fn fetch(bob: &Person, file_id: &str, parcel: &Parcel, target: &Path) -> Result<(), StageError> {
    drop(std::fs::remove_file(target));
    bob.wax(&["get", file_id, "-o", &target.to_string_lossy()])?;
    if sha256_of(&parcel.path)? != sha256_of(target)? {
        return Err(StageError::Broken("Bob's file is not Alice's file".into()));
    }
    Ok(())
}

/// Runs `waxd admin scrub`; gives how many copies it wrote anew. Anything that stays wrong ends the story.
fn scrub(waxd: &Path, data: &Path, folders: &[PathBuf], repair: bool) -> Result<u64, StageError> {
    let mut command = Command::new(waxd);
    command.args(["admin", "scrub", "--json", "--data"]).arg(data);
    for folder in folders {
        command.arg("--blobs").arg(folder);
    }
    if repair {
        command.arg("--repair");
    }
    let said = command.output().doing("running waxd admin scrub")?;
    if !said.status.success() {
        let words = String::from_utf8_lossy(&said.stderr).into_owned();
        return Err(StageError::Broken(format!("the scrub found what it could not mend: {words}")));
    }
    let text = String::from_utf8_lossy(&said.stdout).into_owned();
    let total = text.lines().last().and_then(|line| serde_json::from_str::<Value>(line).ok());
    let repaired = total.and_then(|total| total.get("repaired")?.as_u64());
    repaired.ok_or_else(|| StageError::Unexpected("the scrub did not say what it repaired".into()))
}

/// The sealed files below a folder that are whole: how many, and of how many bytes. What is being written is not counted.
pub(super) fn stored(folder: &Path) -> (u64, u64) {
    let Ok(entries) = std::fs::read_dir(folder) else { return (0, 0) };
    let (mut files, mut bytes) = (0, 0);
    for entry in entries.filter_map(Result::ok) {
        let Ok(meta) = entry.metadata() else { continue };
        if meta.is_dir() && entry.file_name() != "tmp" {
            let below = stored(&entry.path());
            (files, bytes) = (files + below.0, bytes + below.1);
        } else if meta.is_file() && entry.file_name().len() == BLOB_NAME {
            (files, bytes) = (files + 1, bytes + meta.len());
        }
    }
    (files, bytes)
}

/// Letters of a blob's name; nothing else in a data folder has so many.
const BLOB_NAME: usize = 32;

/// The last step of a path.
pub(super) fn short(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
