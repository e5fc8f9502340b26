//! `POST /uploads/{id}/complete`.

use envelope::{Suite, Wrap};
use proto::{B64, Code, Complete, Completed, FileInfo, GrantTo, Role, paths};

use crate::stage::sealed::{
    MIB, alice_and_bob, file_id, framed, grant, grant_head, manifest, node_of, random,
};
use crate::stage::{Parcel, Person, Stage};

#[tokio::test(flavor = "multi_thread")]
async fn a_file_appears_for_its_author_and_its_recipients() {
    let (stage, alice, bob) = alice_and_bob().await;
    let parcel = Parcel::new(MIB + 5_000);
    let mut request = parcel.complete_request(&alice, &[&bob]);
    request.max_downloads = Some(3);
    let done = parcel.send_as(&stage, &alice, &request).await;
    assert_eq!(done.expires_at, stage.now() + request.expires_in);
    assert_eq!((done.received_bytes, done.received_parts), (MIB + 5_000, 2));
    for (person, role, grant) in
        [(&alice, Role::Author, &request.grants[0]), (&bob, Role::Recipient, &request.grants[1])]
    {
        let info: FileInfo = person.get(&stage, &parcel.file_path()).await.json();
        assert_eq!((info.file_id, info.role, info.author), (parcel.file_id, role, alice.user));
        assert_eq!((&info.manifest, &info.grant), (&request.manifest, &grant.grant));
        assert_eq!(info.author_bundle.0, alice.newest.as_ref().unwrap().as_bytes());
        assert_eq!((info.part_len, info.max_downloads, info.downloads), (MIB, Some(3), 0));
        // Who else holds it is told to the author only.
        assert_eq!(info.recipients.iter().any(|holder| holder.user_id == bob.user), role == Role::Author);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_complete_again_gives_the_same_answer_and_a_differing_one_conflicts() {
    let (stage, alice, bob) = alice_and_bob().await;
    let parcel = Parcel::new(1_000);
    let request = parcel.complete_request(&alice, &[&bob]);
    let first = parcel.send_as(&stage, &alice, &request).await;
    stage.later(100);
    let again: Completed = parcel.complete(&stage, &alice, &request).await.json();
    assert_eq!(again.expires_at, first.expires_at);
    let mut other = request.clone();
    other.expires_in += 1;
    assert_eq!(parcel.complete(&stage, &alice, &other).await.code(), Code::Conflict);
    let mut fewer = request.clone();
    fewer.grants.pop();
    assert_eq!(parcel.complete(&stage, &alice, &fewer).await.code(), Code::Conflict);
    assert_eq!(parcel.put(&stage, &alice, 0).await.code(), Code::Conflict);
    // One part; its only leaf is the root.
    assert_eq!(stage.stored_files(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_parts_are_counted() {
    let (stage, alice, _) = alice_and_bob().await;
    let parcel = Parcel::new(3 * MIB);
    let request = parcel.complete_request(&alice, &[]);
    parcel.begin(&stage, &alice).await;
    parcel.put(&stage, &alice, 1).await.json::<proto::PartRecord>();
    let reply = parcel.complete(&stage, &alice, &request).await;
    assert_eq!(reply.code(), Code::PartsMissing);
    assert!(reply.refusal().detail.contains("2 of 3"));
    parcel.put_all(&stage, &alice).await;
    parcel.complete(&stage, &alice, &request).await.json::<Completed>();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_received_must_be_what_the_manifest_signs() {
    let (stage, alice, _) = alice_and_bob().await;
    let parcel = Parcel::new(MIB + 1_000);
    parcel.begin(&stage, &alice).await;
    parcel.put_all(&stage, &alice).await;
    let with = |change: &dyn Fn(&mut envelope::manifest::ManifestHead)| {
        let mut head = parcel.head(&alice);
        change(&mut head);
        let manifest = manifest(&head, &alice);
        let own = grant(&grant_head(&manifest, &alice), &alice);
        complete(manifest.as_bytes().to_vec(), vec![(&alice, own)])
    };
    let refused = [
        with(&|head| head.body_root = node_of(&framed(1_000))),
        with(&|head| head.body = envelope::BodyShape::from_body_len(MIB + 1_001).unwrap()),
        with(&|head| head.body = envelope::BodyShape::from_body_len(MIB).unwrap()),
        with(&|head| head.file_id = file_id()),
    ];
    for request in &refused {
        assert_eq!(parcel.complete(&stage, &alice, request).await.code(), Code::Rejected);
    }
    parcel.complete(&stage, &alice, &with(&|_| {})).await.json::<Completed>();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_is_signed_by_the_callers_newest_root() {
    let (stage, alice, bob) = alice_and_bob().await;
    let parcel = Parcel::new(1_000);
    parcel.begin(&stage, &alice).await;
    parcel.put_all(&stage, &alice).await;
    let own = |manifest: &envelope::Manifest| grant(&grant_head(manifest, &alice), &alice);
    let forged = manifest(&parcel.head(&alice), &bob);
    let of_bob = manifest(&parcel.head(&bob), &bob);
    let mut nobody = parcel.head(&alice);
    nobody.suite = Suite::Anonymous;
    nobody.author_root_id = envelope::RootId::ZERO;
    let anonymous = manifest(&nobody, &alice);
    for bad in [&forged, &of_bob, &anonymous] {
        let mut head = grant_head(bad, &alice);
        head.grantor_root_id = alice.root_id();
        let request = complete(bad.as_bytes().to_vec(), vec![(&alice, grant(&head, &alice))]);
        assert_eq!(parcel.complete(&stage, &alice, &request).await.code(), Code::Rejected);
    }
    let good = manifest(&parcel.head(&alice), &alice);
    let mut trailing = good.as_bytes().to_vec();
    trailing.push(0);
    let request = complete(trailing, vec![(&alice, own(&good))]);
    assert_eq!(parcel.complete(&stage, &alice, &request).await.code(), Code::Malformed);
    let request = complete(good.as_bytes().to_vec(), vec![(&alice, own(&good))]);
    parcel.complete(&stage, &alice, &request).await.json::<Completed>();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_grant_is_the_authors_for_this_file_and_a_published_key() {
    let (stage, alice, bob) = alice_and_bob().await;
    let bare = Person::new(&stage, "bare@wax.example").await;
    let parcel = Parcel::new(1_000);
    parcel.begin(&stage, &alice).await;
    parcel.put_all(&stage, &alice).await;
    let sealed = manifest(&parcel.head(&alice), &alice);
    let elsewhere = manifest(&Parcel::new(1_000).head(&alice), &alice);
    let own = || (&alice, grant(&grant_head(&sealed, &alice), &alice));
    let to_bob = |change: &dyn Fn(&mut envelope::grant::GrantHead)| {
        let mut head = grant_head(&sealed, &bob);
        change(&mut head);
        grant(&head, &alice)
    };
    let mut link = grant_head(&sealed, &bob);
    link.wrap = Wrap::Link;
    link.recipient_id = envelope::RecipientId::of_link(&[1; 16]);
    let mut wrapped = random(138);
    wrapped[..10].copy_from_slice(&envelope::small::PARAMETERS);
    wrapped[74..78].copy_from_slice(&64_u32.to_be_bytes());
    let mut link_bytes = link.encode(&[], &wrapped).unwrap();
    let signature = alice.root.sign(&[envelope::grant::SIGNATURE_CONTEXT, &link_bytes]);
    link_bytes.extend_from_slice(&signature);
    let cases: Vec<(&str, Grants<'_>)> = vec![
        ("no grant to the author", vec![(&bob, to_bob(&|_| {}))]),
        ("no grants", vec![]),
        ("two for one person", vec![own(), (&bob, to_bob(&|_| {})), (&bob, to_bob(&|_| {}))]),
        ("signed by another", vec![own(), (&bob, grant(&grant_head(&sealed, &bob), &bob))]),
        ("of another file", vec![own(), (&bob, grant(&grant_head(&elsewhere, &bob), &alice))]),
        ("of another content", vec![own(), (&bob, to_bob(&|head| head.content_id = elsewhere.content_id()))]),
        ("by another grantor", vec![own(), (&bob, to_bob(&|head| head.grantor_root_id = bob.root_id()))]),
        ("for a later revision", vec![own(), (&bob, to_bob(&|head| head.min_revision = 2))]),
        (
            "to a key of nobody",
            vec![
                own(),
                (&bob, to_bob(&|head| head.recipient_id = envelope::RecipientId::from_bytes([1; 32]))),
            ],
        ),
        ("to another's key", vec![own(), (&bob, to_bob(&|head| head.recipient_id = alice.recipient_id()))]),
        ("without a bundle", vec![own(), (&bare, grant(&grant_head(&sealed, &bare), &alice))]),
        ("a link", vec![own(), (&bob, link_bytes)]),
        (
            "anonymous",
            vec![
                own(),
                (
                    &bob,
                    to_bob(&|head| {
                        head.suite = Suite::Anonymous;
                        head.grantor_root_id = envelope::RootId::ZERO;
                    }),
                ),
            ],
        ),
    ];
    for (name, grants) in cases {
        let request = complete(sealed.as_bytes().to_vec(), grants);
        assert_eq!(parcel.complete(&stage, &alice, &request).await.code(), Code::Rejected, "{name}");
    }
    assert_eq!(alice.get(&stage, &parcel.file_path()).await.code(), Code::NotFound);
    // Refused attempts left no leaves behind.
    assert_eq!(stage.stored_files(), 1);
    let request = complete(sealed.as_bytes().to_vec(), vec![own(), (&bob, to_bob(&|_| {}))]);
    parcel.complete(&stage, &alice, &request).await.json::<Completed>();
}

#[tokio::test(flavor = "multi_thread")]
async fn terms_without_sense_are_refused() {
    let (stage, alice, _) = alice_and_bob().await;
    let parcel = Parcel::new(1_000);
    parcel.begin(&stage, &alice).await;
    parcel.put_all(&stage, &alice).await;
    let good = parcel.complete_request(&alice, &[]);
    for change in [
        (|request: &mut Complete| request.expires_in = 0) as fn(&mut Complete),
        |request| request.expires_in = -1,
        |request| request.expires_in = 366 * 86_400 + 1,
        |request| request.max_downloads = Some(0),
        |request| request.grants = vec![request.grants[0].clone(); 501],
        |request| request.grants[0].grant = B64(vec![0; 10]),
    ] {
        let mut bad = good.clone();
        change(&mut bad);
        assert_eq!(parcel.complete(&stage, &alice, &bad).await.code(), Code::Malformed);
    }
    parcel.complete(&stage, &alice, &good).await.json::<Completed>();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_no_bundle_cannot_complete() {
    let stage = Stage::new().await;
    let bare = Person::new(&stage, "bare@wax.example").await;
    let parcel = Parcel::new(1_000);
    parcel.begin(&stage, &bare).await;
    parcel.put_all(&stage, &bare).await;
    let request = parcel.complete_request(&bare, &[]);
    assert_eq!(parcel.complete(&stage, &bare, &request).await.code(), Code::Rejected);
    let path = paths::fill(paths::UPLOAD, &[&parcel.file_id]);
    assert_eq!(bare.get(&stage, &path).await.json::<proto::UploadStatus>().parts.len(), 1);
}

/// Grants and whom they are sent for.
type Grants<'a> = Vec<(&'a Person, Vec<u8>)>;

fn complete(manifest: Vec<u8>, grants: Grants<'_>) -> Complete {
    let grants =
        grants.into_iter().map(|(to, grant)| GrantTo { user_id: Some(to.user), grant: B64(grant) }).collect();
    Complete {
        manifest: B64(manifest),
        grants,
        expires_in: 86_400,
        max_downloads: None,
        member: false,
        members: None,
    }
}
