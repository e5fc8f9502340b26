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
}

fn sid(n: u8) -> SessionId {
    SessionId::from_bytes([n; 16])
}

fn token(n: u8) -> RefreshHash {
    RefreshHash::from_bytes([n; 32])
}

async fn open(db: &dyn Database, who: UserId, n: u8) {
    let new =
        NewSession { sid: sid(n), user: who, refresh: token(n), now: NOW, expires_at: NOW.plus(7 * DAY) };
    db.open_session(new).await.unwrap();
}

fn rotate(old: u8, new: u8, now: UnixTime) -> RotateRefresh {
    RotateRefresh { old: token(old), new: token(new), now, expires_at: now.plus(7 * DAY) }
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
    let new =
        NewSession { sid: sid(1), user: user(9), refresh: token(1), now: NOW, expires_at: NOW.plus(DAY) };
    assert!(matches!(db.open_session(new).await, Err(DbError::UnknownAccount)));
}
