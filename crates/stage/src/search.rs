//! The search for what leaked: many byte strings, in every file below some folders, in one pass.

use crate::{Doing, StageError};
use aho_corasick::{AhoCorasick, MatchKind};
use std::fs::File;
use std::path::{Path, PathBuf};

/// A byte string that must not be found, and what it is in words.
struct Needle {
    what: String,
    bytes: Vec<u8>,
}

/// What was found, and where.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found {
    /// The needle, in words.
    pub what: String,
    /// The file.
    pub path: PathBuf,
}

/// How much was searched.
#[derive(Default)]
pub struct Searched {
    /// Plain files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Needles shorter than this would be found by chance.
const SHORTEST: usize = 6;

/// Everything that must not be found, each also in hex and base64.
#[derive(Default)]
pub struct Needles(Vec<Needle>);

impl Needles {
    /// Adds a byte string and its usual spellings.
    ///
    /// # Panics
    /// When it is so short that chance would find it.
    pub fn add(&mut self, what: &str, bytes: &[u8]) {
        assert!(bytes.len() >= SHORTEST, "a needle of {} bytes is found by chance", bytes.len());
        let mut push = |how: &str, bytes: Vec<u8>| {
            let what = if how.is_empty() { what.to_owned() } else { format!("{what} ({how})") };
            // Two spellings may be one (hex of digits has no capitals); one of them is enough.
            if self.0.iter().all(|known| known.bytes != bytes) {
                self.0.push(Needle { what, bytes });
            }
        };
        push("", bytes.to_vec());
        push("hex", hex(bytes).into_bytes());
        push("HEX", hex(bytes).to_uppercase().into_bytes());
        for spelled in base64_inner(bytes) {
            push("base64", spelled);
        }
        let wide: Vec<u8> = bytes.iter().flat_map(|byte| [*byte, 0]).collect();
        push("UTF-16", wide);
    }

    /// Adds a text, if it says enough to be looked for.
    pub fn add_text(&mut self, what: &str, text: &str) {
        if text.len() >= SHORTEST {
            self.add(what, text.as_bytes());
        }
    }

    /// Searches every file below the folders; finds each needle at most once a file.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn search(&self, places: &[&Path]) -> Result<(Vec<Found>, Searched), StageError> {
        let automaton = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .build(self.0.iter().map(|needle| &needle.bytes))
            .map_err(|error| StageError::Unexpected(format!("the search could not be built: {error}")))?;
        let mut found = Vec::new();
        let mut searched = Searched::default();
        for place in places {
            for path in files_below(place)? {
                let file = File::open(&path).doing("opening a file to search")?;
                searched.files += 1;
                searched.bytes += file.metadata().doing("looking at a file to search")?.len();
                for hit in automaton.stream_find_iter(file) {
                    let hit = hit.doing("searching a file")?;
                    found.push(Found {
                        what: self.0[hit.pattern().as_usize()].what.clone(),
                        path: path.clone(),
                    });
                }
            }
        }
        found.sort();
        found.dedup();
        Ok((found, searched))
    }

    /// Proves that the search can find: plants each needle in a file of its own kind, and looks. Returns how many there are.
    ///
    /// # Errors
    /// [`StageError::Broken`] when the search is blind to one of them.
    pub fn finds_planted_copies(&self, folder: &Path) -> Result<usize, StageError> {
        std::fs::create_dir_all(folder).doing("making a folder for planted copies")?;
        let path = folder.join("planted");
        for needle in &self.0 {
            // Across the border of the pieces that a reader takes, where a careless search goes blind.
            let mut bytes = vec![b'.'; (64 << 10) - needle.bytes.len() / 2];
            bytes.extend_from_slice(&needle.bytes);
            bytes.extend_from_slice(&[b'.'; 100]);
            std::fs::write(&path, bytes).doing("planting a copy")?;
            let (found, _) = self.search(&[folder])?;
            if !found.iter().any(|found| found.what == needle.what) {
                return Err(StageError::Broken(format!(
                    "the search is blind to a planted copy: {}",
                    needle.what
                )));
            }
        }
        std::fs::remove_dir_all(folder).doing("removing the planted copies")?;
        Ok(self.0.len())
    }
}

/// Every plain file below a folder, or the file itself.
fn files_below(place: &Path) -> Result<Vec<PathBuf>, StageError> {
    let mut files = Vec::new();
    let mut open = vec![place.to_owned()];
    while let Some(path) = open.pop() {
        let meta = std::fs::symlink_metadata(&path).doing("looking at a place to search")?;
        if meta.is_dir() {
            for entry in std::fs::read_dir(&path).doing("listing a folder to search")? {
                open.push(entry.doing("listing a folder to search")?.path());
            }
        } else if meta.is_file() {
            files.push(path);
        }
    }
    Ok(files)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The characters that stand for these bytes inside a longer base64 text, at each of the three alignments;
/// both alphabets where they differ. Characters that also depend on the neighbours are left out.
fn base64_inner(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut spellings = Vec::new();
    for alphabet in [b"+/", b"-_"] {
        for shift in 0..3 {
            let bits = bytes.len() * 8;
            let first = (6 - shift * 8 % 6) % 6;
            let text: Vec<u8> = (0..)
                .map(|i| first + i * 6)
                .take_while(|at| at + 6 <= bits)
                .map(|at| base64_char(six_bits(bytes, at), *alphabet))
                .collect();
            if text.len() >= SHORTEST && !spellings.contains(&text) {
                spellings.push(text);
            }
        }
    }
    spellings
}

fn six_bits(bytes: &[u8], at: usize) -> u8 {
    (at..at + 6).fold(0, |sextet, bit| sextet << 1 | (bytes[bit / 8] >> (7 - bit % 8) & 1))
}

fn base64_char(sextet: u8, last_two: [u8; 2]) -> u8 {
    match sextet {
        0..26 => b'A' + sextet,
        26..52 => b'a' + sextet - 26,
        52..62 => b'0' + sextet - 52,
        62 => last_two[0],
        _ => last_two[1],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_is_found_where_it_was_planted() {
        let dir = tempfile::tempdir().unwrap();
        let mut needles = Needles::default();
        needles.add("mark", b"\xff\xfecanary-1234567890");
        needles.finds_planted_copies(&dir.path().join("p")).unwrap();
    }

    #[test]
    fn base64_of_a_longer_text_holds_the_inner_spelling_at_each_alignment() {
        // "xyz", "_xyz", "__xyz" around the needle, spelled by hand with a known encoder's rules.
        let needle = b"needle-in-a-haystack";
        for before in 0..3_usize {
            let mut text = vec![b'#'; before];
            text.extend_from_slice(needle);
            text.extend_from_slice(b"##");
            let whole: Vec<u8> =
                (0..text.len() * 8 / 6).map(|i| base64_char(six_bits(&text, i * 6), *b"+/")).collect();
            assert!(
                base64_inner(needle).iter().any(|inner| whole.windows(inner.len()).any(|w| w == inner)),
                "alignment {before}"
            );
        }
    }

    #[test]
    fn spellings_that_are_the_same_do_not_hide_each_other() {
        let dir = tempfile::tempdir().unwrap();
        let mut needles = Needles::default();
        needles.add_text("passphrase", "0123456789 0123456789");
        needles.add_text("the same again", "0123456789 0123456789");
        needles.finds_planted_copies(&dir.path().join("p")).unwrap();
    }

    #[test]
    fn nothing_is_found_where_nothing_is() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a"), vec![7; 300_000]).unwrap();
        let mut needles = Needles::default();
        needles.add("mark", b"canary-1234567890");
        let (found, searched) = needles.search(&[dir.path()]).unwrap();
        assert!(found.is_empty());
        assert_eq!((searched.files, searched.bytes), (1, 300_000));
    }
}
