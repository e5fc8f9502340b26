//! Paths inside a folder, and which of them cannot stand side by side.

use std::fmt;

use envelope::ParseError;
use unicode_normalization::UnicodeNormalization;

use super::{FOLDERS_MAX, MEMBERS_MAX};
use crate::FileName;

/// Longest path in bytes of UTF-8.
const PATH_MAX: usize = 2_048;
/// Most names in one path.
const PARTS_MAX: usize = 64;

/// A place in a folder: 1 to 64 file names with `/` between them, at most 2,048 bytes, never leading out of it. Debug prints no
/// part of it.
///
/// It is what the author wrote; before creating anything see [`super::safe_paths`].
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MemberPath(String);

impl MemberPath {
    /// Takes names of local files with `/` between them: composes them (NFC), then checks them.
    pub fn parse(path: &str) -> Result<Self, ParseError> {
        Self::from_sealed(&path.nfc().collect::<String>())
    }

    /// Takes a path as it is sealed, composed or not.
    pub(super) fn from_sealed(path: &str) -> Result<Self, ParseError> {
        let legal = path.len() <= PATH_MAX
            && path.split('/').count() <= PARTS_MAX
            && path.split('/').all(|name| FileName::from_sealed(name).is_ok());
        if legal { Ok(Self(path.to_owned())) } else { Err(ParseError::Spelling { field: "path" }) }
    }

    /// The path as text. Never log it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The names that it is made of, the outermost first.
    pub fn parts(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }
}

impl fmt::Debug for MemberPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[path]")
    }
}

/// Why files cannot be one folder.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TreeError {
    /// Two names that are one where upper and lower case, or two ways to write a letter, are not told apart.
    #[error("two names in it differ in upper and lower case alone, or not at all")]
    SameName(MemberPath, MemberPath),
    /// More than 50,000 files or folders.
    #[error("it holds more than 50,000 files or folders")]
    TooMany,
    /// The same file twice.
    #[error("it names a file twice")]
    SameFile,
    /// A list of more than 16 MiB.
    #[error("its names are too long all together")]
    TooLong,
}

/// Checks paths of members and of empty folders, in any order: no two are one after NFC and case folding, and nothing stands in
/// a folder of the name of a file, or in an empty one.
pub fn check_tree<'a>(
    members: impl Iterator<Item = &'a MemberPath>,
    empty: impl Iterator<Item = &'a MemberPath>,
) -> Result<(), TreeError> {
    let mut all: Vec<(String, &MemberPath)> = Vec::new();
    let mut counted = 0;
    for path in members {
        counted += 1;
        if counted > MEMBERS_MAX {
            return Err(TreeError::TooMany);
        }
        all.push((key(path), path));
    }
    let mut folders = 0;
    for path in empty {
        folders += 1;
        if folders > FOLDERS_MAX {
            return Err(TreeError::TooMany);
        }
        all.push((key(path), path));
    }
    all.sort_unstable();
    // What stands under a name comes right behind that name: NUL is less than all that a name holds.
    for two in all.windows(2) {
        let [(one, first), (other, second)] = two else { continue };
        let under =
            other.strip_prefix(one.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('\0'));
        if under {
            return Err(TreeError::SameName((*first).clone(), (*second).clone()));
        }
        folders += new_folders(one, other);
    }
    folders += all.first().map_or(0, |(first, _)| new_folders("", first));
    if folders > FOLDERS_MAX { Err(TreeError::TooMany) } else { Ok(()) }
}

/// The folders of `next` that are not folders of `before`, which comes right before it.
fn new_folders(before: &str, next: &str) -> usize {
    let folders = |path: &str| path.matches('\0').count();
    let mut before = before.split('\0');
    let shared = next.split('\0').take_while(|name| before.next() == Some(*name)).count();
    folders(next).saturating_sub(shared)
}

/// What a path is compared by: its names folded, NUL between them.
fn key(path: &MemberPath) -> String {
    let mut out = String::with_capacity(path.0.len());
    for (n, name) in path.parts().enumerate() {
        if n > 0 {
            out.push('\0');
        }
        out.push_str(&fold(name));
    }
    out
}

/// A name as a file system sees it that tells neither case nor composition apart: composed, mapped to upper case and
/// back to lower case letter by letter, and composed again.
pub(super) fn fold(name: &str) -> String {
    name.nfc().flat_map(char::to_uppercase).flat_map(char::to_lowercase).nfc().collect()
}
