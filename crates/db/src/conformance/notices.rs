//! Promises about letters that wait.

use envelope::audit::Kind;
use envelope::ids::EventId;
use futures::future::join_all;

use super::*;
use crate::{DbError, DueNotice, Erase, NewEvent};

const WAIT: u32 = 60;
const PAUSE: u32 = 3_600;

pub(super) async fn run(fixture: &impl Fn() -> Box<dyn Fixture>) {
    many_files_are_one_letter_and_the_next_waits(&*empty(fixture).await).await;
    nobody_is_told_of_what_they_did_themselves(&*empty(fixture).await).await;
    of_many_servers_one_gets_a_letter(&mut *fixture()).await;
    who_wants_no_letters_gets_none_and_may_change_their_mind(&*empty(fixture).await).await;
    the_suspended_and_the_erased_get_none(&*empty(fixture).await).await;
}

fn shared(n: u8, actor: UserId, other: UserId) -> NewEvent {
    NewEvent {
        id: EventId::from_bytes([n; 16]),
        at: NOW,
        kind: Kind::FileShared,
        actor,
        owner: Some(actor),
        file_id: Some(file(n)),
        other: Some(other),
        sealed: Vec::new(),
    }
}

fn arrived(n: u8, owner: UserId) -> NewEvent {
    NewEvent { kind: Kind::BoxArrival, other: None, ..shared(n, owner, owner) }
}

async fn due(db: &dyn Database, seconds: i64) -> Vec<DueNotice> {
    db.claim_notices(NOW.plus(seconds), WAIT, PAUSE, 100).await.unwrap()
}

async fn many_files_are_one_letter_and_the_next_waits(db: &dyn Database) {
    let (alice, bob) = (person(db, 1).await, person(db, 2).await);
    for n in 1..=20 {
        db.append_events(&[shared(n, alice, bob)]).await.unwrap();
    }
    assert_eq!(due(db, 59).await, [], "more may come");
    assert_eq!(due(db, 60).await, [DueNotice { user: bob, shared: true, arrived: false }]);
    assert_eq!(due(db, 61).await, []);
    db.append_events(&[arrived(30, bob), shared(31, alice, bob)]).await.unwrap();
    assert_eq!(due(db, 3_659).await, [], "an hour after the last");
    assert_eq!(due(db, 3_660).await, [DueNotice { user: bob, shared: true, arrived: true }]);
}

async fn nobody_is_told_of_what_they_did_themselves(db: &dyn Database) {
    let alice = person(db, 1).await;
    let sent = NewEvent { kind: Kind::FileSent, other: None, ..shared(1, alice, alice) };
    db.append_events(&[shared(2, alice, alice), sent]).await.unwrap();
    assert_eq!(due(db, 7_200).await, []);
}

async fn of_many_servers_one_gets_a_letter(fixture: &mut dyn Fixture) {
    let one = fixture.open().await;
    let two = fixture.open().await;
    let (alice, bob) = (person(&*one, 1).await, person(&*one, 2).await);
    one.append_events(&[shared(1, alice, bob)]).await.unwrap();
    let servers = [&one, &two, &one, &two, &one, &two];
    let claimed = join_all(servers.map(|db| due(&**db, 90))).await;
    assert_eq!(claimed.concat().len(), 1);
}

async fn who_wants_no_letters_gets_none_and_may_change_their_mind(db: &dyn Database) {
    let (alice, bob) = (person(db, 1).await, person(db, 2).await);
    assert!(db.wants_notices(bob).await.unwrap());
    db.append_events(&[shared(1, alice, bob)]).await.unwrap();
    for _ in 0..2 {
        db.want_notices(bob, false).await.unwrap();
        assert!(!db.wants_notices(bob).await.unwrap());
    }
    db.append_events(&[shared(2, alice, bob)]).await.unwrap();
    db.want_notices(bob, true).await.unwrap();
    assert_eq!(due(db, 7_200).await, [], "what came meanwhile is not told later");
    db.append_events(&[shared(3, alice, bob)]).await.unwrap();
    assert_eq!(due(db, 7_200).await.len(), 1);
}

async fn the_suspended_and_the_erased_get_none(db: &dyn Database) {
    let (alice, bob, carol) = (person(db, 1).await, person(db, 2).await, person(db, 3).await);
    db.append_events(&[shared(1, alice, bob), shared(2, alice, carol)]).await.unwrap();
    db.suspend(bob, NOW, &[]).await.unwrap();
    let erase = Erase { user: carol, lookup: lookup(99), now: NOW, events: Vec::new() };
    assert!(db.erase_account(erase).await.unwrap());
    assert_eq!(due(db, 90).await, []);
    let late = db.want_notices(carol, false).await;
    assert!(matches!(late, Err(DbError::UnknownAccount)), "what was under way keeps nothing: {late:?}");
    db.reinstate(bob, &[]).await.unwrap();
    assert_eq!(due(db, 90).await.len(), 1, "it waited");
}
