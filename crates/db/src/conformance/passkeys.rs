//! Promises about passkeys.

use futures::future::join_all;

use super::*;
use crate::{
    AddPasskeyAnswer, Ceremony, CeremonyHash, CodeMac, ConfirmTotp, CredentialMac, FactorsSet, NewPasskey,
    PasskeyId, SessionId, UsedPasskey,
};

pub(super) async fn run(fixture: &impl Fn() -> Box<dyn Fixture>) {
    a_ceremony_is_taken_once_and_in_its_time(empty(fixture).await).await;
    a_credential_belongs_to_one_person(&*empty(fixture).await).await;
    one_that_was_begun_before_keys_were_published_is_not_added(&*empty(fixture).await).await;
    there_are_only_so_many(&*empty(fixture).await).await;
    a_count_goes_forward_only(empty(fixture).await).await;
    one_that_does_not_count_may_be_shown_again(&*empty(fixture).await).await;
    backup_codes_come_with_the_first_factor_and_go_with_the_last(&*empty(fixture).await).await;
    people_rename_and_remove_their_own_alone(&*empty(fixture).await).await;
    an_operator_takes_all_factors_at_once(&*empty(fixture).await).await;
}

fn mac(n: u8) -> CodeMac {
    CodeMac::from_bytes([n; 32])
}

pub(super) fn new(user: UserId, n: u8) -> NewPasskey {
    NewPasskey {
        id: PasskeyId::from_bytes([n; 16]),
        user,
        sid: SessionId::from_bytes([1; 16]),
        credential: CredentialMac::from_bytes([n; 32]),
        sealed: vec![n; 40],
        sealed_name: vec![n; 30],
        keys: None,
        now: NOW.plus(n.into()),
        most: 3,
        backup: vec![mac(1), mac(2)],
    }
}

fn used(n: u8, counter: u32) -> UsedPasskey {
    UsedPasskey { id: PasskeyId::from_bytes([n; 16]), sealed: vec![9; 40], counter, now: NOW.plus(100) }
}

async fn a_ceremony_is_taken_once_and_in_its_time(db: Arc<dyn Database>) {
    let hash = |n| CeremonyHash::from_bytes([n; 32]);
    for n in 1..=3 {
        let ceremony = Ceremony { hash: hash(n), sealed: vec![n; 10], expires_at: NOW.plus(300) };
        db.open_ceremony(ceremony).await.unwrap();
    }
    let takes = (0..8).map(|_| {
        let db = db.clone();
        tokio::spawn(async move { db.take_ceremony(hash(1), NOW.plus(299)).await.unwrap() })
    });
    let taken: Vec<_> = join_all(takes).await.into_iter().filter_map(Result::unwrap).collect();
    assert_eq!(taken, [vec![1; 10]]);
    assert_eq!(db.take_ceremony(hash(2), NOW.plus(300)).await.unwrap(), None, "it has expired");
    assert_eq!(db.take_ceremony(hash(9), NOW).await.unwrap(), None);
    db.purge(NOW.plus(300), crate::Retention { tickets_secs: 0, expired_secs: 0, gone_secs: 86_400 })
        .await
        .unwrap();
    assert_eq!(db.take_ceremony(hash(3), NOW).await.unwrap(), None, "purged after its end");
}

async fn a_credential_belongs_to_one_person(db: &dyn Database) {
    let (alice, bob) = (person(db, 1).await, person(db, 2).await);
    assert_eq!(db.add_passkey(new(alice, 1)).await.unwrap(), AddPasskeyAnswer::Added { first: true });
    assert_eq!(db.add_passkey(new(alice, 1)).await.unwrap(), AddPasskeyAnswer::Known);
    let other = NewPasskey { id: PasskeyId::from_bytes([7; 16]), ..new(bob, 1) };
    assert_eq!(db.add_passkey(other).await.unwrap(), AddPasskeyAnswer::Known);
    assert_eq!(db.factors_of(bob).await.unwrap(), FactorsSet::default());
    let found = db.passkey(CredentialMac::from_bytes([1; 32])).await.unwrap().unwrap();
    assert_eq!((found.user, found.sealed.as_slice(), found.last_used_at), (alice, [1; 40].as_slice(), None));
    assert_eq!(db.passkey(CredentialMac::from_bytes([2; 32])).await.unwrap(), None);
}

async fn one_that_was_begun_before_keys_were_published_is_not_added(db: &dyn Database) {
    let alice = person(db, 1).await;
    db.publish_bundle(directory::bundle(alice, 1, 0)).await.unwrap();
    assert_eq!(db.add_passkey(new(alice, 1)).await.unwrap(), AddPasskeyAnswer::Stale);
    assert!(db.passkeys_of(alice).await.unwrap().is_empty());
    let with_these = NewPasskey { keys: Some(1), ..new(alice, 1) };
    assert_eq!(db.add_passkey(with_these).await.unwrap(), AddPasskeyAnswer::Added { first: true });
}

async fn there_are_only_so_many(db: &dyn Database) {
    let alice = person(db, 1).await;
    for n in 1..=3 {
        assert_eq!(db.add_passkey(new(alice, n)).await.unwrap(), AddPasskeyAnswer::Added { first: n == 1 });
    }
    assert_eq!(db.add_passkey(new(alice, 4)).await.unwrap(), AddPasskeyAnswer::TooMany);
    let order: Vec<_> = db.passkeys_of(alice).await.unwrap().iter().map(|one| one.sealed[0]).collect();
    assert_eq!(order, [1, 2, 3], "the oldest first");
}

async fn a_count_goes_forward_only(db: Arc<dyn Database>) {
    let alice = person(&*db, 1).await;
    db.add_passkey(new(alice, 1)).await.unwrap();
    assert!(db.use_passkey(used(1, 5)).await.unwrap());
    for count in [0, 4, 5] {
        assert!(!db.use_passkey(used(1, count)).await.unwrap(), "{count}");
    }
    let uses = (0..8).map(|_| {
        let db = db.clone();
        tokio::spawn(async move { db.use_passkey(used(1, 6)).await.unwrap() })
    });
    let noted = join_all(uses).await.into_iter().filter(|noted| *noted.as_ref().unwrap()).count();
    assert_eq!(noted, 1);
    let kept = db.passkeys_of(alice).await.unwrap().remove(0);
    assert_eq!((kept.sealed, kept.last_used_at), (vec![9; 40], Some(NOW.plus(100))));
    assert!(!db.use_passkey(used(2, 6)).await.unwrap(), "there is none");
}

async fn one_that_does_not_count_may_be_shown_again(db: &dyn Database) {
    let alice = person(db, 1).await;
    db.add_passkey(new(alice, 1)).await.unwrap();
    assert!(db.use_passkey(used(1, 0)).await.unwrap());
    assert!(db.use_passkey(used(1, 0)).await.unwrap());
    assert!(db.use_passkey(used(1, 1)).await.unwrap(), "it begins to count");
    assert!(!db.use_passkey(used(1, 0)).await.unwrap());
}

async fn backup_codes_come_with_the_first_factor_and_go_with_the_last(db: &dyn Database) {
    let alice = person(db, 1).await;
    let set = |app, passkeys, backup_codes| FactorsSet { app, passkeys, backup_codes };
    assert!(!db.replace_backup_codes(alice, &[mac(9)]).await.unwrap());
    db.add_passkey(new(alice, 1)).await.unwrap();
    assert_eq!(db.factors_of(alice).await.unwrap(), set(false, 1, 2));
    assert!(db.replace_backup_codes(alice, &[mac(3), mac(4), mac(5)]).await.unwrap());
    db.add_passkey(new(alice, 2)).await.unwrap();
    assert_eq!(db.factors_of(alice).await.unwrap(), set(false, 2, 3), "a second one voids nothing");
    db.offer_totp(factors::offer(alice, 7)).await.unwrap();
    let confirm = ConfirmTotp {
        user: alice,
        sid: SessionId::from_bytes([1; 16]),
        sealed: vec![7; 48],
        step: 1,
        backup: vec![mac(6)],
    };
    db.add_passkey(new(alice, 3)).await.unwrap();
    assert!(!db.confirm_totp(confirm.clone()).await.unwrap(), "what was offered before is withdrawn");
    assert!(db.remove_passkey(alice, PasskeyId::from_bytes([3; 16])).await.unwrap());
    db.offer_totp(factors::offer(alice, 7)).await.unwrap();
    assert!(db.confirm_totp(confirm).await.unwrap());
    assert_eq!(db.factors_of(alice).await.unwrap(), set(true, 2, 1));
    assert!(db.remove_totp(alice).await.unwrap());
    assert!(db.remove_passkey(alice, PasskeyId::from_bytes([1; 16])).await.unwrap());
    assert_eq!(db.factors_of(alice).await.unwrap(), set(false, 1, 1), "one is left to stand in for");
    assert!(db.remove_passkey(alice, PasskeyId::from_bytes([2; 16])).await.unwrap());
    assert_eq!(db.factors_of(alice).await.unwrap(), FactorsSet::default());
}

async fn people_rename_and_remove_their_own_alone(db: &dyn Database) {
    let (alice, bob) = (person(db, 1).await, person(db, 2).await);
    db.add_passkey(new(alice, 1)).await.unwrap();
    let id = PasskeyId::from_bytes([1; 16]);
    assert!(!db.rename_passkey(bob, id, vec![8; 30]).await.unwrap());
    assert!(!db.remove_passkey(bob, id).await.unwrap());
    assert!(db.rename_passkey(alice, id, vec![8; 30]).await.unwrap());
    assert_eq!(db.passkeys_of(alice).await.unwrap()[0].sealed_name, vec![8; 30]);
    assert!(db.remove_passkey(alice, id).await.unwrap());
    assert!(!db.remove_passkey(alice, id).await.unwrap());
}

async fn an_operator_takes_all_factors_at_once(db: &dyn Database) {
    let (alice, bob) = (person(db, 1).await, person(db, 2).await);
    assert!(!db.remove_factors(alice).await.unwrap());
    for n in 1..=2 {
        db.add_passkey(new(alice, n)).await.unwrap();
    }
    db.add_passkey(new(bob, 3)).await.unwrap();
    assert!(db.list_accounts(None, 10, NOW).await.unwrap().iter().all(|row| row.second_factor));
    assert!(db.remove_factors(alice).await.unwrap());
    assert_eq!(db.factors_of(alice).await.unwrap(), FactorsSet::default());
    assert_eq!(db.factors_of(bob).await.unwrap(), FactorsSet { app: false, passkeys: 1, backup_codes: 2 });
}
