//! Promises about accounts, codes and limits.

use futures::future::join_all;

use super::*;
use crate::{CodeMac, Hit, HitAnswer, NewCode, Redemption, SentCode};

pub(super) async fn run(fixture: &impl Fn() -> Box<dyn Fixture>) {
    a_code_is_right_once(&*empty(fixture).await).await;
    three_wrong_attempts_void_a_code(&*empty(fixture).await).await;
    an_expired_code_is_void(&*empty(fixture).await).await;
    a_new_code_voids_the_old_one_but_restores_no_attempts(&*empty(fixture).await).await;
    codes_of_an_address_are_limited(&*empty(fixture).await).await;
    parallel_guesses_get_no_more_attempts(empty(fixture).await).await;
    a_right_code_is_accepted_once_among_many(empty(fixture).await).await;
    an_address_has_one_account(empty(fixture).await).await;
    strangers_have_no_account(&*empty(fixture).await).await;
    hits_are_counted_in_windows(&*empty(fixture).await).await;
    a_clock_that_was_ahead_keeps_nobody_waiting_once_it_is_right(&*empty(fixture).await).await;
    parallel_hits_never_exceed_the_limit(empty(fixture).await).await;
    hits_are_reserved_whole_or_not_at_all(&*empty(fixture).await).await;
    parallel_reservations_never_exceed_the_limit(empty(fixture).await).await;
    what_was_answered_is_there_after_reopening(fixture()).await;
    accounts_are_listed_page_by_page(&*empty(fixture).await).await;
    hits_and_codes_that_race_are_counted_each(&mut *fixture()).await;
}

fn mac(n: u8) -> CodeMac {
    CodeMac::from_bytes([n; 32])
}

fn code(who: u8, n: u8, now: UnixTime) -> NewCode {
    NewCode {
        lookup: lookup(who),
        mac: mac(n),
        now,
        expires_at: now.plus(600),
        window_secs: 3600,
        send_limit: 3,
        max_attempts: 3,
    }
}

async fn a_code_is_right_once(db: &dyn Database) {
    assert_eq!(db.issue_code(code(1, 9, NOW)).await.unwrap(), SentCode::Issued);
    assert_eq!(db.redeem_code(lookup(2), mac(9), 3, NOW).await.unwrap(), Redemption::Void, "another address");
    assert_eq!(db.redeem_code(lookup(1), mac(8), 3, NOW).await.unwrap(), Redemption::Wrong);
    assert_eq!(db.redeem_code(lookup(1), mac(9), 3, NOW).await.unwrap(), Redemption::Correct);
    assert_eq!(db.redeem_code(lookup(1), mac(9), 3, NOW).await.unwrap(), Redemption::Void);
    // The attempts of a person who came in start anew.
    assert_eq!(db.issue_code(code(1, 7, NOW)).await.unwrap(), SentCode::Issued);
    for _ in 0..2 {
        assert_eq!(db.redeem_code(lookup(1), mac(8), 3, NOW).await.unwrap(), Redemption::Wrong);
    }
    assert_eq!(db.redeem_code(lookup(1), mac(7), 3, NOW).await.unwrap(), Redemption::Correct);
}

async fn three_wrong_attempts_void_a_code(db: &dyn Database) {
    db.issue_code(code(1, 9, NOW)).await.unwrap();
    for _ in 0..3 {
        assert_eq!(db.redeem_code(lookup(1), mac(8), 3, NOW).await.unwrap(), Redemption::Wrong);
    }
    assert_eq!(db.redeem_code(lookup(1), mac(9), 3, NOW).await.unwrap(), Redemption::Void);
}

async fn an_expired_code_is_void(db: &dyn Database) {
    db.issue_code(code(1, 9, NOW)).await.unwrap();
    assert_eq!(db.redeem_code(lookup(1), mac(9), 3, NOW.plus(600)).await.unwrap(), Redemption::Void);
    assert_eq!(db.redeem_code(lookup(1), mac(9), 3, NOW.plus(599)).await.unwrap(), Redemption::Correct);
}

async fn a_new_code_voids_the_old_one_but_restores_no_attempts(db: &dyn Database) {
    db.issue_code(code(1, 9, NOW)).await.unwrap();
    assert_eq!(db.redeem_code(lookup(1), mac(8), 3, NOW).await.unwrap(), Redemption::Wrong);
    assert_eq!(db.issue_code(code(1, 7, NOW)).await.unwrap(), SentCode::Issued);
    assert_eq!(db.redeem_code(lookup(1), mac(9), 3, NOW).await.unwrap(), Redemption::Wrong, "the old code");
    assert_eq!(db.redeem_code(lookup(1), mac(8), 3, NOW).await.unwrap(), Redemption::Wrong);
    assert_eq!(db.redeem_code(lookup(1), mac(7), 3, NOW).await.unwrap(), Redemption::Void, "three are used");
    let late = NOW.plus(100);
    assert_eq!(db.issue_code(code(1, 6, late)).await.unwrap(), SentCode::TooMany { retry_after_secs: 3500 });
    let after = NOW.plus(3600);
    assert_eq!(db.issue_code(code(1, 6, after)).await.unwrap(), SentCode::Issued);
    assert_eq!(db.redeem_code(lookup(1), mac(6), 3, after).await.unwrap(), Redemption::Correct);
}

async fn codes_of_an_address_are_limited(db: &dyn Database) {
    for n in 1..=3 {
        assert_eq!(db.issue_code(code(1, n, NOW.plus(n.into()))).await.unwrap(), SentCode::Issued);
    }
    let refused = db.issue_code(code(1, 4, NOW.plus(101))).await.unwrap();
    assert_eq!(refused, SentCode::TooMany { retry_after_secs: 3500 });
    assert_eq!(db.issue_code(code(2, 4, NOW)).await.unwrap(), SentCode::Issued, "others are not touched");
    assert_eq!(
        db.redeem_code(lookup(1), mac(3), 3, NOW.plus(102)).await.unwrap(),
        Redemption::Correct,
        "the last one holds"
    );
}

async fn parallel_guesses_get_no_more_attempts(db: Arc<dyn Database>) {
    db.issue_code(code(1, 99, NOW)).await.unwrap();
    let guesses = (0..32).map(|n| {
        let db = db.clone();
        tokio::spawn(async move { db.redeem_code(lookup(1), mac(n), 3, NOW).await.unwrap() })
    });
    let answers: Vec<Redemption> = join_all(guesses).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(answers.iter().filter(|answer| **answer == Redemption::Wrong).count(), 3);
    assert_eq!(answers.iter().filter(|answer| **answer == Redemption::Void).count(), 29);
}

async fn a_right_code_is_accepted_once_among_many(db: Arc<dyn Database>) {
    db.issue_code(code(1, 9, NOW)).await.unwrap();
    let tries = (0..16).map(|_| {
        let db = db.clone();
        tokio::spawn(async move { db.redeem_code(lookup(1), mac(9), 3, NOW).await.unwrap() })
    });
    let right = join_all(tries).await.into_iter().map(Result::unwrap).filter(|a| *a == Redemption::Correct);
    assert_eq!(right.count(), 1);
}

async fn an_address_has_one_account(db: Arc<dyn Database>) {
    let calls = (10..26).map(|n| {
        let db = db.clone();
        let new = NewAccount { lookup: lookup(1), sealed_address: vec![n; 9], user: user(n), now: NOW };
        tokio::spawn(async move { db.find_or_create_account(new).await.unwrap() })
    });
    let found: Vec<_> = join_all(calls).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(found.iter().filter(|enrolled| enrolled.is_new).count(), 1);
    let account = found.iter().find(|enrolled| enrolled.is_new).unwrap().account.clone();
    assert_eq!(account.sealed_address, vec![account.user.as_bytes()[0]; 9], "id and address of one call");
    assert!(found.iter().all(|enrolled| enrolled.account == account));
    assert_eq!(db.account(account.user).await.unwrap(), Some(account));
}

async fn strangers_have_no_account(db: &dyn Database) {
    let (alice, bob) = (person(db, 1).await, person(db, 2).await);
    let mut found = db.users_by_lookup(&[lookup(2), lookup(9), lookup(1)]).await.unwrap();
    found.sort_unstable();
    assert_eq!(found, [(lookup(1), alice), (lookup(2), bob)]);
    assert_eq!(db.users_by_lookup(&[]).await.unwrap(), []);
    assert_eq!(db.account(user(9)).await.unwrap(), None);
    assert!(db.users_by_lookup(&vec![lookup(1); 1001]).await.is_err());
    assert_eq!(db.users_by_lookup(&vec![lookup(1); 1000]).await.unwrap().len(), 1);
}

fn hit(bucket: &[u8], now: UnixTime) -> Hit {
    Hit { bucket: bucket.to_vec(), window_secs: 60, max: 2, now }
}

async fn hits_are_counted_in_windows(db: &dyn Database) {
    let first = db.count_hit(hit(b"a", NOW)).await.unwrap();
    assert_eq!(first, HitAnswer::Allowed { remaining: 1, reset_secs: 60 });
    let second = db.count_hit(hit(b"a", NOW.plus(20))).await.unwrap();
    assert_eq!(second, HitAnswer::Allowed { remaining: 0, reset_secs: 40 });
    for _ in 0..3 {
        let third = db.count_hit(hit(b"a", NOW.plus(59))).await.unwrap();
        assert_eq!(third, HitAnswer::TooMany { retry_after_secs: 1 }, "hits above do not prolong the wait");
    }
    let other = db.count_hit(hit(b"b", NOW.plus(59))).await.unwrap();
    assert_eq!(other, HitAnswer::Allowed { remaining: 1, reset_secs: 60 });
    let again = db.count_hit(hit(b"a", NOW.plus(60))).await.unwrap();
    assert_eq!(again, HitAnswer::Allowed { remaining: 1, reset_secs: 60 });
}

async fn a_clock_that_was_ahead_keeps_nobody_waiting_once_it_is_right(db: &dyn Database) {
    for _ in 0..3 {
        db.count_hit(hit(b"a", NOW.plus(DAY))).await.unwrap();
    }
    assert_eq!(
        db.count_hit(hit(b"a", NOW)).await.unwrap(),
        HitAnswer::Allowed { remaining: 1, reset_secs: 60 }
    );
    assert_eq!(db.reserve_hits(hit(b"b", NOW.plus(DAY)), 2).await.unwrap(), Some(60));
    assert_eq!(db.reserve_hits(hit(b"b", NOW), 2).await.unwrap(), Some(60));
    assert_eq!(db.reserve_hits(hit(b"b", NOW), 1).await.unwrap(), None);
    // Servers whose clocks differ by seconds do not begin anew for each other.
    for _ in 0..2 {
        db.count_hit(hit(b"c", NOW.plus(30))).await.unwrap();
    }
    assert!(matches!(db.count_hit(hit(b"c", NOW)).await.unwrap(), HitAnswer::TooMany { .. }));
}

async fn parallel_hits_never_exceed_the_limit(db: Arc<dyn Database>) {
    let hits = (0..24).map(|_| {
        let db = db.clone();
        tokio::spawn(async move {
            matches!(db.count_hit(hit(b"a", NOW)).await.unwrap(), HitAnswer::Allowed { .. })
        })
    });
    let allowed = join_all(hits).await.into_iter().map(Result::unwrap).filter(|allowed| *allowed);
    assert_eq!(allowed.count(), 2);
}

async fn hits_are_reserved_whole_or_not_at_all(db: &dyn Database) {
    let of_ten = |now| Hit { max: 10, ..hit(b"a", now) };
    assert_eq!(db.reserve_hits(of_ten(NOW), 11).await.unwrap(), None, "more than there can be");
    assert_eq!(db.reserve_hits(of_ten(NOW), 0).await.unwrap(), None);
    assert_eq!(db.reserve_hits(of_ten(NOW), 6).await.unwrap(), Some(60));
    assert_eq!(db.reserve_hits(of_ten(NOW.plus(20)), 5).await.unwrap(), None, "four are left");
    let one = db.count_hit(of_ten(NOW.plus(20))).await.unwrap();
    assert_eq!(one, HitAnswer::Allowed { remaining: 3, reset_secs: 40 }, "what was refused took nothing");
    assert_eq!(db.reserve_hits(of_ten(NOW.plus(20)), 3).await.unwrap(), Some(40));
    let spent = db.count_hit(of_ten(NOW.plus(20))).await.unwrap();
    assert_eq!(spent, HitAnswer::TooMany { retry_after_secs: 40 });
    assert_eq!(db.reserve_hits(of_ten(NOW.plus(20)), 1).await.unwrap(), None);
    assert_eq!(db.reserve_hits(of_ten(NOW.plus(60)), 10).await.unwrap(), Some(60), "a new window");
    let spent = db.count_hit(of_ten(NOW.plus(61))).await.unwrap();
    assert_eq!(spent, HitAnswer::TooMany { retry_after_secs: 59 });
    assert!(db.reserve_hits(Hit { bucket: vec![0; 129], ..of_ten(NOW) }, 1).await.is_err());
}

async fn parallel_reservations_never_exceed_the_limit(db: Arc<dyn Database>) {
    let takes = (0..24).map(|n: u32| {
        let db = db.clone();
        tokio::spawn(async move {
            let hit = Hit { max: 20, ..hit(b"a", NOW) };
            match n % 2 {
                0 => 3 * u32::from(db.reserve_hits(hit, 3).await.unwrap().is_some()),
                _ => u32::from(matches!(db.count_hit(hit).await.unwrap(), HitAnswer::Allowed { .. })),
            }
        })
    });
    let taken: u32 = join_all(takes).await.into_iter().map(Result::unwrap).sum();
    assert!((18..=20).contains(&taken), "{taken}");
}

async fn what_was_answered_is_there_after_reopening(mut fixture: Box<dyn Fixture>) {
    let db = fixture.open().await;
    let alice = person(&*db, 1).await;
    db.issue_code(code(1, 9, NOW)).await.unwrap();
    db.redeem_code(lookup(1), mac(8), 3, NOW).await.unwrap();
    db.close().await;
    assert!(matches!(db.ping().await, Err(crate::DbError::Closed)));
    let db = fixture.open().await;
    db.ping().await.unwrap();
    assert_eq!(db.account(alice).await.unwrap().unwrap().user, alice);
    for _ in 0..2 {
        assert_eq!(db.redeem_code(lookup(1), mac(8), 3, NOW).await.unwrap(), Redemption::Wrong);
    }
    assert_eq!(db.redeem_code(lookup(1), mac(9), 3, NOW).await.unwrap(), Redemption::Void);
}

async fn accounts_are_listed_page_by_page(db: &dyn Database) {
    for n in [3, 1, 2] {
        person(db, n).await;
    }
    let new = crate::NewSession {
        sid: crate::SessionId::from_bytes([1; 16]),
        user: user(2),
        refresh: crate::RefreshHash::from_bytes([1; 32]),
        now: NOW,
        expires_at: NOW.plus(HOUR),
        client: String::new(),
        strong: false,
    };
    db.open_session(new).await.unwrap();
    db.offer_totp(factors::offer(user(3), 0)).await.unwrap();
    let first = db.list_accounts(None, 2, NOW).await.unwrap();
    assert_eq!(first.iter().map(|row| row.account.user).collect::<Vec<_>>(), [user(1), user(2)]);
    assert_eq!(first.iter().map(|row| row.sessions).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(db.list_accounts(None, 2, NOW.plus(HOUR)).await.unwrap()[1].sessions, 0, "it has expired");
    let second = db.list_accounts(Some(user(2)), 2, NOW).await.unwrap();
    assert_eq!(second.len(), 1);
    assert_eq!((second[0].account.user, second[0].second_factor), (user(3), false), "not confirmed");
    let confirm = crate::ConfirmTotp {
        user: user(3),
        sid: crate::SessionId::from_bytes([9; 16]),
        sealed: vec![0; 48],
        step: 1,
        backup: Vec::new(),
    };
    db.confirm_totp(confirm).await.unwrap();
    assert!(db.list_accounts(Some(user(2)), 2, NOW).await.unwrap()[0].second_factor);
}

/// Neither waits for a turn where the engine has one: each is one row.
async fn hits_and_codes_that_race_are_counted_each(fixture: &mut dyn Fixture) {
    let (one, two) = (fixture.open().await, fixture.open().await);
    let db = |n: u8| if n.is_multiple_of(2) { Arc::clone(&one) } else { Arc::clone(&two) };
    let hits = (0..40).map(|n| {
        let db = db(n);
        let hit = Hit { bucket: vec![7], window_secs: 60, max: 9, now: NOW };
        tokio::spawn(async move { db.count_hit(hit).await.unwrap() })
    });
    let answers = join_all(hits.collect::<Vec<_>>()).await;
    let allowed =
        answers.into_iter().filter(|hit| matches!(hit.as_ref().unwrap(), HitAnswer::Allowed { .. }));
    assert_eq!(allowed.count(), 9);
    let code = || NewCode {
        lookup: lookup(1),
        mac: CodeMac::from_bytes([1; 32]),
        now: NOW,
        expires_at: NOW.plus(600),
        window_secs: 3600,
        send_limit: 5,
        max_attempts: 3,
    };
    let sends = (0..20).map(|n| {
        let (db, code) = (db(n), code());
        tokio::spawn(async move { db.issue_code(code).await.unwrap() })
    });
    let answers = join_all(sends.collect::<Vec<_>>()).await;
    let sent = answers.into_iter().filter(|sent| matches!(sent.as_ref().unwrap(), SentCode::Issued));
    assert_eq!(sent.count(), 5);
    let tries = (0..20).map(|n| {
        let db = db(n);
        let mac = CodeMac::from_bytes([1; 32]);
        tokio::spawn(async move { db.redeem_code(lookup(1), mac, 3, NOW).await.unwrap() })
    });
    let answers = join_all(tries.collect::<Vec<_>>()).await;
    let right = answers.into_iter().filter(|tried| matches!(tried.as_ref().unwrap(), Redemption::Correct));
    assert_eq!(right.count(), 1);
}
