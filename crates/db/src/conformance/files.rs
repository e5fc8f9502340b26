//! Promises about files.

use futures::future::join_all;

use super::*;
use crate::{
    AddGrants, DeleteAnswer, DownloadId, FileAccess, FileCursor, FileView, LeaveAnswer, ReplaceAnswer,
    ReplaceGrant, RevokeAnswer, Role, TakeTicket, TicketAnswer,
};

pub(super) async fn run(fixture: &impl Fn() -> Box<dyn Fixture>) {
    pages_hold_every_file_once_newest_first(&*empty(fixture).await).await;
    a_list_shows_only_what_was_shared(&*empty(fixture).await).await;
    an_expired_file_is_called_expired_by_those_who_had_it(&*empty(fixture).await).await;
    a_download_is_counted_once(&*empty(fixture).await).await;
    the_author_is_not_counted(&*empty(fixture).await).await;
    a_ticket_needs_a_grant_and_a_living_file(&*empty(fixture).await).await;
    of_many_tickets_no_more_than_the_limit(empty(fixture).await).await;
    one_download_asked_many_times_is_one(empty(fixture).await).await;
    a_revoked_grant_is_gone(&*empty(fixture).await).await;
    a_grant_is_replaced_where_it_is_what_was_seen(&*empty(fixture).await).await;
    a_recipient_can_leave(&*empty(fixture).await).await;
    a_deleted_file_is_gone_for_everybody(&*empty(fixture).await).await;
    totals_add_up(&*empty(fixture).await).await;
    a_bare_key_is_reached_by_who_names_it(&*empty(fixture).await).await;
    a_bare_key_goes_when_it_is_taken_back_or_the_file_ends(&*empty(fixture).await).await;
    downloads_by_a_bare_key_count_by_caller(&*empty(fixture).await).await;
}

fn ticket(user: UserId, file_id: FileId, download: u8, now: UnixTime) -> TakeTicket {
    let window_secs = u32::try_from(DAY).unwrap();
    let download_id = DownloadId::from_bytes([download; 16]);
    TakeTicket { user, file_id, recipient: None, download_id, now, window_secs, events: Vec::new() }
}

async fn pages_hold_every_file_once_newest_first(db: &dyn Database) {
    let (alice, bob) = (person(db, 1).await, person(db, 2).await);
    for n in 1..=25_u8 {
        let mut finish = new_finish(alice, file(n), MIB, &[bob]);
        // Five files share each second, so that the cursor has to tell them apart.
        finish.now = NOW.plus(i64::from(n / 5));
        send(db, finish).await;
    }
    for limit in [1, 4, 5, 7, 25, 100] {
        let (mut seen, mut after): (Vec<_>, Option<FileCursor>) = (Vec::new(), None);
        // One page more than there can be: a cursor that does not move on must not go on for ever.
        for _ in 0..=26 {
            let page = db.list_files(bob, after, limit, NOW.plus(HOUR)).await.unwrap();
            seen.extend(page.iter().map(|view| (view.listed_at, view.file_id)));
            match page.last() {
                Some(last) if page.len() == limit as usize => after = Some(last.cursor()),
                _ => break,
            }
        }
        let mut expected = seen.clone();
        expected.sort_unstable();
        expected.dedup();
        expected.reverse();
        assert_eq!(seen, expected, "newest first, each once, by {limit}");
        assert_eq!(seen.len(), 25);
    }
}

async fn a_list_shows_only_what_was_shared(db: &dyn Database) {
    let (alice, bob, carol) = (person(db, 1).await, person(db, 2).await, person(db, 3).await);
    send(db, new_finish(alice, file(1), MIB, &[bob])).await;
    send(db, new_finish(alice, file(2), MIB, &[])).await;
    let ids = |page: Vec<FileView>| page.iter().map(|view| (view.file_id, view.role)).collect::<Vec<_>>();
    let alices = ids(db.list_files(alice, None, 10, NOW).await.unwrap());
    assert_eq!(alices, [(file(2), Role::Author), (file(1), Role::Author)]);
    assert_eq!(ids(db.list_files(bob, None, 10, NOW).await.unwrap()), [(file(1), Role::Recipient)]);
    assert_eq!(ids(db.list_files(carol, None, 10, NOW).await.unwrap()), []);
}

async fn an_expired_file_is_called_expired_by_those_who_had_it(db: &dyn Database) {
    let (alice, bob, carol) = (person(db, 1).await, person(db, 2).await, person(db, 3).await);
    send(db, new_finish(alice, file(1), MIB, &[bob])).await;
    let end = NOW.plus(30 * DAY);
    assert!(matches!(db.file_for(bob, file(1), end.plus(-1)).await.unwrap(), FileAccess::Available(_)));
    assert_eq!(db.file_for(bob, file(1), end).await.unwrap(), FileAccess::Expired);
    assert_eq!(db.file_for(carol, file(1), end).await.unwrap(), FileAccess::Nothing);
    assert_eq!(db.list_files(bob, None, 10, end).await.unwrap(), []);
    assert_eq!(db.take_ticket(ticket(bob, file(1), 1, end)).await.unwrap(), TicketAnswer::Expired);
}

async fn a_download_is_counted_once(db: &dyn Database) {
    let (alice, bob) = (person(db, 1).await, person(db, 2).await);
    let mut finish = new_finish(alice, file(1), MIB, &[bob]);
    finish.max_downloads = Some(2);
    send(db, finish).await;
    assert_eq!(db.take_ticket(ticket(bob, file(1), 1, NOW)).await.unwrap(), TicketAnswer::First);
    for later in [0, 60, DAY - 1] {
        let answer = db.take_ticket(ticket(bob, file(1), 1, NOW.plus(later))).await.unwrap();
        assert_eq!(answer, TicketAnswer::Renewed);
    }
    let FileAccess::Available(view) = db.file_for(alice, file(1), NOW).await.unwrap() else {
        panic!("there")
    };
    assert_eq!(view.downloads, 1);
    // After the window the same id is a new download, and the last that is allowed.
    assert_eq!(db.take_ticket(ticket(bob, file(1), 1, NOW.plus(DAY))).await.unwrap(), TicketAnswer::First);
    assert_eq!(
        db.take_ticket(ticket(bob, file(1), 2, NOW.plus(DAY))).await.unwrap(),
        TicketAnswer::LimitReached
    );
    let resumed = db.take_ticket(ticket(bob, file(1), 1, NOW.plus(DAY + 60))).await.unwrap();
    assert_eq!(resumed, TicketAnswer::Renewed, "a running download goes on");
}

async fn the_author_is_not_counted(db: &dyn Database) {
    let (alice, bob) = (person(db, 1).await, person(db, 2).await);
    let mut finish = new_finish(alice, file(1), MIB, &[bob]);
    finish.max_downloads = Some(1);
    send(db, finish).await;
    for download in 1..=3 {
        assert_eq!(db.take_ticket(ticket(alice, file(1), download, NOW)).await.unwrap(), TicketAnswer::First);
    }
    assert_eq!(db.take_ticket(ticket(bob, file(1), 9, NOW)).await.unwrap(), TicketAnswer::First);
    assert_eq!(db.take_ticket(ticket(alice, file(1), 4, NOW)).await.unwrap(), TicketAnswer::First);
}

async fn a_ticket_needs_a_grant_and_a_living_file(db: &dyn Database) {
    let (alice, bob) = (person(db, 1).await, person(db, 2).await);
    send(db, new_finish(alice, file(1), MIB, &[])).await;
    assert_eq!(db.take_ticket(ticket(bob, file(1), 1, NOW)).await.unwrap(), TicketAnswer::Nothing);
    assert_eq!(db.take_ticket(ticket(bob, file(2), 1, NOW)).await.unwrap(), TicketAnswer::Nothing);
    begin(db, alice, file(3), Some(MIB)).await;
    let add = AddGrants { owner: alice, file_id: file(3), grants: vec![grant(bob)], now: NOW };
    db.add_grants(add).await.unwrap();
    assert_eq!(
        db.take_ticket(ticket(bob, file(3), 1, NOW)).await.unwrap(),
        TicketAnswer::Nothing,
        "still open"
    );
}

async fn of_many_tickets_no_more_than_the_limit(db: Arc<dyn Database>) {
    let (alice, bob) = (person(&*db, 1).await, person(&*db, 2).await);
    let mut finish = new_finish(alice, file(1), MIB, &[bob]);
    finish.max_downloads = Some(1);
    send(&*db, finish).await;
    let tries = (0..16).map(|download| {
        let db = db.clone();
        tokio::spawn(async move { db.take_ticket(ticket(bob, file(1), download, NOW)).await.unwrap() })
    });
    let answers: Vec<_> = join_all(tries).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(answers.iter().filter(|answer| **answer == TicketAnswer::First).count(), 1);
    assert_eq!(answers.iter().filter(|answer| **answer == TicketAnswer::LimitReached).count(), 15);
}

async fn one_download_asked_many_times_is_one(db: Arc<dyn Database>) {
    let (alice, bob) = (person(&*db, 1).await, person(&*db, 2).await);
    send(&*db, new_finish(alice, file(1), MIB, &[bob])).await;
    let tries = (0..16).map(|_| {
        let db = db.clone();
        tokio::spawn(async move { db.take_ticket(ticket(bob, file(1), 1, NOW)).await.unwrap() })
    });
    let first = join_all(tries).await.into_iter().map(Result::unwrap).filter(|a| *a == TicketAnswer::First);
    assert_eq!(first.count(), 1);
    let FileAccess::Available(view) = db.file_for(bob, file(1), NOW).await.unwrap() else { panic!("there") };
    assert_eq!(view.downloads, 1);
}

async fn a_revoked_grant_is_gone(db: &dyn Database) {
    let (alice, bob, carol) = (person(db, 1).await, person(db, 2).await, person(db, 3).await);
    send(db, new_finish(alice, file(1), MIB, &[bob, carol])).await;
    assert_eq!(
        db.revoke_grant(bob, file(1), carol, &[]).await.unwrap(),
        RevokeAnswer::Nothing,
        "not the owner"
    );
    assert_eq!(
        db.revoke_grant(alice, file(1), alice, &[]).await.unwrap(),
        RevokeAnswer::Nothing,
        "the author's own"
    );
    let mut all = vec![alice, bob, carol];
    all.sort();
    assert_eq!(holders(db, file(1)).await, all);
    assert_eq!(db.revoke_grant(alice, file(1), bob, &[]).await.unwrap(), RevokeAnswer::Revoked);
    all.retain(|user| *user != bob);
    assert_eq!(holders(db, file(1)).await, all);
    assert_eq!(db.revoke_grant(alice, file(1), bob, &[]).await.unwrap(), RevokeAnswer::Nothing);
    assert_eq!(db.file_for(bob, file(1), NOW).await.unwrap(), FileAccess::Nothing);
    assert_eq!(db.list_files(bob, None, 10, NOW).await.unwrap(), []);
    assert!(matches!(db.file_for(carol, file(1), NOW).await.unwrap(), FileAccess::Available(_)));
}

async fn seen(db: &dyn Database, user: UserId, file_id: FileId) -> FileView {
    let FileAccess::Available(view) = db.file_for(user, file_id, NOW).await.unwrap() else { panic!("there") };
    *view
}

async fn a_grant_is_replaced_where_it_is_what_was_seen(db: &dyn Database) {
    let (alice, bob, carol) = (person(db, 1).await, person(db, 2).await, person(db, 3).await);
    send(db, new_finish(alice, file(1), MIB, &[bob])).await;
    let before = (seen(db, alice, file(1)).await, seen(db, bob, file(1)).await);
    let replaced = before.1.grant.clone().unwrap();
    let replace = |user, replaced: &[u8], bytes: &[u8], now| ReplaceGrant {
        user,
        file_id: file(1),
        replaced: replaced.to_vec(),
        recipient: grant(user).recipient,
        bytes: bytes.to_vec(),
        now,
        events: Vec::new(),
    };
    let ask = async |request| db.replace_grant(request).await.unwrap();
    assert_eq!(ask(replace(carol, &replaced, b"new", NOW)).await, ReplaceAnswer::Nothing, "no grant");
    assert_eq!(ask(replace(bob, b"other", b"new", NOW)).await, ReplaceAnswer::Changed);
    assert_eq!(
        ask(replace(bob, &replaced, b"new", NOW.plus(30 * DAY))).await,
        ReplaceAnswer::Nothing,
        "expired"
    );
    assert_eq!((seen(db, alice, file(1)).await, seen(db, bob, file(1)).await), before);
    for _ in 0..2 {
        assert_eq!(ask(replace(bob, &replaced, b"new", NOW)).await, ReplaceAnswer::Replaced);
        let expected = FileView { grant: Some(b"new".to_vec()), ..before.1.clone() };
        assert_eq!(seen(db, bob, file(1)).await, expected, "and nothing else");
        assert_eq!(seen(db, alice, file(1)).await, before.0, "of nobody else");
    }
    assert_eq!(ask(replace(bob, &replaced, b"newer", NOW)).await, ReplaceAnswer::Changed);
    db.revoke_grant(alice, file(1), bob, &[]).await.unwrap();
    assert_eq!(ask(replace(bob, b"new", b"newer", NOW)).await, ReplaceAnswer::Nothing, "taken back");
    assert_eq!(seen(db, alice, file(1)).await, before.0);
}

async fn a_recipient_can_leave(db: &dyn Database) {
    let (alice, bob) = (person(db, 1).await, person(db, 2).await);
    send(db, new_finish(alice, file(1), MIB, &[bob])).await;
    assert_eq!(db.leave_file(alice, file(1), &[]).await.unwrap(), LeaveAnswer::Nothing, "an author deletes");
    assert_eq!(db.leave_file(bob, file(1), &[]).await.unwrap(), LeaveAnswer::Left);
    assert_eq!(db.leave_file(bob, file(1), &[]).await.unwrap(), LeaveAnswer::Nothing);
    assert_eq!(db.file_for(bob, file(1), NOW).await.unwrap(), FileAccess::Nothing);
    assert!(matches!(db.file_for(alice, file(1), NOW).await.unwrap(), FileAccess::Available(_)));
}

async fn a_deleted_file_is_gone_for_everybody(db: &dyn Database) {
    let (alice, bob) = (person(db, 1).await, person(db, 2).await);
    send(db, new_finish(alice, file(1), MIB, &[bob])).await;
    assert_eq!(db.delete_file(bob, file(1), NOW, &[]).await.unwrap(), DeleteAnswer::Nothing);
    assert_eq!(db.delete_file(alice, file(1), NOW, &[]).await.unwrap(), DeleteAnswer::Deleted);
    assert_eq!(db.delete_file(alice, file(1), NOW, &[]).await.unwrap(), DeleteAnswer::Nothing);
    for who in [alice, bob] {
        assert_eq!(db.file_for(who, file(1), NOW).await.unwrap(), FileAccess::Nothing);
        assert_eq!(db.list_files(who, None, 10, NOW).await.unwrap(), []);
        assert_eq!(db.take_ticket(ticket(who, file(1), 1, NOW)).await.unwrap(), TicketAnswer::Nothing);
    }
    assert_eq!(db.file_layout(file(1)).await.unwrap(), None);
    assert_eq!(db.part(file(1), 0).await.unwrap(), None);
    let mut doomed = db.doomed_blobs(10, NOW.plus(90 * DAY)).await.unwrap();
    doomed.sort_unstable();
    assert_eq!(doomed, [blob(file(1), 0), leaves_blob(file(1))]);
}

async fn totals_add_up(db: &dyn Database) {
    let (alice, bob) = (person(db, 1).await, person(db, 2).await);
    send(db, new_finish(alice, file(1), MIB, &[bob])).await;
    begin(db, alice, file(2), Some(3 * MIB)).await;
    send(db, new_finish(bob, file(3), MIB, &[])).await;
    db.delete_file(bob, file(3), NOW, &[]).await.unwrap();
    let usage = db.usage(alice).await.unwrap();
    assert_eq!((usage.charged_bytes, usage.files, usage.open_uploads), (4 * MIB, 1, 1));
    assert_eq!(db.usage(user(9)).await.unwrap(), crate::Usage::default());
    let stats = db.stats().await.unwrap();
    let expected =
        crate::Stats { accounts: 2, files: 1, open_uploads: 1, charged_bytes: 4 * MIB, doomed_blobs: 2 };
    assert_eq!(stats, expected);
}

/// The grants of `owner` to themselves and to bare keys.
fn to_keys(owner: UserId, file_id: FileId, keys: &[u8]) -> Finish {
    let mut finish = new_finish(owner, file_id, MIB, &[]);
    finish.grants.extend(keys.iter().copied().map(key_grant));
    finish
}

async fn a_bare_key_is_reached_by_who_names_it(db: &dyn Database) {
    let (alice, bob) = (person(db, 1).await, person(db, 2).await);
    send(db, to_keys(alice, file(1), &[70, 71])).await;
    for (who, role) in [(bob, Role::Recipient), (alice, Role::Author)] {
        let answer = db.file_by_key(who, file(1), recipient(70), NOW).await.unwrap();
        let FileAccess::Available(view) = answer else { panic!("there") };
        assert_eq!((view.grant, view.role, view.author), (Some(vec![70; 500]), role, alice));
    }
    // Neither another key, nor another file, nor the recipient id of a person's grant, nor the file alone.
    for (file_id, key) in [(file(1), 72), (file(2), 70), (file(1), 1)] {
        let answer = db.file_by_key(bob, file_id, recipient(key), NOW).await.unwrap();
        assert_eq!(answer, FileAccess::Nothing);
    }
    assert_eq!(db.file_for(bob, file(1), NOW).await.unwrap(), FileAccess::Nothing);
    assert_eq!(db.list_files(bob, None, 10, NOW.plus(HOUR)).await.unwrap(), []);
    assert_eq!(db.list_files(alice, None, 10, NOW.plus(HOUR)).await.unwrap().len(), 1);
    assert_eq!(holders(db, file(1)).await, [alice], "no person");
    assert_eq!(db.keys_of(file(1)).await.unwrap(), [recipient(70), recipient(71)]);
    // A grant of an upload that is still open is not known; a newer one for the same key replaces it.
    begin(db, alice, file(3), Some(MIB)).await;
    let mut add = AddGrants { owner: alice, file_id: file(3), grants: vec![key_grant(70)], now: NOW };
    db.add_grants(add.clone()).await.unwrap();
    let answer = db.file_by_key(bob, file(3), recipient(70), NOW).await.unwrap();
    assert_eq!(answer, FileAccess::Nothing, "still open");
    add.file_id = file(1);
    add.grants[0].bytes = vec![7; 9];
    db.add_grants(add).await.unwrap();
    let answer = db.file_by_key(bob, file(1), recipient(70), NOW).await.unwrap();
    let FileAccess::Available(view) = answer else { panic!("there") };
    assert_eq!(view.grant, Some(vec![7; 9]));
    assert_eq!(db.keys_of(file(1)).await.unwrap().len(), 2);
}

async fn a_bare_key_goes_when_it_is_taken_back_or_the_file_ends(db: &dyn Database) {
    let (alice, bob) = (person(db, 1).await, person(db, 2).await);
    send(db, to_keys(alice, file(1), &[70, 71])).await;
    assert_eq!(
        db.revoke_key(bob, file(1), recipient(70), &[]).await.unwrap(),
        RevokeAnswer::Nothing,
        "no owner"
    );
    assert_eq!(db.revoke_key(alice, file(1), recipient(72), &[]).await.unwrap(), RevokeAnswer::Nothing);
    assert_eq!(db.revoke_key(alice, file(1), recipient(70), &[]).await.unwrap(), RevokeAnswer::Revoked);
    assert_eq!(db.revoke_key(alice, file(1), recipient(70), &[]).await.unwrap(), RevokeAnswer::Nothing);
    assert_eq!(db.file_by_key(bob, file(1), recipient(70), NOW).await.unwrap(), FileAccess::Nothing);
    let end = NOW.plus(30 * DAY);
    let there = db.file_by_key(bob, file(1), recipient(71), end.plus(-1)).await.unwrap();
    assert!(matches!(there, FileAccess::Available(_)));
    assert_eq!(db.file_by_key(bob, file(1), recipient(71), end).await.unwrap(), FileAccess::Expired);
    db.delete_file(alice, file(1), NOW, &[]).await.unwrap();
    assert_eq!(db.file_by_key(bob, file(1), recipient(71), NOW).await.unwrap(), FileAccess::Nothing);
    assert_eq!(db.keys_of(file(1)).await.unwrap(), []);
}

async fn downloads_by_a_bare_key_count_by_caller(db: &dyn Database) {
    let (alice, bob, carol) = (person(db, 1).await, person(db, 2).await, person(db, 3).await);
    let mut finish = to_keys(alice, file(1), &[70]);
    finish.max_downloads = Some(2);
    send(db, finish).await;
    let by_key = |who, key, download| TakeTicket {
        recipient: Some(recipient(key)),
        ..ticket(who, file(1), download, NOW)
    };
    assert_eq!(db.take_ticket(by_key(bob, 71, 1)).await.unwrap(), TicketAnswer::Nothing);
    assert_eq!(db.take_ticket(ticket(bob, file(1), 1, NOW)).await.unwrap(), TicketAnswer::Nothing);
    assert_eq!(db.take_ticket(by_key(bob, 70, 1)).await.unwrap(), TicketAnswer::First);
    assert_eq!(db.take_ticket(by_key(bob, 70, 1)).await.unwrap(), TicketAnswer::Renewed);
    assert_eq!(db.take_ticket(by_key(carol, 70, 1)).await.unwrap(), TicketAnswer::First);
    assert_eq!(db.take_ticket(by_key(carol, 70, 2)).await.unwrap(), TicketAnswer::LimitReached);
    assert_eq!(db.take_ticket(by_key(alice, 70, 3)).await.unwrap(), TicketAnswer::First, "the author");
}
