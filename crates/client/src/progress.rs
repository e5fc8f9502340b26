//! What a running transfer tells whoever shows it, and how it is asked to stop.

use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// The part of the way that a transfer is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// Looking at the source: sampling or measuring for compression.
    Reading,
    /// Sealing on this machine, for nobody's server.
    Sealing,
    /// Sealing on this machine and sending what is sealed, both at once.
    Uploading,
    /// Fetching, checking and opening, all at once.
    Downloading,
    /// Opening what was fetched, when nothing is fetched any more.
    Decrypting,
    /// Signing and sharing, or making the result durable.
    Finishing,
    /// Wrapping files to the present keys, counted in files and not in bytes.
    Rewrapping,
    /// Reading and verifying what is new in one's list, counted in files and not in bytes.
    Listing,
}

impl Phase {
    /// The word that every interface shows.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Reading => "Reading",
            Self::Sealing => "Encrypting",
            Self::Uploading => "Encrypting and uploading",
            Self::Downloading => "Downloading and decrypting",
            Self::Decrypting => "Decrypting",
            Self::Finishing => "Finishing",
            Self::Rewrapping => "Wrapping files to your new keys",
            Self::Listing => "Reading your list",
        }
    }
}

/// Something worth one line to a person.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Note {
    /// An earlier try left this much on the server.
    Resumed {
        /// Parts that are there already.
        parts: u64,
        /// Parts in all.
        of: u64,
    },
    /// The network is away; the next try comes by itself.
    Waiting {
        /// Seconds until then.
        seconds: u64,
    },
    /// The network, or the server, went away while something is watched.
    Away,
    /// It is there again.
    Back,
    /// The server answered that it wants to be asked later; the next try comes by itself.
    AskedToWait {
        /// Seconds until then.
        seconds: u64,
    },
    /// A proxy takes only smaller pieces; the upload starts again with these.
    SmallerParts {
        /// Bytes of one part.
        part_len: u64,
    },
    /// Files of the folder that an earlier try had sent are no longer there: all of them are sent once more.
    MembersGone,
    /// The source cannot be read a second time: if this program dies, the upload starts afresh.
    NotResumable,
    /// The upload was prepared with keys, one's own or a recipient's, that were replaced since; nothing of it was shared, and it begins anew.
    BegunWithOldKeys,
    /// What an earlier command for the same people was stopped at had been sent, without a word of it to anybody.
    SentBefore {
        /// The files.
        paths: Vec<std::path::PathBuf>,
    },
    /// Compression was tried and does not help; the file goes as it is.
    NotCompressed,
    /// A preview was asked for, and the file is no picture that one can be made of.
    NoPreview,
    /// First file from or to this address: its keys are trusted on first use.
    FirstContact {
        /// Whose.
        address: crate::Address,
    },
    /// Somebody with the recipient's mailbox asked for other keys, which the present ones did not sign over.
    KeysToBeReplaced {
        /// Whose.
        address: crate::Address,
        /// Unix seconds from which they count.
        due: i64,
    },
}

impl std::fmt::Display for Note {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Resumed { parts, of } => write!(f, "resumed: {parts} of {of} parts were there already"),
            Self::Waiting { seconds } => write!(f, "no connection; trying again in {seconds} s"),
            Self::Away => f.write_str("the server cannot be reached; waiting for it"),
            Self::Back => f.write_str("the server is there again; what happened meanwhile follows"),
            Self::AskedToWait { seconds } => {
                write!(f, "the server asks for patience; trying again in {seconds} s")
            }
            Self::SmallerParts { part_len } => {
                write!(
                    f,
                    "the way to the server takes only smaller parts; starting again with {} KiB",
                    part_len >> 10
                )
            }
            Self::MembersGone => f.write_str(
                "what was sent of the folder before is no longer there; sending all of it again",
            ),
            Self::NotResumable => {
                f.write_str("this input cannot be read twice, so a stopped upload cannot be resumed")
            }
            Self::BegunWithOldKeys => f.write_str(
                "this upload was prepared with keys that were replaced since; nothing of it was shared, starting again",
            ),
            Self::SentBefore { paths } => {
                f.write_str("an earlier command that was stopped had sent these:")?;
                // A path may hold what a terminal would obey.
                paths.iter().try_for_each(|path| write!(f, " {:?}", path.display().to_string()))
            }
            Self::NotCompressed => f.write_str("not compressed: it would not get smaller"),
            Self::NoPreview => f.write_str("no preview: that is made of PNG, JPEG, GIF and WebP pictures of usual size"),
            Self::FirstContact { address } => {
                write!(f, "first contact with {}: compare the safety number when you can", address.as_str())
            }
            Self::KeysToBeReplaced { address, .. } => {
                write!(f, "somebody who can read the mailbox of {} asked for new keys: if they lost theirs, they will tell you", address.as_str())
            }
        }
    }
}

/// Watches a transfer. Called from the task that runs the verb, often; must return at once.
pub trait Progress: Send + Sync {
    /// A phase begins or moves on: `done` of `total` bytes (absent when unknown; files when rewrapping). `done` falls within a phase only
    /// after [`Note::SmallerParts`] and [`Note::MembersGone`], when the upload begins again.
    fn progress(&self, phase: Phase, done: u64, total: Option<u64>);

    /// Something worth telling.
    fn note(&self, _note: &Note) {}
}

/// Passes on what is worth telling, and no progress.
pub(crate) struct Notes<'a>(pub(crate) &'a dyn Progress);

impl Progress for Notes<'_> {
    fn progress(&self, _phase: Phase, _done: u64, _total: Option<u64>) {}

    fn note(&self, note: &Note) {
        self.0.note(note);
    }
}

/// Shows nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quiet;

impl Progress for Quiet {
    fn progress(&self, _phase: Phase, _done: u64, _total: Option<u64>) {}
}

/// Asks a running verb to stop: it cleans up and answers [`crate::Error::Interrupted`].
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<CancellationToken>);

impl Cancel {
    /// A wish to stop that nobody has had yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Stops every verb that holds a clone of this.
    pub fn cancel(&self) {
        self.0.cancel();
    }

    /// Whether stopping was asked for.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Resolves when stopping is asked for.
    pub async fn cancelled(&self) {
        self.0.cancelled().await;
    }
}
