//! Promises about links.

use envelope::audit::Kind;
use envelope::ids::EventId;
use envelope::link::LinkId;
use futures::future::join_all;

use super::*;
use crate::{
    DownloadId, Erase, Job, Lease, LinkView, MakeLinkAnswer, NewEvent, NewLimits, NewLink, OpenLink,
    OpenLinkAnswer, Retention, Role, TakeTicket, TicketAnswer,
};

pub(super) async fn run(fixture: &impl Fn() -> Box<dyn Fixture>) {
    a_link_is_made_once_and_shown_to_its_owner_alone(&*empty(fixture).await).await;
    a_link_is_for_a_living_file_of_its_maker(&*empty(fixture).await).await;
    files_and_accounts_have_so_many_links_and_no_more(&*empty(fixture).await).await;
    a_right_proof_opens_and_a_download_counts_once_a_day(&*empty(fixture).await).await;
    looking_counts_nothing(&*empty(fixture).await).await;
    a_nonce_is_good_once(&*empty(fixture).await).await;
    wrong_proofs_put_the_next_try_off_right_or_wrong(&*empty(fixture).await).await;
    ten_thousand_at_once_get_the_one_download_that_is_allowed(empty(fixture).await).await;
    the_limit_of_the_file_holds_for_its_links(&*empty(fixture).await).await;
    an_expired_link_or_file_says_so_to_who_proved(&*empty(fixture).await).await;
    limits_are_changed_and_links_taken_back_by_their_owner_alone(&*empty(fixture).await).await;
    links_end_with_their_file_and_rest_with_a_suspended_owner(&*empty(fixture).await).await;
    links_of_who_left_are_gone(&*empty(fixture).await).await;
}

fn link(n: u8) -> LinkId {
    LinkId::from_bytes([n; 16])
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

fn new_link(owner: UserId, file_id: FileId, n: u8) -> NewLink {
    NewLink {
        link: link(n),
        owner,
        file_id,
        public_key: digest(n),
        grant: vec![n; 346],
        expires_at: None,
        max_downloads: None,
        max_of_file: 5,
        max_of_owner: 8,
        now: NOW.plus(100 + i64::from(n)),
        events: vec![event(owner, n, Kind::LinkMade)],
    }
}

async fn make(db: &dyn Database, new: NewLink) {
    let answer = db.make_link(new).await.unwrap();
    assert!(matches!(answer, MakeLinkAnswer::Made(_)), "{answer:?}");
}

/// A try with a nonce of its own for each `n`.
fn proof(n: u8, nonce: u32) -> OpenLink {
    let mut bytes = [n; 32];
    bytes[..4].copy_from_slice(&nonce.to_be_bytes());
    OpenLink {
        link: link(n),
        proved: Some(digest(n)),
        nonce: bytes,
        nonce_ends_at: NOW.plus(60),
        bucket: vec![n; 16],
        download_id: DownloadId::from_bytes([1; 16]),
        look: false,
        now: NOW.plus(200),
        window_secs: 86_400,
        events: vec![event(user(1), 100 + n, Kind::LinkOpened)],
    }
}

async fn opens(db: &dyn Database, open: OpenLink) -> LinkView {
    match db.open_link(open).await.unwrap() {
        OpenLinkAnswer::Open(view) => *view,
        answer => panic!("{answer:?}"),
    }
}

async fn a_link_is_made_once_and_shown_to_its_owner_alone(db: &dyn Database) {
    let (alice, bob) = (person(db, 1).await, person(db, 2).await);
    send(db, new_finish(alice, file(1), MIB, &[bob])).await;
    make(db, new_link(alice, file(1), 1)).await;
    make(db, new_link(alice, file(1), 1)).await;
    let other = NewLink { grant: vec![9; 346], ..new_link(alice, file(1), 1) };
    assert_eq!(db.make_link(other).await.unwrap(), MakeLinkAnswer::Conflict);
    let limited =
        NewLink { expires_at: Some(NOW.plus(DAY)), max_downloads: Some(3), ..new_link(alice, file(1), 2) };
    make(db, limited).await;
    let shown = db.links_of(alice, NOW, 10).await.unwrap();
    assert_eq!(shown.iter().map(|link| link.link).collect::<Vec<_>>(), [link(2), link(1)], "newest first");
    assert_eq!((shown[0].expires_at, shown[0].max_downloads), (Some(NOW.plus(DAY)), Some(3)));
    assert_eq!((shown[1].expires_at, shown[1].max_downloads, shown[1].downloads), (None, None, 0));
    assert_eq!(db.links_of(bob, NOW, 10).await.unwrap(), []);
    let events = db.events_after(0, 10).await.unwrap();
    assert_eq!(events.len(), 2, "one for each link that was made");
}

async fn a_link_is_for_a_living_file_of_its_maker(db: &dyn Database) {
    let (alice, bob) = (person(db, 1).await, person(db, 2).await);
    send(db, new_finish(alice, file(1), MIB, &[bob])).await;
    begin(db, alice, file(2), Some(MIB)).await;
    for (who, file_id) in [(bob, file(1)), (alice, file(2)), (alice, file(9))] {
        let answer = db.make_link(new_link(who, file_id, 1)).await.unwrap();
        assert_eq!(answer, MakeLinkAnswer::Nothing);
    }
    assert_eq!(db.link_key(link(1)).await.unwrap(), None);
}

async fn files_and_accounts_have_so_many_links_and_no_more(db: &dyn Database) {
    let alice = person(db, 1).await;
    for n in [1, 2] {
        send(db, new_finish(alice, file(n), MIB, &[])).await;
    }
    for n in 1..=5 {
        make(db, new_link(alice, file(1), n)).await;
    }
    assert_eq!(db.make_link(new_link(alice, file(1), 6)).await.unwrap(), MakeLinkAnswer::TooMany);
    for n in 6..=8 {
        make(db, new_link(alice, file(2), n)).await;
    }
    assert_eq!(db.make_link(new_link(alice, file(2), 9)).await.unwrap(), MakeLinkAnswer::TooMany);
    make(db, new_link(alice, file(2), 8)).await;
    // What has ended is not shown any more, so it keeps nobody from anything.
    let late = NOW.plus(60 * DAY);
    let mut long = new_finish(alice, file(3), MIB, &[]);
    long.expires_at = NOW.plus(90 * DAY);
    send(db, long).await;
    make(db, NewLink { now: late, ..new_link(alice, file(3), 9) }).await;
}

async fn a_right_proof_opens_and_a_download_counts_once_a_day(db: &dyn Database) {
    let alice = person(db, 1).await;
    send(db, new_finish(alice, file(1), MIB, &[])).await;
    make(db, NewLink { max_downloads: Some(2), ..new_link(alice, file(1), 1) }).await;
    let key = db.link_key(link(1)).await.unwrap().unwrap();
    assert_eq!((key.public_key, key.owner), (digest(1), alice));
    let view = opens(db, proof(1, 1)).await;
    assert_eq!((view.file.role, view.file.grant), (Role::Recipient, Some(vec![1; 346])));
    assert_eq!((view.downloads, view.max_downloads), (1, Some(2)));
    assert_eq!(opens(db, OpenLink { events: Vec::new(), ..proof(1, 2) }).await.downloads, 1, "the same");
    let next = |n: u8, nonce: u32| OpenLink {
        download_id: DownloadId::from_bytes([n; 16]),
        events: Vec::new(),
        ..proof(1, nonce)
    };
    assert_eq!(opens(db, next(2, 3)).await.downloads, 2);
    assert_eq!(db.open_link(next(3, 4)).await.unwrap(), OpenLinkAnswer::LimitReached);
    assert_eq!(opens(db, next(2, 5)).await.downloads, 2, "what has begun goes on");
    let later = OpenLink { now: NOW.plus(200 + 86_400), ..next(2, 6) };
    assert_eq!(db.open_link(later).await.unwrap(), OpenLinkAnswer::LimitReached, "a day is over");
    let events = db.events_after(0, 10).await.unwrap();
    let opened: Vec<_> = events.iter().filter(|event| event.kind == Kind::LinkOpened.as_str()).collect();
    assert_eq!(opened.len(), 1);
    assert_eq!((opened[0].owner, opened[0].file_id), (Some(alice), Some(file(1))));
}

async fn looking_counts_nothing(db: &dyn Database) {
    let alice = person(db, 1).await;
    send(db, new_finish(alice, file(1), MIB, &[])).await;
    make(db, NewLink { max_downloads: Some(1), ..new_link(alice, file(1), 1) }).await;
    for nonce in 0..3 {
        assert_eq!(opens(db, OpenLink { look: true, ..proof(1, nonce) }).await.downloads, 0);
    }
    assert_eq!(opens(db, proof(1, 10)).await.downloads, 1);
    let other = DownloadId::from_bytes([2; 16]);
    let look = OpenLink { look: true, download_id: other, ..proof(1, 11) };
    assert_eq!(db.open_link(look).await.unwrap(), OpenLinkAnswer::LimitReached);
}

async fn a_nonce_is_good_once(db: &dyn Database) {
    let alice = person(db, 1).await;
    send(db, new_finish(alice, file(1), MIB, &[])).await;
    make(db, new_link(alice, file(1), 1)).await;
    opens(db, proof(1, 1)).await;
    assert_eq!(db.open_link(proof(1, 1)).await.unwrap(), OpenLinkAnswer::Refused);
    let wrong = OpenLink { proved: None, ..proof(1, 2) };
    assert_eq!(db.open_link(wrong).await.unwrap(), OpenLinkAnswer::Refused);
    assert_eq!(db.open_link(proof(1, 2)).await.unwrap(), OpenLinkAnswer::Refused, "a wrong proof used it up");
    let keep = Retention { tickets_secs: 86_400, expired_secs: 86_400, gone_secs: 86_400 };
    db.purge(NOW.plus(61), keep).await.unwrap();
    opens(db, OpenLink { events: Vec::new(), ..proof(1, 1) }).await;
}

async fn wrong_proofs_put_the_next_try_off_right_or_wrong(db: &dyn Database) {
    let alice = person(db, 1).await;
    send(db, new_finish(alice, file(1), MIB, &[])).await;
    make(db, new_link(alice, file(1), 1)).await;
    // The second link is none.
    for n in [1, 2] {
        let at = |seconds: i64, nonce: u32| OpenLink {
            now: NOW.plus(1_000 + seconds),
            events: Vec::new(),
            ..proof(n, nonce)
        };
        for nonce in 0..4 {
            let wrong = OpenLink { proved: None, ..at(0, nonce) };
            assert_eq!(db.open_link(wrong).await.unwrap(), OpenLinkAnswer::Refused, "{n} {nonce}");
        }
        let soon = db.open_link(at(0, 10)).await.unwrap();
        assert_eq!(soon, OpenLinkAnswer::TooSoon { retry_after_secs: 1 }, "{n}");
        let wrong = OpenLink { proved: None, ..at(1, 10) };
        assert_eq!(db.open_link(wrong).await.unwrap(), OpenLinkAnswer::Refused);
        let soon = db.open_link(at(1, 11)).await.unwrap();
        assert_eq!(soon, OpenLinkAnswer::TooSoon { retry_after_secs: 2 }, "longer each time");
        let right = db.open_link(at(3, 12)).await.unwrap();
        assert_eq!(matches!(right, OpenLinkAnswer::Open(_)), n == 1, "{right:?}");
    }
    // A right proof forgets no wrong one.
    let at = |seconds: i64, nonce: u32| OpenLink { now: NOW.plus(seconds), ..proof(1, nonce) };
    let wrong = OpenLink { proved: None, ..at(1_010, 20) };
    assert_eq!(db.open_link(wrong).await.unwrap(), OpenLinkAnswer::Refused);
    let soon = db.open_link(at(1_010, 21)).await.unwrap();
    assert_eq!(soon, OpenLinkAnswer::TooSoon { retry_after_secs: 4 });
}

async fn ten_thousand_at_once_get_the_one_download_that_is_allowed(db: Arc<dyn Database>) {
    let alice = person(&*db, 1).await;
    send(&*db, new_finish(alice, file(1), MIB, &[])).await;
    make(&*db, NewLink { max_downloads: Some(1), ..new_link(alice, file(1), 1) }).await;
    let tries = (0..10_000_u32).map(|n| {
        let db = db.clone();
        let mut download = [0; 16];
        download[..4].copy_from_slice(&n.to_be_bytes());
        let open = OpenLink { download_id: DownloadId::from_bytes(download), ..proof(1, n) };
        tokio::spawn(async move {
            loop {
                match db.open_link(open.clone()).await {
                    // So many at once may have to wait longer than a call does.
                    Err(error) if error.is_transient() => {}
                    answer => break answer.unwrap(),
                }
            }
        })
    });
    let answers: Vec<_> = join_all(tries).await.into_iter().map(Result::unwrap).collect();
    let opened = answers.iter().filter(|answer| matches!(answer, OpenLinkAnswer::Open(_))).count();
    let refused = answers.iter().filter(|answer| **answer == OpenLinkAnswer::LimitReached).count();
    assert_eq!((opened, refused), (1, 9_999));
    assert_eq!(db.links_of(alice, NOW, 1).await.unwrap()[0].downloads, 1);
}

async fn the_limit_of_the_file_holds_for_its_links(db: &dyn Database) {
    let (alice, bob) = (person(db, 1).await, person(db, 2).await);
    let finish = Finish { max_downloads: Some(2), ..new_finish(alice, file(1), MIB, &[bob]) };
    send(db, finish).await;
    make(db, new_link(alice, file(1), 1)).await;
    opens(db, proof(1, 1)).await;
    let take = TakeTicket {
        user: bob,
        file_id: file(1),
        recipient: None,
        download_id: DownloadId::from_bytes([7; 16]),
        now: NOW.plus(200),
        window_secs: 86_400,
        events: Vec::new(),
    };
    assert_eq!(db.take_ticket(take).await.unwrap(), TicketAnswer::First);
    let third = OpenLink { download_id: DownloadId::from_bytes([3; 16]), ..proof(1, 2) };
    assert_eq!(db.open_link(third).await.unwrap(), OpenLinkAnswer::LimitReached);
    opens(db, OpenLink { events: Vec::new(), ..proof(1, 3) }).await;
}

async fn an_expired_link_or_file_says_so_to_who_proved(db: &dyn Database) {
    let alice = person(db, 1).await;
    send(db, Finish { expires_at: NOW.plus(DAY), ..new_finish(alice, file(1), MIB, &[]) }).await;
    make(db, NewLink { expires_at: Some(NOW.plus(HOUR)), ..new_link(alice, file(1), 1) }).await;
    make(db, new_link(alice, file(1), 2)).await;
    assert_eq!(opens(db, OpenLink { look: true, ..proof(1, 1) }).await.ends_at, NOW.plus(HOUR));
    assert_eq!(opens(db, OpenLink { look: true, ..proof(2, 1) }).await.ends_at, NOW.plus(DAY));
    let at = |n: u8, nonce: u32, seconds: i64| OpenLink { now: NOW.plus(seconds), ..proof(n, nonce) };
    assert_eq!(db.open_link(at(1, 2, HOUR)).await.unwrap(), OpenLinkAnswer::Expired);
    let wrong = OpenLink { proved: None, ..at(1, 3, HOUR) };
    assert_eq!(db.open_link(wrong).await.unwrap(), OpenLinkAnswer::Refused, "only to who proved");
    assert_eq!(db.open_link(at(2, 2, DAY)).await.unwrap(), OpenLinkAnswer::Expired);
    let token = db.take_lease(Job::Expiry, "a server", NOW.plus(DAY), 60).await.unwrap().unwrap();
    db.doom_expired(NOW.plus(DAY), 10, &Lease { job: Job::Expiry, token }).await.unwrap();
    assert_eq!(db.open_link(at(2, 3, DAY)).await.unwrap(), OpenLinkAnswer::Expired);
    let keep = Retention { tickets_secs: 86_400, expired_secs: 86_400, gone_secs: 86_400 };
    db.purge(NOW.plus(2 * DAY), keep).await.unwrap();
    assert_eq!(db.link_key(link(2)).await.unwrap(), None);
}

async fn limits_are_changed_and_links_taken_back_by_their_owner_alone(db: &dyn Database) {
    let (alice, bob) = (person(db, 1).await, person(db, 2).await);
    send(db, new_finish(alice, file(1), MIB, &[bob])).await;
    make(db, NewLink { max_downloads: Some(1), ..new_link(alice, file(1), 1) }).await;
    let change = |owner: UserId| NewLimits {
        owner,
        link: link(1),
        expires_at: Some(NOW.plus(2 * HOUR)),
        max_downloads: Some(7),
        now: NOW,
        events: vec![event(owner, 50, Kind::LinkChanged)],
    };
    assert_eq!(db.change_link(change(bob)).await.unwrap(), None);
    let changed = db.change_link(change(alice)).await.unwrap().unwrap();
    assert_eq!((changed.expires_at, changed.max_downloads), (Some(NOW.plus(2 * HOUR)), Some(7)));
    let revoked = |owner: UserId| [event(owner, 51, Kind::LinkRevoked)];
    assert!(!db.revoke_link(bob, link(1), &revoked(bob)).await.unwrap());
    opens(db, proof(1, 1)).await;
    assert!(db.revoke_link(alice, link(1), &revoked(alice)).await.unwrap());
    assert!(!db.revoke_link(alice, link(1), &revoked(alice)).await.unwrap(), "once");
    assert_eq!(db.open_link(proof(1, 2)).await.unwrap(), OpenLinkAnswer::Refused);
    assert_eq!(db.change_link(change(alice)).await.unwrap(), None);
    let events = db.events_after(0, 10).await.unwrap();
    assert!(events.iter().all(|event| event.actor == alice), "nothing of what did not happen");
    assert!(events.iter().skip(1).all(|event| event.file_id == Some(file(1))));
}

async fn links_end_with_their_file_and_rest_with_a_suspended_owner(db: &dyn Database) {
    let alice = person(db, 1).await;
    send(db, new_finish(alice, file(1), MIB, &[])).await;
    make(db, new_link(alice, file(1), 1)).await;
    db.suspend(alice, NOW, &[]).await.unwrap();
    assert_eq!(db.link_key(link(1)).await.unwrap(), None);
    assert_eq!(db.open_link(proof(1, 1)).await.unwrap(), OpenLinkAnswer::Refused);
    db.reinstate(alice, &[]).await.unwrap();
    opens(db, proof(1, 2)).await;
    db.delete_file(alice, file(1), NOW, &[]).await.unwrap();
    assert_eq!(db.link_key(link(1)).await.unwrap(), None);
    assert_eq!(db.open_link(proof(1, 3)).await.unwrap(), OpenLinkAnswer::Refused);
    assert_eq!(db.links_of(alice, NOW, 10).await.unwrap(), []);
}

async fn links_of_who_left_are_gone(db: &dyn Database) {
    let (alice, bob) = (person(db, 1).await, person(db, 2).await);
    for (owner, n) in [(alice, 1), (bob, 2)] {
        send(db, new_finish(owner, file(n), MIB, &[])).await;
        make(db, new_link(owner, file(n), n)).await;
    }
    let erase = Erase { user: alice, lookup: lookup(200), now: NOW, events: Vec::new() };
    assert!(db.erase_account(erase).await.unwrap());
    assert_eq!(db.link_key(link(1)).await.unwrap(), None);
    assert!(db.link_key(link(2)).await.unwrap().is_some());
}
