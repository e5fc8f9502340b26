//! Promises about sessions.

use futures::future::join_all;

use super::*;
use crate::{DbError, NewSession, RefreshHash, RotateRefresh, Rotation, SessionId};

pub(super) async fn run(fixture: &impl Fn() -> Box<dyn Fixture>) {
    a_session_lives_until_it_expires(&*empty(fixture).await).await;
    a_refresh_prolongs_the_session(&*empty(fixture).await).await;
    a_copied_token_ends_the_whole_session(&*empty(fixture).await).await;
    an_expired_or_unknown_token_is_unknown(&*empty(fixture).await).await;
    a_token_shown_twice_at_once_gives_at_most_one(empty(fixture).await).await;
    an_ended_session_is_over_at_once(&*empty(fixture).await).await;
    nobody_without_an_account_has_a_session(&*empty(fixture).await).await;
    a_lost_answer_is_given_again_for_a_short_while(&*empty(fixture).await).await;
    an_answer_that_was_used_is_not_given_again(&*empty(fixture).await).await;
    the_same_exchange_at_once_gives_one_successor(empty(fixture).await).await;
    people_see_and_end_their_own_sessions_alone(&*empty(fixture).await).await;
    a_token_ends_its_own_session_and_no_other(&*empty(fixture).await).await;
}

const GRACE: u32 = 30;

fn sid(n: u8) -> SessionId {
    SessionId::from_bytes([n; 16])
}

fn token(n: u8) -> RefreshHash {
    RefreshHash::from_bytes([n; 32])
}

async fn open(db: &dyn Database, who: UserId, n: u8) {
    db.open_session(new_session(who, n)).await.unwrap();
}

fn new_session(who: UserId, n: u8) -> NewSession {
    NewSession {
        sid: sid(n),
        user: who,
        refresh: token(n),
        now: NOW,
        expires_at: NOW.plus(7 * DAY),
        client: format!("client {n}"),
        strong: n == 3,
    }
}

fn rotate(old: u8, new: u8, now: UnixTime) -> RotateRefresh {
    RotateRefresh { old: token(old), new: token(new), now, expires_at: now.plus(7 * DAY), grace_secs: GRACE }
}

async fn a_token_ends_its_own_session_and_no_other(db: &dyn Database) {
    let (alice, bob) = (person(db, 1).await, person(db, 2).await);
    open(db, alice, 1).await;
    open(db, bob, 2).await;
    assert_eq!(db.end_session_of_token(token(9), NOW).await.unwrap(), None);
    assert_eq!(db.end_session_of_token(token(1), NOW.plus(7 * DAY)).await.unwrap(), None, "it has expired");
    db.rotate_refresh(rotate(1, 11, NOW)).await.unwrap();
    assert_eq!(
        db.end_session_of_token(token(1), NOW).await.unwrap(),
        Some((alice, sid(1))),
        "a used one too"
    );
    assert_eq!(db.end_session_of_token(token(11), NOW).await.unwrap(), None);
    assert_eq!(db.session(sid(1), NOW).await.unwrap(), None);
    assert!(db.session(sid(2), NOW).await.unwrap().is_some());
}

async fn a_session_lives_until_it_expires(db: &dyn Database) {
    let alice = person(db, 1).await;
    open(db, alice, 1).await;
    let found = db.session(sid(1), NOW.plus(7 * DAY - 1)).await.unwrap().unwrap();
    assert_eq!(
        (found.user, found.sid, found.created_at, found.expires_at),
        (alice, sid(1), NOW, NOW.plus(7 * DAY))
    );
    assert_eq!(db.session(sid(1), NOW.plus(7 * DAY)).await.unwrap(), None);
    assert_eq!(db.session(sid(2), NOW).await.unwrap(), None);
}

async fn a_refresh_prolongs_the_session(db: &dyn Database) {
    let alice = person(db, 1).await;
    open(db, alice, 1).await;
    let late = NOW.plus(6 * DAY);
    assert_eq!(
        db.rotate_refresh(rotate(1, 11, late)).await.unwrap(),
        Rotation::Rotated { user: alice, sid: sid(1) }
    );
    assert!(db.session(sid(1), NOW.plus(12 * DAY)).await.unwrap().is_some());
    let next = db.rotate_refresh(rotate(11, 12, late)).await.unwrap();
    assert_eq!(next, Rotation::Rotated { user: alice, sid: sid(1) });
}

async fn a_copied_token_ends_the_whole_session(db: &dyn Database) {
    let alice = person(db, 1).await;
    open(db, alice, 1).await;
    open(db, alice, 2).await;
    db.rotate_refresh(rotate(1, 11, NOW)).await.unwrap();
    let reused = db.rotate_refresh(rotate(1, 12, NOW)).await.unwrap();
    assert_eq!(reused, Rotation::Reused { user: alice, sid: sid(1) });
    assert_eq!(db.session(sid(1), NOW).await.unwrap(), None);
    assert_eq!(db.rotate_refresh(rotate(11, 13, NOW)).await.unwrap(), Rotation::Unknown, "the good one too");
    assert!(db.session(sid(2), NOW).await.unwrap().is_some(), "other sessions stay");
}

async fn an_expired_or_unknown_token_is_unknown(db: &dyn Database) {
    let alice = person(db, 1).await;
    open(db, alice, 1).await;
    assert_eq!(db.rotate_refresh(rotate(9, 10, NOW)).await.unwrap(), Rotation::Unknown);
    assert_eq!(db.rotate_refresh(rotate(1, 10, NOW.plus(7 * DAY))).await.unwrap(), Rotation::Unknown);
    assert!(
        matches!(db.rotate_refresh(rotate(1, 10, NOW)).await.unwrap(), Rotation::Rotated { .. }),
        "nothing was used up"
    );
}

async fn a_token_shown_twice_at_once_gives_at_most_one(db: Arc<dyn Database>) {
    let alice = person(&*db, 1).await;
    open(&*db, alice, 1).await;
    let tries = (100..108).map(|n| {
        let db = db.clone();
        tokio::spawn(async move { db.rotate_refresh(rotate(1, n, NOW)).await.unwrap() })
    });
    let answers: Vec<Rotation> = join_all(tries).await.into_iter().map(Result::unwrap).collect();
    assert!(answers.iter().filter(|answer| matches!(answer, Rotation::Rotated { .. })).count() <= 1);
    assert_eq!(db.session(sid(1), NOW).await.unwrap(), None, "a copy was seen, so it is over");
}

async fn an_ended_session_is_over_at_once(db: &dyn Database) {
    let alice = person(db, 1).await;
    for n in 1..=3 {
        open(db, alice, n).await;
    }
    assert!(db.end_session(sid(1)).await.unwrap());
    assert!(!db.end_session(sid(1)).await.unwrap());
    assert_eq!(db.session(sid(1), NOW).await.unwrap(), None);
    assert_eq!(db.rotate_refresh(rotate(1, 11, NOW)).await.unwrap(), Rotation::Unknown);
    assert_eq!(db.end_sessions_of(alice).await.unwrap(), 2);
    assert_eq!(db.session(sid(3), NOW).await.unwrap(), None);
}

async fn nobody_without_an_account_has_a_session(db: &dyn Database) {
    assert!(matches!(db.open_session(new_session(user(9), 1)).await, Err(DbError::UnknownAccount)));
}

async fn a_lost_answer_is_given_again_for_a_short_while(db: &dyn Database) {
    let alice = person(db, 1).await;
    open(db, alice, 1).await;
    let rotated = Rotation::Rotated { user: alice, sid: sid(1) };
    assert_eq!(db.rotate_refresh(rotate(1, 11, NOW)).await.unwrap(), rotated);
    let again = NOW.plus(i64::from(GRACE) - 1);
    assert_eq!(db.rotate_refresh(rotate(1, 11, again)).await.unwrap(), rotated);
    let late = NOW.plus(i64::from(GRACE));
    let reused = db.rotate_refresh(rotate(1, 11, late)).await.unwrap();
    assert_eq!(reused, Rotation::Reused { user: alice, sid: sid(1) }, "the grace is over");
}

async fn an_answer_that_was_used_is_not_given_again(db: &dyn Database) {
    let alice = person(db, 1).await;
    open(db, alice, 1).await;
    db.rotate_refresh(rotate(1, 11, NOW)).await.unwrap();
    db.rotate_refresh(rotate(11, 12, NOW)).await.unwrap();
    let reused = db.rotate_refresh(rotate(1, 11, NOW)).await.unwrap();
    assert_eq!(reused, Rotation::Reused { user: alice, sid: sid(1) });
    assert_eq!(db.rotate_refresh(rotate(12, 13, NOW)).await.unwrap(), Rotation::Unknown);
}

async fn the_same_exchange_at_once_gives_one_successor(db: Arc<dyn Database>) {
    let alice = person(&*db, 1).await;
    open(&*db, alice, 1).await;
    let tries = (0..8).map(|_| {
        let db = db.clone();
        tokio::spawn(async move { db.rotate_refresh(rotate(1, 11, NOW)).await.unwrap() })
    });
    for answer in join_all(tries).await {
        assert_eq!(answer.unwrap(), Rotation::Rotated { user: alice, sid: sid(1) });
    }
    let next = db.rotate_refresh(rotate(11, 12, NOW)).await.unwrap();
    assert_eq!(next, Rotation::Rotated { user: alice, sid: sid(1) }, "one successor, still good");
}

async fn people_see_and_end_their_own_sessions_alone(db: &dyn Database) {
    let (alice, bob) = (person(db, 1).await, person(db, 2).await);
    for n in 1..=3 {
        open(db, alice, n).await;
    }
    open(db, bob, 4).await;
    db.rotate_refresh(rotate(2, 12, NOW.plus(60))).await.unwrap();
    let seen = db.sessions_of(alice, NOW.plus(60)).await.unwrap();
    assert_eq!(
        seen.iter().map(|one| one.sid).collect::<Vec<_>>(),
        [sid(2), sid(1), sid(3)],
        "last used first"
    );
    assert_eq!(
        (seen[0].last_used_at, seen[0].client.as_str(), seen[0].strong),
        (NOW.plus(60), "client 2", false)
    );
    assert!(seen[2].strong);
    assert!(
        db.sessions_of(alice, NOW.plus(30 * DAY)).await.unwrap().is_empty(),
        "expired ones are not shown"
    );
    assert!(!db.end_session_of(alice, sid(4)).await.unwrap());
    assert!(db.session(sid(4), NOW).await.unwrap().is_some(), "not hers to end");
    assert!(db.end_session_of(alice, sid(1)).await.unwrap());
    assert!(!db.end_session_of(alice, sid(1)).await.unwrap());
    assert_eq!(db.end_other_sessions(alice, sid(3)).await.unwrap(), 1);
    assert!(
        db.session(sid(3), NOW).await.unwrap().is_some() && db.session(sid(2), NOW).await.unwrap().is_none()
    );
    assert!(db.session(sid(4), NOW).await.unwrap().is_some());
}
