//! Promises about drop boxes.

use envelope::BoxId;
use envelope::audit::Kind;
use envelope::ids::EventId;
use futures::future::join_all;

use super::*;
use crate::{
    AbandonAnswer, AddGrants, Erase, FileAccess, FileCursor, IntoBox, Job, Lease, MakeBoxAnswer, NewBox,
    NewEvent, Retention, Role, StoredBox, Upload,
};

pub(super) async fn run(fixture: &impl Fn() -> Box<dyn Fixture>) {
    a_box_is_made_once_and_shown_to_its_owner_alone(&*empty(fixture).await).await;
    an_account_has_so_many_open_boxes_and_no_more(&*empty(fixture).await).await;
    what_a_visitor_sends_is_the_owners_and_is_marked_with_the_box(&*empty(fixture).await).await;
    an_upload_of_a_visitor_is_known_by_its_key_alone(&*empty(fixture).await).await;
    of_a_thousand_at_once_as_many_come_as_the_box_takes(empty(fixture).await).await;
    what_is_not_finished_gives_its_place_back(&*empty(fixture).await).await;
    visitors_keep_the_owner_from_no_upload_and_have_so_many_at_once(&*empty(fixture).await).await;
    the_quota_of_the_owner_holds_for_visitors(&*empty(fixture).await).await;
    a_box_takes_no_longer_body_than_it_says(&*empty(fixture).await).await;
    a_signed_file_into_a_box_is_its_senders(&*empty(fixture).await).await;
    a_closed_ended_or_suspended_box_takes_nothing(&*empty(fixture).await).await;
    boxes_of_who_left_are_gone_and_ended_ones_are_forgotten(&*empty(fixture).await).await;
}

fn id(n: u8) -> BoxId {
    BoxId::from_bytes([n; 16])
}

fn event(actor: UserId, n: u8, kind: Kind) -> NewEvent {
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

fn new_box(owner: UserId, n: u8, max_files: Option<u32>) -> NewBox {
    NewBox {
        id: id(n),
        owner,
        description: vec![n; 700],
        expires_at: NOW.plus(5 * DAY),
        max_files,
        max_body: None,
        max_of_owner: 3,
        now: NOW.plus(i64::from(n)),
        events: vec![event(owner, n, Kind::BoxMade)],
    }
}

async fn make(db: &dyn Database, new: NewBox) -> StoredBox {
    match db.make_box(new).await.unwrap() {
        MakeBoxAnswer::Made(made) => made,
        answer => panic!("{answer:?}"),
    }
}

/// An upload of a visitor, whose key is that of the file's number.
fn visit(owner: UserId, file_id: FileId, n: u8) -> NewUpload {
    let into = IntoBox { id: id(n), visitor: Some(digest(file_id.as_bytes()[0])), max_open: 2_000 };
    NewUpload { into_box: Some(into), expires_at: NOW.plus(DAY), ..new_upload(owner, file_id, Some(MIB)) }
}

async fn begun(db: &dyn Database, new: NewUpload) -> Upload {
    match db.begin_upload(new).await.unwrap() {
        BeginAnswer::Begun(upload) => upload,
        answer => panic!("{answer:?}"),
    }
}

/// Brings what has begun to its end.
async fn finish(db: &dyn Database, owner: UserId, file_id: FileId, grants: &[UserId]) -> FinishAnswer {
    db.record_part(new_part(owner, file_id, 0, MIB)).await.unwrap();
    let finish = Finish {
        grants: grants.iter().map(|user| grant(*user)).collect(),
        ..new_finish(owner, file_id, MIB, &[])
    };
    db.finish_upload(finish).await.unwrap()
}

async fn arrive(db: &dyn Database, owner: UserId, file_id: FileId, n: u8) -> FinishAnswer {
    begun(db, visit(owner, file_id, n)).await;
    finish(db, owner, file_id, &[owner]).await
}

async fn a_box_is_made_once_and_shown_to_its_owner_alone(db: &dyn Database) {
    let (alice, bob) = (person(db, 1).await, person(db, 2).await);
    let made = make(db, new_box(alice, 1, Some(5))).await;
    assert_eq!(
        made,
        StoredBox { id: id(1), description: vec![1; 700], arrivals: 0, under_way: 0, closed: false }
    );
    assert_eq!(make(db, new_box(alice, 1, Some(5))).await, made, "the same again");
    let other = NewBox { description: vec![9; 700], ..new_box(alice, 1, Some(5)) };
    assert_eq!(db.make_box(other).await.unwrap(), MakeBoxAnswer::Conflict);
    let stolen = NewBox { owner: bob, ..new_box(alice, 1, Some(5)) };
    assert_eq!(db.make_box(stolen).await.unwrap(), MakeBoxAnswer::Conflict);
    make(db, new_box(alice, 2, None)).await;
    let shown = db.boxes_of(alice, NOW, 10).await.unwrap();
    assert_eq!(shown.iter().map(|one| one.id).collect::<Vec<_>>(), [id(2), id(1)], "newest first");
    assert_eq!(db.boxes_of(bob, NOW, 10).await.unwrap(), []);
    let open = db.open_box(id(1), NOW).await.unwrap().unwrap();
    assert_eq!((open.owner, open.description, open.max_body), (alice, vec![1; 700], None));
    assert_eq!(db.open_box(id(9), NOW).await.unwrap(), None);
    assert_eq!(db.events_after(0, 10).await.unwrap().len(), 2, "one for each box that was made");
}

async fn an_account_has_so_many_open_boxes_and_no_more(db: &dyn Database) {
    let alice = person(db, 1).await;
    for n in 1..=3 {
        make(db, new_box(alice, n, None)).await;
    }
    assert_eq!(db.make_box(new_box(alice, 4, None)).await.unwrap(), MakeBoxAnswer::TooMany);
    assert!(db.close_box(alice, id(1), NOW, &[]).await.unwrap());
    make(db, new_box(alice, 4, None)).await;
}

async fn what_a_visitor_sends_is_the_owners_and_is_marked_with_the_box(db: &dyn Database) {
    let (alice, bob) = (person(db, 1).await, person(db, 2).await);
    make(db, new_box(alice, 1, None)).await;
    make(db, new_box(alice, 2, None)).await;
    assert_eq!(arrive(db, alice, file(1), 1).await, FinishAnswer::Finished);
    assert_eq!(arrive(db, alice, file(2), 2).await, FinishAnswer::Finished);
    let listed = db.list_files(alice, None, 10, NOW).await.unwrap();
    let boxes: Vec<_> = listed.iter().map(|view| (view.file_id, view.box_id, view.role)).collect();
    assert_eq!(boxes, [(file(2), Some(id(2)), Role::Author), (file(1), Some(id(1)), Role::Author)]);
    let in_one = db.list_box(alice, id(1), None, 10, NOW).await.unwrap();
    assert_eq!(in_one.iter().map(|view| view.file_id).collect::<Vec<_>>(), [file(1)]);
    let behind = FileCursor { listed_at: in_one[0].listed_at, file_id: file(1) };
    assert_eq!(db.list_box(alice, id(1), Some(behind), 10, NOW).await.unwrap(), []);
    assert_eq!(db.list_box(bob, id(1), None, 10, NOW).await.unwrap(), []);
    // Whoever is given the file later is not told the box: they could send into it.
    let add = AddGrants { owner: alice, file_id: file(1), grants: vec![grant(bob)], now: NOW };
    db.add_grants(add).await.unwrap();
    let FileAccess::Available(seen) = db.file_for(bob, file(1), NOW).await.unwrap() else {
        panic!("not there")
    };
    assert_eq!((seen.box_id, seen.role), (None, Role::Recipient));
    assert_eq!(db.boxes_of(alice, NOW, 10).await.unwrap()[1].arrivals, 1);
    db.delete_file(alice, file(1), NOW, &[]).await.unwrap();
    let after = db.boxes_of(alice, NOW, 10).await.unwrap();
    assert_eq!(after[1].arrivals, 1, "what came has come");
    assert_eq!(db.usage(alice).await.unwrap().charged_bytes, MIB);
}

async fn an_upload_of_a_visitor_is_known_by_its_key_alone(db: &dyn Database) {
    let alice = person(db, 1).await;
    make(db, new_box(alice, 1, None)).await;
    make(db, new_box(alice, 2, None)).await;
    let upload = begun(db, visit(alice, file(7), 1)).await;
    assert_eq!((upload.owner, upload.box_id), (alice, Some(id(1))));
    let known = async |box_id, key| db.visitor_upload(box_id, file(7), key, NOW).await.unwrap();
    assert_eq!(known(id(1), digest(7)).await, Some(upload));
    assert_eq!(known(id(1), digest(8)).await, None, "another key");
    assert_eq!(known(id(2), digest(7)).await, None, "another box");
    assert_eq!(db.visitor_upload(id(1), file(8), digest(7), NOW).await.unwrap(), None, "another upload");
    assert_eq!(db.upload(alice, file(7), NOW).await.unwrap(), None, "not by the account of the owner");
    assert_eq!(db.uploads_of(alice, NOW).await.unwrap(), []);
    assert!(matches!(db.begin_upload(visit(alice, file(7), 1)).await.unwrap(), BeginAnswer::Same(_)));
    let other = IntoBox { id: id(1), visitor: Some(digest(9)), max_open: 10 };
    let stolen = NewUpload { into_box: Some(other), ..visit(alice, file(7), 1) };
    assert_eq!(db.begin_upload(stolen).await.unwrap(), BeginAnswer::Conflict);
    let own = new_upload(alice, file(7), Some(MIB));
    assert_eq!(db.begin_upload(own).await.unwrap(), BeginAnswer::Conflict);
    assert_eq!(db.visitor_upload(id(1), file(7), digest(7), NOW.plus(DAY)).await.unwrap(), None, "too late");
    assert_eq!(finish(db, alice, file(7), &[alice]).await, FinishAnswer::Finished);
    assert_eq!(finish(db, alice, file(7), &[alice]).await, FinishAnswer::Same);
    assert!(known(id(1), digest(7)).await.is_some(), "told again what was said");
}

async fn of_a_thousand_at_once_as_many_come_as_the_box_takes(db: Arc<dyn Database>) {
    let alice = person(&*db, 1).await;
    make(&*db, new_box(alice, 1, Some(7))).await;
    let visitors = (0..1_000_u32).map(|n| {
        let db = db.clone();
        tokio::spawn(async move {
            let mut bytes = [0; 16];
            bytes[..4].copy_from_slice(&n.to_be_bytes());
            db.begin_upload(visit(alice, FileId::from_bytes(bytes), 1)).await.unwrap()
        })
    });
    let answers = join_all(visitors).await;
    let begun = answers.iter().filter(|answer| matches!(answer.as_ref().unwrap(), BeginAnswer::Begun(_)));
    let full = answers.iter().filter(|answer| matches!(answer.as_ref().unwrap(), BeginAnswer::BoxFull));
    assert_eq!((begun.count(), full.count()), (7, 993));
    assert_eq!(db.boxes_of(alice, NOW, 10).await.unwrap()[0].under_way, 7);
}

async fn what_is_not_finished_gives_its_place_back(db: &dyn Database) {
    let alice = person(db, 1).await;
    make(db, new_box(alice, 1, Some(1))).await;
    begun(db, visit(alice, file(1), 1)).await;
    assert_eq!(db.begin_upload(visit(alice, file(2), 1)).await.unwrap(), BeginAnswer::BoxFull);
    assert_eq!(db.abandon_upload(alice, file(1), NOW).await.unwrap(), AbandonAnswer::Abandoned);
    begun(db, visit(alice, file(2), 1)).await;
    // One that ran out of time counts no longer, whether or not the expiry job has been there.
    let later = NewUpload { now: NOW.plus(DAY), expires_at: NOW.plus(2 * DAY), ..visit(alice, file(3), 1) };
    begun(db, later).await;
    let part = NewPart { now: NOW.plus(DAY), ..new_part(alice, file(3), 0, MIB) };
    db.record_part(part).await.unwrap();
    let done = Finish { now: NOW.plus(DAY), ..new_finish(alice, file(3), MIB, &[]) };
    assert_eq!(db.finish_upload(done).await.unwrap(), FinishAnswer::Finished);
    let full = NewUpload { now: NOW.plus(DAY), ..visit(alice, file(4), 1) };
    assert_eq!(db.begin_upload(full).await.unwrap(), BeginAnswer::BoxFull);
}

async fn visitors_keep_the_owner_from_no_upload_and_have_so_many_at_once(db: &dyn Database) {
    let alice = person(db, 1).await;
    make(db, new_box(alice, 1, None)).await;
    for n in 1..=12 {
        begun(db, visit(alice, file(n), 1)).await;
    }
    begin(db, alice, file(100), Some(MIB)).await;
    let crowded = IntoBox { id: id(1), visitor: Some(digest(50)), max_open: 12 };
    let one_more = NewUpload { into_box: Some(crowded), ..visit(alice, file(50), 1) };
    assert_eq!(db.begin_upload(one_more).await.unwrap(), BeginAnswer::BoxBusy);
}

async fn the_quota_of_the_owner_holds_for_visitors(db: &dyn Database) {
    let alice = person(db, 1).await;
    make(db, new_box(alice, 1, None)).await;
    begun(db, visit(alice, file(1), 1)).await;
    assert_eq!(db.usage(alice).await.unwrap().charged_bytes, MIB, "unfinished ones count");
    let beyond = NewUpload { quota_bytes: 2 * MIB - 1, ..visit(alice, file(2), 1) };
    assert_eq!(
        db.begin_upload(beyond).await.unwrap(),
        BeginAnswer::QuotaExceeded { used: MIB, quota: 2 * MIB - 1 }
    );
    let untold = NewUpload { body_len: None, ..visit(alice, file(3), 1) };
    begun(db, untold).await;
    let part = NewPart { quota_bytes: 2 * MIB - 1, ..new_part(alice, file(3), 0, MIB) };
    assert!(matches!(db.record_part(part).await.unwrap(), PartAnswer::QuotaExceeded { .. }));
}

async fn a_box_takes_no_longer_body_than_it_says(db: &dyn Database) {
    let alice = person(db, 1).await;
    make(db, NewBox { max_body: Some(MIB - 1), ..new_box(alice, 1, None) }).await;
    assert_eq!(db.begin_upload(visit(alice, file(1), 1)).await.unwrap(), BeginAnswer::TooLargeForBox);
    begun(db, NewUpload { body_len: None, ..visit(alice, file(2), 1) }).await;
    assert_eq!(finish(db, alice, file(2), &[alice]).await, FinishAnswer::BoxClosed);
    assert_eq!(db.list_files(alice, None, 10, NOW).await.unwrap(), []);
}

async fn a_signed_file_into_a_box_is_its_senders(db: &dyn Database) {
    let (alice, bob) = (person(db, 1).await, person(db, 2).await);
    make(db, new_box(alice, 1, Some(1))).await;
    let into = IntoBox { id: id(1), visitor: None, max_open: 0 };
    let signed = NewUpload { into_box: Some(into), ..new_upload(bob, file(1), Some(MIB)) };
    assert_eq!(begun(db, signed).await.box_id, Some(id(1)));
    assert_eq!(db.begin_upload(visit(alice, file(2), 1)).await.unwrap(), BeginAnswer::BoxFull);
    assert!(db.upload(bob, file(1), NOW).await.unwrap().is_some());
    assert_eq!(finish(db, bob, file(1), &[alice, bob]).await, FinishAnswer::Finished);
    let usage = [db.usage(alice).await.unwrap().charged_bytes, db.usage(bob).await.unwrap().charged_bytes];
    assert_eq!(usage, [0, MIB]);
    let seen = db.list_box(alice, id(1), None, 10, NOW).await.unwrap();
    assert_eq!((seen[0].box_id, seen[0].role, seen[0].author), (Some(id(1)), Role::Recipient, bob));
    assert_eq!(db.list_files(bob, None, 10, NOW).await.unwrap()[0].box_id, None);
}

async fn a_closed_ended_or_suspended_box_takes_nothing(db: &dyn Database) {
    let (alice, bob) = (person(db, 1).await, person(db, 2).await);
    for n in 1..=3 {
        make(db, new_box(alice, n, None)).await;
        begun(db, visit(alice, file(n), n)).await;
    }
    assert!(!db.close_box(bob, id(1), NOW, &[]).await.unwrap());
    let closed = event(alice, 90, Kind::BoxClosed);
    assert!(db.close_box(alice, id(1), NOW, std::slice::from_ref(&closed)).await.unwrap());
    assert!(!db.close_box(alice, id(1), NOW, &[closed]).await.unwrap(), "once");
    assert_eq!(db.open_box(id(1), NOW).await.unwrap(), None);
    assert_eq!(db.begin_upload(visit(alice, file(11), 1)).await.unwrap(), BeginAnswer::NoBox);
    assert_eq!(finish(db, alice, file(1), &[alice]).await, FinishAnswer::Missing, "it ended with the box");
    assert_eq!(db.usage(alice).await.unwrap().charged_bytes, 2 * MIB);
    assert!(db.boxes_of(alice, NOW, 10).await.unwrap().iter().any(|one| one.closed && one.id == id(1)));

    let end = NOW.plus(5 * DAY);
    assert!(db.open_box(id(2), end.plus(-1)).await.unwrap().is_some());
    assert_eq!(db.open_box(id(2), end).await.unwrap(), None);
    let late = NewUpload { now: end, expires_at: end.plus(DAY), ..visit(alice, file(12), 2) };
    assert_eq!(db.begin_upload(late).await.unwrap(), BeginAnswer::NoBox);

    db.suspend(alice, NOW, &[]).await.unwrap();
    assert_eq!(db.open_box(id(3), NOW).await.unwrap(), None);
    assert_eq!(db.visitor_upload(id(3), file(3), digest(3), NOW).await.unwrap(), None);
    assert_eq!(db.begin_upload(visit(alice, file(13), 3)).await.unwrap(), BeginAnswer::NoBox);
    assert_eq!(finish(db, alice, file(3), &[alice]).await, FinishAnswer::BoxClosed);
}

async fn boxes_of_who_left_are_gone_and_ended_ones_are_forgotten(db: &dyn Database) {
    let (alice, bob) = (person(db, 1).await, person(db, 2).await);
    make(db, new_box(alice, 1, None)).await;
    make(db, new_box(bob, 2, None)).await;
    begun(db, visit(alice, file(1), 1)).await;
    assert_eq!(arrive(db, bob, file(2), 2).await, FinishAnswer::Finished);
    let erase = Erase { user: alice, lookup: lookup(200), now: NOW, events: Vec::new() };
    assert!(db.erase_account(erase).await.unwrap());
    assert_eq!(db.open_box(id(1), NOW).await.unwrap(), None);
    assert_eq!(db.visitor_upload(id(1), file(1), digest(1), NOW).await.unwrap(), None);
    assert_eq!(db.boxes_of(alice, NOW, 10).await.unwrap(), []);
    let token = db.take_lease(Job::Expiry, "test", NOW, 600).await.unwrap().unwrap();
    db.doom_expired(NOW, 10, &Lease { job: Job::Expiry, token }).await.unwrap().unwrap();
    assert_eq!(db.usage(alice).await.unwrap().charged_bytes, 0, "what was under way is freed");
    let keep = Retention { tickets_secs: 0, expired_secs: 86_400, gone_secs: 86_400 };
    db.purge(NOW.plus(5 * DAY), keep).await.unwrap();
    assert_eq!(db.boxes_of(bob, NOW, 10).await.unwrap().len(), 1, "its end is still told");
    db.purge(NOW.plus(6 * DAY), keep).await.unwrap();
    assert_eq!(db.boxes_of(bob, NOW, 10).await.unwrap(), []);
    let there = db.list_files(bob, None, 10, NOW).await.unwrap();
    assert_eq!(there[0].box_id, Some(id(2)), "what came outlives the box, and its mark with it");
}
