//! Downloads that were begun: each keeps its id for a day, so that going on after an interruption counts nothing.

use crate::client::Inner;
use crate::contacts::LOCK;
use crate::{Error, FileId, Home, Result};
use proto::limits::DOWNLOAD_SECONDS;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const DOWNLOADS: &str = "downloads.json";
const VERSION: u32 = 1;
/// An id is given up an hour before the server does, so that two clocks that differ a little do no harm.
const LIFE: i64 = DOWNLOAD_SECONDS - 3_600;

#[derive(Serialize, Deserialize)]
struct Downloads {
    version: u32,
    begun: BTreeMap<FileId, Begun>,
}

#[derive(Serialize, Deserialize)]
struct Begun {
    download_id: String,
    since: i64,
}

impl Inner {
    /// The id under which a file is being downloaded: that of an earlier try, or a new one.
    pub(crate) async fn download_id(&self, file_id: FileId) -> Result<String> {
        let _lock = self.lock(LOCK).await?;
        begin(&self.home, file_id, self.now())
    }

    /// The file is here: the next download of it is another one.
    pub(crate) async fn download_ended(&self, file_id: FileId) -> Result<()> {
        let _lock = self.lock(LOCK).await?;
        end(&self.home, file_id)
    }
}

fn load(home: &Home) -> Result<Downloads> {
    match home.read_json::<Downloads>(DOWNLOADS)? {
        None => Ok(Downloads { version: VERSION, begun: BTreeMap::new() }),
        Some(downloads) if downloads.version == VERSION => Ok(downloads),
        Some(_) => Err(Error::HomeDamaged(home.path().join(DOWNLOADS))),
    }
}

fn begin(home: &Home, file_id: FileId, now: i64) -> Result<String> {
    let mut downloads = load(home)?;
    // One from the future was begun by a clock that was ahead. To the server it is as young as it ever was.
    downloads.begun.retain(|_, begun| now.saturating_sub(begun.since) < LIFE);
    let is_ahead = downloads.begun.values().any(|begun| begun.since > now);
    for begun in downloads.begun.values_mut() {
        begun.since = begun.since.min(now);
    }
    if let Some(begun) = downloads.begun.get(&file_id) {
        let download_id = begun.download_id.clone();
        if is_ahead {
            home.write_json(DOWNLOADS, &downloads)?;
        }
        return Ok(download_id);
    }
    // A random UUID like a file's id.
    let download_id = format::random::file_id().to_string();
    downloads.begun.insert(file_id, Begun { download_id: download_id.clone(), since: now });
    home.write_json(DOWNLOADS, &downloads)?;
    Ok(download_id)
}

fn end(home: &Home, file_id: FileId) -> Result<()> {
    let mut downloads = load(home)?;
    if downloads.begun.remove(&file_id).is_some() {
        home.write_json(DOWNLOADS, &downloads)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interrupted_download_goes_on_under_its_id_and_a_finished_one_does_not() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::open(dir.path().join("home")).unwrap();
        let (file, other) = (FileId::from_bytes([1; 16]), FileId::from_bytes([2; 16]));
        let first = begin(&home, file, 1_000).unwrap();
        assert_eq!(begin(&home, file, 2_000).unwrap(), first);
        assert_ne!(begin(&home, other, 2_000).unwrap(), first);
        end(&home, file).unwrap();
        assert_ne!(begin(&home, file, 3_000).unwrap(), first);
    }

    #[test]
    fn a_clock_that_was_set_back_costs_no_download() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::open(dir.path().join("home")).unwrap();
        let file = FileId::from_bytes([1; 16]);
        let first = begin(&home, file, 1_000_000).unwrap();
        assert_eq!(begin(&home, file, 900_000).unwrap(), first);
        assert_ne!(
            begin(&home, file, 900_000 + LIFE).unwrap(),
            first,
            "not kept for longer than from then on"
        );
    }

    #[test]
    fn an_id_is_given_up_before_the_server_counts_it_anew() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::open(dir.path().join("home")).unwrap();
        let file = FileId::from_bytes([1; 16]);
        let first = begin(&home, file, 1_000).unwrap();
        assert_eq!(begin(&home, file, 1_000 + LIFE - 1).unwrap(), first);
        assert_ne!(begin(&home, file, 1_000 + LIFE).unwrap(), first);
    }
}
