//! Promises about wishes for new keys.

use super::*;
use crate::{DbError, NewBundle, NewReset, PublishAnswer, Reset};

pub(super) async fn run(fixture: &impl Fn() -> Box<dyn Fixture>) {
    a_wish_keeps_its_time_and_another_one_starts_anew(&*empty(fixture).await).await;
    a_wish_is_stopped_by_its_own_name(&*empty(fixture).await).await;
    whatever_is_published_ends_the_wish(&*empty(fixture).await).await;
    a_wish_that_was_stopped_at_the_last_moment_publishes_nothing(&*empty(fixture).await).await;
}

fn wish(user: UserId, n: u8, now: UnixTime) -> NewReset {
    NewReset { user, bundle: digest(n), now, due_at: now.plus(3 * DAY), events: Vec::new() }
}

async fn a_wish_keeps_its_time_and_another_one_starts_anew(db: &dyn Database) {
    let (alice, bob) = (person(db, 1).await, person(db, 2).await);
    assert_eq!(db.reset(alice).await.unwrap(), None);
    let first = db.begin_reset(wish(alice, 1, NOW)).await.unwrap();
    let expected = Reset { bundle: digest(1), begun_at: NOW, due_at: NOW.plus(3 * DAY), is_new: true };
    assert_eq!(first, expected);
    let again = db.begin_reset(wish(alice, 1, NOW.plus(DAY))).await.unwrap();
    assert_eq!(again, Reset { is_new: false, ..expected }, "asking again neither shortens nor prolongs");
    assert_eq!(db.reset(alice).await.unwrap(), Some(again));
    let later = NOW.plus(2 * DAY);
    let other = db.begin_reset(wish(alice, 2, later)).await.unwrap();
    assert_eq!((other.bundle, other.due_at, other.is_new), (digest(2), later.plus(3 * DAY), true));
    let all = db.resets(&[alice, bob]).await.unwrap();
    assert_eq!(all, [(alice, Reset { is_new: false, ..other })]);
    assert_eq!(db.resets(&[]).await.unwrap(), []);
    assert!(matches!(db.begin_reset(wish(user(9), 1, NOW)).await, Err(DbError::UnknownAccount)));
}

async fn a_wish_is_stopped_by_its_own_name(db: &dyn Database) {
    let alice = person(db, 1).await;
    db.begin_reset(wish(alice, 1, NOW)).await.unwrap();
    assert!(!db.stop_reset(alice, digest(2), &[]).await.unwrap(), "another wish");
    assert!(db.reset(alice).await.unwrap().is_some());
    assert!(db.stop_reset(alice, digest(1), &[]).await.unwrap());
    assert!(!db.stop_reset(alice, digest(1), &[]).await.unwrap());
    assert_eq!(db.reset(alice).await.unwrap(), None);
}

async fn whatever_is_published_ends_the_wish(db: &dyn Database) {
    let alice = person(db, 1).await;
    db.begin_reset(wish(alice, 1, NOW)).await.unwrap();
    let bundle = NewBundle {
        user: alice,
        seq: 1,
        bundle: vec![1],
        hash: digest(7),
        root: RootId::from_bytes([1; 32]),
        previous: None,
        by_reset: false,
        now: NOW,
        events: Vec::new(),
    };
    assert_eq!(db.publish_bundle(bundle).await.unwrap(), PublishAnswer::Published);
    assert_eq!(db.reset(alice).await.unwrap(), None);
}

async fn a_wish_that_was_stopped_at_the_last_moment_publishes_nothing(db: &dyn Database) {
    let alice = person(db, 1).await;
    let bundle = |n: u8, seq, previous, by_reset| NewBundle {
        user: alice,
        seq,
        bundle: vec![n],
        hash: digest(n),
        root: RootId::from_bytes([n; 32]),
        previous,
        by_reset,
        now: NOW.plus(10 * DAY),
        events: Vec::new(),
    };
    assert_eq!(db.publish_bundle(bundle(7, 1, None, false)).await.unwrap(), PublishAnswer::Published);
    let next = || bundle(8, 2, Some(digest(7)), true);
    db.begin_reset(wish(alice, 8, NOW)).await.unwrap();
    // The server has read that it is due; then its owner objects.
    assert!(db.stop_reset(alice, digest(8), &[]).await.unwrap());
    assert_eq!(db.publish_bundle(next()).await.unwrap(), PublishAnswer::Stopped);
    db.begin_reset(wish(alice, 8, NOW)).await.unwrap();
    assert_eq!(db.publish_bundle(next()).await.unwrap(), PublishAnswer::Published);
}
