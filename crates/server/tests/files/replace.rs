//! `PUT /files/{id}/grants/me`.

use envelope::grant::GrantHead;
use envelope::{Grant, Manifest, Suite, Wrap};
use proto::{B64, Code, FileInfo, ReplaceGrant, paths};
use reqwest::Method;

use crate::stage::person::{Root, signed};
use crate::stage::sealed::{alice_and_bob, assert_gone, grant, random};
use crate::stage::server::send;
use crate::stage::{Parcel, Person, Reply, Stage};

async fn put(stage: &Stage, person: &Person, parcel: &Parcel, grant: Vec<u8>) -> Reply {
    let path = paths::fill(paths::MY_GRANT, &[&parcel.file_id]);
    let body = ReplaceGrant { grant: B64(grant) };
    send(stage.request(Method::PUT, &path).bearer_auth(&person.token).json(&body)).await
}

/// New keys, signed over by the old root.
async fn rotate(stage: &Stage, person: &mut Person) {
    let (root, xwing) = (Root::generate(), random(1216));
    let mut body = person.next_body();
    body.prev_root = Some(person.root.public());
    body.root_key = root.public();
    body.keys[0].key = xwing.clone().into();
    let bundle = signed(&body, &root, Some(&person.root));
    person.publish(stage, &bundle).await.json::<proto::Published>();
    (person.root, person.xwing, person.newest) = (root, xwing, Some(bundle));
}

async fn info(stage: &Stage, person: &Person, parcel: &Parcel) -> FileInfo {
    person.get(stage, &parcel.file_path()).await.json()
}

/// What the present keys of a person would put in the place of their grant.
fn rewrapped(info: &FileInfo, person: &Person) -> GrantHead {
    let manifest = Manifest::parse(info.manifest.0.clone()).unwrap();
    let before = Grant::parse(info.grant.0.clone()).unwrap();
    GrantHead {
        wrap: Wrap::XWing,
        suite: Suite::Signed,
        file_id: manifest.file_id(),
        content_id: manifest.content_id(),
        recipient_id: person.recipient_id(),
        grantor_root_id: person.root_id(),
        min_revision: before.min_revision(),
        not_after: before.not_after(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ones_own_grant_is_replaced_after_a_rotation_and_nothing_else_changes() {
    let (stage, mut alice, mut bob) = alice_and_bob().await;
    let parcel = Parcel::new(1_000);
    parcel.send(&stage, &alice, &[&bob]).await;
    for person in [&mut bob, &mut alice] {
        rotate(&stage, person).await;
        let before = info(&stage, person, &parcel).await;
        let fresh = grant(&rewrapped(&before, person), person);
        for _ in 0..2 {
            assert_gone(&put(&stage, person, &parcel, fresh.clone()).await);
        }
        let after = info(&stage, person, &parcel).await;
        assert_eq!(after.grant.0, fresh);
        let same = |info: FileInfo| {
            (
                info.manifest,
                info.created,
                info.expires_at,
                info.downloads,
                info.max_downloads,
                info.recipients,
            )
        };
        assert_eq!(same(after), same(before));
        parcel.ticket(&stage, person).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_grant_that_says_the_same_for_the_present_keys_is_taken() {
    let (stage, alice, mut bob) = alice_and_bob().await;
    let carol = Person::with_bundle(&stage, "carol@wax.example").await;
    let parcel = Parcel::new(1_000);
    parcel.send(&stage, &alice, &[&bob]).await;
    let (old_recipient, old_root) = (bob.recipient_id(), bob.root_id());
    let before = info(&stage, &bob, &parcel).await;
    rotate(&stage, &mut bob).await;
    let good = rewrapped(&before, &bob);
    let twist = |change: fn(&mut GrantHead)| {
        let mut head = good.clone();
        change(&mut head);
        head
    };
    let mut to_old_key = good.clone();
    to_old_key.recipient_id = old_recipient;
    let mut by_old_root = good.clone();
    by_old_root.grantor_root_id = old_root;
    let mut to_carol = good.clone();
    to_carol.recipient_id = carol.recipient_id();
    for (what, bytes) in [
        ("of another file", grant(&twist(|head| head.file_id = crate::stage::sealed::file_id()), &bob)),
        (
            "of other content",
            grant(&twist(|head| head.content_id = envelope::ContentId::from_bytes([7; 32])), &bob),
        ),
        ("for an earlier revision", grant(&twist(|head| head.min_revision = 0), &bob)),
        ("for a later revision than there is", grant(&twist(|head| head.min_revision = 2), &bob)),
        ("that ends at another time", grant(&twist(|head| head.not_after = 9), &bob)),
        ("for the retired key", grant(&to_old_key, &bob)),
        ("for somebody else's key", grant(&to_carol, &bob)),
        ("in the name of the retired root", grant(&by_old_root, &bob)),
        ("signed by somebody else", grant(&good, &carol)),
    ] {
        assert_eq!(put(&stage, &bob, &parcel, bytes).await.code(), Code::Rejected, "{what}");
    }
    assert_eq!(put(&stage, &bob, &parcel, vec![0; 300]).await.code(), Code::Malformed);
    assert_eq!(put(&stage, &bob, &parcel, vec![0; 100_000]).await.code(), Code::Malformed);
    assert_eq!(info(&stage, &bob, &parcel).await.grant, before.grant);
    assert_gone(&put(&stage, &bob, &parcel, grant(&good, &bob)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_no_grant_makes_none() {
    let (stage, alice, bob) = alice_and_bob().await;
    let carol = Person::with_bundle(&stage, "carol@wax.example").await;
    let parcel = Parcel::new(1_000);
    parcel.send(&stage, &alice, &[&bob]).await;
    let seen = info(&stage, &bob, &parcel).await;
    let for_carol = grant(&rewrapped(&seen, &carol), &carol);
    assert_eq!(put(&stage, &carol, &parcel, for_carol).await.code(), Code::NotFound);
    assert_gone(&bob.delete(&stage, &paths::fill(paths::GRANT, &[&parcel.file_id, &bob.user])).await);
    let again = grant(&rewrapped(&seen, &bob), &bob);
    assert_eq!(put(&stage, &bob, &parcel, again).await.code(), Code::NotFound);
    let path = paths::fill(paths::MY_GRANT, &[&parcel.file_id]);
    let body = ReplaceGrant { grant: seen.grant };
    assert_eq!(send(stage.request(Method::PUT, &path).json(&body)).await.code(), Code::SignInNeeded);
}
