//! One file as the index keeps it: what was verified of it, and what the server said when it was.

use crate::{BoxId, FileId, Role, RootId};

/// A row of the index. Written and read by this program alone, under a key of the person's own; read strictly all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry<'a> {
    pub(crate) file_id: FileId,
    pub(crate) state: State,
    /// Highest revision that verified; 0 if none ever did.
    pub(crate) revision: u64,
    /// Digest of the manifest of that revision.
    pub(crate) digest: [u8; 32],
    pub(crate) role: Role,
    pub(crate) compressed: bool,
    pub(crate) padded: bool,
    pub(crate) has_preview: bool,
    pub(crate) bytes: u64,
    pub(crate) body_len: u64,
    pub(crate) modified_ms: i64,
    pub(crate) created: i64,
    pub(crate) expires_at: i64,
    pub(crate) downloads: u32,
    pub(crate) max_downloads: Option<u32>,
    /// Who signed, and how they stood to the pins then.
    pub(crate) signed: Signed,
    /// Who passed it on, if it was not its author who shared it.
    pub(crate) passed: Option<Passed<'a>>,
    /// Nobody signed.
    pub(crate) is_anonymous: bool,
    /// The drop box of one's own that it came into.
    pub(crate) box_id: Option<BoxId>,
    pub(crate) name: &'a str,
    pub(crate) media_type: &'a str,
    pub(crate) address: &'a str,
}

/// Whether a file is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Listed,
    /// What the server showed last did not verify, or was older than what was seen before.
    Refused,
    /// Not in the list any more.
    Gone,
}

/// Roots as they were when the file was verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Signed {
    pub(crate) root: RootId,
    /// Root of the sender's newest bundle; another than `root` if that was retired.
    pub(crate) newest: RootId,
    /// The root that was pinned for the sender's address.
    pub(crate) pinned: Option<RootId>,
    /// The keys were not the pinned ones, and nothing linked them.
    pub(crate) changed: bool,
}

/// Who signed the grant in the place of the author.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Passed<'a> {
    pub(crate) signed: Signed,
    pub(crate) address: &'a str,
}

/// Longest text that is kept of a media type, bytes.
const KIND_MAX: usize = 255;

const GONE: u8 = 1;
const REFUSED: u8 = 1 << 1;
const AUTHOR: u8 = 1 << 2;
const COMPRESSED: u8 = 1 << 3;
const PADDED: u8 = 1 << 4;
const CHANGED: u8 = 1 << 5;
const PREVIEW: u8 = 1 << 6;
const ANONYMOUS: u8 = 1 << 7;
/// Where the flags stand.
const FLAGS_AT: usize = 16;
/// Where a tombstone ends.
const GONE_LEN: usize = 17;

impl<'a> Entry<'a> {
    /// A file of which only the id is known: refused before anything of it verified.
    pub(crate) fn refused(file_id: FileId) -> Self {
        let none = RootId::from_bytes([0; 32]);
        Self {
            file_id,
            state: State::Refused,
            revision: 0,
            digest: [0; 32],
            role: Role::Recipient,
            compressed: false,
            padded: false,
            has_preview: false,
            bytes: 0,
            body_len: 0,
            modified_ms: 0,
            created: 0,
            expires_at: i64::MAX,
            downloads: 0,
            max_downloads: None,
            signed: Signed { root: none, newest: none, pinned: None, changed: false },
            passed: None,
            is_anonymous: false,
            box_id: None,
            name: "",
            media_type: "",
            address: "",
        }
    }

    pub(crate) fn write(&self) -> Vec<u8> {
        let flag = |on: bool, flag: u8| if on { flag } else { 0 };
        let mut out = Vec::with_capacity(300);
        out.extend_from_slice(self.file_id.as_bytes());
        out.push(
            flag(self.state == State::Refused, REFUSED)
                | flag(self.role == Role::Author, AUTHOR)
                | flag(self.compressed, COMPRESSED)
                | flag(self.padded, PADDED)
                | flag(self.signed.changed, CHANGED)
                | flag(self.has_preview, PREVIEW)
                | flag(self.is_anonymous, ANONYMOUS),
        );
        out.extend_from_slice(&self.revision.to_be_bytes());
        out.extend_from_slice(&self.digest);
        out.extend_from_slice(&self.bytes.to_be_bytes());
        out.extend_from_slice(&self.body_len.to_be_bytes());
        for time in [self.modified_ms, self.created, self.expires_at] {
            out.extend_from_slice(&time.to_be_bytes());
        }
        out.extend_from_slice(&self.downloads.to_be_bytes());
        // 0 is no limit; a limit of 0 closes a file before it is there.
        out.extend_from_slice(&self.max_downloads.unwrap_or(0).to_be_bytes());
        out.extend_from_slice(self.signed.root.as_bytes());
        write_root(&mut out, Some(self.signed.newest), self.signed.root);
        write_root(&mut out, self.signed.pinned, self.signed.newest);
        out.push(u8::from(self.passed.is_some()));
        if let Some(Passed { signed, address }) = self.passed {
            out.extend_from_slice(signed.root.as_bytes());
            write_root(&mut out, Some(signed.newest), signed.root);
            write_root(&mut out, signed.pinned, signed.newest);
            out.push(u8::from(signed.changed));
            write_text(&mut out, address);
        }
        out.push(u8::from(self.box_id.is_some()));
        out.extend(self.box_id.iter().flat_map(|id| *id.as_bytes()));
        for text in [self.name, cut(self.media_type), self.address] {
            write_text(&mut out, text);
        }
        out
    }

    /// `None` for anything that [`Entry::write`] and [`gone`] do not make.
    pub(crate) fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut rest = Rest(bytes);
        let file_id = FileId::from_bytes(rest.array()?);
        let [flags] = rest.array()?;
        let has = |flag: u8| flags & flag != 0;
        if flags & GONE != 0 {
            let gone = Self { state: State::Gone, ..Self::refused(file_id) };
            return (flags == GONE && rest.0.is_empty()).then_some(gone);
        }
        let (revision, digest) = (u64::from_be_bytes(rest.array()?), rest.array()?);
        let (bytes, body_len) = (u64::from_be_bytes(rest.array()?), u64::from_be_bytes(rest.array()?));
        let mut time = || Some(i64::from_be_bytes(rest.array()?));
        let (modified_ms, created, expires_at) = (time()?, time()?, time()?);
        let (downloads, most) = (u32::from_be_bytes(rest.array()?), u32::from_be_bytes(rest.array()?));
        let root = RootId::from_bytes(rest.array()?);
        let newest = rest.root(root)??;
        let pinned = rest.root(newest)?;
        let passed = match rest.array()? {
            [0] => None,
            [1] => Some(rest.passed()?),
            _ => return None,
        };
        let box_id = match rest.array()? {
            [0] => None,
            [1] => Some(BoxId::from_bytes(rest.array()?)),
            _ => return None,
        };
        let (name, media_type, address) = (rest.text()?, rest.text()?, rest.text()?);
        rest.0.is_empty().then_some(Self {
            file_id,
            state: if has(REFUSED) { State::Refused } else { State::Listed },
            revision,
            digest,
            role: if has(AUTHOR) { Role::Author } else { Role::Recipient },
            compressed: has(COMPRESSED),
            padded: has(PADDED),
            has_preview: has(PREVIEW),
            bytes,
            body_len,
            modified_ms,
            created,
            expires_at,
            downloads,
            max_downloads: (most > 0).then_some(most),
            signed: Signed { root, newest, pinned, changed: has(CHANGED) },
            passed,
            is_anonymous: has(ANONYMOUS),
            box_id,
            name,
            media_type,
            address,
        })
    }
}

/// A file that is not in the list any more.
pub(crate) fn gone(file_id: FileId) -> Vec<u8> {
    let mut out = file_id.as_bytes().to_vec();
    out.push(GONE);
    debug_assert_eq!(out.len(), GONE_LEN);
    out
}

/// Of two rows of one file the one that counts: the later, unless it would take a revision back or put another manifest in the
/// place of one of the same number. Then the earlier stays, and is not listed until the server shows it again.
pub(crate) fn later(earlier: &[u8], later: Vec<u8>) -> Vec<u8> {
    let (Some(before), Some(now)) = (Entry::read(earlier), Entry::read(&later)) else { return later };
    if before.state == State::Gone || now.state == State::Gone {
        return later;
    }
    let is_older = now.revision < before.revision;
    let is_other = now.revision == before.revision && now.digest != before.digest;
    if !is_older && !is_other {
        return later;
    }
    let mut kept = earlier.to_vec();
    kept[FLAGS_AT] |= REFUSED;
    kept
}

/// 0: none. 1: the same as `like`. 2: the 32 bytes that follow.
fn write_root(out: &mut Vec<u8>, root: Option<RootId>, like: RootId) {
    match root {
        None => out.push(0),
        Some(root) if root == like => out.push(1),
        Some(root) => {
            out.push(2);
            out.extend_from_slice(root.as_bytes());
        }
    }
}

/// u16 length and bytes.
fn write_text(out: &mut Vec<u8>, text: &str) {
    let text = &text.as_bytes()[..text.len().min(usize::from(u16::MAX))];
    out.extend_from_slice(&u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes());
    out.extend_from_slice(text);
}

fn cut(text: &str) -> &str {
    let mut end = text.len().min(KIND_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    fn root(&mut self, like: RootId) -> Option<Option<RootId>> {
        match self.array()? {
            [0] => Some(None),
            [1] => Some(Some(like)),
            [2] => Some(Some(RootId::from_bytes(self.array()?))),
            _ => None,
        }
    }

    fn passed(&mut self) -> Option<Passed<'a>> {
        let root = RootId::from_bytes(self.array()?);
        let newest = self.root(root)??;
        let pinned = self.root(newest)?;
        let changed = match self.array()? {
            [0] => false,
            [1] => true,
            _ => return None,
        };
        Some(Passed { signed: Signed { root, newest, pinned, changed }, address: self.text()? })
    }

    fn text(&mut self) -> Option<&'a str> {
        let len = usize::from(u16::from_be_bytes(self.array()?));
        let (head, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        std::str::from_utf8(head).ok()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn sample(n: u8, revision: u64, name: &str) -> Entry<'_> {
        let root = RootId::from_bytes([7; 32]);
        Entry {
            state: State::Listed,
            revision,
            digest: [u8::try_from(revision).unwrap(); 32],
            bytes: u64::from(n),
            created: i64::from(n),
            signed: Signed { root, newest: root, pinned: None, changed: false },
            name,
            media_type: "text/plain",
            address: "bob@people.example",
            ..Entry::refused(FileId::from_bytes([n; 16]))
        }
    }

    #[test]
    fn every_row_comes_back() {
        let other = RootId::from_bytes([8; 32]);
        let plain = sample(1, 3, "plan.txt");
        let rows = [
            plain,
            Entry { role: Role::Author, compressed: true, padded: true, has_preview: true, ..plain },
            Entry { max_downloads: Some(3), downloads: 2, expires_at: -1, ..plain },
            Entry { signed: Signed { newest: other, pinned: Some(other), ..plain.signed }, ..plain },
            Entry { signed: Signed { pinned: Some(other), changed: true, ..plain.signed }, ..plain },
            Entry { is_anonymous: true, box_id: Some(BoxId::from_bytes([5; 16])), address: "", ..plain },
            Entry { passed: Some(Passed { signed: plain.signed, address: "carol@other.example" }), ..plain },
            Entry {
                passed: Some(Passed {
                    signed: Signed { newest: other, pinned: None, changed: true, ..plain.signed },
                    address: "",
                }),
                box_id: Some(BoxId::from_bytes([6; 16])),
                ..plain
            },
            Entry::refused(plain.file_id),
        ];
        for row in rows {
            assert_eq!(Entry::read(&row.write()), Some(row));
        }
        assert_eq!(Entry::read(&gone(plain.file_id)).map(|row| row.state), Some(State::Gone));
    }

    #[test]
    fn a_row_cut_short_lengthened_or_of_noise_is_none() {
        let row = sample(1, 1, "plan.txt").write();
        for end in 0..row.len() {
            assert_eq!(Entry::read(&row[..end]), None, "{end}");
        }
        assert_eq!(Entry::read(&[row, vec![0]].concat()), None);
        let mut state = 1_u64;
        for len in 0..400 {
            let noise: Vec<u8> = (0..len)
                .map(|_| {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    (state >> 56) as u8
                })
                .collect();
            let _ = Entry::read(&noise);
        }
    }

    #[test]
    fn a_very_long_media_type_is_cut_and_the_name_is_not() {
        let long = "é".repeat(400);
        let name = "n".repeat(255);
        let row = Entry { media_type: &long, ..sample(1, 1, &name) }.write();
        let back = Entry::read(&row).unwrap();
        assert_eq!((back.name.len(), back.media_type.len()), (255, 254));
    }

    #[test]
    fn a_revision_is_never_taken_back() {
        let at = |revision| sample(1, revision, "x").write();
        let state = |row: Vec<u8>| Entry::read(&row).map(|row| (row.revision, row.state)).unwrap();
        assert_eq!(state(later(&at(1), at(2))), (2, State::Listed));
        assert_eq!(state(later(&at(2), at(2))), (2, State::Listed));
        assert_eq!(state(later(&at(2), at(1))), (2, State::Refused), "an older one");
        let other = Entry { digest: [9; 32], ..sample(1, 2, "x") }.write();
        assert_eq!(state(later(&at(2), other)), (2, State::Refused), "another of the same number");
        let refused = later(&at(2), at(1));
        assert_eq!(state(later(&refused, at(2))), (2, State::Listed), "shown again");
        assert_eq!(state(later(&refused, at(1))), (2, State::Refused), "and not by the older one");
        let unread = Entry::refused(FileId::from_bytes([1; 16])).write();
        assert_eq!(state(later(&at(2), unread)), (2, State::Refused));
        assert_eq!(
            Entry::read(&later(&at(2), gone(FileId::from_bytes([1; 16])))).unwrap().state,
            State::Gone
        );
    }
}
