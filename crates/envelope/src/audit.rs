//! The audit log as it is hashed and signed: leaves of events, batches in a chain, the chain's head.
//!
//! Events are sealed in batches. A batch's digest is the root (RFC 9162 section 2.1) over the leaves of its events in
//! their order; each batch is linked to the one before by [`Link::head`]; the server signs each head. Whoever
//! remembers one head can tell whether a later one continues it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::ed25519::{BadSignature, PublicKey, Signature, verify_strict};
use crate::hash::sha256;
use crate::ids::{FileId, UserId, parse_hex, spelled};
use crate::merkle::{self, Node};
use crate::{MAX_INTEGER, ParseError};

const EVENT_CONTEXT: &[u8] = b"waxwing/v1/audit/event\0";
const BATCH_CONTEXT: &[u8] = b"waxwing/v1/audit/batch\0";
const HEAD_CONTEXT: &[u8] = b"waxwing/v1/audit/head\0";

/// What stands in the place of the head before the first batch.
pub const GENESIS: Node = Node::from_bytes([0; 32]);

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        /// What an event is about; the text form never changes once released.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Kind { $($(#[$doc])* $name,)* }

        impl Kind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The stable text: lower case and underscores, at most 32 characters.
            pub const fn as_str(self) -> &'static str { match self { $(Self::$name => $text,)* } }
        }
    };
}

kinds! {
    /// The first right code made the account.
    AccountMade = "account_made";
    /// Somebody signed in.
    SignedIn = "signed_in";
    /// A code that was tried for the account was not right.
    CodeRejected = "code_rejected";
    /// A session was ended by its person.
    SessionEnded = "session_ended";
    /// A refresh token came a second time: it had been copied, and its session was ended.
    SessionCopied = "session_copied";
    /// The first bundle was published.
    KeysPublished = "keys_published";
    /// A later bundle was published.
    KeysChanged = "keys_changed";
    /// New keys were asked for without the old ones; they count after days.
    KeysResetBegun = "keys_reset_begun";
    /// Whoever holds the keys said that they stay.
    KeysResetStopped = "keys_reset_stopped";
    /// The person erased the account.
    AccountErased = "account_erased";
    /// An authenticator app was added.
    SecondFactorAdded = "second_factor_added";
    /// The authenticator app was removed.
    SecondFactorRemoved = "second_factor_removed";
    /// A passkey was added.
    PasskeyAdded = "passkey_added";
    /// A passkey was removed.
    PasskeyRemoved = "passkey_removed";
    /// A code of the authenticator app was not right, after one of the mail that was, or a passkey was not accepted.
    FactorRejected = "second_factor_rejected";
    /// The operator removed the authenticator app and the passkeys.
    SecondFactorReset = "second_factor_reset";
    /// The operator ended all sessions.
    SignedOut = "signed_out_by_operator";
    /// The operator ended one session.
    SessionEndedByOperator = "session_ended_by_operator";
    /// The operator suspended the account.
    AccountSuspended = "account_suspended";
    /// The operator ended the suspension.
    AccountReinstated = "account_reinstated";
    /// The operator changed the quota.
    QuotaChanged = "quota_changed";
    /// New backup codes took the place of the old ones.
    BackupCodesMade = "backup_codes_made";
    /// A key file was kept at the server.
    KeyFileKept = "key_file_kept";
    /// The key file was handed out.
    KeyFileFetched = "key_file_fetched";
    /// The key file was removed.
    KeyFileRemoved = "key_file_removed";
    /// A file appeared.
    FileSent = "file_sent";
    /// Somebody was given a grant to a file.
    FileShared = "file_shared";
    /// Somebody who was given a file passed it on.
    FilePassedOn = "file_passed_on";
    /// The owner ended every other's access to a file, and all links to it.
    SharingStopped = "sharing_stopped";
    /// The owner gave a file another name.
    FileRenamed = "file_renamed";
    /// The owner changed how long or how often a file may be fetched.
    FileChanged = "file_changed";
    /// The owner took a grant back.
    AccessRevoked = "access_revoked";
    /// A recipient dropped their own grant.
    FileLeft = "file_left";
    /// A grant was replaced by one for newer keys of the same person.
    GrantReplaced = "grant_replaced";
    /// The first ticket of a download was given.
    FileFetched = "file_fetched";
    /// A recipient signed that they opened a file.
    FileOpened = "file_opened";
    /// The owner deleted a file for everybody.
    FileDeleted = "file_deleted";
    /// A file expired.
    FileExpired = "file_expired";
    /// The owner made a link to a file.
    LinkMade = "link_made";
    /// The owner changed how long or how often a link opens.
    LinkChanged = "link_changed";
    /// The owner took a link back.
    LinkRevoked = "link_revoked";
    /// Somebody who knows the secret of a link was given the first ticket of a download.
    LinkOpened = "link_opened";
    /// The owner made a drop box.
    BoxMade = "box_made";
    /// The owner closed a drop box.
    BoxClosed = "box_closed";
    /// A file came into a drop box, from somebody who did not sign it.
    BoxArrival = "box_arrival";
    /// A limit of the account was reached.
    LimitReached = "limit_reached";
}

impl FromStr for Kind {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let bad = ParseError::Spelling { field: "kind of an event" };
        Self::ALL.iter().copied().find(|kind| kind.as_str() == text).ok_or(bad)
    }
}

/// One event as its leaf covers it.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    /// Random.
    pub id: &'a [u8; 16],
    /// Unix seconds by the server's clock.
    pub at: i64,
    /// [`Kind`] as text, at most 255 bytes; a newer server may have written one that is not known here.
    pub kind: &'a str,
    /// Who did it, or to whose account it happened.
    pub actor: UserId,
    /// The owner of the file.
    pub owner: Option<UserId>,
    /// The file.
    pub file_id: Option<FileId>,
    /// Somebody else whom it is about.
    pub other: Option<UserId>,
    /// Personal fields under the actor's key; empty if there are none.
    pub sealed: &'a [u8],
}

impl Event<'_> {
    /// The leaf of the event: SHA-256(`00` ‖ `"waxwing/v1/audit/event\0"` ‖ id ‖ at ‖ length of kind (1) ‖ kind ‖
    /// actor ‖ owner ‖ file ‖ other ‖ sealed). Integers are big-endian; each of owner, file and other is `00`, or
    /// `01` and 16 bytes.
    ///
    /// # Panics
    /// If the kind is longer than 255 bytes.
    pub fn leaf(&self) -> Node {
        let kind_len = u8::try_from(self.kind.len()).expect("a kind is short");
        let mut bytes = Vec::with_capacity(160 + self.sealed.len());
        bytes.extend_from_slice(EVENT_CONTEXT);
        bytes.extend_from_slice(self.id);
        bytes.extend_from_slice(&self.at.to_be_bytes());
        bytes.push(kind_len);
        bytes.extend_from_slice(self.kind.as_bytes());
        bytes.extend_from_slice(self.actor.as_bytes());
        let owner = self.owner.as_ref().map(UserId::as_bytes);
        let file_id = self.file_id.as_ref().map(FileId::as_bytes);
        let other = self.other.as_ref().map(UserId::as_bytes);
        for part in [owner, file_id, other] {
            bytes.push(u8::from(part.is_some()));
            bytes.extend(part.into_iter().flatten());
        }
        bytes.extend_from_slice(self.sealed);
        merkle::leaf(&bytes)
    }
}

/// What a batch adds to the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Number of the batch, from 1.
    pub seq: u64,
    /// Root over the leaves of its events.
    pub digest: Node,
    /// How many events.
    pub count: u32,
    /// Unix seconds of the last of them.
    pub last_time: i64,
}

impl Link {
    /// The head of the chain with this batch on top of `previous`: SHA-256(`"waxwing/v1/audit/batch\0"` ‖ seq (8) ‖
    /// previous head ‖ digest ‖ count (4) ‖ last time (8)), integers big-endian.
    pub fn head(&self, previous: &Node) -> Head {
        let hash = sha256(&[
            BATCH_CONTEXT,
            &self.seq.to_be_bytes(),
            previous.as_bytes(),
            self.digest.as_bytes(),
            &self.count.to_be_bytes(),
            &self.last_time.to_be_bytes(),
        ]);
        Head { seq: self.seq, hash: Node::from_bytes(hash) }
    }
}

/// Where the chain stands. Spelled `SEQ:HASH`, the hash as 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Head {
    /// Number of the newest batch, from 1.
    pub seq: u64,
    /// Its hash, which covers every batch before it.
    pub hash: Node,
}

impl Head {
    /// What the server signs: `"waxwing/v1/audit/head\0"` ‖ seq (8, big-endian) ‖ hash.
    pub fn signed_bytes(&self) -> Vec<u8> {
        [HEAD_CONTEXT, &self.seq.to_be_bytes(), self.hash.as_bytes()].concat()
    }

    /// Checks the server's signature.
    pub fn verify(&self, key: &PublicKey, signature: &Signature) -> Result<(), BadSignature> {
        verify_strict(key, &[&self.signed_bytes()], signature)
    }
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.seq, self.hash)
    }
}

impl FromStr for Head {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let bad = ParseError::Spelling { field: "head of the log" };
        let (number, hash) = text.split_once(':').ok_or(bad)?;
        let seq: u64 = number.parse().map_err(|_| bad)?;
        if seq == 0 || seq > MAX_INTEGER || seq.to_string() != number {
            return Err(bad);
        }
        Ok(Self { seq, hash: Node::from_bytes(parse_hex(hash, "head of the log")?) })
    }
}

spelled!(Head);

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const ID: [u8; 16] = [7; 16];

    fn event() -> Event<'static> {
        Event {
            id: &ID,
            at: 1_800_000_000,
            kind: Kind::FileSent.as_str(),
            actor: UserId::from_bytes([1; 16]),
            owner: Some(UserId::from_bytes([1; 16])),
            file_id: Some(FileId::from_bytes([2; 16])),
            other: None,
            sealed: b"ciphertext",
        }
    }

    #[test]
    fn a_leaf_covers_every_field() {
        let whole = event();
        let leaves = [
            whole,
            Event { id: &[8; 16], ..whole },
            Event { at: whole.at + 1, ..whole },
            Event { kind: "file_sen", sealed: b"tciphertext", ..whole },
            Event { actor: UserId::from_bytes([3; 16]), ..whole },
            Event { owner: None, ..whole },
            Event { owner: None, other: whole.owner, ..whole },
            Event { file_id: Some(FileId::from_bytes([3; 16])), ..whole },
            Event { other: Some(UserId::from_bytes([3; 16])), ..whole },
            Event { sealed: b"ciphertexT", ..whole },
        ]
        .map(|event| event.leaf());
        assert_eq!(leaves.iter().collect::<HashSet<_>>().len(), leaves.len());
    }

    #[test]
    fn a_head_covers_the_batch_and_everything_before_it() {
        let link = Link { seq: 2, digest: event().leaf(), count: 1, last_time: 5 };
        let other = Node::from_bytes([9; 32]);
        let heads = [
            link.head(&GENESIS),
            link.head(&other),
            Link { seq: 3, ..link }.head(&GENESIS),
            Link { digest: other, ..link }.head(&GENESIS),
            Link { count: 2, ..link }.head(&GENESIS),
            Link { last_time: 6, ..link }.head(&GENESIS),
        ];
        assert_eq!(heads.iter().collect::<HashSet<_>>().len(), heads.len());
    }

    #[test]
    fn a_head_has_one_spelling() {
        let head = Head { seq: 42, hash: Node::from_bytes([0xAB; 32]) };
        let text = format!("42:{}", "ab".repeat(32));
        assert_eq!(head.to_string(), text);
        assert_eq!(text.parse::<Head>(), Ok(head));
        for other in
            [text.to_uppercase(), format!("0{text}"), format!("+{text}"), text.replacen("42", "0", 1)]
        {
            assert!(other.parse::<Head>().is_err(), "{other}");
        }
    }

    #[test]
    fn kinds_are_distinct_short_and_come_back_from_their_text() {
        let mut seen = HashSet::new();
        for kind in Kind::ALL {
            assert!(seen.insert(kind.as_str()) && kind.as_str().len() <= 32);
            assert_eq!(kind.as_str().parse::<Kind>(), Ok(*kind));
        }
        assert!("something_else".parse::<Kind>().is_err());
    }
}
