//! Receiving: check the signatures, fetch in parts, open what is proven, rename at the end.

use std::io::Write;
use std::path::PathBuf;

/// Where the file goes.
pub enum Target {
    /// To this path.
    File {
        /// Path of the file; its folder must exist.
        path: PathBuf,
        /// Whether an existing file may be replaced.
        overwrite: bool,
    },
    /// Into this folder, under the sealed name made safe.
    Directory {
        /// The folder.
        path: PathBuf,
        /// What to do when the name is taken.
        on_conflict: OnConflict,
    },
    /// In order into a writer (a pipe); every byte is authenticated before it is written, the end only at the end.
    Writer(Box<dyn Write + Send>),
}

/// What to do when a name is taken in the folder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnConflict {
    /// [`crate::Error::TargetExists`].
    #[default]
    Refuse,
    /// `name (1).ext`, `name (2).ext` …
    KeepBoth,
    /// Replace it.
    Replace,
}

/// What was received.
#[derive(Clone, Debug)]
pub struct Received {
    /// Its id.
    pub file_id: crate::FileId,
    /// Name as sealed by the sender (not to be used as a path).
    pub name: String,
    /// Media type as sealed by the sender.
    pub media_type: String,
    /// Where it is, unless it went into a writer.
    pub path: Option<PathBuf>,
    /// Bytes of the file.
    pub bytes: u64,
    /// Who sent it.
    pub sender: crate::Sender,
}
