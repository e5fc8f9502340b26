//! Promises about records of pins.

use futures::future::join_all;

use super::*;
use crate::{DbError, NewPins, StorePinsAnswer, StoredPins};

pub(super) async fn run(fixture: &impl Fn() -> Box<dyn Fixture>) {
    a_record_takes_the_place_of_exactly_the_one_before(&*empty(fixture).await).await;
    of_devices_that_write_at_once_one_wins(empty(fixture).await).await;
    nobody_without_an_account_keeps_a_record(&*empty(fixture).await).await;
}

fn new(user: UserId, previous: u64, version: u64, fill: u8) -> NewPins {
    NewPins { user, previous, version, record: vec![fill; 200], now: NOW }
}

async fn a_record_takes_the_place_of_exactly_the_one_before(db: &dyn Database) {
    let (alice, bob) = (person(db, 1).await, person(db, 2).await);
    assert_eq!(db.pins(alice).await.unwrap(), None);
    let conflict = StorePinsAnswer::Conflict;
    assert_eq!(db.store_pins(new(alice, 4, 5, 5)).await.unwrap(), conflict, "there is no fourth");
    assert_eq!(db.store_pins(new(alice, 0, 1, 1)).await.unwrap(), StorePinsAnswer::Stored);
    assert_eq!(db.store_pins(new(alice, 0, 1, 1)).await.unwrap(), StorePinsAnswer::Stored, "the same again");
    assert_eq!(db.store_pins(new(alice, 0, 1, 2)).await.unwrap(), conflict, "another of the same number");
    assert_eq!(db.store_pins(new(alice, 1, 1, 2)).await.unwrap(), conflict, "the number does not grow");
    assert_eq!(db.store_pins(new(alice, 1, 9, 9)).await.unwrap(), StorePinsAnswer::Stored);
    assert_eq!(db.pins(alice).await.unwrap(), Some(StoredPins { version: 9, record: vec![9; 200] }));
    assert_eq!(db.pins(bob).await.unwrap(), None);
}

async fn of_devices_that_write_at_once_one_wins(db: Arc<dyn Database>) {
    let alice = person(&*db, 1).await;
    let all = (1..=8).map(|fill| {
        let db = db.clone();
        tokio::spawn(async move { db.store_pins(new(alice, 0, 1, fill)).await.unwrap() })
    });
    let answers: Vec<_> = join_all(all).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(answers.iter().filter(|answer| **answer == StorePinsAnswer::Stored).count(), 1);
}

async fn nobody_without_an_account_keeps_a_record(db: &dyn Database) {
    assert!(matches!(db.store_pins(new(user(9), 0, 1, 1)).await, Err(DbError::UnknownAccount)));
}
