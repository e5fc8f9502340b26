//! What is asked for, and what is said when it is done.

use crate::{Address, Error, FileId, Result, RsaPublicKey};
use format::FileName;
use proto::{B64, ContentId, limits};
use serde::{Deserialize, Serialize};
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

impl Source {
    /// The name that is sealed: `given`, or the source's own.
    pub(crate) fn sealed_name(&self, given: Option<&str>) -> Result<FileName> {
        let name = match (self, given) {
            (_, Some(name)) => name,
            (Self::Stream { name, .. }, None) => name,
            (Self::File(path), None) => {
                let name = path.file_name().ok_or_else(|| Error::NotAFile(path.clone()))?;
                name.to_str().ok_or(Error::BadName("it is not Unicode text"))?
            }
        };
        FileName::parse(name).map_err(|_| Error::BadName("1 to 255 bytes, without / and \\"))
    }
}

/// Whether to compress before sealing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compress {
    /// As it is (the size tells nothing about the content).
    #[default]
    Never,
    /// gzip for each file of which a sample shrinks, kept only if it makes what is sealed smaller.
    Auto,
}

/// What to send to whom.
pub struct SendRequest {
    /// The bytes.
    pub source: Source,
    /// Recipients; one's own address stands for oneself, who has access anyway.
    pub to: Vec<Address>,
    /// Bare RSA keys: of no account, and whoever has one opens the file with it.
    pub to_keys: Vec<RsaPublicKey>,
    /// How long the file lives.
    pub expires_in: Duration,
    /// Downloads by others before it closes.
    pub max_downloads: Option<u32>,
    /// Compression.
    pub compress: Compress,
    /// Whether to hide the exact size (Padmé, at most 12 % more).
    pub padded: bool,
    /// Whether to seal a small picture with the name, if the source is a file and a picture.
    pub preview: bool,
    /// Another name than the source's.
    pub name: Option<String>,
}

impl SendRequest {
    /// A file with the defaults: seven days, no download limit, no compression, padded.
    #[must_use]
    pub fn file(path: impl Into<PathBuf>, to: Vec<Address>) -> Self {
        Self::with_defaults(Source::File(path.into()), to)
    }

    /// A stream with the same defaults.
    #[must_use]
    pub fn stream(reader: Box<dyn Read + Send>, name: impl Into<String>, to: Vec<Address>) -> Self {
        Self::with_defaults(Source::Stream { reader, name: name.into() }, to)
    }

    fn with_defaults(source: Source, to: Vec<Address>) -> Self {
        Self {
            source,
            to,
            to_keys: Vec::new(),
            expires_in: Duration::from_secs(limits::EXPIRY_DEFAULT_SECONDS.unsigned_abs()),
            max_downloads: None,
            compress: Compress::Never,
            padded: true,
            preview: false,
            name: None,
        }
    }
}

/// What was sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    /// Of a member of a folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) kept: Option<Kept>,
}

/// What the list of a folder needs of a member, until the list is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kept {
    /// Its key, sealed under the vault's journal key.
    pub(crate) sealed_key: B64,
    pub(crate) content_id: ContentId,
}

/// What was asked for besides source and name.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    pub(super) expires_in: i64,
    pub(super) max_downloads: Option<u32>,
    pub(super) compress: Compress,
    pub(super) padded: bool,
    pub(super) preview: bool,
}

/// How a file is to be sealed and how long it is to live, as somebody asks for it.
pub(super) struct Terms {
    pub(super) expires_in: Duration,
    pub(super) max_downloads: Option<u32>,
    pub(super) compress: Compress,
    pub(super) padded: bool,
    pub(super) preview: bool,
}

impl SendRequest {
    pub(super) fn terms(&self) -> Terms {
        let Self { expires_in, max_downloads, compress, padded, preview, .. } = *self;
        Terms { expires_in, max_downloads, compress, padded, preview }
    }
}

/// Refuses what no server would take.
pub(super) fn check_limits(terms: &Terms) -> Result<Limits> {
    let Terms { expires_in, max_downloads, compress, padded, preview } = *terms;
    let expires_in = i64::try_from(expires_in.as_secs()).unwrap_or(i64::MAX);
    if !(1..=limits::EXPIRY_MAX_SECONDS).contains(&expires_in) {
        return Err(Error::BadLimit("a file lives at least one second and at most 366 days"));
    }
    if max_downloads == Some(0) {
        return Err(Error::BadLimit("a download limit of 0 would close the file at once"));
    }
    Ok(Limits { expires_in, max_downloads, compress, padded, preview })
}
