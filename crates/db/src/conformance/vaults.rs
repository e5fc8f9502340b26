//! Promises about key files.

use futures::future::join_all;

use super::*;
use crate::{DbError, NewVault, StoreVaultAnswer, StoredVault};

pub(super) async fn run(fixture: &impl Fn() -> Box<dyn Fixture>) {
    a_higher_number_takes_the_place_of_a_lower_one(&*empty(fixture).await).await;
    of_many_at_once_the_highest_stays(empty(fixture).await).await;
    a_removed_key_file_does_not_come_back(&*empty(fixture).await).await;
    nobody_without_an_account_keeps_a_key_file(&*empty(fixture).await).await;
}

fn new(user: UserId, version: u32, fill: u8) -> NewVault {
    NewVault { user, version, vault: vec![fill; 300], now: NOW.plus(i64::from(version)) }
}

async fn a_higher_number_takes_the_place_of_a_lower_one(db: &dyn Database) {
    let (alice, bob) = (person(db, 1).await, person(db, 2).await);
    assert_eq!(db.vault(alice).await.unwrap(), None);
    assert_eq!(db.store_vault(new(alice, 3, 3)).await.unwrap(), StoreVaultAnswer::Stored);
    assert_eq!(db.store_vault(new(alice, 3, 3)).await.unwrap(), StoreVaultAnswer::Stored, "the same again");
    let older = StoreVaultAnswer::Older { newest: 3 };
    assert_eq!(db.store_vault(new(alice, 3, 4)).await.unwrap(), older, "another one of the same number");
    assert_eq!(db.store_vault(new(alice, 2, 2)).await.unwrap(), older);
    assert_eq!(db.store_vault(new(alice, 7, 7)).await.unwrap(), StoreVaultAnswer::Stored);
    let expected = StoredVault { version: 7, vault: vec![7; 300], stored_at: NOW.plus(7) };
    assert_eq!(db.vault(alice).await.unwrap(), Some(expected));
    assert_eq!(db.vault(bob).await.unwrap(), None);
}

async fn of_many_at_once_the_highest_stays(db: Arc<dyn Database>) {
    let alice = person(&*db, 1).await;
    let all = (1..=8).map(|n| {
        let db = db.clone();
        tokio::spawn(async move { db.store_vault(new(alice, n, 0)).await.unwrap() })
    });
    join_all(all).await;
    assert_eq!(db.vault(alice).await.unwrap().unwrap().version, 8);
}

async fn a_removed_key_file_does_not_come_back(db: &dyn Database) {
    let alice = person(db, 1).await;
    db.store_vault(new(alice, 3, 3)).await.unwrap();
    assert!(!db.remove_vault(alice, 2, NOW).await.unwrap());
    assert!(db.remove_vault(alice, 3, NOW).await.unwrap());
    assert!(!db.remove_vault(alice, 3, NOW).await.unwrap());
    assert_eq!(db.vault(alice).await.unwrap(), None);
    let older = StoreVaultAnswer::Older { newest: 3 };
    assert_eq!(db.store_vault(new(alice, 3, 3)).await.unwrap(), older);
    assert_eq!(db.store_vault(new(alice, 4, 4)).await.unwrap(), StoreVaultAnswer::Stored);
}

async fn nobody_without_an_account_keeps_a_key_file(db: &dyn Database) {
    assert!(matches!(db.store_vault(new(user(9), 1, 1)).await, Err(DbError::UnknownAccount)));
}
