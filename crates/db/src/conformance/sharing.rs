//! Promises about what is done to a file after it was sent.

use envelope::audit::Kind;
use envelope::ids::EventId;
use envelope::link::LinkId;

use super::*;
use crate::{
    AddHolders, AddHoldersAnswer, AskActivity, DownloadId, FileAccess, FileView, NewEvent, NewLink,
    NewManifest, NewTerms, RenameAnswer, Stopped, TakeTicket, TicketAnswer,
};

pub(super) async fn run(fixture: &impl Fn() -> Box<dyn Fixture>) {
    who_holds_a_grant_gives_it_on_and_nobody_else(&*empty(fixture).await).await;
    the_owners_grant_takes_the_place_of_one_that_was_passed_on(&*empty(fixture).await).await;
    a_file_has_so_many_holders_and_no_more(&*empty(fixture).await).await;
    stopping_takes_everything_away_and_voids_tickets(&*empty(fixture).await).await;
    a_rename_follows_the_revision_that_is_there(&*empty(fixture).await).await;
    new_limits_hold_for_the_members_of_a_folder(&*empty(fixture).await).await;
}

fn event(actor: UserId, n: u8, kind: Kind) -> NewEvent {
    NewEvent {
        id: EventId::from_bytes([n; 16]),
        at: NOW,
        kind,
        actor,
        owner: None,
        file_id: Some(file(1)),
        other: None,
        sealed: Vec::new(),
    }
}

/// Grants for the people and keys, with events of the numbers from `n` on.
fn add(giver: UserId, n: u8, grants: &[NewGrant]) -> AddHolders {
    let with_event = |(grant, n): (&NewGrant, u8)| (grant.clone(), event(giver, n, Kind::FileShared));
    AddHolders {
        giver,
        file_id: file(1),
        grants: grants.iter().zip(n..).map(with_event).collect(),
        max_holders: 10,
        now: NOW.plus(HOUR),
    }
}

fn nothing_before() -> AddHoldersAnswer {
    AddHoldersAnswer::Added { already: Vec::new(), already_keys: Vec::new() }
}

/// Ids of the events that were kept of an actor, by their number.
async fn events(db: &dyn Database, actor: UserId) -> Vec<u8> {
    let ask = AskActivity { user: actor, before: None, limit: 100, kind: None, file_id: None, since: None };
    let mut kept: Vec<u8> =
        db.activity_of(ask).await.unwrap().iter().map(|event| event.id.as_bytes()[0]).collect();
    kept.sort_unstable();
    kept
}

async fn seen(db: &dyn Database, user: UserId) -> Option<FileView> {
    match db.file_for(user, file(1), NOW).await.unwrap() {
        FileAccess::Available(view) => Some(*view),
        _ => None,
    }
}

fn ticket(user: UserId, n: u8) -> TakeTicket {
    TakeTicket {
        user,
        file_id: file(1),
        recipient: None,
        download_id: DownloadId::from_bytes([n; 16]),
        now: NOW.plus(HOUR),
        window_secs: 86_400,
        events: Vec::new(),
    }
}

async fn who_holds_a_grant_gives_it_on_and_nobody_else(db: &dyn Database) {
    let [alice, bob, carol, dave] =
        [person(db, 1).await, person(db, 2).await, person(db, 3).await, person(db, 4).await];
    send(db, new_finish(alice, file(1), MIB, &[bob])).await;
    assert_eq!(db.add_holders(add(dave, 1, &[grant(carol)])).await.unwrap(), AddHoldersAnswer::Nothing);
    assert_eq!(seen(db, carol).await, None);
    // The same again changes nothing and is not told again.
    for _ in 0..2 {
        assert_eq!(db.add_holders(add(bob, 2, &[grant(carol)])).await.unwrap(), nothing_before());
    }
    assert_eq!(events(db, bob).await, [2]);
    let view = seen(db, carol).await.unwrap();
    assert_eq!((view.given_by, view.grant), (Some(bob), Some(grant(carol).bytes)));
    assert_eq!(seen(db, bob).await.unwrap().given_by, None);
    assert_eq!(db.list_files(carol, None, 10, NOW).await.unwrap()[0].given_by, Some(bob));
    // To bare keys the owner alone gives; nothing of a request with one is kept.
    let both = [grant(dave), key_grant(70)];
    assert_eq!(db.add_holders(add(bob, 3, &both)).await.unwrap(), AddHoldersAnswer::Nothing);
    assert_eq!(seen(db, dave).await, None);
    assert_eq!(db.add_holders(add(alice, 4, &both)).await.unwrap(), nothing_before());
    assert_eq!(db.keys_of(file(1)).await.unwrap(), [recipient(70)]);
    // Whoever lost their grant gives nothing any more; what they gave stays.
    db.revoke_grant(alice, file(1), bob, &[]).await.unwrap();
    assert_eq!(db.add_holders(add(bob, 5, &[grant(bob)])).await.unwrap(), AddHoldersAnswer::Nothing);
    assert_eq!(holders(db, file(1)).await, [alice, carol, dave]);
    let over = AddHolders { now: NOW.plus(31 * DAY), ..add(alice, 6, &[grant(bob)]) };
    assert_eq!(db.add_holders(over).await.unwrap(), AddHoldersAnswer::Nothing, "expired");
}

async fn the_owners_grant_takes_the_place_of_one_that_was_passed_on(db: &dyn Database) {
    let [alice, bob, carol] = [person(db, 1).await, person(db, 2).await, person(db, 3).await];
    send(db, new_finish(alice, file(1), MIB, &[bob])).await;
    db.add_holders(add(bob, 1, &[grant(carol)])).await.unwrap();
    let other = |user: UserId| NewGrant { bytes: vec![99; 1400], ..grant(user) };
    let kept = |user: UserId| AddHoldersAnswer::Added { already: vec![user], already_keys: Vec::new() };
    assert_eq!(db.add_holders(add(bob, 2, &[other(carol)])).await.unwrap(), kept(carol));
    assert_eq!(db.add_holders(add(bob, 2, &[other(alice)])).await.unwrap(), kept(alice), "the owner's stays");
    assert_eq!(db.add_holders(add(alice, 3, &[other(carol)])).await.unwrap(), nothing_before());
    let view = seen(db, carol).await.unwrap();
    assert_eq!((view.given_by, view.grant), (None, Some(vec![99; 1400])));
    // Given by the owner and for the same key, it stays; for another key of the same person, it does not.
    assert_eq!(db.add_holders(add(alice, 4, &[grant(carol)])).await.unwrap(), kept(carol));
    let fresh = NewGrant { recipient: recipient(77), ..grant(carol) };
    assert_eq!(db.add_holders(add(alice, 5, &[fresh])).await.unwrap(), nothing_before());
    assert_eq!(events(db, alice).await, [3, 5]);
}

async fn a_file_has_so_many_holders_and_no_more(db: &dyn Database) {
    let [alice, bob, carol] = [person(db, 1).await, person(db, 2).await, person(db, 3).await];
    send(db, new_finish(alice, file(1), MIB, &[bob])).await;
    let few = |grants: &[NewGrant]| AddHolders { max_holders: 3, ..add(alice, 1, grants) };
    assert_eq!(db.add_holders(few(&[grant(carol), key_grant(70)])).await.unwrap(), AddHoldersAnswer::TooMany);
    assert_eq!((holders(db, file(1)).await.len(), db.keys_of(file(1)).await.unwrap()), (2, Vec::new()));
    assert_eq!(db.add_holders(few(&[grant(carol), grant(bob)])).await.unwrap(), nothing_before());
    assert!(events(db, alice).await.len() == 1);
}

async fn stopping_takes_everything_away_and_voids_tickets(db: &dyn Database) {
    let [alice, bob] = [person(db, 1).await, person(db, 2).await];
    send(db, new_finish(alice, file(1), MIB, &[bob])).await;
    db.add_holders(add(alice, 1, &[key_grant(70)])).await.unwrap();
    db.make_link(NewLink {
        link: LinkId::from_bytes([5; 16]),
        owner: alice,
        file_id: file(1),
        public_key: digest(5),
        grant: vec![5; 346],
        expires_at: None,
        max_downloads: None,
        max_of_file: 5,
        max_of_owner: 5,
        now: NOW,
        events: Vec::new(),
    })
    .await
    .unwrap();
    assert_eq!(db.take_ticket(ticket(bob, 1)).await.unwrap(), TicketAnswer::First);
    assert_eq!(db.take_ticket(ticket(bob, 1)).await.unwrap(), TicketAnswer::Renewed);
    let bobs = db.holders_of(file(1)).await.unwrap()[1];
    assert_eq!((bobs.user, bobs.downloads, bobs.fetched_at), (bob, 1, Some(NOW.plus(HOUR))));
    let round = db.file_layout(file(1)).await.unwrap().unwrap().ticket_round;
    let stop = async |who: UserId| {
        db.stop_sharing(who, file(1), NOW, &[event(alice, 9, Kind::SharingStopped)]).await.unwrap()
    };
    assert_eq!(stop(bob).await, None);
    assert_eq!(stop(alice).await, Some(Stopped { people: 1, keys: 1, links: 1 }));
    assert_ne!(db.file_layout(file(1)).await.unwrap().unwrap().ticket_round, round);
    assert_eq!(db.take_ticket(ticket(bob, 1)).await.unwrap(), TicketAnswer::Nothing);
    assert_eq!(db.take_ticket(ticket(alice, 2)).await.unwrap(), TicketAnswer::First, "the owner keeps it");
    assert_eq!(holders(db, file(1)).await, [alice]);
    assert!(db.keys_of(file(1)).await.unwrap().is_empty());
    assert!(db.links_of(alice, NOW, 10).await.unwrap().is_empty());
    // Again: nothing is left to take, and nothing is told twice.
    assert_eq!(stop(alice).await, Some(Stopped::default()));
    assert_eq!(events(db, alice).await, [1, 9]);
}

async fn a_rename_follows_the_revision_that_is_there(db: &dyn Database) {
    let [alice, bob] = [person(db, 1).await, person(db, 2).await];
    send(db, new_finish(alice, file(1), MIB, &[bob])).await;
    let to = |revision: u64, n: u8| NewManifest {
        owner: alice,
        file_id: file(1),
        content_id: ContentId::from_bytes([2; 32]),
        revision,
        manifest: vec![n; 834],
        digest: digest(n),
        now: NOW,
        events: vec![event(alice, n, Kind::FileRenamed)],
    };
    let refused = [
        (RenameAnswer::Nothing, NewManifest { owner: bob, ..to(2, 50) }),
        (RenameAnswer::Changed, to(1, 50)),
        (RenameAnswer::Changed, to(3, 50)),
        (RenameAnswer::Changed, NewManifest { content_id: ContentId::from_bytes([9; 32]), ..to(2, 50) }),
        (RenameAnswer::Nothing, NewManifest { now: NOW.plus(31 * DAY), ..to(2, 50) }),
    ];
    for (answer, rename) in refused {
        assert_eq!(db.rename_file(rename).await.unwrap(), answer);
    }
    for _ in 0..2 {
        assert_eq!(db.rename_file(to(2, 51)).await.unwrap(), RenameAnswer::Renamed);
    }
    // Of two at once, the second is told.
    assert_eq!(db.rename_file(to(2, 52)).await.unwrap(), RenameAnswer::Changed);
    for who in [alice, bob] {
        let view = seen(db, who).await.unwrap();
        assert_eq!((view.revision, view.manifest), (2, vec![51; 834]));
    }
    assert_eq!(events(db, alice).await, [51]);
}

async fn new_limits_hold_for_the_members_of_a_folder(db: &dyn Database) {
    let [alice, bob] = [person(db, 1).await, person(db, 2).await];
    let waiting = Finish {
        is_member: true,
        grants: Vec::new(),
        expires_at: NOW.plus(7 * DAY),
        ..new_finish(alice, file(2), MIB, &[])
    };
    send(db, waiting).await;
    send(db, Finish { members: vec![file(2)], ..new_finish(alice, file(1), MIB, &[bob]) }).await;
    let to = |owner: UserId, file_id: FileId, days: i64| NewTerms {
        owner,
        file_id,
        expires_at: NOW.plus(days * DAY),
        max_downloads: Some(3),
        now: NOW,
        events: vec![event(alice, 7, Kind::FileChanged)],
    };
    assert!(!db.change_file(to(bob, file(1), 60)).await.unwrap());
    assert!(!db.change_file(to(alice, file(2), 60)).await.unwrap(), "a member goes by its folder");
    let before = db.usage(alice).await.unwrap();
    for _ in 0..2 {
        assert!(db.change_file(to(alice, file(1), 60)).await.unwrap());
    }
    assert_eq!(events(db, alice).await, [7]);
    assert_eq!(db.usage(alice).await.unwrap(), before);
    let view = seen(db, bob).await.unwrap();
    assert_eq!((view.expires_at, view.max_downloads), (NOW.plus(60 * DAY), Some(3)));
    assert_eq!(db.file_layout(file(2)).await.unwrap().unwrap().expires_at, NOW.plus(60 * DAY));
    assert!(db.is_member_of(file(1), file(2), 0, NOW.plus(59 * DAY)).await.unwrap());
    assert!(db.change_file(NewTerms { events: Vec::new(), ..to(alice, file(1), 1) }).await.unwrap());
    assert!(!db.change_file(NewTerms { now: NOW.plus(2 * DAY), ..to(alice, file(1), 60) }).await.unwrap());
    // A new round of tickets is one for the members as well.
    db.stop_sharing(alice, file(1), NOW, &[]).await.unwrap();
    assert!(!db.is_member_of(file(1), file(2), 0, NOW).await.unwrap());
    assert!(db.is_member_of(file(1), file(2), 1, NOW).await.unwrap());
}
