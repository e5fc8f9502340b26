//! Links: a file for whoever proves that they have a secret.

use async_trait::async_trait;
use envelope::ids::{FileId, UserId};
use envelope::link::LinkId;

use crate::{DbError, Digest, DownloadId, FileView, NewEvent, UnixTime};

/// What the server remembers of links. Proofs are the caller's business; so is who owns what is shown.
///
/// A link ends with its file, and is gone with its owner's account.
#[async_trait]
pub trait Links: Send + Sync {
    /// Keeps a link to a living file of its owner. Idempotent: the same key and grant again change nothing and are
    /// [`MakeLinkAnswer::Made`], whatever the limits.
    async fn make_link(&self, new: NewLink) -> Result<MakeLinkAnswer, DbError>;

    /// The links to the living files of a person, newest first, at most `limit`.
    async fn links_of(&self, owner: UserId, now: UnixTime, limit: u32) -> Result<Vec<StoredLink>, DbError>;

    /// Sets both limits of a link to a living file of `owner`; `None` if they have no such link.
    async fn change_link(&self, change: NewLimits) -> Result<Option<StoredLink>, DbError>;

    /// Takes a link back. Says whether `owner` had it.
    async fn revoke_link(&self, owner: UserId, link: LinkId, events: &[NewEvent]) -> Result<bool, DbError>;

    /// The key that proofs for a link are checked by, and its owner; `None` if there is no such link. Called whenever a
    /// link is to be opened.
    async fn link_key(&self, link: LinkId) -> Result<Option<LinkKey>, DbError>;

    /// Judges one try to open a link, after its proof was checked.
    ///
    /// In this order: a try before the time that earlier wrong ones have put off is [`OpenLinkAnswer::TooSoon`], right or
    /// wrong; a nonce is good once (what tells that nothing is left need not use it up); a wrong proof puts the next try off, longer each time; a right one is counted, once per
    /// download id in `window_secs`, against the limits of the link and of the file. Never lets more downloads begin than
    /// either limit, however many ask at once.
    async fn open_link(&self, open: OpenLink) -> Result<OpenLinkAnswer, DbError>;
}

/// A link that is to be made.
#[derive(Clone, Debug)]
pub struct NewLink {
    /// Its id.
    pub link: LinkId,
    /// Who makes it.
    pub owner: UserId,
    /// To which file.
    pub file_id: FileId,
    /// What proofs are checked by.
    pub public_key: Digest,
    /// The whole grant.
    pub grant: Vec<u8>,
    /// When it ends; `None`: with its file.
    pub expires_at: Option<UnixTime>,
    /// Downloads allowed; `None` for any number.
    pub max_downloads: Option<u32>,
    /// Links that one file may have.
    pub max_of_file: u32,
    /// Links that one account may have.
    pub max_of_owner: u32,
    /// The present.
    pub now: UnixTime,
    /// Appended to the audit log if it is made now.
    pub events: Vec<NewEvent>,
}

/// What came of making a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MakeLinkAnswer {
    /// It is there.
    Made(StoredLink),
    /// There is another link of that id.
    Conflict,
    /// The file or its owner has as many links as allowed.
    TooMany,
    /// The owner has no such living file.
    Nothing,
}

/// Limits in the place of those of a link.
#[derive(Clone, Debug)]
pub struct NewLimits {
    /// Whose.
    pub owner: UserId,
    /// Which link.
    pub link: LinkId,
    /// When it ends; `None`: with its file.
    pub expires_at: Option<UnixTime>,
    /// Downloads allowed; `None` for any number.
    pub max_downloads: Option<u32>,
    /// The present.
    pub now: UnixTime,
    /// Appended to the audit log.
    pub events: Vec<NewEvent>,
}

/// A link as its owner sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredLink {
    /// Its id.
    pub link: LinkId,
    /// To which file.
    pub file_id: FileId,
    /// When it was made.
    pub created_at: UnixTime,
    /// When it ends; `None`: with its file.
    pub expires_at: Option<UnixTime>,
    /// When the file ends.
    pub file_expires_at: UnixTime,
    /// Downloads counted.
    pub downloads: u32,
    /// Downloads allowed.
    pub max_downloads: Option<u32>,
}

/// What a proof is checked by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkKey {
    /// The key.
    pub public_key: Digest,
    /// Whose file it is.
    pub owner: UserId,
}

/// One try to open a link.
#[derive(Clone, Debug)]
pub struct OpenLink {
    /// Which link.
    pub link: LinkId,
    /// The key by which the proof was found right; `None` if it was wrong, or there was no key.
    pub proved: Option<Digest>,
    /// The nonce that it is over.
    pub nonce: [u8; 32],
    /// Until when that would be good.
    pub nonce_ends_at: UnixTime,
    /// A keyed hash of the link id, under which wrong tries are counted.
    pub bucket: Vec<u8>,
    /// The client's id of this download.
    pub download_id: DownloadId,
    /// Whether to give no leave and to count nothing.
    pub look: bool,
    /// The present.
    pub now: UnixTime,
    /// How long renewals are not counted, in seconds.
    pub window_secs: u32,
    /// Appended to the audit log with a download that is counted; owner and file are put in by the database.
    pub events: Vec<NewEvent>,
}

/// What came of a try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpenLinkAnswer {
    /// It opens.
    Open(Box<LinkView>),
    /// No such link, or the proof was wrong, or the nonce was used.
    Refused,
    /// Not before so many seconds.
    TooSoon {
        /// How many.
        retry_after_secs: u32,
    },
    /// The proof was right; link or file have expired.
    Expired,
    /// The proof was right; as many downloads as allowed have begun.
    LimitReached,
}

/// A file as a link shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkView {
    /// The file; its grant is the link's, and the role a recipient's.
    pub file: FileView,
    /// Downloads by the link.
    pub downloads: u32,
    /// Downloads allowed by the link.
    pub max_downloads: Option<u32>,
    /// When link or file end, whichever is earlier.
    pub ends_at: UnixTime,
    /// The round of tickets that the file is in.
    pub ticket_round: u32,
}

/// Wrong tries that put nothing off.
const FREE_FAILURES: u32 = 3;
/// Longest pause between tries in seconds.
const LONGEST_PAUSE: i64 = 900;
/// For how long wrong tries are remembered, in seconds.
pub(crate) const GUESS_MEMORY: i64 = 86_400;

/// Seconds until the next try after so many wrong ones: none after three, then 1, 2, 4 … and a quarter of an hour.
pub(crate) fn pause_after(failures: u32) -> i64 {
    match failures.checked_sub(FREE_FAILURES + 1) {
        None => 0,
        Some(doublings) if doublings >= 10 => LONGEST_PAUSE,
        Some(doublings) => (1 << doublings).min(LONGEST_PAUSE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_begin_after_three_wrong_tries_and_double_up_to_a_quarter_of_an_hour() {
        let pauses: Vec<i64> = (0..=15).map(pause_after).collect();
        assert_eq!(pauses, [0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]);
        assert_eq!(pause_after(u32::MAX), LONGEST_PAUSE);
    }
}
