//! Promises about the order in which lists change.

use super::*;
use crate::{Change, DownloadId, Erase, Job, Retention, TakeTicket};

pub(super) async fn run(fixture: &impl Fn() -> Box<dyn Fixture>) {
    what_came_changed_and_went_is_told_in_order_and_once(&*empty(fixture).await).await;
    pages_hold_every_change_once(&*empty(fixture).await).await;
    nobody_is_told_what_was_never_theirs(&*empty(fixture).await).await;
    a_download_is_told_to_the_author_and_to_all_where_it_counts(&*empty(fixture).await).await;
    what_ended_by_its_time_is_gone_before_any_job_ran(&*empty(fixture).await).await;
    what_left_is_forgotten_after_its_time_and_what_is_there_never(&*empty(fixture).await).await;
    an_erased_person_leaves_no_order_behind(&*empty(fixture).await).await;
    numbers_never_return_and_a_copy_that_lives_on_begins_others(&*empty(fixture).await).await;
}

/// Ids and whether they are there, behind a number.
async fn told(db: &dyn Database, user: UserId, after: u64) -> Vec<(FileId, bool)> {
    let page = db.changed_files(user, after, 500, NOW.plus(HOUR)).await.unwrap();
    page.iter().map(|change| (change.file_id, change.file.is_some())).collect()
}

async fn last(db: &dyn Database, user: UserId) -> u64 {
    let page = db.changed_files(user, 0, 500, NOW.plus(HOUR)).await.unwrap();
    page.last().map_or(0, |change| change.seq)
}

fn replaced(user: UserId, file_id: FileId) -> crate::ReplaceGrant {
    crate::ReplaceGrant {
        user,
        file_id,
        replaced: grant(user).bytes,
        recipient: recipient(9),
        bytes: vec![9; 1400],
        now: NOW.plus(HOUR),
        events: Vec::new(),
    }
}

async fn what_came_changed_and_went_is_told_in_order_and_once(db: &dyn Database) {
    let (alice, bob) = (person(db, 1).await, person(db, 2).await);
    assert_eq!((told(db, bob, 0).await, db.last_change().await.unwrap()), (vec![], 0));
    begin(db, alice, file(9), Some(MIB)).await;
    assert_eq!(told(db, alice, 0).await, [], "an open upload is in no list");
    for n in 1..=3 {
        send(db, new_finish(alice, file(n), MIB, &[bob])).await;
    }
    assert_eq!(told(db, bob, 0).await, [(file(1), true), (file(2), true), (file(3), true)]);
    let before = last(db, bob).await;
    assert!(before <= db.last_change().await.unwrap());
    assert_eq!(told(db, bob, before).await, []);
    db.replace_grant(replaced(bob, file(1))).await.unwrap();
    assert_eq!(told(db, bob, before).await, [(file(1), true)], "wrapped again");
    db.revoke_grant(alice, file(2), bob, &[]).await.unwrap();
    db.leave_file(bob, file(1), &[]).await.unwrap();
    db.delete_file(alice, file(3), NOW.plus(HOUR), &[]).await.unwrap();
    assert_eq!(told(db, bob, before).await, [(file(2), false), (file(1), false), (file(3), false)]);
    assert_eq!(told(db, bob, 0).await, [], "from the beginning only what is there");
    assert_eq!(told(db, alice, 0).await, [(file(1), true), (file(2), true)]);
}

async fn pages_hold_every_change_once(db: &dyn Database) {
    let (alice, bob) = (person(db, 1).await, person(db, 2).await);
    for n in 1..=11 {
        send(db, new_finish(alice, file(n), MIB, &[bob])).await;
    }
    for limit in [1, 3, 11, 100] {
        let (mut seen, mut after) = (Vec::new(), 0);
        for _ in 0..=12 {
            let page: Vec<Change> = db.changed_files(bob, after, limit, NOW.plus(HOUR)).await.unwrap();
            seen.extend(page.iter().map(|change| change.file_id));
            let Some(end) = page.last() else { break };
            assert!(page.is_sorted_by_key(|change| change.seq) && end.seq > after);
            after = end.seq;
        }
        assert_eq!(seen, (1..=11).map(file).collect::<Vec<_>>(), "by {limit}");
    }
}

async fn nobody_is_told_what_was_never_theirs(db: &dyn Database) {
    let (alice, bob, carol) = (person(db, 1).await, person(db, 2).await, person(db, 3).await);
    let before = last(db, carol).await;
    send(db, new_finish(alice, file(1), MIB, &[bob])).await;
    db.revoke_grant(alice, file(1), bob, &[]).await.unwrap();
    send(db, new_finish(alice, file(2), MIB, &[carol])).await;
    assert_eq!(told(db, carol, before).await, [(file(2), true)]);
    let page = db.changed_files(carol, 0, 10, NOW.plus(HOUR)).await.unwrap();
    assert_eq!(page[0].file.as_ref().unwrap().grant.as_deref(), Some(grant(carol).bytes.as_slice()));
}

async fn a_download_is_told_to_the_author_and_to_all_where_it_counts(db: &dyn Database) {
    let (alice, bob, carol) = (person(db, 1).await, person(db, 2).await, person(db, 3).await);
    let limited = Finish { max_downloads: Some(5), ..new_finish(alice, file(1), MIB, &[bob, carol]) };
    send(db, limited).await;
    send(db, new_finish(alice, file(2), MIB, &[bob, carol])).await;
    for (n, whose) in [(1, [alice, carol].as_slice()), (2, &[alice])] {
        let before = db.last_change().await.unwrap();
        let take = TakeTicket {
            user: bob,
            file_id: file(n),
            recipient: None,
            download_id: DownloadId::from_bytes([n; 16]),
            now: NOW.plus(HOUR),
            window_secs: 60,
            events: Vec::new(),
        };
        db.take_ticket(take).await.unwrap();
        for user in [alice, carol] {
            assert_eq!(!told(db, user, before).await.is_empty(), whose.contains(&user), "file {n}, {user}");
        }
    }
}

async fn what_ended_by_its_time_is_gone_before_any_job_ran(db: &dyn Database) {
    let (alice, bob) = (person(db, 1).await, person(db, 2).await);
    send(db, new_finish(alice, file(1), MIB, &[bob])).await;
    let page = db.changed_files(bob, 0, 10, NOW.plus(30 * DAY)).await.unwrap();
    assert_eq!(page.iter().map(|change| change.file.is_some()).collect::<Vec<_>>(), [false]);
}

async fn what_left_is_forgotten_after_its_time_and_what_is_there_never(db: &dyn Database) {
    let (alice, bob) = (person(db, 1).await, person(db, 2).await);
    send(db, new_finish(alice, file(1), MIB, &[bob])).await;
    send(db, new_finish(alice, file(2), MIB, &[bob])).await;
    let before = last(db, bob).await;
    db.revoke_grant(alice, file(1), bob, &[]).await.unwrap();
    let keep = Retention { tickets_secs: 1, expired_secs: 1, gone_secs: 1_000 };
    for (at, known) in [(0, 1), (999, 1), (1_000, 0)] {
        db.purge(NOW.plus(HOUR + at), keep).await.unwrap();
        assert_eq!(told(db, bob, before).await.len(), known, "after {at} seconds");
    }
    assert_eq!(told(db, bob, 0).await, [(file(2), true)]);
}

async fn an_erased_person_leaves_no_order_behind(db: &dyn Database) {
    let (alice, bob) = (person(db, 1).await, person(db, 2).await);
    send(db, new_finish(alice, file(1), MIB, &[bob])).await;
    let before = last(db, bob).await;
    let erase = Erase { user: bob, lookup: lookup(99), now: NOW.plus(HOUR), events: Vec::new() };
    assert!(db.erase_account(erase).await.unwrap());
    assert_eq!(told(db, bob, before).await, []);
    assert_eq!(told(db, alice, 0).await, [(file(1), true)]);
}

async fn numbers_never_return_and_a_copy_that_lives_on_begins_others(db: &dyn Database) {
    let (alice, bob) = (person(db, 1).await, person(db, 2).await);
    send(db, new_finish(alice, file(1), MIB, &[bob])).await;
    let before = db.last_change().await.unwrap();
    db.delete_file(alice, file(1), NOW.plus(HOUR), &[]).await.unwrap();
    let keep = Retention { tickets_secs: 1, expired_secs: 1, gone_secs: 0 };
    for later in [1, 2] {
        db.purge(NOW.plus(HOUR + later), keep).await.unwrap();
    }
    assert_eq!(told(db, bob, 1).await, [], "forgotten");
    let end = db.last_change().await.unwrap();
    send(db, new_finish(alice, file(2), MIB, &[bob])).await;
    assert!(end > before && last(db, bob).await > end);
    db.begin_again().await.unwrap();
    send(db, new_finish(alice, file(3), MIB, &[bob])).await;
    assert_eq!(last(db, bob).await >> 32, 1);
    assert!(db.take_lease(Job::Expiry, "any", NOW, 1).await.unwrap().is_some());
}
