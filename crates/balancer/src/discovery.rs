//! Which servers there are: a fixed list, or a file that is read again when it changes.

use std::collections::HashSet;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::target::{BadTarget, Target};

/// The longest list of servers that is read, octets.
const FILE_MAX: u64 = 256 << 10;

/// Why a list of servers cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListError {
    /// The file.
    #[error("{} cannot be read", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A line that is no server.
    #[error(transparent)]
    Target(#[from] BadTarget),
    /// Nothing in it.
    #[error("the list names no server")]
    Empty,
}

/// Says which servers there are. `read` is asked at the start and whenever `has_changed` says so, about once a second; a list
/// that cannot be read then leaves the last one in force.
pub(crate) trait Discovery: Send + Sync {
    /// The servers, each once, in the order in which they are named.
    fn read(&mut self) -> Result<Vec<Target>, ListError>;

    /// Whether there may be something new since the last `read`.
    fn has_changed(&self) -> bool;
}

/// Servers that are named once.
pub(crate) struct Fixed(pub(crate) Vec<Target>);

impl Discovery for Fixed {
    fn read(&mut self) -> Result<Vec<Target>, ListError> {
        distinct(self.0.clone())
    }

    fn has_changed(&self) -> bool {
        false
    }
}

/// Servers that a file names: one on each line, `#` begins a remark.
pub(crate) struct Listed {
    path: PathBuf,
    seen: Option<Mark>,
}

impl Listed {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, seen: None }
    }
}

impl Discovery for Listed {
    fn read(&mut self) -> Result<Vec<Target>, ListError> {
        // The mark is taken first: what is written while the file is read is seen the next time.
        self.seen = Mark::of(&self.path);
        let text =
            read_bounded(&self.path).map_err(|source| ListError::File { path: self.path.clone(), source })?;
        parse(&text)
    }

    fn has_changed(&self) -> bool {
        Mark::of(&self.path) != self.seen
    }
}

/// What a file is recognised by without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    inode: u64,
    len: u64,
    modified: (i64, i64),
}

impl Mark {
    pub(crate) fn of(path: &Path) -> Option<Self> {
        let from = |meta: Metadata| Self {
            inode: meta.ino(),
            len: meta.len(),
            modified: (meta.mtime(), meta.mtime_nsec()),
        };
        std::fs::metadata(path).ok().map(from)
    }
}

fn read_bounded(path: &Path) -> io::Result<String> {
    use io::Read as _;
    let mut text = String::new();
    std::fs::File::open(path)?.take(FILE_MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > FILE_MAX {
        return Err(io::Error::other("the list is too long"));
    }
    Ok(text)
}

fn parse(text: &str) -> Result<Vec<Target>, ListError> {
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default());
    let pieces = lines.flat_map(|line| line.split([',', ' ', '\t'])).filter(|piece| !piece.trim().is_empty());
    distinct(pieces.map(str::parse).collect::<Result<_, _>>()?)
}

fn distinct(targets: Vec<Target>) -> Result<Vec<Target>, ListError> {
    let mut seen = HashSet::new();
    let once: Vec<Target> = targets.into_iter().filter(|target| seen.insert(target.clone())).collect();
    if once.is_empty() { Err(ListError::Empty) } else { Ok(once) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(targets: &[Target]) -> Vec<String> {
        targets.iter().map(Target::to_string).collect()
    }

    #[test]
    fn a_list_names_each_server_once_and_knows_remarks() {
        let text =
            "# the three\nhttps://127.0.0.1:8443\n\nhttps://127.0.0.1:8444 # new\nhttps://127.0.0.1:8443\n";
        assert_eq!(shown(&parse(text).unwrap()), ["127.0.0.1:8443", "127.0.0.1:8444"]);
    }

    #[test]
    fn an_empty_list_and_a_wrong_line_are_refused() {
        assert!(matches!(parse("# none\n"), Err(ListError::Empty)));
        assert!(matches!(parse("https://one.example\nhttp://two.example\n"), Err(ListError::Target(_))));
    }

    #[test]
    fn a_file_says_when_it_changed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("servers");
        std::fs::write(&path, "https://127.0.0.1:1").unwrap();
        let mut list = Listed::new(path.clone());
        assert!(list.has_changed());
        list.read().unwrap();
        assert!(!list.has_changed());
        std::fs::write(&path, "https://127.0.0.1:1\nhttps://127.0.0.1:2").unwrap();
        assert!(list.has_changed());
        assert_eq!(list.read().unwrap().len(), 2);
    }
}
