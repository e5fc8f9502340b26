//! What a folder on this disk holds: regular files and empty folders; what is neither is left out and told of.

use super::journal::SourceIdentity;
use super::plan::SourceFile;
use crate::hash::sha256;
use crate::{Cancel, Error, Result};
use format::folder::{MEMBERS_MAX, MemberPath, TreeError, check_tree};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

/// Something that no folder is sent with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Where it is on this disk.
    pub path: PathBuf,
    /// Whether it is a symbolic link; else a pipe, a socket or a device.
    pub is_link: bool,
}

/// What will be sent.
pub(super) struct Tree {
    /// What the folder is called if nobody says otherwise.
    pub(super) name: String,
    pub(super) files: Vec<(MemberPath, SourceIdentity)>,
    pub(super) empty: Vec<MemberPath>,
    pub(super) skipped: Vec<Skipped>,
}

/// Looks at everything in the sources. Blocks.
pub(super) fn walk(sources: &[PathBuf], cancel: &Cancel) -> Result<Tree> {
    let mut tree = Tree { name: String::new(), files: Vec::new(), empty: Vec::new(), skipped: Vec::new() };
    match sources {
        // A link that a person names is the folder that it leads to.
        [one] if fs::metadata(one).map_err(Error::io("read", one))?.is_dir() => {
            let whole = one.canonicalize().map_err(Error::io("read", one))?;
            tree.name = whole.file_name().map_or(Ok("folder"), text)?.to_owned();
            tree.folder(&whole, "", cancel)?;
        }
        several => {
            for one in several {
                let whole = one.canonicalize().map_err(Error::io("read", one))?;
                let name =
                    one.file_name().or(whole.file_name()).ok_or_else(|| Error::NotAFile(one.clone()))?;
                if fs::metadata(&whole).map_err(Error::io("read", one))?.is_dir() {
                    tree.folder(&whole, text(name)?, cancel)?;
                } else {
                    tree.file(&whole, text(name)?)?;
                }
            }
            tree.name = match tree.files.len() {
                1 => "1 file".to_owned(),
                n => format!("{n} files"),
            };
        }
    }
    let paths = tree.files.iter().map(|(path, _)| path);
    check_tree(paths, tree.empty.iter()).map_err(Error::Folder)?;
    Ok(tree)
}

fn text(name: &OsStr) -> Result<&str> {
    name.to_str().ok_or_else(|| Error::NotUnicode(PathBuf::from(name)))
}

impl Tree {
    /// All that stands in a folder, in the order of its names; `at` is its path in the folder that is sent.
    fn folder(&mut self, folder: &Path, at: &str, cancel: &Cancel) -> Result<()> {
        let mut waiting = vec![(folder.to_path_buf(), at.to_owned())];
        while let Some((folder, at)) = waiting.pop() {
            if cancel.is_cancelled() {
                return Err(Error::Interrupted);
            }
            let entries = fs::read_dir(&folder).map_err(Error::io("read", &folder))?;
            let mut entries = entries.collect::<Result<Vec<_>, _>>().map_err(Error::io("read", &folder))?;
            entries.sort_by_key(fs::DirEntry::file_name);
            let mut is_empty = true;
            for entry in entries {
                let (path, name) = (entry.path(), entry.file_name());
                // Of the entry itself: links are not followed.
                let kind = entry.file_type().map_err(Error::io("read", &path))?;
                if !kind.is_dir() && !kind.is_file() {
                    self.skipped.push(Skipped { path, is_link: kind.is_symlink() });
                    continue;
                }
                is_empty = false;
                let name = name.to_str().ok_or_else(|| Error::NotUnicode(path.clone()))?;
                let inside = if at.is_empty() { name.to_owned() } else { format!("{at}/{name}") };
                if kind.is_dir() {
                    waiting.push((path, inside));
                } else {
                    self.file(&path, &inside)?;
                }
            }
            if is_empty && !at.is_empty() {
                self.empty.push(member_path(&folder, &at)?);
            }
        }
        Ok(())
    }

    fn file(&mut self, path: &Path, inside: &str) -> Result<()> {
        if self.files.len() == MEMBERS_MAX {
            return Err(Error::Folder(TreeError::TooMany));
        }
        self.files.push((member_path(path, inside)?, SourceFile::look(path)?));
        Ok(())
    }

    /// SHA-256 over all that is in it, as it is now.
    pub(super) fn digest(&self) -> Result<[u8; 32]> {
        let files: Vec<(&str, &SourceIdentity)> =
            self.files.iter().map(|(path, source)| (path.as_str(), source)).collect();
        let empty: Vec<&str> = self.empty.iter().map(MemberPath::as_str).collect();
        let text =
            serde_json::to_vec(&(files, empty)).map_err(|_| Error::Internal("a tree has no JSON form"))?;
        Ok(sha256(&[&text]))
    }
}

fn member_path(path: &Path, inside: &str) -> Result<MemberPath> {
    MemberPath::parse(inside).map_err(|_| Error::PathInFolder(path.to_path_buf()))
}
