//! The one suite that every driver runs.
//!
//! A driver's tests hand over a way to make [`Fixture`]s; each promise gets an empty database of its own.

#![expect(clippy::unwrap_used, reason = "a suite of tests: a broken promise ends it")]

mod accounts;
mod administration;
mod audit;
mod boxes;
mod changes;
mod directory;
mod erasure;
mod factors;
mod files;
mod jobs;
mod key_check;
mod links;
mod live;
mod members;
mod moves;
mod notices;
mod passkeys;
mod pins;
mod receipts;
mod resets;
mod sessions;
mod sharing;
mod uploads;
mod v0;
mod vaults;

use std::sync::Arc;

use async_trait::async_trait;
use envelope::ids::{ContentId, FileId, RecipientId, RootId, UserId};

use crate::{
    BeginAnswer, BlobRef, Database, Digest, Finish, FinishAnswer, Lookup, NewAccount, NewGrant, NewPart,
    NewUpload, PartAnswer, UnixTime,
};

/// One database that is empty at first and can be opened several times. It outlives the fixture, up to the end of
/// the suite.
#[async_trait]
pub trait Fixture: Send {
    /// A new handle on the same database, as another start of the server (or another server) would get it.
    async fn open(&mut self) -> Arc<dyn Database>;
}

/// Runs every promise, each on an empty database of its own.
///
/// # Panics
/// If a promise is broken.
pub async fn run_all(fixture: impl Fn() -> Box<dyn Fixture>) {
    accounts::run(&fixture).await;
    sessions::run(&fixture).await;
    factors::run(&fixture).await;
    passkeys::run(&fixture).await;
    directory::run(&fixture).await;
    uploads::run(&fixture).await;
    files::run(&fixture).await;
    changes::run(&fixture).await;
    sharing::run(&fixture).await;
    links::run(&fixture).await;
    boxes::run(&fixture).await;
    v0::run(&fixture).await;
    members::run(&fixture).await;
    moves::run(&fixture).await;
    vaults::run(&fixture).await;
    pins::run(&fixture).await;
    resets::run(&fixture).await;
    erasure::run(&fixture).await;
    jobs::run(&fixture).await;
    key_check::run(&fixture).await;
    audit::run(&fixture).await;
    receipts::run(&fixture).await;
    administration::run(&fixture).await;
    live::run(&fixture).await;
    notices::run(&fixture).await;
}

/// The time at which most stories begin.
const NOW: UnixTime = UnixTime(1_800_000_000);
const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;
const MIB: u64 = 1 << 20;

async fn empty(fixture: &impl Fn() -> Box<dyn Fixture>) -> Arc<dyn Database> {
    fixture().open().await
}

fn lookup(n: u8) -> Lookup {
    Lookup::from_bytes([n; 32])
}

fn digest(n: u8) -> Digest {
    Digest::from_bytes([n; 32])
}

fn user(n: u8) -> UserId {
    UserId::from_bytes([n; 16])
}

fn file(n: u8) -> FileId {
    FileId::from_bytes([n; 16])
}

/// An account with the id `user(n)`.
async fn person(db: &dyn Database, n: u8) -> UserId {
    let new = NewAccount { lookup: lookup(n), sealed_address: vec![n; 40], user: user(n), now: NOW };
    db.find_or_create_account(new).await.unwrap().account.user
}

fn new_upload(owner: UserId, file_id: FileId, body_len: Option<u64>) -> NewUpload {
    NewUpload {
        file_id,
        owner,
        part_len: MIB,
        body_len,
        now: NOW,
        expires_at: NOW.plus(7 * DAY),
        quota_bytes: 100 * MIB,
        max_open: 10,
        into_box: None,
    }
}

async fn begin(db: &dyn Database, owner: UserId, file_id: FileId, body_len: Option<u64>) {
    let answer = db.begin_upload(new_upload(owner, file_id, body_len)).await.unwrap();
    assert!(matches!(answer, BeginAnswer::Begun(_)), "{answer:?}");
}

fn blob(file_id: FileId, n: u32) -> BlobRef {
    BlobRef::new(format!("{file_id}/{n}"))
}

fn leaves_blob(file_id: FileId) -> BlobRef {
    BlobRef::new(format!("{file_id}/leaves"))
}

fn new_part(owner: UserId, file_id: FileId, n: u32, len: u64) -> NewPart {
    NewPart {
        file_id,
        owner,
        n,
        len,
        node: digest(u8::try_from(n % 256).unwrap()),
        leaves: vec![7; 128],
        blob: blob(file_id, n),
        is_final: false,
        received_bytes: len,
        now: NOW,
        quota_bytes: 100 * MIB,
    }
}

fn grant(user: UserId) -> NewGrant {
    let key = user.as_bytes()[0];
    NewGrant { user: Some(user), recipient: RecipientId::from_bytes([key; 32]), bytes: vec![key; 1400] }
}

/// A grant for a bare key.
fn key_grant(key: u8) -> NewGrant {
    NewGrant { user: None, recipient: recipient(key), bytes: vec![key; 500] }
}

fn recipient(key: u8) -> RecipientId {
    RecipientId::from_bytes([key; 32])
}

fn new_finish(owner: UserId, file_id: FileId, body_len: u64, recipients: &[UserId]) -> Finish {
    let mut grants = vec![grant(owner)];
    grants.extend(recipients.iter().copied().map(grant));
    Finish {
        file_id,
        owner,
        manifest: vec![0x4D; 834],
        manifest_digest: digest(1),
        content_id: ContentId::from_bytes([2; 32]),
        author_root: RootId::from_bytes([3; 32]),
        revision: 1,
        body_len,
        body_root: digest(4),
        leaves_blob: Some(leaves_blob(file_id)),
        grants,
        is_member: false,
        members: Vec::new(),
        expires_at: NOW.plus(30 * DAY),
        max_downloads: None,
        request_digest: digest(5),
        now: NOW.plus(60),
        events: Vec::new(),
    }
}

/// Who holds a grant.
async fn holders(db: &dyn Database, file_id: FileId) -> Vec<UserId> {
    db.holders_of(file_id).await.unwrap().iter().map(|holder| holder.user).collect()
}

/// A file of one part of 1 MiB, finished as `change` says.
async fn send(db: &dyn Database, finish: Finish) {
    begin(db, finish.owner, finish.file_id, Some(MIB)).await;
    let won = db.record_part(new_part(finish.owner, finish.file_id, 0, MIB)).await.unwrap();
    assert_eq!(won, PartAnswer::Won);
    assert_eq!(db.finish_upload(finish).await.unwrap(), FinishAnswer::Finished);
}
