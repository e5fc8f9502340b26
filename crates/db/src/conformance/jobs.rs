//! Promises about background work.

use std::collections::HashSet;

use futures::future::join_all;

use super::*;
use crate::{
    CodeMac, Doomed, DownloadId, FencingToken, FileAccess, Hit, Job, Lease, NewCode, NewSession, RefreshHash,
    Retention, SessionId, TakeTicket,
};

pub(super) async fn run(fixture: &impl Fn() -> Box<dyn Fixture>) {
    one_holder_at_a_time_and_growing_tokens(&*empty(fixture).await).await;
    a_lease_of_a_clock_that_was_ahead_keeps_nobody_out(&*empty(fixture).await).await;
    of_many_who_want_a_lease_one_gets_it(empty(fixture).await).await;
    what_has_expired_is_ended_and_its_blobs_doomed(&*empty(fixture).await).await;
    a_lease_can_be_taken_away_and_given_back(&*empty(fixture).await).await;
    without_the_lease_nothing_is_ended(&*empty(fixture).await).await;
    doomed_blobs_wait_until_they_are_forgotten(&*empty(fixture).await).await;
    deletions_wait_out_a_backup_but_not_one_that_crashed(&*empty(fixture).await).await;
    every_blob_in_use_is_known(&*empty(fixture).await).await;
    what_nobody_needs_is_forgotten(&*empty(fixture).await).await;
}

async fn lease(db: &dyn Database, now: UnixTime) -> Lease {
    let token = db.take_lease(Job::Expiry, "us", now, 60).await.unwrap().unwrap();
    Lease { job: Job::Expiry, token }
}

async fn one_holder_at_a_time_and_growing_tokens(db: &dyn Database) {
    let take = async |holder: &str, now| db.take_lease(Job::Expiry, holder, now, 60).await.unwrap();
    let first = take("a", NOW).await.unwrap();
    assert_eq!(take("b", NOW.plus(59)).await, None);
    assert_eq!(take("a", NOW.plus(30)).await, Some(first), "prolonged, so it lives until 90");
    assert_eq!(take("b", NOW.plus(89)).await, None);
    let second = take("b", NOW.plus(90)).await.unwrap();
    assert!(second > first);
    assert_eq!(take("a", NOW.plus(100)).await, None);
    let lapsed = take("b", NOW.plus(1000)).await.unwrap();
    assert!(lapsed > second, "after a lapse somebody else may have had it");
    assert!(db.take_lease(Job::OrphanSweep, "a", NOW.plus(1000), 60).await.unwrap().is_some(), "another job");
}

async fn a_lease_of_a_clock_that_was_ahead_keeps_nobody_out(db: &dyn Database) {
    let wrong = NOW.plus(30 * DAY);
    db.take_lease(Job::Expiry, "ahead", wrong, 60).await.unwrap().unwrap();
    db.take_lease(Job::Backup, "a copy", wrong, 60).await.unwrap().unwrap();
    // The clock was set right again.
    assert!(!db.is_backup_running(NOW).await.unwrap());
    let token = db.take_lease(Job::Expiry, "us", NOW, 60).await.unwrap();
    assert!(token.is_some());
    assert_eq!(
        db.take_lease(Job::Expiry, "another", NOW.plus(1), 60).await.unwrap(),
        None,
        "it is held again"
    );
    // A few minutes are no mistake.
    db.take_lease(Job::AuditSeal, "a little ahead", NOW.plus(240), 60).await.unwrap().unwrap();
    assert_eq!(db.take_lease(Job::AuditSeal, "us", NOW, 60).await.unwrap(), None);
}

async fn of_many_who_want_a_lease_one_gets_it(db: Arc<dyn Database>) {
    let tries = (0..12).map(|n| {
        let db = db.clone();
        tokio::spawn(async move { db.take_lease(Job::Expiry, &n.to_string(), NOW, 60).await.unwrap() })
    });
    let taken = join_all(tries).await.into_iter().filter_map(Result::unwrap);
    assert_eq!(taken.count(), 1);
}

async fn what_has_expired_is_ended_and_its_blobs_doomed(db: &dyn Database) {
    let (alice, bob, carol) = (person(db, 1).await, person(db, 2).await, person(db, 3).await);
    send(db, new_finish(alice, file(1), MIB, &[bob])).await;
    let mut long = new_finish(alice, file(2), MIB, &[bob]);
    long.expires_at = NOW.plus(90 * DAY);
    send(db, long).await;
    begin(db, alice, file(3), Some(2 * MIB)).await;
    db.record_part(new_part(alice, file(3), 0, MIB)).await.unwrap();
    let end = NOW.plus(30 * DAY);
    let before = lease(db, end.plus(-30 * DAY)).await;
    let none = db.doom_expired(NOW, 100, &before).await.unwrap();
    assert_eq!(none, Some(Doomed::default()), "nothing is due yet");
    let held = lease(db, end).await;
    assert_eq!(db.doom_expired(end, 1, &held).await.unwrap(), Some(Doomed { files: 0, uploads: 1 }));
    assert_eq!(db.doom_expired(end, 100, &held).await.unwrap(), Some(Doomed { files: 1, uploads: 0 }));
    assert_eq!(db.doom_expired(end, 100, &held).await.unwrap(), Some(Doomed::default()));
    let doomed: HashSet<BlobRef> =
        db.doomed_blobs(100, NOW.plus(90 * DAY)).await.unwrap().into_iter().collect();
    assert_eq!(doomed, HashSet::from([blob(file(1), 0), leaves_blob(file(1)), blob(file(3), 0)]));
    assert_eq!(db.usage(alice).await.unwrap().charged_bytes, MIB);
    // Who had it is told so; who did not, is not.
    for who in [alice, bob] {
        assert_eq!(db.file_for(who, file(1), end).await.unwrap(), FileAccess::Expired);
        assert_eq!(db.list_files(who, None, 10, end).await.unwrap().len(), 1);
    }
    assert_eq!(db.file_for(carol, file(1), end).await.unwrap(), FileAccess::Nothing);
    assert_eq!(db.file_layout(file(1)).await.unwrap(), None);
}

async fn without_the_lease_nothing_is_ended(db: &dyn Database) {
    let alice = person(db, 1).await;
    send(db, new_finish(alice, file(1), MIB, &[])).await;
    let end = NOW.plus(30 * DAY);
    let old = lease(db, end.plus(-120)).await;
    assert_eq!(db.doom_expired(end, 10, &old).await.unwrap(), None, "it has lapsed");
    db.take_lease(Job::Expiry, "another", end, 60).await.unwrap().unwrap();
    assert_eq!(db.doom_expired(end, 10, &old).await.unwrap(), None, "another has it");
    let never = Lease { job: Job::OrphanSweep, token: FencingToken(1) };
    assert_eq!(db.doom_expired(end, 10, &never).await.unwrap(), None);
    assert!(db.doomed_blobs(10, NOW).await.unwrap().is_empty());
}

async fn doomed_blobs_wait_until_they_are_forgotten(db: &dyn Database) {
    let alice = person(db, 1).await;
    for n in 1..=3_u8 {
        send(db, new_finish(alice, file(n), MIB, &[])).await;
        db.delete_file(alice, file(n), NOW.plus(i64::from(n)), &[]).await.unwrap();
    }
    let first = db.doomed_blobs(2, NOW.plus(3)).await.unwrap();
    assert_eq!(
        first.iter().cloned().collect::<HashSet<_>>(),
        HashSet::from([blob(file(1), 0), leaves_blob(file(1))])
    );
    assert_eq!(db.doomed_blobs(2, NOW.plus(3)).await.unwrap(), first, "asking does not strike them off");
    db.forget_blobs(&first).await.unwrap();
    db.forget_blobs(&first).await.unwrap();
    db.forget_blobs(&[]).await.unwrap();
    let rest = db.doomed_blobs(100, NOW.plus(3)).await.unwrap();
    assert_eq!(rest.len(), 4);
    assert!(first.iter().all(|blob| !rest.contains(blob)));
}

async fn a_lease_can_be_taken_away_and_given_back(db: &dyn Database) {
    let first = lease(db, NOW).await;
    let seized = db.seize_lease(Job::Expiry, "operator", NOW, 60).await.unwrap();
    assert!(seized > first.token);
    assert_eq!(db.doom_expired(NOW, 10, &first).await.unwrap(), None, "the old holder is out");
    assert_eq!(db.take_lease(Job::Expiry, "us", NOW, 60).await.unwrap(), None);
    let held = Lease { job: Job::Expiry, token: seized };
    assert_eq!(db.doom_expired(NOW, 10, &held).await.unwrap(), Some(Doomed::default()));
    db.release_lease(&first).await.unwrap();
    assert_eq!(db.take_lease(Job::Expiry, "us", NOW, 60).await.unwrap(), None, "not theirs to give back");
    db.release_lease(&held).await.unwrap();
    db.release_lease(&held).await.unwrap();
    assert_eq!(db.doom_expired(NOW, 10, &held).await.unwrap(), None);
    assert!(db.take_lease(Job::Expiry, "us", NOW, 60).await.unwrap().unwrap() > seized);
    assert_eq!(db.seize_lease(Job::AuditSeal, "operator", NOW, 60).await.unwrap(), FencingToken(1));
}

async fn deletions_wait_out_a_backup_but_not_one_that_crashed(db: &dyn Database) {
    let alice = person(db, 1).await;
    send(db, new_finish(alice, file(1), MIB, &[])).await;
    db.delete_file(alice, file(1), NOW, &[]).await.unwrap();
    assert!(!db.is_backup_running(NOW).await.unwrap());
    let token = db.take_lease(Job::Backup, "a copy", NOW, 60).await.unwrap().unwrap();
    assert!(db.is_backup_running(NOW.plus(59)).await.unwrap());
    assert!(db.doomed_blobs(10, NOW.plus(59)).await.unwrap().is_empty());
    assert_eq!(db.stats().await.unwrap().doomed_blobs, 2, "they wait");
    assert_eq!(db.known_blobs(&[blob(file(1), 0)]).await.unwrap().len(), 1, "and are no orphans");
    assert_eq!(db.doomed_blobs(10, NOW.plus(60)).await.unwrap().len(), 2, "nobody prolonged it");
    let later = db.take_lease(Job::Backup, "a copy", NOW.plus(61), 60).await.unwrap().unwrap();
    assert!(later > token, "so the copy learns that deletions went on meanwhile");
    db.release_lease(&Lease { job: Job::Backup, token: later }).await.unwrap();
    assert_eq!(db.doomed_blobs(10, NOW.plus(62)).await.unwrap().len(), 2);
}

async fn every_blob_in_use_is_known(db: &dyn Database) {
    let alice = person(db, 1).await;
    send(db, new_finish(alice, file(1), MIB, &[])).await;
    begin(db, alice, file(2), Some(2 * MIB)).await;
    db.record_part(new_part(alice, file(2), 0, MIB)).await.unwrap();
    send(db, new_finish(alice, file(3), MIB, &[])).await;
    db.delete_file(alice, file(3), NOW, &[]).await.unwrap();
    let in_use =
        [blob(file(1), 0), leaves_blob(file(1)), blob(file(2), 0), blob(file(3), 0), leaves_blob(file(3))];
    let mut asked = in_use.to_vec();
    asked.extend([blob(file(2), 1), leaves_blob(file(2)), BlobRef::new("orphan")]);
    assert_eq!(db.known_blobs(&asked).await.unwrap(), HashSet::from(in_use));
    assert!(db.known_blobs(&[]).await.unwrap().is_empty());
    let many: Vec<BlobRef> = (0..1000).map(|n| BlobRef::new(format!("orphan {n}"))).collect();
    assert!(db.known_blobs(&many).await.unwrap().is_empty());
}

async fn what_nobody_needs_is_forgotten(db: &dyn Database) {
    let (alice, bob) = (person(db, 1).await, person(db, 2).await);
    let keep = Retention { tickets_secs: 86_400, expired_secs: 10 * 86_400, gone_secs: 86_400 };
    for (n, now) in [(1, NOW), (2, NOW.plus(31 * DAY))] {
        let code = NewCode {
            lookup: lookup(n),
            mac: CodeMac::from_bytes([n; 32]),
            now,
            expires_at: now.plus(600),
            window_secs: 3600,
            send_limit: 5,
            max_attempts: 3,
        };
        db.issue_code(code).await.unwrap();
        let session = NewSession {
            sid: SessionId::from_bytes([n; 16]),
            user: alice,
            refresh: RefreshHash::from_bytes([n; 32]),
            now,
            expires_at: now.plus(7 * DAY),
            client: String::new(),
            strong: false,
        };
        db.open_session(session).await.unwrap();
        db.count_hit(Hit { bucket: vec![n], window_secs: 3600, max: 5, now }).await.unwrap();
    }
    send(db, new_finish(alice, file(1), MIB, &[bob])).await;
    let mut living = new_finish(alice, file(2), MIB, &[bob]);
    living.expires_at = NOW.plus(90 * DAY);
    send(db, living).await;
    let download_id = DownloadId::from_bytes([1; 16]);
    for file_id in [file(1), file(2)] {
        let take = TakeTicket {
            user: bob,
            file_id,
            recipient: None,
            download_id,
            now: NOW,
            window_secs: 86_400,
            events: Vec::new(),
        };
        db.take_ticket(take).await.unwrap();
    }
    let now = NOW.plus(31 * DAY);
    let held = lease(db, now).await;
    db.doom_expired(now, 10, &held).await.unwrap();
    let purged = db.purge(now, keep).await.unwrap();
    assert_eq!((purged.codes, purged.sessions, purged.windows), (1, 1, 1), "the young ones stay");
    assert_eq!((purged.tickets, purged.grants), (1, 0), "the ticket of the ended file went with it");
    assert_eq!(db.file_for(bob, file(1), now).await.unwrap(), FileAccess::Expired, "still remembered");
    let later = db.purge(NOW.plus(40 * DAY), keep).await.unwrap();
    assert_eq!((later.sessions, later.grants), (1, 2));
    assert_eq!(db.file_for(bob, file(1), NOW.plus(40 * DAY)).await.unwrap(), FileAccess::Nothing);
    assert!(matches!(db.file_for(bob, file(2), NOW.plus(40 * DAY)).await.unwrap(), FileAccess::Available(_)));
    let again = new_upload(alice, file(1), Some(MIB));
    assert_eq!(db.begin_upload(again).await.unwrap(), BeginAnswer::Conflict, "its id stays used");
}
