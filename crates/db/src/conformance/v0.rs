//! Promises about files of the documented API.

use super::*;
use crate::{
    AddV0Answer, DeleteAnswer, Erase, FileAccess, Job, Lease, NewV0File, Retention, V0Access, V0File, V0Stats,
};

pub(super) async fn run(fixture: &impl Fn() -> Box<dyn Fixture>) {
    a_file_is_for_its_owner_and_those_named(&*empty(fixture).await).await;
    it_is_charged_for_and_freed_again(&*empty(fixture).await).await;
    no_native_sentence_knows_it(&*empty(fixture).await).await;
    it_expires_and_is_forgotten(&*empty(fixture).await).await;
    a_list_goes_on_where_its_page_ended(&*empty(fixture).await).await;
    nothing_of_it_stays_with_who_is_erased(&*empty(fixture).await).await;
}

pub(super) fn new(owner: UserId, n: u8, readers: &[u8]) -> NewV0File {
    NewV0File {
        file_id: file(n),
        owner,
        sealed_name: vec![n; 50],
        sealed: vec![n; 90],
        readers: readers.iter().copied().map(lookup).collect(),
        blob: blob(file(n), 0),
        len: MIB,
        node: digest(n),
        now: NOW.plus(i64::from(n)),
        expires_at: NOW.plus(DAY),
        quota_bytes: 2 * MIB,
        events: Vec::new(),
    }
}

async fn add(db: &dyn Database, new: NewV0File) {
    assert_eq!(db.add_v0_file(new).await.unwrap(), AddV0Answer::Added);
}

async fn seen(db: &dyn Database, user: UserId, n: u8) -> V0Access {
    db.v0_file(user, file(n), NOW.plus(HOUR)).await.unwrap()
}

fn ids(files: &[V0File]) -> Vec<FileId> {
    files.iter().map(|file| file.file_id).collect()
}

async fn a_file_is_for_its_owner_and_those_named(db: &dyn Database) {
    let (alice, bob, carol) = (person(db, 1).await, person(db, 2).await, person(db, 3).await);
    add(db, new(alice, 10, &[2, 9])).await;
    let V0Access::Available(own) = seen(db, alice, 10).await else { panic!("the owner sees it") };
    assert_eq!((own.sealed_name.clone(), own.len, own.downloads), (vec![10; 50], MIB, 0));
    assert_eq!(seen(db, bob, 10).await, V0Access::Available(own.clone()));
    assert_eq!(seen(db, carol, 10).await, V0Access::Forbidden);
    assert_eq!(seen(db, bob, 11).await, V0Access::Nothing);
    assert_eq!(db.v0_rest(file(10)).await.unwrap(), Some(vec![10; 90]));
    assert_eq!(db.v0_rest(file(11)).await.unwrap(), None);
    assert!(db.count_v0_download(file(10), &[]).await.unwrap());
    assert!(!db.count_v0_download(file(11), &[]).await.unwrap());
    let for_bob = db.v0_files_for(bob, 10, NOW).await.unwrap();
    assert_eq!((ids(&for_bob), for_bob[0].downloads), (vec![file(10)], 1));
    assert!(db.v0_files_for(alice, 10, NOW).await.unwrap().is_empty());
    assert!(db.v0_files_for(carol, 10, NOW).await.unwrap().is_empty());
    // An address that was named before it had an account.
    let late = person(db, 9).await;
    assert!(matches!(seen(db, late, 10).await, V0Access::Available(_)));
}

async fn it_is_charged_for_and_freed_again(db: &dyn Database) {
    let alice = person(db, 1).await;
    add(db, new(alice, 10, &[])).await;
    add(db, new(alice, 11, &[])).await;
    let full = AddV0Answer::QuotaExceeded { used: 2 * MIB, quota: 2 * MIB };
    assert_eq!(db.add_v0_file(new(alice, 12, &[])).await.unwrap(), full);
    assert_eq!(seen(db, alice, 12).await, V0Access::Nothing);
    assert_eq!(db.v0_stats(alice, NOW).await.unwrap(), V0Stats { files: 2, bytes: 2 * MIB, events: 0 });
    let known = db.known_blobs(&[blob(file(10), 0)]).await.unwrap();
    assert!(known.contains(&blob(file(10), 0)), "the orphan sweep spares it");
    assert_eq!(db.delete_file(alice, file(10), NOW, &[]).await.unwrap(), DeleteAnswer::Deleted);
    assert_eq!(db.doomed_blobs(10, NOW).await.unwrap(), [blob(file(10), 0)]);
    assert_eq!(seen(db, alice, 10).await, V0Access::Nothing);
    assert_eq!(db.usage(alice).await.unwrap().charged_bytes, MIB);
}

async fn no_native_sentence_knows_it(db: &dyn Database) {
    let (alice, bob) = (person(db, 1).await, person(db, 2).await);
    add(db, new(alice, 10, &[2])).await;
    for user in [alice, bob] {
        assert_eq!(db.file_for(user, file(10), NOW).await.unwrap(), FileAccess::Nothing);
        assert!(db.list_files(user, None, 10, NOW).await.unwrap().is_empty());
        assert!(db.upload(user, file(10), NOW).await.unwrap().is_none());
    }
    assert!(db.file_layout(file(10)).await.unwrap().is_none());
    let again = db.begin_upload(new_upload(alice, file(10), Some(MIB))).await.unwrap();
    assert_eq!(again, BeginAnswer::Conflict);
    // And it is there for whoever checks what is stored.
    let stored = db.stored_files(None, 10).await.unwrap();
    assert_eq!((stored[0].body_len, stored[0].body_root), (Some(MIB), Some(digest(10))));
    assert_eq!(db.parts_of(file(10)).await.unwrap().len(), 1);
}

async fn it_expires_and_is_forgotten(db: &dyn Database) {
    let (alice, bob, carol) = (person(db, 1).await, person(db, 2).await, person(db, 3).await);
    add(db, new(alice, 10, &[2])).await;
    let late = NOW.plus(DAY);
    let at = |user, now| async move { db.v0_file(user, file(10), now).await.unwrap() };
    for user in [alice, bob] {
        assert_eq!(at(user, late).await, V0Access::Expired, "before the job was there");
    }
    let token = db.take_lease(Job::Expiry, "x", late, 60).await.unwrap().unwrap();
    let doomed = db.doom_expired(late, 10, &Lease { job: Job::Expiry, token }).await.unwrap().unwrap();
    assert_eq!(doomed.files, 1);
    assert_eq!(at(bob, late).await, V0Access::Expired);
    assert_eq!(at(carol, late).await, V0Access::Forbidden);
    assert_eq!(db.usage(alice).await.unwrap().charged_bytes, 0);
    let later = late.plus(31 * DAY);
    db.purge(later, Retention { tickets_secs: 60, expired_secs: 2_592_000, gone_secs: 2_592_000 })
        .await
        .unwrap();
    assert_eq!(at(bob, later).await, V0Access::Nothing);
}

async fn a_list_goes_on_where_its_page_ended(db: &dyn Database) {
    let alice = person(db, 1).await;
    for n in 10..15 {
        add(db, NewV0File { quota_bytes: 100 * MIB, now: NOW, ..new(alice, n, &[]) }).await;
    }
    let first = db.v0_files_of(alice, None, 2, NOW).await.unwrap();
    assert_eq!(ids(&first), [file(14), file(13)]);
    let rest = db.v0_files_of(alice, Some(first[1].cursor()), 10, NOW).await.unwrap();
    assert_eq!(ids(&rest), [file(12), file(11), file(10)]);
    assert!(db.v0_files_of(person(db, 2).await, None, 10, NOW).await.unwrap().is_empty());
}

async fn nothing_of_it_stays_with_who_is_erased(db: &dyn Database) {
    let (alice, bob) = (person(db, 1).await, person(db, 2).await);
    add(db, new(alice, 10, &[2])).await;
    add(db, new(bob, 11, &[1])).await;
    let erase = |user, fresh| Erase { user, lookup: lookup(fresh), now: NOW.plus(HOUR), events: Vec::new() };
    assert!(db.erase_account(erase(bob, 80)).await.unwrap());
    // The address comes back as somebody new: what was for it before is not theirs.
    let new_bob = NewAccount { lookup: lookup(2), sealed_address: vec![2; 40], user: user(4), now: NOW };
    let new_bob = db.find_or_create_account(new_bob).await.unwrap().account.user;
    assert_eq!(seen(db, new_bob, 10).await, V0Access::Forbidden);
    assert!(matches!(seen(db, alice, 10).await, V0Access::Available(_)));
    assert_eq!(seen(db, alice, 11).await, V0Access::Expired);
}
