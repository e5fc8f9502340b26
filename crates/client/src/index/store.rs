//! The index on disk: rows in the order of their ids, sealed in runs, and what is newer than those beside it.
//!
//! Two files of the home, each `magic 8 ‖ generation 16`, then runs `u32 length ‖ small message`. Of the first run the plaintext
//! is the [`Mark`], of the others rows (`u16 length ‖ row`). The larger file is written whole when the smaller has grown long
//! enough, and names a new generation; the smaller is written whole with every page or so, and belongs to one generation.

use super::entry::{self, Entry};
use crate::{Error, FileId, Home, Result};
use format::small::{open_small, seal_small};
use format::{IndexKey, random};
use proto::B64;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::collections::btree_map;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::iter::Peekable;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Rows in the order of their ids.
pub(crate) const BASE: &str = "index.wxi";
/// What is newer.
pub(crate) const RECENT: &str = "index.new.wxi";
const MAGIC: &[u8; 8] = b"WXWGIX01";
/// The part of the magic that every version has.
const FAMILY: usize = 6;
/// Newer rows that are kept apart, at most: what refreshing holds in memory.
const RECENT_MAX: usize = 32_768;
/// Plaintext of a run, about.
const RUN: usize = 128 << 10;
/// Longest sealed run that is read.
const RUN_MAX: usize = 262_218;

type Generation = [u8; 16];

/// Up to where the index goes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark {
    /// The server's cursor of changes.
    pub(super) cursor: Option<String>,
    /// Digest of the pins by which rows were last judged.
    pub(super) pins: Option<B64>,
    /// Some of the files that did not verify, to be asked for again.
    #[serde(default)]
    pub(super) refused: Vec<FileId>,
}

/// Files that did not verify and are asked for again by every refreshing, at most.
const REFUSED_MAX: usize = 20;

impl Mark {
    pub(super) fn note_refusal(&mut self, id: FileId, is_refused: bool) {
        self.refused.retain(|known| *known != id);
        if is_refused && self.refused.len() < REFUSED_MAX {
            self.refused.push(id);
        }
    }
}

/// Why an index was thrown away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IndexFault {
    /// It does not open: bytes were changed, or it was made with other keys or for another server.
    Damaged,
    /// Another version of this program made it.
    OtherVersion,
    /// The server no longer knows what changed since.
    TooOld,
}

/// The index of one person, opened.
pub(super) struct Index {
    home: Home,
    key: Arc<IndexKey>,
    /// Whose, and of which server.
    whose: Vec<u8>,
    generation: Generation,
    has_base: bool,
    recent: BTreeMap<FileId, Vec<u8>>,
    pub(super) mark: Mark,
    /// The server's clock when it was last asked.
    pub(super) now: i64,
    written: Mark,
    /// Rows were put in since they were written.
    is_newer: bool,
    recent_max: usize,
}

/// Why a file could not be taken.
enum Unusable {
    Missing,
    Fault(IndexFault),
    Failed(Error),
}

impl From<Error> for Unusable {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl Index {
    /// What is there, or an empty one; and why something was thrown away, if it was.
    pub(super) fn open(home: &Home, key: IndexKey, whose: Vec<u8>) -> Result<(Self, Option<IndexFault>)> {
        let mut index = Self {
            home: home.clone(),
            key: Arc::new(key),
            whose,
            generation: [0; 16],
            has_base: false,
            recent: BTreeMap::new(),
            mark: Mark::default(),
            now: 0,
            written: Mark::default(),
            is_newer: false,
            recent_max: RECENT_MAX,
        };
        let fault = match index.runs(BASE) {
            Ok(runs) => {
                (index.generation, index.has_base) = (runs.generation, true);
                index.mark = runs.mark;
                None
            }
            Err(Unusable::Missing) => None,
            Err(Unusable::Failed(error)) => return Err(error),
            Err(Unusable::Fault(fault)) => {
                index.clear()?;
                return Ok((index, Some(fault)));
            }
        };
        let newer = match index.runs(RECENT) {
            Ok(runs) if runs.generation == index.generation => index.take_recent(runs),
            // Written beside another base: everything in it is in that base, or will be told again.
            Ok(_) | Err(Unusable::Missing) => Ok(()),
            Err(unusable) => Err(unusable),
        };
        let fault = match newer {
            Ok(()) => fault,
            Err(Unusable::Failed(error)) => return Err(error),
            Err(Unusable::Missing) => None,
            Err(Unusable::Fault(fault)) => {
                // The larger file alone is whole, and the server tells again what came after it.
                home.remove(RECENT)?;
                index.recent.clear();
                Some(fault)
            }
        };
        index.written = index.mark.clone();
        Ok((index, fault))
    }

    fn take_recent(&mut self, mut runs: Runs) -> Result<(), Unusable> {
        let mark = runs.mark.clone();
        while let Some(row) = runs.next_row()? {
            self.recent.insert(row.0, row.1.to_vec());
        }
        self.mark = mark;
        Ok(())
    }

    /// Forgets everything, on disk as well.
    pub(super) fn clear(&mut self) -> Result<()> {
        forget(&self.home)?;
        self.recent.clear();
        (self.generation, self.has_base) = ([0; 16], false);
        self.mark = Mark::default();
        self.written = Mark::default();
        self.is_newer = false;
        Ok(())
    }

    /// Puts a row in; see [`entry::later`]. Nothing is on disk before [`Index::commit`].
    pub(super) fn put(&mut self, file_id: FileId, row: Vec<u8>) {
        self.is_newer = true;
        match self.recent.entry(file_id) {
            btree_map::Entry::Vacant(place) => {
                place.insert(row);
            }
            btree_map::Entry::Occupied(mut place) => {
                let row = entry::later(place.get(), row);
                place.insert(row);
            }
        }
    }

    /// Writes what is new. After a crash there is what was there before, or this.
    pub(super) fn commit(&mut self) -> Result<(), Damaged> {
        if self.recent.len() >= self.recent_max {
            return self.merge();
        }
        if self.mark == self.written && !self.is_newer {
            return Ok(());
        }
        let rows = self.recent.values().map(|row| Ok(row.as_slice().to_vec()));
        self.write(RECENT, self.generation, rows)?;
        (self.written, self.is_newer) = (self.mark.clone(), false);
        Ok(())
    }

    /// Writes everything into a new larger file.
    fn merge(&mut self) -> Result<(), Damaged> {
        let generation: Generation = random::bytes();
        let mut rows = self.rows()?;
        let living = std::iter::from_fn(|| {
            loop {
                match rows.next().transpose() {
                    Ok(Some(row)) if Entry::read(&row).is_some_and(|row| row.state == entry::State::Gone) => {
                    }
                    Ok(Some(row)) => return Some(Ok(row)),
                    Ok(None) => return None,
                    Err(damaged) => return Some(Err(damaged)),
                }
            }
        });
        self.write(BASE, generation, living)?;
        (self.generation, self.has_base) = (generation, true);
        self.recent.clear();
        self.home.remove(RECENT)?;
        (self.written, self.is_newer) = (self.mark.clone(), false);
        Ok(())
    }

    fn write(
        &self,
        name: &str,
        generation: Generation,
        rows: impl Iterator<Item = Result<Vec<u8>, Damaged>>,
    ) -> Result<(), Damaged> {
        let path = self.home.path().join(name);
        let failed = |error| Damaged::Failed(Error::io("write", &path)(error));
        let mark = serde_json::to_vec(&self.mark)
            .map_err(|_| Damaged::Failed(Error::Internal("a mark has no JSON form")))?;
        let mut place = self.home.replacement(name)?;
        let mut out = BufWriter::new(place.as_file_mut());
        out.write_all(MAGIC).and_then(|()| out.write_all(&generation)).map_err(failed)?;
        let mut n = 0;
        let mut seal = |plain: &[u8], last: bool, out: &mut BufWriter<&mut File>| {
            let sealed = seal_small(self.key.secret(), &self.aad(name, &generation, n, last), plain)
                .map_err(|_| Damaged::Failed(Error::Internal("a run of the index is too long")))?;
            n += 1;
            let len = u32::try_from(sealed.len()).unwrap_or(u32::MAX);
            out.write_all(&len.to_be_bytes()).and_then(|()| out.write_all(&sealed)).map_err(failed)
        };
        let mut run = Zeroizing::new(mark);
        let mut is_mark = true;
        for row in rows {
            let row = row?;
            if is_mark || run.len() + row.len() > RUN {
                seal(&run, false, &mut out)?;
                run.clear();
                is_mark = false;
            }
            let len = u16::try_from(row.len())
                .map_err(|_| Damaged::Failed(Error::Internal("a row of the index is too long")))?;
            run.extend_from_slice(&len.to_be_bytes());
            run.extend_from_slice(&row);
        }
        seal(&run, true, &mut out)?;
        out.flush().map_err(failed)?;
        drop(out);
        place.keep()?;
        Ok(())
    }

    /// All rows, each file once, in the order of their ids: what left the list too.
    pub(super) fn rows(&self) -> Result<Rows<'_>, Damaged> {
        let base = match self.has_base.then(|| self.runs(BASE)) {
            None => None,
            Some(Ok(runs)) if runs.generation == self.generation => Some(runs),
            Some(Err(Unusable::Failed(error))) => return Err(Damaged::Failed(error)),
            Some(_) => return Err(Damaged::Damaged),
        };
        Ok(Rows { base, row: None, recent: self.recent.iter().peekable() })
    }

    fn runs(&self, name: &str) -> Result<Runs, Unusable> {
        let Some(file) = self.home.reader(name)? else { return Err(Unusable::Missing) };
        let mut file = BufReader::with_capacity(RUN, file);
        let mut head = [0; 24];
        let whole = read_whole(&mut file, &mut head)
            .map_err(|e| Error::io("read", self.home.path().join(name))(e))?;
        let (magic, generation) = head.split_at(8);
        if !whole || magic[..FAMILY] != MAGIC[..FAMILY] {
            return Err(Unusable::Fault(IndexFault::Damaged));
        }
        if magic != MAGIC {
            return Err(Unusable::Fault(IndexFault::OtherVersion));
        }
        let generation: Generation =
            generation.try_into().map_err(|_| Unusable::Fault(IndexFault::Damaged))?;
        let mut runs = Runs {
            path: self.home.path().join(name),
            name: name.to_owned(),
            whose: self.whose.clone(),
            key: Arc::clone(&self.key),
            file,
            generation,
            n: 0,
            next_len: None,
            run: Zeroizing::new(Vec::new()),
            at: 0,
            mark: Mark::default(),
        };
        runs.next_len = runs.read_len()?;
        if !runs.next_run()? {
            return Err(Unusable::Fault(IndexFault::Damaged));
        }
        runs.mark = serde_json::from_slice(&runs.run).map_err(|_| Unusable::Fault(IndexFault::Damaged))?;
        runs.at = runs.run.len();
        Ok(runs)
    }

    fn aad(&self, name: &str, generation: &Generation, n: u64, last: bool) -> Vec<u8> {
        aad(&self.whose, name, generation, n, last)
    }
}

fn aad(whose: &[u8], name: &str, generation: &Generation, n: u64, last: bool) -> Vec<u8> {
    let mut out = b"waxwing/v1/index\0".to_vec();
    out.extend_from_slice(name.as_bytes());
    out.push(0);
    out.extend_from_slice(generation);
    out.extend_from_slice(&n.to_be_bytes());
    out.push(u8::from(last));
    out.extend_from_slice(whose);
    out
}

/// Removes the index of a home.
pub(crate) fn forget(home: &Home) -> Result<()> {
    home.remove(RECENT)?;
    home.remove(BASE)
}

/// Why rows could not be read or written.
#[derive(Debug)]
pub(super) enum Damaged {
    /// The larger file is not what was written.
    Damaged,
    Failed(Error),
}

impl From<Error> for Damaged {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<Unusable> for Damaged {
    fn from(unusable: Unusable) -> Self {
        match unusable {
            Unusable::Failed(error) => Self::Failed(error),
            Unusable::Missing | Unusable::Fault(_) => Self::Damaged,
        }
    }
}

/// A file of the index, read from its beginning.
struct Runs {
    path: std::path::PathBuf,
    name: String,
    whose: Vec<u8>,
    key: Arc<IndexKey>,
    file: BufReader<File>,
    generation: Generation,
    n: u64,
    /// Length of the run that follows.
    next_len: Option<usize>,
    run: Zeroizing<Vec<u8>>,
    at: usize,
    mark: Mark,
}

impl Runs {
    /// The length before the next run; `None` where the file ends.
    fn read_len(&mut self) -> Result<Option<usize>, Unusable> {
        let mut len = [0; 4];
        let mut got = 0;
        while got < len.len() {
            match self.file.read(&mut len[got..]) {
                Ok(0) if got == 0 => return Ok(None),
                Ok(0) => return Err(Unusable::Fault(IndexFault::Damaged)),
                Ok(more) => got += more,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::io("read", &self.path)(error).into()),
            }
        }
        match usize::try_from(u32::from_be_bytes(len)) {
            Ok(len) if len <= RUN_MAX => Ok(Some(len)),
            _ => Err(Unusable::Fault(IndexFault::Damaged)),
        }
    }

    /// Opens the next run; `false` after the last.
    fn next_run(&mut self) -> Result<bool, Unusable> {
        let Some(len) = self.next_len else { return Ok(false) };
        let mut sealed = vec![0; len];
        let whole = read_whole(&mut self.file, &mut sealed).map_err(|e| Error::io("read", &self.path)(e))?;
        if !whole {
            return Err(Unusable::Fault(IndexFault::Damaged));
        }
        self.next_len = self.read_len()?;
        let aad = aad(&self.whose, &self.name, &self.generation, self.n, self.next_len.is_none());
        self.run =
            open_small(self.key.secret(), &aad, &sealed).map_err(|_| Unusable::Fault(IndexFault::Damaged))?;
        (self.n, self.at) = (self.n + 1, 0);
        Ok(true)
    }

    /// The next row and its id.
    fn next_row(&mut self) -> Result<Option<(FileId, &[u8])>, Unusable> {
        let damaged = || Unusable::Fault(IndexFault::Damaged);
        while self.at == self.run.len() {
            if !self.next_run()? {
                return Ok(None);
            }
        }
        let rest = self.run.get(self.at..).ok_or_else(damaged)?;
        let (len, rest) = rest.split_first_chunk::<2>().ok_or_else(damaged)?;
        let len = usize::from(u16::from_be_bytes(*len));
        let row = rest.get(..len).ok_or_else(damaged)?;
        self.at += 2 + len;
        let id = row.first_chunk::<16>().ok_or_else(damaged)?;
        Ok(Some((FileId::from_bytes(*id), row)))
    }
}

/// Fills `out`; `false` if the file ends before.
fn read_whole(file: &mut impl Read, out: &mut [u8]) -> std::io::Result<bool> {
    match file.read_exact(out) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

/// Both files as one.
pub(super) struct Rows<'i> {
    base: Option<Runs>,
    /// A row of the larger file that waits for its turn.
    row: Option<(FileId, Vec<u8>)>,
    recent: Peekable<btree_map::Iter<'i, FileId, Vec<u8>>>,
}

impl Iterator for Rows<'_> {
    type Item = Result<Vec<u8>, Damaged>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.row.is_none()
            && let Some(base) = &mut self.base
        {
            match base.next_row() {
                Ok(Some((id, row))) => self.row = Some((id, row.to_vec())),
                Ok(None) => self.base = None,
                Err(unusable) => {
                    self.base = None;
                    return Some(Err(unusable.into()));
                }
            }
        }
        let newer = self.recent.peek().map(|(id, _)| **id);
        match (self.row.take(), newer) {
            (None, None) => None,
            (Some((id, row)), Some(newer)) if id == newer => {
                let (_, later) = self.recent.next()?;
                Some(Ok(entry::later(&row, later.clone())))
            }
            (Some((id, row)), Some(newer)) if id > newer => {
                self.row = Some((id, row));
                self.recent.next().map(|(_, row)| Ok(row.clone()))
            }
            (Some((_, row)), _) => Some(Ok(row)),
            (None, Some(_)) => self.recent.next().map(|(_, row)| Ok(row.clone())),
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
