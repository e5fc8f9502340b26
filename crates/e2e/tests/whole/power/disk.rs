//! What a disk holds after the power went: a model that keeps no more than a file system must.
//!
//! A file keeps what was written before its last sync began. A name is kept if its folder was synced afterwards;
//! a rename is one step, so a synced old folder vouches for the new name as well. Everything else is gone
//! ([`Luck::None`]), or by chance partly there ([`Luck::Some`]): a random part of the unsynced writes, also in single
//! sectors or as a length without content, and a random first part of the unsynced changes of names.

use super::chance::Chance;
use super::recording::{Data, NameChange, ROOT, Recording, Write};
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

/// What a disk writes as a whole or not at all.
const SECTOR: u64 = 512;

/// How much of what was not made durable is there all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Luck {
    None,
    /// With the seed of the chance.
    Some(u64),
}

/// What is there when the power comes back.
pub(crate) struct Disk<'a> {
    pub(crate) recording: &'a Recording,
    /// What each path from the root holds.
    pub(crate) found: BTreeMap<PathBuf, Found>,
}

pub(crate) struct Found {
    pub(crate) node: usize,
    /// Writes that are there, in order.
    pub(crate) kept: Vec<Kept>,
}

pub(crate) struct Kept {
    pub(crate) change: usize,
    /// Which sectors of it; all if none are named.
    sectors: Option<Vec<bool>>,
}

impl<'a> Disk<'a> {
    /// The power goes when line `at` has happened and nothing after it.
    pub(crate) fn after_loss(recording: &'a Recording, at: usize, luck: Luck) -> Self {
        let mut chance = Chance::seeded(if let Luck::Some(seed) = luck { seed } else { 0 });
        let names = surviving_names(recording, at, luck, &mut chance);
        let mut found = BTreeMap::new();
        let mut folders = vec![(PathBuf::new(), ROOT)];
        while let Some((path, folder)) = folders.pop() {
            for ((_, name), node) in names.range((folder, PathBuf::new())..(folder + 1, PathBuf::new())) {
                let path = path.join(name);
                if recording.nodes[*node].folder {
                    folders.push((path.clone(), *node));
                }
                let kept = surviving_writes(recording, *node, at, luck, &mut chance);
                found.insert(path, Found { node: *node, kept });
            }
        }
        Self { recording, found }
    }

    /// Whether everything is there that was ever written into what is found at `path`.
    pub(crate) fn is_whole(&self, path: &Path) -> bool {
        self.found.get(path).is_some_and(|found| {
            found.kept.len() == self.recording.nodes[found.node].changes.len()
                && found.kept.iter().all(|kept| kept.sectors.is_none())
        })
    }

    /// Writes it into `target`, an empty folder. `finished` says where a file is that holds what the trace does not.
    pub(crate) fn lay_out(
        &self,
        target: &Path,
        finished: impl Fn(&Path) -> Option<PathBuf>,
    ) -> io::Result<()> {
        // Sorted, so that a folder comes before what is in it.
        for (path, found) in &self.found {
            let node = &self.recording.nodes[found.node];
            let to = target.join(path);
            if node.folder {
                std::fs::create_dir(&to)?;
                continue;
            }
            if is_shared_memory(path) {
                continue;
            }
            let finished = finished(&node.path);
            match &finished {
                // Sealed files are never changed, so one copy of them serves every state.
                Some(finished) if self.is_whole(path) => std::fs::hard_link(finished, &to)?,
                _ => self.write(found, &to, finished.as_deref())?,
            }
        }
        Ok(())
    }

    fn write(&self, found: &Found, to: &Path, finished: Option<&Path>) -> io::Result<()> {
        let file = File::create_new(to)?;
        let finished = finished.map(File::open).transpose()?;
        for kept in &found.kept {
            match &self.recording.nodes[found.node].changes[kept.change].what {
                Write::Resize(len) => file.set_len(*len)?,
                Write::At(offset, data) => {
                    let end = offset + data.len();
                    if end > file.metadata()?.len() {
                        file.set_len(end)?;
                    }
                    let bytes = match data {
                        Data::Known(bytes) => bytes.clone(),
                        Data::InFile(len) => read_back(finished.as_ref(), *offset, *len)?,
                    };
                    write_sectors(&file, *offset, &bytes, kept.sectors.as_deref())?;
                }
            }
        }
        Ok(())
    }
}

/// The index of SQLite's log: it lives in memory, is not meant to last, and is made again.
fn is_shared_memory(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "db-shm")
}

fn surviving_names(
    recording: &Recording,
    at: usize,
    luck: Luck,
    chance: &mut Chance,
) -> BTreeMap<(usize, PathBuf), usize> {
    let past: Vec<&NameChange> = recording.names.iter().filter(|change| change.span.ended <= at).collect();
    let is_synced = |folder: usize, change: &NameChange| {
        let mut syncs = recording.nodes[folder].syncs.iter();
        syncs.any(|sync| change.span.ended < sync.began && sync.ended <= at)
    };
    let lucky = if luck == Luck::None { 0 } else { chance.below(past.len() + 1) };
    let mut names = BTreeMap::new();
    for (n, change) in past.into_iter().enumerate() {
        let left = change.from.as_ref().is_some_and(|(folder, _)| is_synced(*folder, change));
        let came = change.to.as_ref().is_some_and(|(folder, ..)| is_synced(*folder, change));
        if let Some((folder, name, node)) = &change.to
            && (came || left || n < lucky)
        {
            names.insert((*folder, name.clone()), *node);
        }
        if let Some((folder, name)) = &change.from
            && (left || n < lucky)
        {
            names.remove(&(*folder, name.clone()));
        }
    }
    names
}

fn surviving_writes(
    recording: &Recording,
    node: usize,
    at: usize,
    luck: Luck,
    chance: &mut Chance,
) -> Vec<Kept> {
    let node = &recording.nodes[node];
    let synced = node.syncs.iter().filter(|sync| sync.ended <= at).map(|sync| sync.began).max();
    let mut kept = Vec::new();
    for (n, change) in node.changes.iter().enumerate().filter(|(_, change)| change.span.began <= at) {
        if synced.is_some_and(|synced| change.span.ended < synced) {
            kept.push(Kept { change: n, sectors: None });
        } else if luck != Luck::None {
            kept.extend(lucky_write(n, &change.what, chance));
        }
    }
    kept
}

/// Nothing, all, the sectors before some point, single sectors, or the length alone.
fn lucky_write(change: usize, what: &Write, chance: &mut Chance) -> Option<Kept> {
    let sectors = match what {
        Write::Resize(_) => 0,
        Write::At(offset, data) => {
            let sectors = (offset + data.len()).div_ceil(SECTOR) - offset / SECTOR;
            usize::try_from(sectors).expect("a write fits into memory")
        }
    };
    let sectors = match chance.below(5) {
        0 | 1 => return None,
        2 => None,
        _ if sectors == 0 => None,
        3 => {
            let first = chance.below(sectors);
            Some((0..sectors).map(|n| n < first).collect())
        }
        _ => Some((0..sectors).map(|_| chance.below(2) == 0).collect()),
    };
    Some(Kept { change, sectors })
}

/// Of a file that was removed before it was finished nothing is known; its bytes are then a pattern.
fn read_back(finished: Option<&File>, offset: u64, len: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0xa5; usize::try_from(len).map_err(io::Error::other)?];
    if let Some(finished) = finished {
        finished.read_exact_at(&mut bytes, offset)?;
    }
    Ok(bytes)
}

fn write_sectors(file: &File, offset: u64, bytes: &[u8], sectors: Option<&[bool]>) -> io::Result<()> {
    let Some(sectors) = sectors else { return file.write_all_at(bytes, offset) };
    let (mut offset, mut bytes) = (offset, bytes);
    for kept in sectors {
        let in_sector = usize::try_from(SECTOR - offset % SECTOR).map_err(io::Error::other)?;
        let (sector, rest) = bytes.split_at(in_sector.min(bytes.len()));
        if *kept {
            file.write_all_at(sector, offset)?;
        }
        (offset, bytes) = (offset + sector.len() as u64, rest);
    }
    Ok(())
}

mod tests {
    use super::super::{recording::Recording, trace};
    use super::*;
    use std::collections::BTreeSet;

    /// Follows calls in which `'text'` stands for a string and `<text>` for what a descriptor refers to.
    fn recorded(calls: &[&str]) -> Recording {
        let hex = |text: &str| text.bytes().map(|byte| format!("\\x{byte:02x}")).collect::<String>();
        let line = |call: &&str| {
            let call = call.split('\'').enumerate().map(|(n, part)| match n % 2 {
                0 => part.to_owned(),
                _ => format!("\"{}\"", hex(part)),
            });
            let call = call.collect::<String>().replace("<d>", &format!("<{}>", hex("/d")));
            format!("7 {}\n", call.replace("<f>", &format!("<{}>", hex("/d/f"))))
        };
        let text: String = calls.iter().map(line).collect();
        Recording::follow(Path::new("/d"), &[trace::read(&text, 0).unwrap()], calls.len()).unwrap()
    }

    fn laid_out(recording: &Recording, at: usize, luck: Luck) -> BTreeMap<String, Vec<u8>> {
        let dir = tempfile::tempdir().unwrap();
        Disk::after_loss(recording, at, luck).lay_out(dir.path(), |_| None).unwrap();
        let entries = std::fs::read_dir(dir.path()).unwrap().map(Result::unwrap);
        entries
            .map(|entry| {
                (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap_or_default())
            })
            .collect()
    }

    fn names(recording: &Recording, at: usize, luck: Luck) -> Vec<String> {
        laid_out(recording, at, luck).into_keys().collect()
    }

    const MADE: &str = "openat(AT_FDCWD<d>, '/d/f', O_RDWR|O_CREAT, 0600) = 3<f>";
    const FOLDER: &str = "openat(AT_FDCWD<d>, '/d', O_RDONLY) = 4<d>";

    #[test]
    fn a_file_keeps_what_was_synced_and_nothing_later() {
        let calls = [MADE, FOLDER, "fsync(4<d>) = 0", "write(3<f>, 'one', 3) = 3", "fdatasync(3<f>) = 0"];
        let recording = recorded(&[&calls[..], &["write(3<f>, 'two', 3) = 3"]].concat());
        let holds = |at| laid_out(&recording, at, Luck::None)["f"].clone();
        assert_eq!([holds(2), holds(3), holds(4), holds(5)], [&b""[..], b"", b"one", b"one"]);
    }

    #[test]
    fn what_is_written_while_a_sync_runs_is_not_covered_by_it() {
        let calls = [MADE, FOLDER, "fsync(4<d>) = 0", "fsync(3<f> <unfinished ...>"];
        let mut recording = recorded(&[&calls[..], &["<... fsync resumed>) = 0"]].concat());
        let span = trace::Span { began: 3, ended: 3 };
        let what = Write::At(0, Data::Known(b"late".to_vec()));
        recording.nodes[1].changes.push(super::super::recording::Change { span, what });
        assert_eq!(laid_out(&recording, 4, Luck::None)["f"], b"");
    }

    #[test]
    fn a_name_is_there_once_its_folder_was_synced() {
        let recording = recorded(&[
            MADE,
            "write(3<f>, 'one', 3) = 3",
            "fsync(3<f>) = 0",
            FOLDER,
            "fsync(4<d>) = 0",
            "rename('/d/f', '/d/g') = 0",
            "fsync(4<d>) = 0",
            "unlink('/d/g') = 0",
        ]);
        let seen: Vec<_> = (2..8).map(|at| names(&recording, at, Luck::None).concat()).collect();
        assert_eq!(seen, ["", "", "f", "f", "g", "g"]);
    }

    #[test]
    fn luck_keeps_a_first_part_of_the_names_and_any_sectors_of_the_writes() {
        let text = "x".repeat(1300);
        let write = format!("pwrite64(3<f>, '{text}', 1300, 100) = 1300");
        let recording = recorded(&[MADE, &write, "mkdir('/d/a', 0700) = 0", "mkdir('/d/b', 0700) = 0"]);
        let disks: Vec<_> = (0..200).map(|seed| laid_out(&recording, 3, Luck::Some(seed))).collect();
        let seen: BTreeSet<String> =
            disks.iter().map(|disk| disk.keys().cloned().collect::<String>()).collect();
        assert_eq!(seen, ["", "f", "af", "abf"].map(str::to_owned).into());
        let contents: BTreeSet<&[u8]> =
            disks.iter().filter_map(|disk| disk.get("f")).map(Vec::as_slice).collect();
        // Nothing, or any of three sectors: the first ends at byte 512, the last begins at byte 1024.
        let torn = |sectors: [bool; 3]| {
            let part = |range: std::ops::Range<usize>, kept| vec![if kept { b'x' } else { 0 }; range.len()];
            let parts =
                [part(100..512, sectors[0]), part(512..1024, sectors[1]), part(1024..1400, sectors[2])];
            [vec![0; 100], parts.concat()].concat()
        };
        assert!(contents.contains(&b""[..]));
        for n in 0..8 {
            let torn = torn([n & 1 > 0, n & 2 > 0, n & 4 > 0]);
            assert!(contents.contains(torn.as_slice()), "{n}");
        }
        assert_eq!(contents.len(), 9);
    }
}
