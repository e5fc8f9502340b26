//! After sharing: more people, passing on, stopping, another name, other limits.

use envelope::grant::GrantHead;
use envelope::{Manifest, Wrap};
use proto::{
    B64, ChangeFile, Code, FileInfo, FilePage, FileTerms, GrantTo, LinkInfo, LinkList, Rename, Share, Shared,
    Stopped, paths,
};
use reqwest::{Method, StatusCode};
use serde::Serialize;

use crate::links::Made;
use crate::stage::person::{Root, signed};
use crate::stage::sealed::{alice_and_bob, assert_gone, file_id, grant, grant_head, manifest, random};
use crate::stage::server::send;
use crate::stage::{Parcel, Person, Reply, Stage};

const DAY: i64 = 86_400;

/// The same content under another name, signed by `signer` as its next revision.
pub(crate) fn renamed(before: &Manifest, signer: &Person) -> Manifest {
    let mut head = before.head().clone();
    head.revision += 1;
    manifest(&head, signer)
}

/// What `giver` would give `to`.
fn given(of: &Manifest, giver: &Person, to: &Person) -> GrantHead {
    GrantHead { grantor_root_id: giver.root_id(), ..grant_head(of, to) }
}

fn granted(of: &Manifest, giver: &Person, to: &[&Person]) -> Share {
    let one =
        |to: &&Person| GrantTo { user_id: Some(to.user), grant: B64(grant(&given(of, giver, to), giver)) };
    Share { grants: to.iter().map(one).collect() }
}

async fn share(stage: &Stage, parcel: &Parcel, person: &Person, request: &Share) -> Reply {
    person.post(stage, &paths::fill(paths::GRANTS, &[&parcel.file_id]), request).await
}

async fn put(stage: &Stage, person: &Person, path: &str, parcel: &Parcel, body: &impl Serialize) -> Reply {
    let path = paths::fill(path, &[&parcel.file_id]);
    send(stage.request(Method::PUT, &path).bearer_auth(&person.token).json(body)).await
}

async fn stop(stage: &Stage, parcel: &Parcel, person: &Person) -> Reply {
    person.post(stage, &paths::fill(paths::STOP, &[&parcel.file_id]), &()).await
}

async fn info(stage: &Stage, person: &Person, parcel: &Parcel) -> FileInfo {
    person.get(stage, &parcel.file_path()).await.json()
}

/// A file of Alice's for Bob, and Carol, who was given nothing.
async fn three() -> (Stage, Person, Person, Person, Parcel, Manifest) {
    let (stage, alice, bob) = alice_and_bob().await;
    let carol = Person::with_bundle(&stage, "carol@wax.example").await;
    let parcel = Parcel::new(1_000);
    let request = parcel.complete_request(&alice, &[&bob]);
    parcel.send_as(&stage, &alice, &request).await;
    let manifest = Manifest::parse(request.manifest.0).unwrap();
    (stage, alice, bob, carol, parcel, manifest)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recipient_passes_a_file_on_and_its_author_sees_it_and_takes_it_back() {
    let (stage, alice, bob, carol, parcel, manifest) = Box::pin(three()).await;
    assert_eq!(carol.get(&stage, &parcel.file_path()).await.code(), Code::NotFound);
    let request = granted(&manifest, &bob, &[&carol]);
    for _ in 0..2 {
        let shared: Shared = share(&stage, &parcel, &bob, &request).await.json();
        assert_eq!(shared, Shared::default());
    }
    let shown = info(&stage, &carol, &parcel).await;
    let passed_by = shown.passed_by.unwrap();
    assert_eq!((passed_by.user_id, shown.author), (bob.user, alice.user));
    assert_eq!(passed_by.bundle, Some(B64(bob.newest.as_ref().unwrap().as_bytes().to_vec())));
    assert_eq!(shown.grant, request.grants[0].grant);
    assert!(shown.recipients.is_empty(), "only the author is told who else");
    let listed: FilePage = carol.get(&stage, paths::FILES).await.json();
    assert_eq!(listed.files[0].passed_by.as_ref().unwrap().user_id, bob.user);
    assert_eq!(info(&stage, &bob, &parcel).await.passed_by, None);
    parcel.ticket(&stage, &carol).await;
    let told = info(&stage, &alice, &parcel).await.recipients;
    let carols = told.iter().find(|holder| holder.user_id == carol.user).unwrap();
    assert_eq!(
        (carols.given_by, carols.downloads, carols.fetched_at),
        (Some(bob.user), 1, Some(stage.now()))
    );
    assert!(told.iter().all(|holder| holder.given_by.is_none() || holder.user_id == carol.user));
    // Taking Bob's access away leaves Carol's, which is taken away by itself.
    let grant_of = |person: &Person| paths::fill(paths::GRANT, &[&parcel.file_id, &person.user]);
    assert_eq!(bob.delete(&stage, &grant_of(&carol)).await.code(), Code::Forbidden);
    assert_gone(&alice.delete(&stage, &grant_of(&bob)).await);
    assert_eq!(share(&stage, &parcel, &bob, &request).await.code(), Code::NotFound);
    info(&stage, &carol, &parcel).await;
    assert_gone(&alice.delete(&stage, &grant_of(&carol)).await);
    assert_eq!(carol.get(&stage, &parcel.file_path()).await.code(), Code::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn grants_added_later_are_judged_as_those_of_a_complete() {
    let (stage, alice, bob, carol, parcel, manifest) = Box::pin(three()).await;
    let good = given(&manifest, &bob, &carol);
    let twist = |change: &dyn Fn(&mut GrantHead)| {
        let mut head = good.clone();
        change(&mut head);
        head
    };
    let to_carol =
        |bytes: Vec<u8>| Share { grants: vec![GrantTo { user_id: Some(carol.user), grant: B64(bytes) }] };
    for (what, bytes) in [
        ("as the author's own sharing", grant(&twist(&|head| head.grantor_root_id = alice.root_id()), &bob)),
        ("signed by another than it names", grant(&good, &carol)),
        (
            "for a key that the recipient never named",
            grant(&twist(&|head| head.recipient_id = bob.recipient_id()), &bob),
        ),
        ("of another file", grant(&twist(&|head| head.file_id = file_id()), &bob)),
        (
            "of other content",
            grant(&twist(&|head| head.content_id = envelope::ContentId::from_bytes([7; 32])), &bob),
        ),
        ("for a later revision than there is", grant(&twist(&|head| head.min_revision = 2), &bob)),
        (
            "for a link",
            grant(
                &twist(&|head| {
                    (head.wrap, head.recipient_id) = (Wrap::Link, Made::new().id.recipient_id());
                }),
                &bob,
            ),
        ),
    ] {
        assert_eq!(share(&stage, &parcel, &bob, &to_carol(bytes)).await.code(), Code::Rejected, "{what}");
    }
    let unknown = Share {
        grants: vec![GrantTo {
            user_id: Some(proto::UserId::from_bytes([9; 16])),
            grant: B64(grant(&good, &bob)),
        }],
    };
    assert_eq!(share(&stage, &parcel, &bob, &unknown).await.code(), Code::Rejected);
    let twice = granted(&manifest, &bob, &[&carol, &carol]);
    assert_eq!(share(&stage, &parcel, &bob, &twice).await.code(), Code::Rejected);
    let key = |giver: &Person| {
        let head = GrantHead {
            wrap: Wrap::RsaOaep,
            recipient_id: envelope::RecipientId::from_bytes([7; 32]),
            ..given(&manifest, giver, &carol)
        };
        Share { grants: vec![GrantTo { user_id: None, grant: B64(grant(&head, giver)) }] }
    };
    assert_eq!(
        share(&stage, &parcel, &bob, &key(&bob)).await.code(),
        Code::Forbidden,
        "a bare key, by a recipient"
    );
    let none = Share { grants: Vec::new() };
    assert_eq!(share(&stage, &parcel, &alice, &none).await.code(), Code::Malformed);
    let many = Share { grants: vec![GrantTo { user_id: None, grant: B64(vec![1]) }; 501] };
    assert_eq!(share(&stage, &parcel, &alice, &many).await.code(), Code::Malformed);
    // Nothing of all that was kept.
    assert_eq!(info(&stage, &alice, &parcel).await.recipients.len(), 2);
    assert_eq!(share(&stage, &parcel, &alice, &key(&alice)).await.status, StatusCode::OK);
    assert_eq!(
        share(&stage, &parcel, &bob, &granted(&manifest, &bob, &[&carol])).await.status,
        StatusCode::OK
    );
    // The author gives it as well: from then on it is the author's sharing.
    share(&stage, &parcel, &alice, &granted(&manifest, &alice, &[&carol])).await.json::<Shared>();
    assert_eq!(info(&stage, &carol, &parcel).await.passed_by, None);
    let again: Shared = share(&stage, &parcel, &bob, &granted(&manifest, &bob, &[&carol])).await.json();
    assert_eq!(again.already, [carol.user]);
    let soon = ChangeFile { expires_at: stage.now() + 60, max_downloads: None };
    put(&stage, &alice, paths::TERMS, &parcel, &soon).await.json::<FileTerms>();
    stage.later(61);
    let over = share(&stage, &parcel, &alice, &granted(&manifest, &alice, &[&carol])).await;
    assert_eq!(over.code(), Code::Expired);
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_ends_people_keys_links_and_tickets_at_once() {
    let (stage, alice, bob, carol, parcel, manifest) = Box::pin(three()).await;
    share(&stage, &parcel, &bob, &granted(&manifest, &bob, &[&carol])).await.json::<Shared>();
    let link = Made::new();
    alice.post(&stage, paths::LINKS, &link.request(&manifest, &alice)).await.json::<LinkInfo>();
    let content = paths::fill(paths::CONTENT, &[&parcel.file_id, &0]);
    let (bobs, alices) = (parcel.ticket(&stage, &bob).await, parcel.ticket(&stage, &alice).await);
    let proof = link.proof(&link.nonce(&stage).await);
    let opened: proto::OpenedLink =
        stage.post(&paths::fill(paths::LINK_OPEN, &[&link.id]), &proof).await.json();
    let by_link = opened.leave.unwrap().ticket;
    for ticket in [bobs.as_str(), alices.as_str(), by_link.expose_secret()] {
        assert_eq!(parcel.content(&stage, ticket, &content, None).await.status, StatusCode::OK);
    }
    assert_eq!(stop(&stage, &parcel, &bob).await.code(), Code::Forbidden);
    let stopped: Stopped = stop(&stage, &parcel, &alice).await.json();
    assert_eq!(stopped, Stopped { people: 2, keys: 0, links: 1 });
    for ticket in [bobs.as_str(), by_link.expose_secret()] {
        for path in [content.clone(), paths::fill(paths::TREE, &[&parcel.file_id])] {
            assert_eq!(parcel.content(&stage, ticket, &path, None).await.code(), Code::Forbidden);
        }
    }
    for person in [&bob, &carol] {
        assert_eq!(person.get(&stage, &parcel.file_path()).await.code(), Code::NotFound);
        let asked = parcel.ask_ticket(&stage, person, &file_id().to_string()).await;
        assert_eq!(asked.code(), Code::NotFound);
    }
    assert!(alice.get(&stage, paths::LINKS).await.json::<LinkList>().links.is_empty());
    // The author has it as before, by a new ticket.
    let fresh = parcel.ticket(&stage, &alice).await;
    assert_eq!(parcel.content(&stage, &fresh, &content, None).await.body.to_vec(), parcel.body);
    let again: Stopped = stop(&stage, &parcel, &alice).await.json();
    assert_eq!(again, Stopped { people: 0, keys: 0, links: 0 });
    let told = crate::activity::activity(&stage, &alice, "").await.events;
    let kinds: Vec<&str> = told.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == "sharing_stopped").count(), 1);
    let passed = told.iter().find(|event| event.kind == "file_passed_on").unwrap();
    assert_eq!((passed.actor, passed.other), (bob.user, Some(carol.user)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rename_is_of_the_same_content_by_the_same_root_and_in_turn() {
    let (stage, mut alice, bob, _, parcel, first) = Box::pin(three()).await;
    let to = |manifest: &Manifest| Rename { manifest: B64(manifest.as_bytes().to_vec()) };
    let second = renamed(&first, &alice);
    let third = renamed(&second, &alice);
    let mut other = second.head().clone();
    other.body_root = parcel.head(&alice).body_root;
    other.payload_header = parcel.head(&alice).payload_header;
    let mut skipped = first.head().clone();
    skipped.revision = 9;
    for (what, manifest, code) in [
        ("of other content", manifest(&other, &alice), Code::Rejected),
        ("signed by a recipient", renamed(&first, &bob), Code::Rejected),
        ("that is there already under this number", manifest(first.head(), &alice), Code::Conflict),
        ("that leaves numbers out", manifest(&skipped, &alice), Code::Conflict),
    ] {
        assert_eq!(
            put(&stage, &alice, paths::MANIFEST, &parcel, &to(&manifest)).await.code(),
            code,
            "{what}"
        );
    }
    assert_eq!(put(&stage, &bob, paths::MANIFEST, &parcel, &to(&second)).await.code(), Code::Forbidden);
    for bytes in [vec![0; 300], vec![0; 70_000]] {
        let odd = put(&stage, &alice, paths::MANIFEST, &parcel, &Rename { manifest: B64(bytes) }).await;
        assert_eq!(odd.code(), Code::Malformed);
    }
    for _ in 0..2 {
        assert_gone(&put(&stage, &alice, paths::MANIFEST, &parcel, &to(&second)).await);
    }
    let late = put(&stage, &alice, paths::MANIFEST, &parcel, &to(&renamed(&first, &alice))).await;
    assert_eq!(late.code(), Code::Conflict);
    for person in [&alice, &bob] {
        assert_eq!(info(&stage, person, &parcel).await.manifest.0, second.as_bytes());
    }
    // The root that signed the file may be retired by now; it alone signs another name.
    let (old, root) = (alice.root.clone(), Root::generate());
    let mut body = alice.next_body();
    (body.prev_root, body.root_key) = (Some(old.public()), root.public());
    body.keys[0].key = random(1216).into();
    let bundle = signed(&body, &root, Some(&old));
    alice.publish(&stage, &bundle).await.json::<proto::Published>();
    alice.root = root;
    let by_new_root = renamed(&second, &alice);
    assert_eq!(put(&stage, &alice, paths::MANIFEST, &parcel, &to(&by_new_root)).await.code(), Code::Rejected);
    assert_gone(&put(&stage, &alice, paths::MANIFEST, &parcel, &to(&third)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn new_limits_stay_within_a_year_of_sending_and_end_tickets_too() {
    let (stage, alice, bob, carol, parcel, _) = Box::pin(three()).await;
    let created = info(&stage, &alice, &parcel).await.created;
    let to = |expires_at: i64, max_downloads: Option<u32>| ChangeFile { expires_at, max_downloads };
    let before: proto::WhoAmI = alice.get(&stage, paths::WHOAMI).await.json();
    for (wish, code) in [
        (to(stage.now(), None), Code::Malformed),
        (to(created + 366 * DAY + 1, None), Code::Malformed),
        (to(i64::MAX, None), Code::Malformed),
        (to(created + DAY, Some(0)), Code::Malformed),
    ] {
        assert_eq!(put(&stage, &alice, paths::TERMS, &parcel, &wish).await.code(), code);
    }
    let wish = to(created + 366 * DAY, Some(1));
    assert_eq!(put(&stage, &bob, paths::TERMS, &parcel, &wish).await.code(), Code::Forbidden);
    assert_eq!(put(&stage, &carol, paths::TERMS, &parcel, &wish).await.code(), Code::NotFound);
    let terms: FileTerms = put(&stage, &alice, paths::TERMS, &parcel, &wish).await.json();
    assert_eq!((terms.expires_at, terms.max_downloads, terms.downloads), (created + 366 * DAY, Some(1), 0));
    let after: proto::WhoAmI = alice.get(&stage, paths::WHOAMI).await.json();
    assert_eq!(after.used_bytes, before.used_bytes);
    let ticket = parcel.ticket(&stage, &bob).await;
    let used = parcel.ask_ticket(&stage, &bob, &file_id().to_string()).await;
    assert_eq!(used.code(), Code::DownloadsUsed);
    put(&stage, &alice, paths::TERMS, &parcel, &to(stage.now() + 60, None)).await.json::<FileTerms>();
    parcel.ticket(&stage, &bob).await;
    stage.later(61);
    let content = paths::fill(paths::CONTENT, &[&parcel.file_id, &0]);
    assert_eq!(parcel.content(&stage, &ticket, &content, None).await.code(), Code::Expired);
    assert_eq!(put(&stage, &alice, paths::TERMS, &parcel, &wish).await.code(), Code::Expired);
}
