//! Promises about what an operator does.

use envelope::EventId;
use envelope::audit::Kind;

use super::*;
use crate::{
    CodeMac, DbError, HalfHash, HalfSignIn, InviteAnswer, NewCode, NewEvent, NewInvitation, NewSession,
    RefreshHash, Retention, RotateRefresh, Rotation, SessionId, SuspendAnswer, UploadState,
};

pub(super) async fn run(fixture: &impl Fn() -> Box<dyn Fixture>) {
    a_suspended_account_has_no_session_and_gets_none(&*empty(fixture).await).await;
    a_suspension_races_a_sign_in_and_leaves_no_session(empty(fixture).await).await;
    files_of_a_suspended_account_stay_for_recipients(&*empty(fixture).await).await;
    who_has_no_account_cannot_be_administered(&*empty(fixture).await).await;
    a_quota_of_ones_own_takes_the_place_of_the_servers(&*empty(fixture).await).await;
    an_invitation_lets_an_address_sign_up_once(&*empty(fixture).await).await;
    an_invitation_ends_by_itself_or_by_being_withdrawn(&*empty(fixture).await).await;
    invitations_are_listed_page_by_page(&*empty(fixture).await).await;
    what_is_stored_is_listed_page_by_page(&*empty(fixture).await).await;
    a_copy_that_lives_on_remembers_nobody_who_was_inside(&*empty(fixture).await).await;
}

fn event(n: u8, kind: Kind, actor: UserId) -> NewEvent {
    NewEvent {
        id: EventId::from_bytes([n; 16]),
        at: NOW,
        kind,
        actor,
        owner: None,
        file_id: None,
        other: None,
        sealed: Vec::new(),
    }
}

fn session(who: UserId, n: u8) -> NewSession {
    NewSession {
        sid: SessionId::from_bytes([n; 16]),
        user: who,
        refresh: RefreshHash::from_bytes([n; 32]),
        now: NOW,
        expires_at: NOW.plus(7 * DAY),
        client: String::new(),
        strong: false,
    }
}

fn half(who: UserId, n: u8) -> HalfSignIn {
    HalfSignIn { hash: HalfHash::from_bytes([n; 32]), user: who, expires_at: NOW.plus(600) }
}

async fn a_suspended_account_has_no_session_and_gets_none(db: &dyn Database) {
    let (alice, bob) = (person(db, 1).await, person(db, 2).await);
    for n in 1..=2 {
        db.open_session(session(alice, n)).await.unwrap();
    }
    db.open_session(session(bob, 3)).await.unwrap();
    db.open_half(half(alice, 1)).await.unwrap();
    let events = [event(1, Kind::AccountSuspended, alice)];
    let done = db.suspend(alice, NOW, &events).await.unwrap();
    assert_eq!(done, SuspendAnswer::Suspended { sessions: 2 });
    let again = [event(2, Kind::AccountSuspended, alice)];
    assert_eq!(db.suspend(alice, NOW.plus(5), &again).await.unwrap(), SuspendAnswer::Already);
    assert_eq!(db.account(alice).await.unwrap().unwrap().suspended_at, Some(NOW), "the first time counts");
    for n in 1..=2 {
        assert_eq!(db.session(SessionId::from_bytes([n; 16]), NOW).await.unwrap(), None);
        let rotate = RotateRefresh {
            old: RefreshHash::from_bytes([n; 32]),
            new: RefreshHash::from_bytes([n + 10; 32]),
            now: NOW,
            expires_at: NOW.plus(7 * DAY),
            grace_secs: 30,
        };
        assert_eq!(db.rotate_refresh(rotate).await.unwrap(), Rotation::Unknown);
    }
    assert_eq!(db.try_half(HalfHash::from_bytes([1; 32]), 5, NOW).await.unwrap(), None);
    assert!(matches!(db.open_session(session(alice, 4)).await, Err(DbError::Suspended)));
    assert!(db.sessions_of(alice, NOW).await.unwrap().is_empty());
    assert!(
        db.session(SessionId::from_bytes([3; 16]), NOW).await.unwrap().is_some(),
        "others are not touched"
    );
    assert!(db.list_accounts(None, 10, NOW).await.unwrap()[0].account.suspended_at.is_some());
    let back = [event(3, Kind::AccountReinstated, alice)];
    assert!(db.reinstate(alice, &back).await.unwrap());
    assert!(!db.reinstate(alice, &[event(4, Kind::AccountReinstated, alice)]).await.unwrap());
    assert_eq!(db.account(alice).await.unwrap().unwrap().suspended_at, None);
    assert_eq!(
        db.session(SessionId::from_bytes([1; 16]), NOW).await.unwrap(),
        None,
        "what ended does not come back"
    );
    db.open_session(session(alice, 4)).await.unwrap();
    let kinds: Vec<String> = db.events_after(0, 10).await.unwrap().into_iter().map(|one| one.kind).collect();
    assert_eq!(kinds, ["account_suspended", "account_reinstated"], "what changed nothing left no trace");
}

async fn a_suspension_races_a_sign_in_and_leaves_no_session(db: Arc<dyn Database>) {
    let alice = person(&*db, 1).await;
    let opening = (1..=8).map(|n| {
        let db = db.clone();
        tokio::spawn(async move {
            match db.open_session(session(alice, n)).await {
                Ok(()) | Err(DbError::Suspended) => {}
                Err(other) => panic!("{other}"),
            }
        })
    });
    let opening: Vec<_> = opening.collect();
    db.suspend(alice, NOW, &[]).await.unwrap();
    for one in opening {
        one.await.unwrap();
    }
    for n in 1..=8 {
        assert_eq!(db.session(SessionId::from_bytes([n; 16]), NOW).await.unwrap(), None);
    }
    assert!(db.sessions_of(alice, NOW).await.unwrap().is_empty());
}

async fn files_of_a_suspended_account_stay_for_recipients(db: &dyn Database) {
    let (alice, bob) = (person(db, 1).await, person(db, 2).await);
    send(db, new_finish(alice, file(1), MIB, &[bob])).await;
    db.suspend(alice, NOW, &[]).await.unwrap();
    assert!(matches!(
        db.file_for(bob, file(1), NOW.plus(60)).await.unwrap(),
        crate::FileAccess::Available(_)
    ));
    assert_eq!(db.usage(alice).await.unwrap().files, 1, "nothing is deleted");
}

async fn who_has_no_account_cannot_be_administered(db: &dyn Database) {
    let nobody = user(9);
    assert!(matches!(db.suspend(nobody, NOW, &[]).await, Err(DbError::UnknownAccount)));
    assert!(matches!(db.reinstate(nobody, &[]).await, Err(DbError::UnknownAccount)));
    assert!(matches!(db.set_quota(nobody, Some(1), &[]).await, Err(DbError::UnknownAccount)));
}

async fn a_quota_of_ones_own_takes_the_place_of_the_servers(db: &dyn Database) {
    let (alice, bob) = (person(db, 1).await, person(db, 2).await);
    let changed = [event(1, Kind::QuotaChanged, alice)];
    assert!(db.set_quota(alice, Some(3 * MIB), &changed).await.unwrap());
    assert!(!db.set_quota(alice, Some(3 * MIB), &[event(2, Kind::QuotaChanged, alice)]).await.unwrap());
    assert_eq!(db.events_after(0, 10).await.unwrap().len(), 1);
    assert_eq!(db.account(alice).await.unwrap().unwrap().quota_bytes, Some(3 * MIB));
    let refused = db.begin_upload(new_upload(alice, file(1), Some(4 * MIB))).await.unwrap();
    assert_eq!(refused, BeginAnswer::QuotaExceeded { used: 0, quota: 3 * MIB }, "below the server's");
    begin(db, bob, file(2), Some(4 * MIB)).await;
    begin(db, alice, file(3), Some(2 * MIB)).await;
    begin(db, alice, file(4), None).await;
    assert_eq!(db.record_part(new_part(alice, file(4), 0, MIB)).await.unwrap(), PartAnswer::Won);
    let more = db.record_part(new_part(alice, file(4), 1, MIB)).await.unwrap();
    assert_eq!(more, PartAnswer::QuotaExceeded { used: 3 * MIB, quota: 3 * MIB });
    assert!(db.set_quota(alice, Some(MIB), &[]).await.unwrap());
    assert_eq!(
        db.record_part(new_part(alice, file(3), 0, MIB)).await.unwrap(),
        PartAnswer::Won,
        "reserved before"
    );
    assert!(db.set_quota(alice, Some(1000 * MIB), &[]).await.unwrap());
    begin(db, alice, file(5), Some(500 * MIB)).await;
    assert!(db.set_quota(alice, None, &[]).await.unwrap());
    let refused = db.begin_upload(new_upload(alice, file(6), Some(MIB))).await.unwrap();
    assert_eq!(
        refused,
        BeginAnswer::QuotaExceeded { used: 503 * MIB, quota: 100 * MIB },
        "the server's again"
    );
    assert!(matches!(db.set_quota(alice, Some(u64::MAX), &[]).await, Err(DbError::TooLarge(_))));
}

fn invitation(n: u8, now: UnixTime) -> NewInvitation {
    NewInvitation { lookup: lookup(n), sealed_address: vec![n; 40], now, expires_at: now.plus(30 * DAY) }
}

fn account(n: u8, now: UnixTime) -> NewAccount {
    NewAccount { lookup: lookup(n), sealed_address: vec![n; 40], user: user(n), now }
}

async fn an_invitation_lets_an_address_sign_up_once(db: &dyn Database) {
    assert_eq!(db.find_or_create_invited(account(1, NOW)).await.unwrap(), None, "nobody invited them");
    assert!(!db.is_invited(lookup(1), NOW).await.unwrap());
    assert_eq!(db.invite(invitation(1, NOW)).await.unwrap(), InviteAnswer::Invited);
    assert_eq!(db.invite(invitation(1, NOW.plus(DAY))).await.unwrap(), InviteAnswer::Renewed);
    assert!(db.is_invited(lookup(1), NOW.plus(31 * DAY - 1)).await.unwrap());
    assert!(!db.is_invited(lookup(2), NOW).await.unwrap());
    let made = db.find_or_create_invited(account(1, NOW)).await.unwrap().unwrap();
    assert!(made.is_new && made.account.user == user(1));
    assert!(!db.is_invited(lookup(1), NOW).await.unwrap(), "it is used up");
    assert!(db.invitations(None, 10, NOW).await.unwrap().is_empty());
    let again = db.find_or_create_invited(account(1, NOW)).await.unwrap().unwrap();
    assert!(!again.is_new, "who has an account needs none");
    assert_eq!(db.invite(invitation(1, NOW)).await.unwrap(), InviteAnswer::HasAccount);
    db.invite(invitation(2, NOW)).await.unwrap();
    assert!(db.find_or_create_account(account(2, NOW)).await.unwrap().is_new);
    assert!(!db.is_invited(lookup(2), NOW).await.unwrap(), "used up as well where sign-up is open");
}

async fn an_invitation_ends_by_itself_or_by_being_withdrawn(db: &dyn Database) {
    for n in 1..=3 {
        db.invite(invitation(n, NOW)).await.unwrap();
    }
    assert!(db.withdraw_invitation(lookup(1)).await.unwrap());
    assert!(!db.withdraw_invitation(lookup(1)).await.unwrap());
    assert_eq!(db.find_or_create_invited(account(1, NOW)).await.unwrap(), None);
    let end = NOW.plus(30 * DAY);
    assert_eq!(db.find_or_create_invited(account(2, end)).await.unwrap(), None);
    assert!(db.invitations(None, 10, end).await.unwrap().is_empty());
    db.purge(end, Retention { tickets_secs: 1, expired_secs: 1, gone_secs: 86_400 }).await.unwrap();
    assert!(db.invitations(None, 10, NOW).await.unwrap().is_empty(), "their rows are gone");
    assert_eq!(db.invite(invitation(3, end)).await.unwrap(), InviteAnswer::Invited);
}

async fn invitations_are_listed_page_by_page(db: &dyn Database) {
    for n in [3, 1, 2] {
        db.invite(invitation(n, NOW)).await.unwrap();
    }
    let first = db.invitations(None, 2, NOW).await.unwrap();
    assert_eq!(first.iter().map(|one| one.lookup).collect::<Vec<_>>(), [lookup(1), lookup(2)]);
    assert_eq!(
        (first[0].sealed_address.clone(), first[0].invited_at, first[0].expires_at),
        (vec![1; 40], NOW, NOW.plus(30 * DAY))
    );
    let second = db.invitations(Some(lookup(2)), 2, NOW).await.unwrap();
    assert_eq!(second.iter().map(|one| one.lookup).collect::<Vec<_>>(), [lookup(3)]);
}

async fn what_is_stored_is_listed_page_by_page(db: &dyn Database) {
    let alice = person(db, 1).await;
    send(db, new_finish(alice, file(2), MIB, &[])).await;
    begin(db, alice, file(1), Some(2 * MIB)).await;
    send(db, new_finish(alice, file(3), MIB, &[])).await;
    db.delete_file(alice, file(3), NOW, &[]).await.unwrap();
    send(db, new_finish(alice, file(4), MIB, &[])).await;
    let first = db.stored_files(None, 2).await.unwrap();
    assert_eq!(first.iter().map(|one| one.file_id).collect::<Vec<_>>(), [file(1), file(2)]);
    assert_eq!((first[0].state, first[0].body_len, &first[0].body_root), (UploadState::Open, None, &None));
    assert_eq!(first[0].leaves_blob, None);
    assert_eq!(
        (first[1].state, first[1].body_len, first[1].body_root, &first[1].leaves_blob),
        (UploadState::Finished, Some(MIB), Some(digest(4)), &Some(leaves_blob(file(2))))
    );
    let second = db.stored_files(Some(file(2)), 2).await.unwrap();
    assert_eq!(
        second.iter().map(|one| one.file_id).collect::<Vec<_>>(),
        [file(4)],
        "what ended is not stored"
    );
}

async fn a_copy_that_lives_on_remembers_nobody_who_was_inside(db: &dyn Database) {
    let alice = person(db, 1).await;
    db.open_session(session(alice, 1)).await.unwrap();
    db.open_half(half(alice, 1)).await.unwrap();
    let code = NewCode {
        lookup: lookup(1),
        mac: CodeMac::from_bytes([1; 32]),
        now: NOW,
        expires_at: NOW.plus(600),
        window_secs: 3600,
        send_limit: 5,
        max_attempts: 3,
    };
    db.issue_code(code).await.unwrap();
    db.take_lease(crate::Job::Backup, "a copy", NOW, 300).await.unwrap().unwrap();
    let wish = crate::NewReset {
        user: alice,
        bundle: digest(1),
        now: NOW,
        due_at: NOW.plus(DAY),
        events: Vec::new(),
    };
    db.begin_reset(wish).await.unwrap();
    assert_eq!(db.begin_again().await.unwrap(), 1);
    assert_eq!(
        db.reset(alice).await.unwrap(),
        None,
        "one that was stopped after the copy would be due at once"
    );
    assert_eq!(db.session(SessionId::from_bytes([1; 16]), NOW).await.unwrap(), None);
    assert_eq!(db.try_half(HalfHash::from_bytes([1; 32]), 5, NOW).await.unwrap(), None);
    let redeemed = db.redeem_code(lookup(1), CodeMac::from_bytes([1; 32]), 3, NOW).await.unwrap();
    assert_eq!(redeemed, crate::Redemption::Void);
    assert!(!db.is_backup_running(NOW).await.unwrap());
    assert_eq!(db.account(alice).await.unwrap().unwrap().user, alice);
}
