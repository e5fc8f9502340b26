//! Promises about the directory.

use futures::future::join_all;

use super::*;
use crate::{NewBundle, PublishAnswer};

pub(super) async fn run(fixture: &impl Fn() -> Box<dyn Fixture>) {
    a_chain_grows_by_one_that_fits(&*empty(fixture).await).await;
    the_same_bundle_again_is_the_same(&*empty(fixture).await).await;
    what_does_not_continue_the_chain_is_refused(&*empty(fixture).await).await;
    of_two_next_bundles_one_wins(empty(fixture).await).await;
    many_people_are_found_at_once(&*empty(fixture).await).await;
}

/// Bundle `seq` of a person, with a hash and a previous hash that fit.
pub(super) fn bundle(user: UserId, seq: u32, variant: u8) -> NewBundle {
    let seq_digit = u8::try_from(seq).unwrap();
    NewBundle {
        user,
        seq,
        bundle: vec![seq_digit, variant],
        hash: Digest::from_bytes([seq_digit ^ variant; 32]),
        root: RootId::from_bytes([9; 32]),
        previous: (seq > 1).then(|| digest(seq_digit - 1)),
        by_reset: false,
        now: NOW,
        events: Vec::new(),
    }
}

async fn a_chain_grows_by_one_that_fits(db: &dyn Database) {
    let alice = person(db, 1).await;
    assert_eq!(db.newest_bundle(alice).await.unwrap(), None);
    for seq in 1..=5 {
        assert_eq!(db.publish_bundle(bundle(alice, seq, 0)).await.unwrap(), PublishAnswer::Published);
    }
    let newest = db.newest_bundle(alice).await.unwrap().unwrap();
    assert_eq!((newest.seq, newest.bundle, newest.hash), (5, vec![5, 0], digest(5)));
    let chain = db.bundle_chain(alice, 2, 3).await.unwrap();
    assert_eq!(chain.iter().map(|bundle| bundle.seq).collect::<Vec<_>>(), [2, 3, 4]);
    assert_eq!(db.bundle_chain(alice, 6, 3).await.unwrap(), []);
}

async fn the_same_bundle_again_is_the_same(db: &dyn Database) {
    let alice = person(db, 1).await;
    for seq in 1..=2 {
        db.publish_bundle(bundle(alice, seq, 0)).await.unwrap();
    }
    for seq in 1..=2 {
        assert_eq!(db.publish_bundle(bundle(alice, seq, 0)).await.unwrap(), PublishAnswer::Same);
    }
}

async fn what_does_not_continue_the_chain_is_refused(db: &dyn Database) {
    let alice = person(db, 1).await;
    let none = PublishAnswer::Conflict { newest: None };
    assert_eq!(db.publish_bundle(bundle(alice, 2, 0)).await.unwrap(), none, "a chain begins with 1");
    let mut first = bundle(alice, 1, 0);
    first.previous = Some(digest(0));
    assert_eq!(db.publish_bundle(first).await.unwrap(), none, "a first one has none before it");
    db.publish_bundle(bundle(alice, 1, 0)).await.unwrap();
    db.publish_bundle(bundle(alice, 2, 0)).await.unwrap();
    let two = PublishAnswer::Conflict { newest: Some(2) };
    assert_eq!(
        db.publish_bundle(bundle(alice, 2, 0x40)).await.unwrap(),
        two,
        "another one of a taken number"
    );
    assert_eq!(db.publish_bundle(bundle(alice, 4, 0)).await.unwrap(), two, "a gap");
    let mut torn = bundle(alice, 3, 0);
    torn.previous = Some(digest(77));
    assert_eq!(db.publish_bundle(torn).await.unwrap(), two, "another one before it");
    let mut restart = bundle(alice, 3, 0);
    restart.previous = None;
    assert_eq!(db.publish_bundle(restart).await.unwrap(), two);
}

async fn of_two_next_bundles_one_wins(db: Arc<dyn Database>) {
    let alice = person(&*db, 1).await;
    db.publish_bundle(bundle(alice, 1, 0)).await.unwrap();
    let tries = (1..=8).map(|n| {
        let db = db.clone();
        tokio::spawn(async move { db.publish_bundle(bundle(alice, 2, n << 4)).await.unwrap() })
    });
    let published =
        join_all(tries).await.into_iter().map(Result::unwrap).filter(|a| *a == PublishAnswer::Published);
    assert_eq!(published.count(), 1);
}

async fn many_people_are_found_at_once(db: &dyn Database) {
    for n in 1..=3 {
        let who = person(db, n).await;
        for seq in 1..=u32::from(n) {
            db.publish_bundle(bundle(who, seq, 0)).await.unwrap();
        }
    }
    person(db, 4).await;
    let mut found = db.newest_bundles(&[user(3), user(4), user(1), user(99)]).await.unwrap();
    found.sort_by_key(|bundle| bundle.user);
    let found: Vec<_> = found.iter().map(|bundle| (bundle.user, bundle.seq)).collect();
    assert_eq!(found, [(user(1), 1), (user(3), 3)], "who has none is left out");
    assert_eq!(db.newest_bundles(&[]).await.unwrap(), []);
}
