//! What the server remembers: the database seam and its drivers.
//!
//! The methods are sentences of the domain, each of them one transaction: it happened whole or not at all, and
//! what it answered survives a power loss. There is no clock in here; every method that depends on time is told
//! the time. File names, addresses, codes and tokens never come here in clear: addresses arrive sealed, and what
//! must be found again arrives as a keyed hash.
//!
//! [`Database`] is the sum of one trait per concern: [`Accounts`], [`Sessions`], [`Factors`], [`Passkeys`], [`Directory`], [`Uploads`],
//! [`Files`], [`Changes`], [`Sharing`], [`Links`], [`Boxes`], [`V0`], [`Vaults`], [`Pins`], [`Jobs`], [`Moves`], [`Audit`], [`Receipts`], [`Administration`], [`Resets`], [`Erasure`], [`Live`], [`Notices`], [`KeyCheck`]. [`Sqlite`] is the driver for one machine, [`Postgres`] the one for several; the sentences are
//! written once (`sql/`) and compiled for each. Every driver runs the suite in [`conformance`]
//! (feature `conformance`).

#![allow(
    clippy::duplicate_mod,
    reason = "the sentences in SQL are written once and compiled for each engine: decision 31"
)]

mod accounts;
mod administration;
mod audit;
mod boxes;
mod changes;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod directory;
mod erasure;
mod error;
mod factors;
mod files;
mod jobs;
mod key_check;
mod links;
mod live;
mod moves;
mod moving;
mod notices;
mod passkeys;
mod pins;
mod postgres;
mod receipts;
mod resets;
mod sessions;
mod sharing;
mod sqlite;
mod types;
mod uploads;
mod v0;
mod vaults;

use async_trait::async_trait;

pub use accounts::{
    Account, AccountRow, Accounts, Enrolled, Hit, HitAnswer, NewAccount, NewCode, Redemption, SentCode,
};
pub use administration::{
    Administration, Invitation, InviteAnswer, NewInvitation, StoredFile, SuspendAnswer,
};
pub use audit::{AppendBatchAnswer, AskActivity, Audit, Batch, NewBatch, NewEvent, StoredEvent};
pub use boxes::{Boxes, IntoBox, MakeBoxAnswer, NewBox, OpenBox, StoredBox};
pub use changes::{Change, Changes};
pub use directory::{Directory, NewBundle, PublishAnswer, StoredBundle};
pub use erasure::{Erase, Erasure};
pub use error::DbError;
pub use factors::{ConfirmTotp, Factors, FactorsSet, HalfSignIn, OfferAnswer, OfferTotp, Totp};
pub use files::{
    DeleteAnswer, FileAccess, FileCursor, FileLayout, FileView, Files, LeaveAnswer, MemberView,
    ReplaceAnswer, ReplaceGrant, RevokeAnswer, Role, TakeTicket, TicketAnswer, Usage,
};
pub use jobs::{Doomed, FencingToken, Job, Jobs, Lease, Purged, Retention};
pub use key_check::KeyCheck;
pub use links::{
    LinkKey, LinkView, Links, MakeLinkAnswer, NewLimits, NewLink, OpenLink, OpenLinkAnswer, StoredLink,
};
pub use live::{Happening, HappeningKind, Live, LiveSpan};
pub use moves::{MoveAnswer, MoveBlob, Moves};
pub use moving::{MoveError, MovedTable, move_to_postgres};
pub use notices::{DueNotice, Notices};
pub use passkeys::{AddPasskeyAnswer, Ceremony, NewPasskey, Passkeys, StoredPasskey, UsedPasskey};
pub use pins::{NewPins, Pins, StorePinsAnswer, StoredPins};
pub use postgres::Postgres;
pub use receipts::{NewReceipt, ReceiptAnswer, Receipts, StoredReceipt};
pub use resets::{NewReset, Reset, Resets};
pub use sessions::{NewSession, RotateRefresh, Rotation, Session, Sessions};
pub use sharing::{
    AddHolders, AddHoldersAnswer, Holder, NewManifest, NewTerms, RenameAnswer, Sharing, Stopped,
};
pub use sqlite::Sqlite;
pub use types::{
    BlobRef, CeremonyHash, CodeMac, CredentialMac, Digest, DownloadId, HalfHash, Lookup, PasskeyId,
    RefreshHash, SessionId, UnixTime,
};
pub use uploads::{
    AbandonAnswer, AddFilesAnswer, AddGrants, AddGrantsAnswer, BeginAnswer, Finish, FinishAnswer, NewFile,
    NewGrant, NewPart, NewUpload, Part, PartAnswer, Upload, UploadState, Uploads,
};
pub use v0::{AddV0Answer, NewV0File, V0, V0Access, V0File, V0Stats};
pub use vaults::{NewVault, StoreVaultAnswer, StoredVault, Vaults};

/// Everything that the server remembers. Shared as `Arc<dyn Database>`; every method may be called from many
/// tasks at once, and from several processes where the driver allows it.
///
/// Every method may fail with a [`DbError`]; the traits speak only of answers. After an error with
/// [`DbError::is_transient`] nothing has happened and the same call may be repeated. After any other error the
/// call may or may not have happened: repeating it is safe exactly where its documentation calls it idempotent.
#[async_trait]
pub trait Database:
    Accounts
    + Sessions
    + Factors
    + Passkeys
    + Directory
    + Uploads
    + Files
    + Changes
    + Sharing
    + Links
    + Boxes
    + V0
    + Vaults
    + Pins
    + Jobs
    + Moves
    + Audit
    + Receipts
    + Administration
    + Resets
    + Erasure
    + Live
    + Notices
    + KeyCheck
{
    /// Whether the database answers, and has the same time as this machine if it has a clock of its own. Called by readiness
    /// checks, every second or so, and before jobs.
    async fn ping(&self) -> Result<(), DbError>;

    /// Totals over everybody. Called rarely (administration, metrics); its cost may grow with the totals.
    async fn stats(&self) -> Result<Stats, DbError>;

    /// Which schema the database has; changes nothing. Called by whoever looks a server over.
    async fn schema_versions(&self) -> Result<SchemaVersions, DbError>;

    /// Waits for running calls, ends the connections and leaves the files tidy. Every later call fails.
    async fn close(&self);
}

/// Two versions of a schema; each is the number of the newest step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SchemaVersions {
    /// What the database has.
    pub applied: i64,
    /// What this version brings it to.
    pub known: i64,
}

/// Totals over everybody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Accounts there are.
    pub accounts: u64,
    /// Files that can be fetched, expired ones included until the expiry job has been there.
    pub files: u64,
    /// Uploads that have begun and neither finished nor ended.
    pub open_uploads: u64,
    /// Sealed octets that files and open uploads are charged for.
    pub charged_bytes: u64,
    /// Blobs that wait for their deletion.
    pub doomed_blobs: u64,
}
