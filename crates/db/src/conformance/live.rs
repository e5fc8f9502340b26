//! Promises about what people are told of while they watch.

use std::sync::atomic::{AtomicUsize, Ordering};

use envelope::audit::Kind;
use envelope::ids::EventId;
use futures::future::join_all;

use super::*;
use crate::{Erase, HappeningKind, NewEvent, NewSession, SessionId};

pub(super) async fn run(fixture: &impl Fn() -> Box<dyn Fixture>) {
    what_came_changed_and_went_is_told_in_order(&*empty(fixture).await).await;
    an_event_is_told_to_its_actor_and_to_the_owner(&*empty(fixture).await).await;
    another_server_reads_on_where_one_stopped(&mut *fixture()).await;
    the_end_of_a_session_stirs_and_is_told_to_nobody(&*empty(fixture).await).await;
    what_is_forgotten_is_the_beginning_and_a_number_before_it_does_not_hold(&*empty(fixture).await).await;
    a_copy_that_lives_on_holds_no_number_from_before(&*empty(fixture).await).await;
    an_erased_person_is_told_nothing(&*empty(fixture).await).await;
    who_goes_on_at_a_number_misses_nothing_while_many_write(&mut *fixture()).await;
}

/// What somebody is told behind a number: the kind as a word, and the file.
async fn told(db: &dyn Database, user: UserId, after: u64) -> Vec<(String, Option<FileId>)> {
    let all = db.happenings_of(user, after, 500).await.unwrap();
    assert!(all.is_sorted_by_key(|one| one.seq));
    all.into_iter().map(|one| (word(one.kind), one.file_id)).collect()
}

fn word(kind: HappeningKind) -> String {
    match kind {
        HappeningKind::FileArrived => "arrived".to_owned(),
        HappeningKind::FileChanged => "changed".to_owned(),
        HappeningKind::FileGone => "gone".to_owned(),
        HappeningKind::Activity(what) => what,
    }
}

async fn last(db: &dyn Database) -> u64 {
    db.live_span().await.unwrap().last
}

fn event(n: u8, kind: Kind, actor: UserId) -> NewEvent {
    NewEvent {
        id: EventId::from_bytes([n; 16]),
        at: NOW,
        kind,
        actor,
        owner: None,
        file_id: None,
        other: None,
        sealed: Vec::new(),
    }
}

async fn what_came_changed_and_went_is_told_in_order(db: &dyn Database) {
    let (alice, bob) = (person(db, 1).await, person(db, 2).await);
    begin(db, alice, file(9), Some(MIB)).await;
    assert_eq!(told(db, alice, 0).await, [], "an open upload is in no list");
    send(db, new_finish(alice, file(1), MIB, &[bob])).await;
    send(db, new_finish(alice, file(2), MIB, &[bob])).await;
    let arrived = |n| ("arrived".to_owned(), Some(file(n)));
    let gone = |n| ("gone".to_owned(), Some(file(n)));
    assert_eq!(told(db, bob, 0).await, [arrived(1), arrived(2)]);
    assert_eq!(told(db, alice, 0).await, [arrived(1), arrived(2)]);
    let before = last(db).await;
    db.revoke_grant(alice, file(2), bob, &[]).await.unwrap();
    db.delete_file(alice, file(1), NOW.plus(HOUR), &[]).await.unwrap();
    assert_eq!(told(db, bob, before).await, [gone(2), gone(1)]);
    assert_eq!(told(db, alice, before).await, [gone(1)]);
    let first = db.happenings_of(bob, 0, 1).await.unwrap();
    assert_eq!(first.len(), 1, "page by page");
    assert_eq!(told(db, bob, first[0].seq).await, [arrived(2), gone(2), gone(1)]);
}

async fn an_event_is_told_to_its_actor_and_to_the_owner(db: &dyn Database) {
    let (alice, bob, carol) = (person(db, 1).await, person(db, 2).await, person(db, 3).await);
    let fetched = NewEvent {
        owner: Some(alice),
        file_id: Some(file(7)),
        other: Some(carol),
        ..event(1, Kind::FileFetched, bob)
    };
    db.append_events(&[fetched, event(2, Kind::SignedIn, alice)]).await.unwrap();
    let fetched = || ("file_fetched".to_owned(), Some(file(7)));
    assert_eq!(told(db, alice, 0).await, [fetched(), ("signed_in".to_owned(), None)]);
    assert_eq!(told(db, bob, 0).await, [fetched()]);
    assert_eq!(told(db, carol, 0).await, []);
}

async fn another_server_reads_on_where_one_stopped(fixture: &mut dyn Fixture) {
    let (one, two) = (fixture.open().await, fixture.open().await);
    let (one, two) = (&*one, &*two);
    let (alice, bob) = (person(one, 1).await, person(one, 2).await);
    send(one, new_finish(alice, file(1), MIB, &[bob])).await;
    let before = last(two).await;
    assert_eq!(before, last(one).await);
    send(two, new_finish(alice, file(2), MIB, &[bob])).await;
    for db in [one, two] {
        assert_eq!(told(db, bob, before).await, [("arrived".to_owned(), Some(file(2)))]);
        let stirred: Vec<UserId> =
            db.stirred(before, 100).await.unwrap().into_iter().map(|(_, user)| user).collect();
        assert!(stirred.contains(&alice) && stirred.contains(&bob) && stirred.len() == 2, "{stirred:?}");
    }
}

async fn the_end_of_a_session_stirs_and_is_told_to_nobody(db: &dyn Database) {
    let alice = person(db, 1).await;
    for n in [1, 2] {
        db.open_session(NewSession {
            sid: SessionId::from_bytes([n; 16]),
            user: alice,
            refresh: crate::RefreshHash::from_bytes([n; 32]),
            now: NOW,
            expires_at: NOW.plus(DAY),
            client: String::new(),
            strong: false,
        })
        .await
        .unwrap();
    }
    let before = last(db).await;
    db.end_session(SessionId::from_bytes([1; 16])).await.unwrap();
    assert_eq!(db.stirred(before, 10).await.unwrap().len(), 1);
    db.suspend(alice, NOW, &[]).await.unwrap();
    assert_eq!(db.stirred(before, 10).await.unwrap().len(), 2);
    assert_eq!(told(db, alice, 0).await, []);
}

async fn what_is_forgotten_is_the_beginning_and_a_number_before_it_does_not_hold(db: &dyn Database) {
    let alice = person(db, 1).await;
    for n in 1..=6 {
        db.append_events(&[event(n, Kind::SignedIn, alice)]).await.unwrap();
    }
    let end = last(db).await;
    let span = db.live_span().await.unwrap();
    assert!(span.holds(0) && span.holds(end) && !span.holds(end + 1));
    assert_eq!(db.forget_happenings(NOW, NOW.plus(-DAY), 100).await.unwrap(), 0, "dated now");
    assert_eq!(db.forget_happenings(NOW, NOW.plus(-DAY), 4).await.unwrap(), 2, "too many");
    let span = db.live_span().await.unwrap();
    assert!(!span.holds(end - 5) && span.holds(end - 4) && span.holds(end));
    assert_eq!(told(db, alice, end - 4).await.len(), 4);
    assert_eq!(db.forget_happenings(NOW.plus(DAY), NOW, 100).await.unwrap(), 4, "too old");
    let span = db.live_span().await.unwrap();
    assert!(!span.holds(end - 1) && span.holds(end), "whoever is up to date stays so");
    assert_eq!(span.last, end, "numbers do not begin again");
}

async fn a_copy_that_lives_on_holds_no_number_from_before(db: &dyn Database) {
    let alice = person(db, 1).await;
    db.append_events(&[event(1, Kind::SignedIn, alice)]).await.unwrap();
    let before = last(db).await;
    db.begin_again().await.unwrap();
    assert!(!db.live_span().await.unwrap().holds(before));
    for n in 2..=5 {
        db.append_events(&[event(n, Kind::SignedIn, alice)]).await.unwrap();
    }
    let span = db.live_span().await.unwrap();
    assert!(!span.holds(before) && span.holds(span.last));
}

async fn an_erased_person_is_told_nothing(db: &dyn Database) {
    let (alice, bob) = (person(db, 1).await, person(db, 2).await);
    send(db, new_finish(alice, file(1), MIB, &[bob])).await;
    let erase = Erase { user: bob, lookup: lookup(99), now: NOW.plus(HOUR), events: Vec::new() };
    assert!(db.erase_account(erase).await.unwrap());
    assert_eq!(told(db, bob, 0).await, []);
    assert_eq!(told(db, alice, 0).await, [("arrived".to_owned(), Some(file(1)))]);
}

/// Numbers become visible in their order: else a reader who has seen a higher one would never see a lower one.
async fn who_goes_on_at_a_number_misses_nothing_while_many_write(fixture: &mut dyn Fixture) {
    const WRITERS: u8 = 6;
    const EACH: u8 = 12;
    let (one, two, three) = (fixture.open().await, fixture.open().await, fixture.open().await);
    let people: Vec<UserId> =
        futures::StreamExt::collect(futures::StreamExt::then(futures::stream::iter(1..=WRITERS), |n| {
            person(&*one, n)
        }))
        .await;
    let running = Arc::new(AtomicUsize::new(people.len()));
    let writers = people.iter().enumerate().map(|(n, &user)| {
        let db = if n % 2 == 0 { Arc::clone(&one) } else { Arc::clone(&two) };
        let running = Arc::clone(&running);
        tokio::spawn(async move {
            for m in 0..EACH {
                let id = u8::try_from(n).unwrap() * EACH + m + 1;
                // Some take their number early and commit late, some are done at once.
                let told: Vec<NewEvent> = (0..=m % 4)
                    .map(|part| NewEvent {
                        id: EventId::from_bytes([[id; 8], [part; 8]].concat().try_into().unwrap()),
                        ..event(id, Kind::SignedIn, user)
                    })
                    .collect();
                db.append_events(&told).await.unwrap();
            }
            running.fetch_sub(1, Ordering::AcqRel);
        })
    });
    let writers = join_all(writers.collect::<Vec<_>>());
    let reader = async {
        let (mut seen, mut log, mut after, mut logged) = (Vec::new(), Vec::new(), 0, 0);
        loop {
            let is_last = running.load(Ordering::Acquire) == 0;
            let span = three.live_span().await.unwrap();
            for (seq, _) in three.stirred(after, 500).await.unwrap() {
                (after, seen) = (seq, [seen, vec![seq]].concat());
            }
            assert!(after >= span.last, "what is told to be the last is there");
            for event in three.events_after(logged, 500).await.unwrap() {
                (logged, log) = (event.n, [log, vec![event.n]].concat());
            }
            if is_last {
                return (seen, log);
            }
        }
    };
    let (done, (seen, log)) = futures::join!(writers, reader);
    done.into_iter().for_each(Result::unwrap);
    let all = three.stirred(0, 5_000).await.unwrap();
    assert_eq!(seen, all.into_iter().map(|(seq, _)| seq).collect::<Vec<_>>());
    let all = three.events_after(0, 10_000).await.unwrap();
    assert_eq!(log, all.into_iter().map(|event| event.n).collect::<Vec<_>>());
}
