//! Promises about the audit log.

use envelope::audit::{Kind, Link};
use envelope::ids::EventId;
use envelope::merkle::Node;
use futures::future::join_all;

use super::*;
use crate::{
    AppendBatchAnswer, AskActivity, Batch, DbError, DownloadId, Job, Lease, NewBatch, NewBundle, NewEvent,
    StoredEvent, TakeTicket,
};

pub(super) async fn run(fixture: &impl Fn() -> Box<dyn Fixture>) {
    events_stand_in_the_order_of_appending(&*empty(fixture).await).await;
    an_id_is_used_once_and_a_list_is_all_or_none(&*empty(fixture).await).await;
    a_person_sees_their_own_events_and_those_of_their_files(&*empty(fixture).await).await;
    pages_hang_together_and_filters_narrow_them(&*empty(fixture).await).await;
    many_who_append_at_once_lose_nothing(empty(fixture).await).await;
    what_changes_something_brings_its_event(&*empty(fixture).await).await;
    what_changes_nothing_brings_none(&*empty(fixture).await).await;
    the_chain_grows_by_one_that_fits(&*empty(fixture).await).await;
    without_the_lease_nothing_is_sealed(&*empty(fixture).await).await;
    of_many_who_seal_one_appends(empty(fixture).await).await;
    an_event_knows_the_batch_that_holds_it(&*empty(fixture).await).await;
    a_key_is_kept_once_and_gone_when_it_is_forgotten(&*empty(fixture).await).await;
}

fn event(n: u16, kind: Kind, actor: UserId) -> NewEvent {
    let mut id = [0; 16];
    id[..2].copy_from_slice(&n.to_be_bytes());
    NewEvent {
        id: EventId::from_bytes(id),
        at: NOW.plus(i64::from(n)),
        kind,
        actor,
        owner: None,
        file_id: None,
        other: None,
        sealed: Vec::new(),
    }
}

/// About a file of somebody.
fn about(n: u16, kind: Kind, actor: UserId, owner: UserId, file_id: FileId) -> NewEvent {
    NewEvent { owner: Some(owner), file_id: Some(file_id), ..event(n, kind, actor) }
}

fn ask(user: UserId) -> AskActivity {
    AskActivity { user, before: None, kind: None, file_id: None, since: None, limit: 100 }
}

async fn seen(db: &dyn Database, ask: AskActivity) -> Vec<StoredEvent> {
    db.activity_of(ask).await.unwrap()
}

async fn kinds(db: &dyn Database, user: UserId) -> Vec<String> {
    seen(db, ask(user)).await.into_iter().map(|event| event.kind).collect()
}

async fn events_stand_in_the_order_of_appending(db: &dyn Database) {
    let whole = NewEvent {
        other: Some(user(3)),
        sealed: vec![9; 40],
        ..about(2, Kind::FileShared, user(1), user(1), file(7))
    };
    db.append_events(&[]).await.unwrap();
    db.append_events(&[event(9, Kind::SignedIn, user(1)), whole.clone()]).await.unwrap();
    db.append_events(&[event(1, Kind::SessionEnded, user(1))]).await.unwrap();
    let all = db.events_after(0, 100).await.unwrap();
    assert_eq!(
        all.iter().map(|event| event.kind.as_str()).collect::<Vec<_>>(),
        ["signed_in", "file_shared", "session_ended"]
    );
    assert!(all.windows(2).all(|pair| pair[0].n < pair[1].n));
    let shown = &all[1];
    assert_eq!((shown.id, shown.at, shown.actor), (whole.id, whole.at, whole.actor));
    assert_eq!((shown.owner, shown.file_id, shown.other), (whole.owner, whole.file_id, whole.other));
    assert_eq!((&shown.sealed, shown.batch), (&whole.sealed, None));
    assert_eq!(db.events_after(all[0].n, 1).await.unwrap(), [all[1].clone()]);
    assert_eq!(db.events_after(all[2].n, 100).await.unwrap(), []);
}

async fn an_id_is_used_once_and_a_list_is_all_or_none(db: &dyn Database) {
    db.append_events(&[event(1, Kind::SignedIn, user(1))]).await.unwrap();
    let again = [event(2, Kind::SignedIn, user(1)), event(1, Kind::SignedIn, user(1))];
    assert!(db.append_events(&again).await.is_err());
    assert_eq!(db.events_after(0, 100).await.unwrap().len(), 1);
}

async fn a_person_sees_their_own_events_and_those_of_their_files(db: &dyn Database) {
    let (alice, bob, carol) = (user(1), user(2), user(3));
    db.append_events(&[
        event(1, Kind::SignedIn, alice),
        event(2, Kind::SignedIn, bob),
        about(3, Kind::FileSent, alice, alice, file(1)),
        NewEvent { other: Some(carol), ..about(4, Kind::FileShared, alice, alice, file(1)) },
        about(5, Kind::FileFetched, bob, alice, file(1)),
        about(6, Kind::FileFetched, alice, bob, file(2)),
    ])
    .await
    .unwrap();
    assert_eq!(
        kinds(db, alice).await,
        ["file_fetched", "file_fetched", "file_shared", "file_sent", "signed_in"]
    );
    assert_eq!(kinds(db, bob).await, ["file_fetched", "file_fetched", "signed_in"]);
    assert_eq!(kinds(db, carol).await, [] as [&str; 0], "whom it is about sees it in their files");
}

async fn pages_hang_together_and_filters_narrow_them(db: &dyn Database) {
    let (alice, bob) = (user(1), user(2));
    for n in 0..30_u16 {
        let (actor, kind) = if n % 3 == 0 { (bob, Kind::FileFetched) } else { (alice, Kind::FileSent) };
        let file_id = file(u8::try_from(n % 2).unwrap());
        db.append_events(&[about(n, kind, actor, alice, file_id)]).await.unwrap();
    }
    let whole = seen(db, ask(alice)).await;
    assert_eq!(whole.len(), 30);
    let (mut paged, mut before) = (Vec::new(), None);
    loop {
        let page = seen(db, AskActivity { before, limit: 7, ..ask(alice) }).await;
        before = page.last().map(|last| last.n);
        paged.extend(page.iter().cloned());
        if page.len() < 7 {
            break;
        }
    }
    assert_eq!(paged, whole);
    let count = async |ask| seen(db, ask).await.len();
    assert_eq!(count(AskActivity { kind: Some(Kind::FileFetched), ..ask(alice) }).await, 10);
    assert_eq!(count(AskActivity { file_id: Some(file(1)), ..ask(alice) }).await, 15);
    assert_eq!(count(AskActivity { since: Some(NOW.plus(25)), ..ask(alice) }).await, 5);
    let all = AskActivity { kind: Some(Kind::FileFetched), file_id: Some(file(1)), ..ask(bob) };
    assert_eq!(count(AskActivity { since: Some(NOW.plus(10)), ..all }).await, 3);
}

async fn many_who_append_at_once_lose_nothing(db: Arc<dyn Database>) {
    let tries = (0..40_u16).map(|n| {
        let db = db.clone();
        tokio::spawn(async move { db.append_events(&[event(n, Kind::SignedIn, user(1))]).await.unwrap() })
    });
    join_all(tries).await.into_iter().for_each(Result::unwrap);
    assert_eq!(db.events_after(0, 100).await.unwrap().len(), 40);
}

async fn what_changes_something_brings_its_event(db: &dyn Database) {
    let (alice, bob, carol) = (person(db, 1).await, person(db, 2).await, person(db, 3).await);
    let mut finish = to_both(alice, bob, carol, file(1));
    finish.events = vec![about(1, Kind::FileSent, alice, alice, file(1))];
    send(db, finish).await;
    db.take_ticket(ticket(bob, 1, event_of_ticket(2, bob))).await.unwrap();
    let mut replace = replacement(db, bob, file(1)).await;
    replace.events = vec![about(3, Kind::GrantReplaced, bob, alice, file(1))];
    db.replace_grant(replace).await.unwrap();
    db.leave_file(bob, file(1), &[about(4, Kind::FileLeft, bob, alice, file(1))]).await.unwrap();
    db.revoke_grant(alice, file(1), carol, &[about(5, Kind::AccessRevoked, alice, alice, file(1))])
        .await
        .unwrap();
    db.revoke_key(alice, file(1), recipient(70), &[about(6, Kind::AccessRevoked, alice, alice, file(1))])
        .await
        .unwrap();
    db.delete_file(alice, file(1), NOW, &[about(7, Kind::FileDeleted, alice, alice, file(1))]).await.unwrap();
    db.publish_bundle(bundle(alice, vec![event(8, Kind::KeysPublished, alice)])).await.unwrap();
    let mut seen: Vec<_> = kinds(db, alice).await;
    seen.reverse();
    assert_eq!(
        seen,
        [
            "file_sent",
            "file_fetched",
            "grant_replaced",
            "file_left",
            "access_revoked",
            "access_revoked",
            "file_deleted",
            "keys_published"
        ]
    );
    let fetched = AskActivity { kind: Some(Kind::FileFetched), ..ask(alice) };
    assert_eq!(db.activity_of(fetched).await.unwrap()[0].owner, Some(alice), "put in by the database");
    // What expires has nobody who asks; the job's own sentence tells of it.
    send(db, new_finish(alice, file(2), MIB, &[])).await;
    let end = NOW.plus(30 * DAY);
    let token = db.take_lease(Job::Expiry, "us", end, 60).await.unwrap().unwrap();
    db.doom_expired(end, 10, &Lease { job: Job::Expiry, token }).await.unwrap().unwrap();
    let expired = seen_last(db, alice).await;
    assert_eq!((expired.kind.as_str(), expired.at, expired.file_id), ("file_expired", end, Some(file(2))));
    assert_eq!((expired.actor, expired.owner), (alice, Some(alice)));
}

async fn what_changes_nothing_brings_none(db: &dyn Database) {
    let (alice, bob, carol) = (person(db, 1).await, person(db, 2).await, person(db, 3).await);
    let never = |n| vec![event(n, Kind::LimitReached, alice)];
    let finish = to_both(alice, bob, carol, file(1));
    send(db, finish.clone()).await;
    db.publish_bundle(bundle(alice, Vec::new())).await.unwrap();
    db.take_ticket(ticket(bob, 1, Vec::new())).await.unwrap();
    db.finish_upload(Finish { events: never(1), ..finish }).await.unwrap();
    db.publish_bundle(bundle(alice, never(2))).await.unwrap();
    db.take_ticket(ticket(bob, 1, never(3))).await.unwrap();
    db.take_ticket(ticket(user(9), 2, never(4))).await.unwrap();
    let mut same = replacement(db, bob, file(1)).await;
    same.bytes = same.replaced.clone();
    same.events = never(5);
    db.replace_grant(same).await.unwrap();
    db.leave_file(alice, file(1), &never(6)).await.unwrap();
    db.revoke_grant(bob, file(1), carol, &never(7)).await.unwrap();
    db.revoke_key(bob, file(1), recipient(70), &never(8)).await.unwrap();
    db.delete_file(bob, file(1), NOW, &never(9)).await.unwrap();
    assert_eq!(db.events_after(0, 100).await.unwrap(), []);
}

async fn the_chain_grows_by_one_that_fits(db: &dyn Database) {
    db.append_events(&[1, 2, 3].map(|n| event(n, Kind::SignedIn, user(1)))).await.unwrap();
    assert_eq!(db.newest_batch().await.unwrap(), None);
    let lease = lease(db).await;
    let append = async |new| db.append_batch(new, &lease, NOW).await.unwrap();
    assert_eq!(append(batch(2, 3, 0)).await, AppendBatchAnswer::Conflict, "the first has the number 1");
    assert_eq!(append(batch(1, 2, 7)).await, AppendBatchAnswer::Conflict, "there is no head before it");
    assert_eq!(append(batch(1, 2, 0)).await, AppendBatchAnswer::Appended);
    assert_eq!(append(batch(1, 2, 0)).await, AppendBatchAnswer::Conflict);
    assert_eq!(append(batch(2, 3, 9)).await, AppendBatchAnswer::Conflict, "not on the newest head");
    assert_eq!(append(batch(2, 2, 1)).await, AppendBatchAnswer::Conflict, "it would hold nothing");
    assert_eq!(append(batch(2, 3, 1)).await, AppendBatchAnswer::Appended);
    let (one, two) = (stored(&batch(1, 2, 0)), stored(&batch(2, 3, 1)));
    assert_eq!(db.newest_batch().await.unwrap(), Some(two.clone()));
    assert_eq!(db.batches_from(1, 1).await.unwrap(), std::slice::from_ref(&one));
    assert_eq!(db.batches_from(1, 9).await.unwrap(), [one, two.clone()]);
    assert_eq!(db.batches_from(2, 9).await.unwrap(), [two]);
    assert_eq!(db.batches_from(3, 9).await.unwrap(), []);
    assert_eq!(db.leaves_of_batch(2).await.unwrap(), Some(vec![2; 32]));
    assert_eq!(db.leaves_of_batch(3).await.unwrap(), None);
}

async fn without_the_lease_nothing_is_sealed(db: &dyn Database) {
    let old = lease(db).await;
    let late = NOW.plus(60);
    assert_eq!(db.append_batch(batch(1, 2, 0), &old, late).await.unwrap(), AppendBatchAnswer::NotHeld);
    db.take_lease(Job::AuditSeal, "another", late, 60).await.unwrap().unwrap();
    assert_eq!(db.append_batch(batch(1, 2, 0), &old, late).await.unwrap(), AppendBatchAnswer::NotHeld);
    assert_eq!(db.newest_batch().await.unwrap(), None);
}

async fn of_many_who_seal_one_appends(db: Arc<dyn Database>) {
    let lease = lease(&*db).await;
    let tries = (0..8).map(|_| {
        let db = db.clone();
        tokio::spawn(async move { db.append_batch(batch(1, 2, 0), &lease, NOW).await.unwrap() })
    });
    let answers = join_all(tries).await.into_iter().map(Result::unwrap);
    assert_eq!(answers.filter(|answer| *answer == AppendBatchAnswer::Appended).count(), 1);
}

async fn an_event_knows_the_batch_that_holds_it(db: &dyn Database) {
    let alice = user(1);
    db.append_events(&[1, 2, 3, 4].map(|n| event(n, Kind::SignedIn, alice))).await.unwrap();
    let all = db.events_after(0, 10).await.unwrap();
    let lease = lease(db).await;
    for (seq, last) in [(1, &all[1]), (2, &all[2])] {
        let new = batch(seq, last.n, seq - 1);
        assert_eq!(db.append_batch(new, &lease, NOW).await.unwrap(), AppendBatchAnswer::Appended);
    }
    let batches = |events: Vec<StoredEvent>| events.iter().map(|event| event.batch).collect::<Vec<_>>();
    assert_eq!(batches(db.events_after(0, 10).await.unwrap()), [Some(1), Some(1), Some(2), None]);
    assert_eq!(batches(seen(db, ask(alice)).await), [None, Some(2), Some(1), Some(1)]);
}

async fn a_key_is_kept_once_and_gone_when_it_is_forgotten(db: &dyn Database) {
    let (alice, bob) = (person(db, 1).await, person(db, 2).await);
    assert_eq!(db.audit_key(alice).await.unwrap(), None);
    assert_eq!(db.keep_audit_key(alice, vec![1; 60]).await.unwrap(), vec![1; 60]);
    assert_eq!(db.keep_audit_key(alice, vec![2; 60]).await.unwrap(), vec![1; 60], "the first stays");
    db.keep_audit_key(bob, vec![3; 60]).await.unwrap();
    assert_eq!(db.audit_key(alice).await.unwrap(), Some(vec![1; 60]));
    assert!(db.forget_audit_key(alice).await.unwrap());
    assert!(!db.forget_audit_key(alice).await.unwrap());
    assert_eq!(db.audit_key(alice).await.unwrap(), None);
    assert_eq!(db.audit_key(bob).await.unwrap(), Some(vec![3; 60]), "nobody else's");
}

async fn lease(db: &dyn Database) -> Lease {
    let token = db.take_lease(Job::AuditSeal, "us", NOW, 60).await.unwrap().unwrap();
    Lease { job: Job::AuditSeal, token }
}

/// A batch whose head is its own number.
fn batch(seq: u64, last_n: u64, previous: u64) -> NewBatch {
    let digit = |n: u64| u8::try_from(n).unwrap();
    let link = Link { seq, digest: Node::from_bytes([5; 32]), count: 1, last_time: NOW.0 };
    NewBatch {
        last_n,
        link,
        previous: digest(digit(previous)),
        head: digest(digit(seq)),
        signature: [6; 64],
        leaves: vec![digit(seq); 32],
    }
}

fn stored(new: &NewBatch) -> Batch {
    Batch { last_n: new.last_n, link: new.link, head: new.head, signature: new.signature }
}

/// A file for two people and a bare key.
fn to_both(alice: UserId, bob: UserId, carol: UserId, file_id: FileId) -> Finish {
    let mut finish = new_finish(alice, file_id, MIB, &[bob, carol]);
    finish.grants.push(key_grant(70));
    finish
}

fn event_of_ticket(n: u16, actor: UserId) -> Vec<NewEvent> {
    vec![NewEvent { file_id: Some(file(1)), ..event(n, Kind::FileFetched, actor) }]
}

fn ticket(user: UserId, download: u8, events: Vec<NewEvent>) -> TakeTicket {
    let download_id = DownloadId::from_bytes([download; 16]);
    TakeTicket { user, file_id: file(1), recipient: None, download_id, now: NOW, window_secs: 86_400, events }
}

fn bundle(user: UserId, events: Vec<NewEvent>) -> NewBundle {
    let (hash, root) = (digest(1), RootId::from_bytes([9; 32]));
    NewBundle { user, seq: 1, bundle: vec![1], hash, root, previous: None, by_reset: false, now: NOW, events }
}

async fn replacement(db: &dyn Database, user: UserId, file_id: FileId) -> crate::ReplaceGrant {
    let crate::FileAccess::Available(view) = db.file_for(user, file_id, NOW).await.unwrap() else {
        panic!("there is no file to replace a grant of")
    };
    let (replaced, recipient) = (view.grant.unwrap(), grant(user).recipient);
    let bytes = b"a newer grant".to_vec();
    crate::ReplaceGrant { user, file_id, replaced, recipient, bytes, now: NOW, events: Vec::new() }
}

async fn seen_last(db: &dyn Database, user: UserId) -> StoredEvent {
    let last = AskActivity { limit: 1, ..ask(user) };
    let mut events: Result<Vec<StoredEvent>, DbError> = db.activity_of(last).await;
    events.as_mut().unwrap().remove(0)
}
