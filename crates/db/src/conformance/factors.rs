//! Promises about second factors.

use futures::future::join_all;

use super::*;
use crate::{
    CodeMac, ConfirmTotp, HalfHash, HalfSignIn, NewSession, OfferAnswer, OfferTotp, RefreshHash, SessionId,
    Totp,
};

pub(super) async fn run(fixture: &impl Fn() -> Box<dyn Fixture>) {
    a_secret_counts_only_once_it_is_confirmed(&*empty(fixture).await).await;
    what_was_proved_before_keys_were_published_offers_nothing(&*empty(fixture).await).await;
    a_confirmed_secret_is_not_replaced(&*empty(fixture).await).await;
    a_step_is_used_once_and_no_older_one_after_it(empty(fixture).await).await;
    a_backup_code_is_used_once(empty(fixture).await).await;
    new_backup_codes_void_the_old_ones(&*empty(fixture).await).await;
    what_is_removed_is_gone_with_its_codes(&*empty(fixture).await).await;
    half_a_sign_in_allows_so_many_tries_however_many_ask_at_once(empty(fixture).await).await;
    half_a_sign_in_becomes_one_session(&*empty(fixture).await).await;
}

/// A secret for somebody without keys.
pub(super) fn offer(user: UserId, n: u8) -> OfferTotp {
    OfferTotp { user, sealed: vec![n; 48], keys: None, now: NOW }
}

fn mac(n: u8) -> CodeMac {
    CodeMac::from_bytes([n; 32])
}

fn half(n: u8) -> HalfHash {
    HalfHash::from_bytes([n; 32])
}

fn confirm(user: UserId, step: u64) -> ConfirmTotp {
    let (sid, sealed) = (SessionId::from_bytes([1; 16]), vec![7; 48]);
    ConfirmTotp { user, sid, sealed, step, backup: vec![mac(1), mac(2)] }
}

/// Somebody with a confirmed secret whose step 100 was used.
async fn enrolled(db: &dyn Database) -> UserId {
    let alice = person(db, 1).await;
    assert_eq!(db.offer_totp(offer(alice, 7)).await.unwrap(), OfferAnswer::Offered);
    assert!(db.confirm_totp(confirm(alice, 100)).await.unwrap());
    alice
}

async fn a_secret_counts_only_once_it_is_confirmed(db: &dyn Database) {
    let alice = person(db, 1).await;
    let session = NewSession {
        sid: SessionId::from_bytes([1; 16]),
        user: alice,
        refresh: RefreshHash::from_bytes([1; 32]),
        now: NOW,
        expires_at: NOW.plus(DAY),
        client: String::new(),
        strong: false,
    };
    db.open_session(session).await.unwrap();
    assert_eq!(db.totp(alice).await.unwrap(), None);
    assert!(!db.confirm_totp(confirm(alice, 1)).await.unwrap(), "there is nothing to be confirmed");
    assert_eq!(db.offer_totp(offer(alice, 7)).await.unwrap(), OfferAnswer::Offered);
    assert_eq!(
        db.offer_totp(offer(alice, 8)).await.unwrap(),
        OfferAnswer::Offered,
        "an offer may be repeated"
    );
    assert!(!db.use_totp_step(alice, 99).await.unwrap());
    assert!(!db.replace_backup_codes(alice, &[mac(9)]).await.unwrap());
    assert!(!db.confirm_totp(confirm(alice, 100)).await.unwrap(), "its code was of the offer before");
    let now = ConfirmTotp { sealed: vec![8; 48], ..confirm(alice, 100) };
    assert!(db.confirm_totp(now).await.unwrap());
    let expected = Totp { sealed: vec![8; 48], confirmed: true, last_step: 100 };
    assert_eq!(db.totp(alice).await.unwrap(), Some(expected));
    assert_eq!(db.factors_of(alice).await.unwrap().backup_codes, 2);
    let session = db.session(SessionId::from_bytes([1; 16]), NOW).await.unwrap().unwrap();
    assert!(session.strong, "the session in which it happened");
}

async fn what_was_proved_before_keys_were_published_offers_nothing(db: &dyn Database) {
    let alice = person(db, 1).await;
    db.publish_bundle(directory::bundle(alice, 1, 0)).await.unwrap();
    assert_eq!(db.offer_totp(offer(alice, 7)).await.unwrap(), OfferAnswer::Stale);
    let of_the_next = OfferTotp { keys: Some(2), ..offer(alice, 7) };
    assert_eq!(db.offer_totp(of_the_next).await.unwrap(), OfferAnswer::Stale);
    assert_eq!(db.totp(alice).await.unwrap(), None);
    let of_these = OfferTotp { keys: Some(1), ..offer(alice, 7) };
    assert_eq!(db.offer_totp(of_these).await.unwrap(), OfferAnswer::Offered);
}

async fn a_confirmed_secret_is_not_replaced(db: &dyn Database) {
    let alice = enrolled(db).await;
    assert_eq!(db.offer_totp(offer(alice, 8)).await.unwrap(), OfferAnswer::Confirmed);
    assert!(!db.confirm_totp(confirm(alice, 500)).await.unwrap());
    assert_eq!(db.totp(alice).await.unwrap().unwrap().sealed, vec![7; 48]);
}

async fn a_step_is_used_once_and_no_older_one_after_it(db: Arc<dyn Database>) {
    let alice = enrolled(&*db).await;
    assert!(!db.use_totp_step(alice, 100).await.unwrap(), "it confirmed");
    let tries = (0..8).map(|_| {
        let db = db.clone();
        tokio::spawn(async move { db.use_totp_step(alice, 102).await.unwrap() })
    });
    let wins = join_all(tries).await.into_iter().filter(|won| *won.as_ref().unwrap()).count();
    assert_eq!(wins, 1);
    assert!(!db.use_totp_step(alice, 101).await.unwrap());
    assert!(db.use_totp_step(alice, 103).await.unwrap());
}

async fn a_backup_code_is_used_once(db: Arc<dyn Database>) {
    let alice = enrolled(&*db).await;
    let bob = person(&*db, 2).await;
    assert!(!db.use_backup_code(bob, mac(1)).await.unwrap(), "somebody else's");
    let tries = (0..8).map(|_| {
        let db = db.clone();
        tokio::spawn(async move { db.use_backup_code(alice, mac(1)).await.unwrap() })
    });
    let wins = join_all(tries).await.into_iter().filter(|won| *won.as_ref().unwrap()).count();
    assert_eq!((wins, db.factors_of(alice).await.unwrap().backup_codes), (1, 1));
}

async fn new_backup_codes_void_the_old_ones(db: &dyn Database) {
    let alice = enrolled(db).await;
    assert!(db.replace_backup_codes(alice, &[mac(3), mac(4), mac(5)]).await.unwrap());
    assert!(!db.use_backup_code(alice, mac(1)).await.unwrap());
    assert!(db.use_backup_code(alice, mac(5)).await.unwrap());
    assert_eq!(db.factors_of(alice).await.unwrap().backup_codes, 2);
}

async fn what_is_removed_is_gone_with_its_codes(db: &dyn Database) {
    let alice = enrolled(db).await;
    assert!(db.remove_totp(alice).await.unwrap());
    assert!(!db.remove_totp(alice).await.unwrap());
    assert_eq!(db.totp(alice).await.unwrap(), None);
    assert!(!db.use_backup_code(alice, mac(1)).await.unwrap());
    assert!(!db.use_totp_step(alice, 900).await.unwrap());
}

async fn half_a_sign_in_allows_so_many_tries_however_many_ask_at_once(db: Arc<dyn Database>) {
    let alice = person(&*db, 1).await;
    let new = HalfSignIn { hash: half(1), user: alice, expires_at: NOW.plus(300) };
    db.open_half(new).await.unwrap();
    let tries = (0..20).map(|_| {
        let db = db.clone();
        tokio::spawn(async move { db.try_half(half(1), 5, NOW).await.unwrap() })
    });
    let answers: Vec<_> = join_all(tries).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(answers.iter().flatten().count(), 5);
    assert!(answers.iter().flatten().all(|user| *user == alice));
}

async fn half_a_sign_in_becomes_one_session(db: &dyn Database) {
    let alice = person(db, 1).await;
    for n in 1..=2 {
        let new = HalfSignIn { hash: half(n), user: alice, expires_at: NOW.plus(300) };
        db.open_half(new).await.unwrap();
    }
    assert_eq!(db.half(half(1), 5, NOW.plus(299)).await.unwrap(), Some(alice));
    assert_eq!(db.half(half(1), 5, NOW.plus(300)).await.unwrap(), None);
    assert_eq!(db.half(half(1), 0, NOW).await.unwrap(), None, "its attempts are used up");
    assert_eq!(db.try_half(half(1), 5, NOW.plus(299)).await.unwrap(), Some(alice));
    assert_eq!(db.try_half(half(1), 5, NOW.plus(300)).await.unwrap(), None, "it has expired");
    assert_eq!(db.try_half(half(9), 5, NOW).await.unwrap(), None);
    assert!(db.end_half(half(1)).await.unwrap());
    assert!(!db.end_half(half(1)).await.unwrap());
    assert_eq!(db.try_half(half(1), 5, NOW).await.unwrap(), None);
    db.purge(NOW.plus(300), crate::Retention { tickets_secs: 0, expired_secs: 0, gone_secs: 86_400 })
        .await
        .unwrap();
    assert!(!db.end_half(half(2)).await.unwrap(), "purged after its end");
}
