//! Sending: seal on this machine, upload in parts, sign, share.

use crate::{Address, FileId, Progress};
use std::io::Read;
use std::path::PathBuf;
use std::time::Duration;

/// Where the bytes come from.
pub enum Source {
    /// A regular file; can be resumed.
    File(PathBuf),
    /// Anything that can be read once (a pipe). Cannot be resumed after this program ends.
    Stream {
        /// The bytes.
        reader: Box<dyn Read + Send>,
        /// What the recipient will see as the name.
        name: String,
    },
}

/// Whether to compress before sealing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compress {
    /// As it is (the size tells nothing about the content).
    #[default]
    Never,
    /// gzip, kept only if it makes the whole smaller.
    Auto,
}

/// What to send to whom.
pub struct SendRequest {
    /// The bytes.
    pub source: Source,
    /// Recipients besides oneself (may be empty only if `to_self` is meant: then one's own address is named).
    pub to: Vec<Address>,
    /// How long the file lives.
    pub expires_in: Duration,
    /// Downloads by others before it closes.
    pub max_downloads: Option<u32>,
    /// Compression.
    pub compress: Compress,
    /// Whether to hide the exact size (Padmé, at most 12 % more).
    pub padded: bool,
    /// Another name than the source's.
    pub name: Option<String>,
}

impl SendRequest {
    /// A file with the defaults: seven days, no download limit, no compression, padded.
    #[must_use]
    pub fn file(path: impl Into<PathBuf>, to: Vec<Address>) -> Self;

    /// A stream with the same defaults.
    #[must_use]
    pub fn stream(reader: Box<dyn Read + Send>, name: impl Into<String>, to: Vec<Address>) -> Self;
}

/// What was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Its id.
    pub file_id: FileId,
    /// Name as sealed.
    pub name: String,
    /// Bytes of the source.
    pub bytes: u64,
    /// Bytes after compression, before padding.
    pub stored: u64,
    /// Bytes of the sealed body.
    pub body_len: u64,
    /// Parts in all.
    pub parts: u64,
    /// Parts that an earlier try had left on the server.
    pub resumed_parts: u64,
    /// Bytes of parts that the server received for this file, over all tries.
    pub received_bytes: u64,
    /// Parts that the server received for this file, over all tries.
    pub received_parts: u64,
    /// Unix seconds at which the file ends.
    pub expires_at: i64,
}
