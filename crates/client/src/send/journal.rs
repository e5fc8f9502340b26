//! The journal of one upload: what must survive this process so that the very same sealed bytes can be made again.
//!
//! `WXWGJR01 ‖ len 4 ‖ header (JSON) ‖ SHA-256 of all before`, then records
//! `kind 1 ‖ n 4 ‖ len 4 ‖ payload ‖ first 8 bytes of SHA-256(file id ‖ record so far)`. Kind 1 holds IV and leaf of
//! every segment of part n, durable before the part is first sent; kind 2 the request that makes the file appear,
//! durable before it is first made. A last record that is not whole was never acted upon and is cut off.

use crate::hash::sha256;
use crate::home::{check_private, sync_folder};
use crate::{Address, Error, FileId, RecipientId, Result, UserId};
use envelope::merkle::{self, Node};
use envelope::{BodyShape, PartShape};
use format::SegmentRecord;
use proto::{B64, BoxId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 8] = b"WXWGJR01";
const HEADER_MAX: usize = 256 << 10;
const RECORD_HEAD: usize = 9;
const CHECK: usize = 8;
const PART: u8 = 1;
const COMPLETE: u8 = 2;
const COMPLETE_MAX: usize = 8 << 20;

/// Which file is being sent, as the file system knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SourceIdentity {
    /// Canonical path.
    pub(crate) path: PathBuf,
    pub(crate) size: u64,
    pub(crate) mtime_ns: i64,
    pub(crate) device: u64,
    pub(crate) inode: u64,
}

/// The journal's first entry.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Header {
    pub(crate) file_id: FileId,
    /// Over everything that the request asks for: only the same request goes on with this journal.
    pub(crate) request: B64,
    /// The origin that holds the parts.
    pub(crate) server: String,
    pub(crate) user_id: UserId,
    /// The drop box that it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) box_id: Option<BoxId>,
    pub(crate) source: SourceIdentity,
    pub(crate) name: String,
    pub(crate) to: Vec<Address>,
    /// Bare keys.
    #[serde(default)]
    pub(crate) to_keys: Vec<RecipientId>,
    pub(crate) part_len: u64,
    pub(crate) body_len: u64,
    /// Bytes after compression, before padding.
    pub(crate) stored: u64,
    pub(crate) compressed: bool,
    /// The payload's 74-byte header.
    pub(crate) payload_header: B64,
    /// The file key, sealed under the vault's journal key.
    pub(crate) sealed_key: B64,
    pub(crate) begun: i64,
}

impl Header {
    /// How the body is cut; a journal that contradicts itself is damaged.
    pub(crate) fn shapes(&self) -> Option<(BodyShape, PartShape)> {
        Some((BodyShape::from_body_len(self.body_len).ok()?, PartShape::from_part_len(self.part_len).ok()?))
    }
}

/// Where the records of a part stand, and its node.
#[derive(Clone, Copy, Debug)]
struct PartEntry {
    at: u64,
    count: usize,
    node: Node,
}

/// An open journal, locked against every other process until dropped.
#[derive(Debug)]
pub(crate) struct Journal {
    file: File,
    path: PathBuf,
    pub(crate) header: Header,
    parts: BTreeMap<u32, PartEntry>,
    complete: Option<Vec<u8>>,
    end: u64,
}

/// Why a journal could not be opened.
#[derive(Debug)]
pub(crate) enum Unusable {
    /// Another process is at it.
    Locked,
    /// It is not a journal, or a damaged one.
    Damaged,
    /// The file system says no.
    Failed(Error),
}

impl From<Error> for Unusable {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl Journal {
    /// Makes the journal of a new upload, durable when this returns.
    pub(crate) fn create(folder: &Path, header: Header) -> Result<Self> {
        let path = folder.join(format!("{}.wxj", header.file_id));
        let failed = |error| Error::io("write", &path)(error);
        let text =
            serde_json::to_vec(&header).map_err(|_| Error::Internal("a journal header has no JSON form"))?;
        let len = u32::try_from(text.len()).map_err(|_| Error::Internal("a journal header is too long"))?;
        let mut bytes = [MAGIC.as_slice(), &len.to_be_bytes(), &text].concat();
        let digest = sha256(&[&bytes]);
        bytes.extend_from_slice(&digest);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(failed)?;
        file.try_lock().map_err(|_| Error::UploadRunning)?;
        file.write_all(&bytes).and_then(|()| file.sync_all()).map_err(failed)?;
        sync_folder(folder)?;
        let end = bytes.len() as u64;
        Ok(Self { file, path, header, parts: BTreeMap::new(), complete: None, end })
    }

    /// Opens a journal and reads all of it; a torn end is cut off.
    pub(crate) fn open(path: &Path) -> Result<Self, Unusable> {
        let file = OpenOptions::new().read(true).write(true).open(path).map_err(Error::io("open", path))?;
        check_private(&file, path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Unusable::Locked),
            Err(TryLockError::Error(error)) => return Err(Error::io("lock", path)(error).into()),
        }
        let mut journal = Self::read(file, path)?;
        journal.file.set_len(journal.end).map_err(Error::io("write", path))?;
        journal.file.seek(SeekFrom::Start(journal.end)).map_err(Error::io("read", path))?;
        Ok(journal)
    }

    /// Reads a journal without locking it, for listings. Says as well whether somebody holds its lock.
    pub(crate) fn peek(path: &Path) -> Result<(Self, bool), Unusable> {
        let file = File::open(path).map_err(Error::io("open", path))?;
        check_private(&file, path)?;
        let running = file.try_lock_shared().is_err();
        Ok((Self::read(file, path)?, running))
    }

    fn read(file: File, path: &Path) -> Result<Self, Unusable> {
        let failed = |error| Unusable::Failed(Error::io("read", path)(error));
        let total = file.metadata().map_err(failed)?.len();
        let mut input = io::BufReader::with_capacity(64 << 10, &file);
        let (header, start) = read_header(&mut input).map_err(failed)?.ok_or(Unusable::Damaged)?;
        let (body, cut) = header.shapes().ok_or(Unusable::Damaged)?;
        let mut parts = BTreeMap::new();
        let mut complete = None;
        let mut end = start;
        while let Some(record) = read_record(&mut input, &header, total - end).map_err(failed)? {
            match record.kind {
                PART => {
                    let wanted = cut.segments_of(body, record.n);
                    let records = decode(&record.payload).ok_or(Unusable::Damaged)?;
                    let node = node_of(&records).ok_or(Unusable::Damaged)?;
                    if records.len() as u64 != wanted.end - wanted.start {
                        return Err(Unusable::Damaged);
                    }
                    parts.insert(
                        record.n,
                        PartEntry { at: end + RECORD_HEAD as u64, count: records.len(), node },
                    );
                }
                COMPLETE => complete = Some(record.payload),
                _ => return Err(Unusable::Damaged),
            }
            end += record.len;
        }
        drop(input);
        Ok(Self { file, path: path.to_path_buf(), header, parts, complete, end })
    }

    /// The node of a part that was recorded.
    pub(crate) fn node(&self, n: u32) -> Option<Node> {
        self.parts.get(&n).map(|entry| entry.node)
    }

    /// Parts that were recorded.
    pub(crate) fn recorded(&self) -> u64 {
        self.parts.len() as u64
    }

    /// IV and leaf of every segment of a recorded part.
    pub(crate) fn records(&self, n: u32) -> Result<Option<Vec<SegmentRecord>>> {
        let Some(entry) = self.parts.get(&n) else { return Ok(None) };
        let mut bytes = vec![0; entry.count * SegmentRecord::LEN];
        self.file.read_exact_at(&mut bytes, entry.at).map_err(Error::io("read", &self.path))?;
        decode(&bytes).ok_or(Error::Internal("a journal record changed its length")).map(Some)
    }

    /// Records a part: durable when this returns, so that the part may be sent.
    ///
    /// A part is recorded once: its sealed bytes never change afterwards.
    pub(crate) fn record_part(&mut self, n: u32, records: &[SegmentRecord]) -> Result<Node> {
        if self.parts.contains_key(&n) {
            return Err(Error::Internal("a part was sealed twice"));
        }
        let node = node_of(records).ok_or(Error::Internal("a part without segments"))?;
        let payload: Vec<u8> = records.iter().flat_map(SegmentRecord::to_bytes).collect();
        let at = self.append(PART, n, &payload)?;
        self.parts.insert(n, PartEntry { at, count: records.len(), node });
        Ok(node)
    }

    /// Records the request that makes the file appear: durable when this returns, so that it may be made.
    pub(crate) fn record_complete(&mut self, request: &[u8]) -> Result<()> {
        self.append(COMPLETE, 0, request)?;
        self.complete = Some(request.to_vec());
        Ok(())
    }

    /// The recorded request, to be repeated byte for byte.
    pub(crate) fn complete(&self) -> Option<&[u8]> {
        self.complete.as_deref()
    }

    /// Removes the journal: the upload is done, gone or given up.
    pub(crate) fn remove(self) -> Result<()> {
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Error::io("remove", &self.path)(error))
            }
            _ => Ok(()),
        }
    }

    fn append(&mut self, kind: u8, n: u32, payload: &[u8]) -> Result<u64> {
        let failed = |path: &Path, error| Error::io("write", path)(error);
        let len =
            u32::try_from(payload.len()).map_err(|_| Error::Internal("a journal record is too long"))?;
        let mut record = Vec::with_capacity(RECORD_HEAD + payload.len() + CHECK);
        record.push(kind);
        record.extend_from_slice(&n.to_be_bytes());
        record.extend_from_slice(&len.to_be_bytes());
        record.extend_from_slice(payload);
        let check = sha256(&[self.header.file_id.as_bytes(), &record]);
        record.extend_from_slice(&check[..CHECK]);
        let written = self.file.write_all_at(&record, self.end).and_then(|()| self.file.sync_data());
        written.map_err(|error| failed(&self.path, error))?;
        let at = self.end + RECORD_HEAD as u64;
        self.end += record.len() as u64;
        Ok(at)
    }
}

/// The header of a journal, without lock and without reading on; `None` if it is not one that can be used.
pub(crate) fn peek_header(path: &Path) -> Option<Header> {
    let file = File::open(path).ok()?;
    check_private(&file, path).ok()?;
    read_header(&mut io::BufReader::new(file)).ok()?.map(|(header, _)| header)
}

/// The node over a part's leaves.
pub(crate) fn node_of(records: &[SegmentRecord]) -> Option<Node> {
    let mut over = merkle::Accumulator::new();
    records.iter().for_each(|record| over.push(record.leaf()));
    over.root()
}

struct Record {
    kind: u8,
    n: u32,
    payload: Vec<u8>,
    len: u64,
}

fn read_header(input: &mut impl Read) -> io::Result<Option<(Header, u64)>> {
    let mut head = [0; 12];
    if !filled(input, &mut head)? || &head[..8] != MAGIC {
        return Ok(None);
    }
    let len = u32::from_be_bytes([head[8], head[9], head[10], head[11]]) as usize;
    if len > HEADER_MAX {
        return Ok(None);
    }
    let mut text = vec![0; len];
    let mut digest = [0; 32];
    if !filled(input, &mut text)? || !filled(input, &mut digest)? || sha256(&[&head, &text]) != digest {
        return Ok(None);
    }
    Ok(serde_json::from_slice(&text).ok().map(|header| (header, (head.len() + len + digest.len()) as u64)))
}

/// The next whole record of the `rest` bytes; `None` at the end or where the file is torn.
fn read_record(input: &mut impl Read, header: &Header, rest: u64) -> io::Result<Option<Record>> {
    let mut head = [0; RECORD_HEAD];
    if !filled(input, &mut head)? {
        return Ok(None);
    }
    let n = u32::from_be_bytes([head[1], head[2], head[3], head[4]]);
    let len = u32::from_be_bytes([head[5], head[6], head[7], head[8]]) as usize;
    let whole = (RECORD_HEAD + len + CHECK) as u64;
    if whole > rest || (head[0] == COMPLETE && len > COMPLETE_MAX) {
        return Ok(None);
    }
    let mut payload = vec![0; len];
    let mut check = [0; CHECK];
    if !filled(input, &mut payload)? || !filled(input, &mut check)? {
        return Ok(None);
    }
    if sha256(&[header.file_id.as_bytes(), &head, &payload])[..CHECK] != check {
        return Ok(None);
    }
    Ok(Some(Record { kind: head[0], n, payload, len: whole }))
}

fn filled(input: &mut impl Read, out: &mut [u8]) -> io::Result<bool> {
    match input.read_exact(out) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

fn decode(payload: &[u8]) -> Option<Vec<SegmentRecord>> {
    let (records, rest) = payload.as_chunks::<{ SegmentRecord::LEN }>();
    rest.is_empty().then(|| records.iter().map(SegmentRecord::from_bytes).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        Header {
            file_id: FileId::from_bytes([7; 16]),
            request: B64(vec![1; 32]),
            server: "https://s.example".into(),
            user_id: UserId::from_bytes([8; 16]),
            box_id: None,
            source: SourceIdentity { path: "/x".into(), size: 5, mtime_ns: 1, device: 2, inode: 3 },
            name: "x".into(),
            to: Vec::new(),
            to_keys: Vec::new(),
            part_len: 1 << 20,
            body_len: 9 * (1 << 18),
            stored: 5,
            compressed: false,
            payload_header: B64(vec![0; 74]),
            sealed_key: B64(vec![0; 138]),
            begun: 0,
        }
    }

    fn records(count: usize, seed: u8) -> Vec<SegmentRecord> {
        (0..count)
            .map(|n| SegmentRecord::from_bytes(&[seed.wrapping_add(u8::try_from(n).unwrap()); 44]))
            .collect()
    }

    fn written() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let mut journal = Journal::create(folder.path(), header()).unwrap();
        journal.record_part(0, &records(4, 1)).unwrap();
        journal.record_part(2, &records(1, 9)).unwrap();
        let path = journal.path.clone();
        (folder, path)
    }

    #[test]
    fn what_was_recorded_is_there_after_reopening() {
        let (_keep, path) = written();
        let mut journal = Journal::open(&path).unwrap();
        assert_eq!(journal.records(0).unwrap().unwrap(), records(4, 1));
        assert_eq!(journal.records(2).unwrap().unwrap(), records(1, 9));
        assert!(journal.records(1).unwrap().is_none());
        assert_eq!(journal.node(2), node_of(&records(1, 9)));
        journal.record_part(1, &records(4, 5)).unwrap();
        journal.record_complete(b"{}").unwrap();
        drop(journal);
        let journal = Journal::open(&path).unwrap();
        assert_eq!((journal.recorded(), journal.complete()), (3, Some(b"{}".as_slice())));
    }

    #[test]
    fn a_torn_last_record_is_dropped_at_every_length_and_can_be_written_anew() {
        let (_keep, path) = written();
        let whole = std::fs::read(&path).unwrap();
        let last = RECORD_HEAD + SegmentRecord::LEN + CHECK;
        for cut in 1..=last {
            std::fs::write(&path, &whole[..whole.len() - cut]).unwrap();
            let mut journal = Journal::open(&path).unwrap();
            assert_eq!(journal.recorded(), 1, "cut by {cut}");
            journal.record_part(2, &records(1, 9)).unwrap();
            drop(journal);
            assert_eq!(std::fs::read(&path).unwrap(), whole);
        }
    }

    #[test]
    fn a_flipped_bit_in_a_record_ends_the_journal_before_it() {
        let (_keep, path) = written();
        let mut bytes = std::fs::read(&path).unwrap();
        let last = bytes.len() - CHECK - 1;
        bytes[last] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(Journal::open(&path).unwrap().recorded(), 1);
    }

    #[test]
    fn a_damaged_header_is_refused() {
        let (_keep, path) = written();
        let whole = std::fs::read(&path).unwrap();
        for at in [0, 9, 40] {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            std::fs::write(&path, &bytes).unwrap();
            assert!(matches!(Journal::open(&path), Err(Unusable::Damaged)), "byte {at}");
        }
    }

    #[test]
    fn a_second_holder_is_kept_out() {
        let (_keep, path) = written();
        let _held = Journal::open(&path).unwrap();
        assert!(matches!(Journal::open(&path), Err(Unusable::Locked)));
        assert!(Journal::peek(&path).unwrap().1);
    }

    #[test]
    fn a_part_is_never_recorded_twice() {
        let (_keep, path) = written();
        assert!(Journal::open(&path).unwrap().record_part(0, &records(4, 2)).is_err());
    }

    #[test]
    fn a_journal_that_others_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let (_keep, path) = written();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(Journal::open(&path), Err(Unusable::Failed(Error::ReadableByOthers { .. }))));
    }
}
