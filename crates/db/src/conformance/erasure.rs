//! Promises about people who leave.

use super::*;
use crate::{
    DbError, Erase, Lease, NewAccount, NewPins, NewReset, NewSession, NewVault, RefreshHash, SessionId,
    TicketAnswer,
};

pub(super) async fn run(fixture: &impl Fn() -> Box<dyn Fixture>) {
    nothing_of_who_left_is_found_again(&*empty(fixture).await).await;
    what_was_under_way_when_somebody_left_is_not_kept(&*empty(fixture).await).await;
    files_of_who_left_end_and_those_of_others_stay(&*empty(fixture).await).await;
    an_address_that_left_may_come_back_as_somebody_new(&*empty(fixture).await).await;
    a_sign_in_that_was_under_way_gets_no_session(&*empty(fixture).await).await;
}

fn erase(user: UserId) -> Erase {
    Erase { user, lookup: lookup(200), now: NOW, events: Vec::new() }
}

fn session(user: UserId, n: u8) -> NewSession {
    NewSession {
        sid: SessionId::from_bytes([n; 16]),
        user,
        refresh: RefreshHash::from_bytes([n; 32]),
        now: NOW,
        expires_at: NOW.plus(7 * DAY),
        client: String::new(),
        strong: false,
    }
}

async fn nothing_of_who_left_is_found_again(db: &dyn Database) {
    let (alice, bob) = (person(db, 1).await, person(db, 2).await);
    for (who, n) in [(alice, 1), (bob, 2)] {
        db.open_session(session(who, n)).await.unwrap();
        db.store_vault(NewVault { user: who, version: 1, vault: vec![1], now: NOW }).await.unwrap();
        let pins = NewPins { user: who, previous: 0, version: 1, record: vec![1], now: NOW };
        db.store_pins(pins).await.unwrap();
        let reset =
            NewReset { user: who, bundle: digest(n), now: NOW, due_at: NOW.plus(DAY), events: Vec::new() };
        db.begin_reset(reset).await.unwrap();
        db.keep_audit_key(who, vec![n; 40]).await.unwrap();
        db.add_passkey(passkeys::new(who, n)).await.unwrap();
    }
    assert!(db.erase_account(erase(alice)).await.unwrap());
    assert!(!db.erase_account(erase(alice)).await.unwrap(), "once");
    assert!(!db.erase_account(erase(user(9))).await.unwrap());
    let left = db.account(alice).await.unwrap().unwrap();
    assert!(left.sealed_address.is_empty() && left.lookup == lookup(200));
    assert_eq!(db.users_by_lookup(&[lookup(1), lookup(2)]).await.unwrap(), [(lookup(2), bob)]);
    assert_eq!(db.vault(alice).await.unwrap(), None);
    assert_eq!(db.pins(alice).await.unwrap(), None);
    assert_eq!(db.reset(alice).await.unwrap(), None);
    assert!(!db.factors_of(alice).await.unwrap().is_any() && db.factors_of(bob).await.unwrap().is_any());
    assert_eq!(db.audit_key(alice).await.unwrap(), None);
    assert_eq!(db.session(SessionId::from_bytes([1; 16]), NOW).await.unwrap(), None);
    assert!(db.session(SessionId::from_bytes([2; 16]), NOW).await.unwrap().is_some());
    assert!(db.vault(bob).await.unwrap().is_some() && db.audit_key(bob).await.unwrap().is_some());
    let listed = db.list_accounts(None, 10, NOW).await.unwrap();
    assert_eq!(listed.iter().map(|row| row.account.user).collect::<Vec<_>>(), [bob]);
    assert_eq!(db.stats().await.unwrap().accounts, 1);
}

async fn files_of_who_left_end_and_those_of_others_stay(db: &dyn Database) {
    let (alice, bob) = (person(db, 1).await, person(db, 2).await);
    for (owner, n, to) in [(alice, 1, bob), (bob, 2, alice)] {
        send(db, new_finish(owner, file(n), MIB, &[owner, to])).await;
    }
    begin(db, alice, file(3), Some(MIB)).await;
    assert!(db.erase_account(erase(alice)).await.unwrap());
    let take = |who, file_id, n| crate::TakeTicket {
        user: who,
        file_id,
        recipient: None,
        download_id: crate::DownloadId::from_bytes([n; 16]),
        now: NOW,
        window_secs: 60,
        events: Vec::new(),
    };
    assert_eq!(db.take_ticket(take(bob, file(1), 1)).await.unwrap(), TicketAnswer::Expired);
    assert_eq!(db.take_ticket(take(bob, file(2), 2)).await.unwrap(), TicketAnswer::First);
    let token = db.take_lease(crate::Job::Expiry, "a server", NOW, 60).await.unwrap().unwrap();
    let lease = Lease { job: crate::Job::Expiry, token };
    let doomed = db.doom_expired(NOW, 10, &lease).await.unwrap().unwrap();
    assert_eq!((doomed.files, doomed.uploads), (1, 1));
    assert_eq!(db.usage(alice).await.unwrap().charged_bytes, 0);
    assert_eq!(db.usage(bob).await.unwrap().files, 1);
}

async fn an_address_that_left_may_come_back_as_somebody_new(db: &dyn Database) {
    let alice = person(db, 1).await;
    assert!(db.erase_account(erase(alice)).await.unwrap());
    let new = NewAccount { lookup: lookup(1), sealed_address: vec![5], user: user(50), now: NOW };
    let enrolled = db.find_or_create_account(new).await.unwrap();
    assert!(enrolled.is_new && enrolled.account.user == user(50));
    assert!(db.open_session(session(user(50), 5)).await.is_ok());
}

async fn a_sign_in_that_was_under_way_gets_no_session(db: &dyn Database) {
    let alice = person(db, 1).await;
    assert!(db.erase_account(erase(alice)).await.unwrap());
    // Whether it is refused or not kept: there is no session.
    let opened = db.open_session(session(alice, 1)).await;
    assert!(!matches!(opened, Err(DbError::Damaged(_))), "{opened:?}");
    assert_eq!(db.session(SessionId::from_bytes([1; 16]), NOW).await.unwrap(), None);
}

async fn what_was_under_way_when_somebody_left_is_not_kept(db: &dyn Database) {
    let (alice, bob) = (person(db, 1).await, person(db, 2).await);
    assert!(db.erase_account(erase(alice)).await.unwrap());
    let gone =
        |answer: Result<(), DbError>| assert!(matches!(answer, Err(DbError::UnknownAccount)), "{answer:?}");
    gone(db.keep_audit_key(alice, vec![1; 60]).await.map(drop));
    gone(db.add_v0_file(v0::new(alice, 1, &[])).await.map(drop));
    let batch = vec![crate::NewFile {
        part_len: MIB,
        blob: BlobRef::new("late"),
        finish: new_finish(alice, file(2), MIB, &[bob]),
    }];
    gone(db.add_files(batch, 1 << 40).await.map(drop));
    gone(db.store_vault(NewVault { user: alice, version: 9, vault: vec![1], now: NOW }).await.map(drop));
    gone(
        db.store_pins(NewPins { user: alice, previous: 0, version: 1, record: vec![1], now: NOW })
            .await
            .map(drop),
    );
    assert_eq!(db.audit_key(alice).await.unwrap(), None);
}
