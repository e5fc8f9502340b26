//! Grants for bare keys: `GET /files/{id}?recipient=`, tickets by key, `DELETE /files/{id}/keys/{recipient}`.

use envelope::grant::GrantHead;
use envelope::{Manifest, RecipientId, Wrap};
use proto::{B64, Code, Complete, FileInfo, FilePage, GrantTo, Role, Ticket, paths};

use crate::stage::sealed::{alice_and_bob, assert_gone, file_id, grant, grant_head};
use crate::stage::{Parcel, Person};

fn key(n: u8) -> RecipientId {
    RecipientId::from_bytes([n; 32])
}

fn by_key(parcel: &Parcel, key: RecipientId) -> String {
    format!("{}?recipient={key}", parcel.file_path())
}

fn key_path(parcel: &Parcel, key: RecipientId) -> String {
    paths::fill(paths::KEY, &[&parcel.file_id, &key])
}

fn head_for(request: &Complete, author: &Person, recipient_id: RecipientId) -> GrantHead {
    let manifest = Manifest::parse(request.manifest.0.as_slice()).unwrap();
    GrantHead { wrap: Wrap::RsaOaep, recipient_id, ..grant_head(&manifest, author) }
}

/// A complete with grants for bare keys besides the author's own.
fn request_for(parcel: &Parcel, author: &Person, keys: &[RecipientId]) -> Complete {
    let mut request = parcel.complete_request(author, &[]);
    for key in keys {
        let head = head_for(&request, author, *key);
        request.grants.push(GrantTo { user_id: None, grant: B64(grant(&head, author)) });
    }
    request
}

#[tokio::test(flavor = "multi_thread")]
async fn who_names_file_and_key_gets_that_grant_and_nobody_else_learns_of_it() {
    let (stage, alice, bob) = alice_and_bob().await;
    let parcel = Parcel::new(3 << 20);
    let request = request_for(&parcel, &alice, &[key(7), key(8)]);
    parcel.send_as(&stage, &alice, &request).await;
    // Signed in is enough: no keys, no bundle.
    let dave = Person::new(&stage, "dave@wax.example").await;
    for person in [&bob, &dave] {
        let info: FileInfo = person.get(&stage, &by_key(&parcel, key(7))).await.json();
        assert_eq!(
            (info.role, info.author, &info.grant),
            (Role::Recipient, alice.user, &request.grants[1].grant)
        );
        assert_eq!(info.manifest, request.manifest);
        assert!(info.recipients.is_empty() && info.keys.is_empty());
    }
    let absent = paths::fill(paths::FILE, &[&file_id()]);
    let unknown = dave.get(&stage, &format!("{absent}?recipient={}", key(7))).await;
    let plain = dave.get(&stage, &absent).await;
    for hidden in [by_key(&parcel, key(9)), by_key(&parcel, alice.recipient_id()), parcel.file_path()] {
        let hidden = dave.get(&stage, &hidden).await;
        assert_eq!(
            (hidden.code(), unknown.code(), plain.code()),
            (Code::NotFound, Code::NotFound, Code::NotFound)
        );
        assert_eq!(hidden.refusal().detail, unknown.refusal().detail);
        assert_eq!(hidden.refusal().detail, plain.refusal().detail);
    }
    for wrong in ["recipient=x", "recipient=", "key=1"] {
        let path = format!("{}?{wrong}", parcel.file_path());
        assert_eq!(dave.get(&stage, &path).await.code(), Code::Malformed, "{wrong}");
    }
    let nobody =
        crate::stage::server::send(stage.request(reqwest::Method::GET, &by_key(&parcel, key(7)))).await;
    assert_eq!(nobody.code(), Code::SignInNeeded);
    assert!(dave.get(&stage, paths::FILES).await.json::<FilePage>().files.is_empty());
    assert_eq!(alice.get(&stage, paths::FILES).await.json::<FilePage>().files.len(), 1);
    let info: FileInfo = alice.get(&stage, &parcel.file_path()).await.json();
    let holders: Vec<_> = info.recipients.iter().map(|holder| holder.user_id).collect();
    assert_eq!((holders, info.keys), (vec![alice.user], vec![key(7), key(8)]));
}

#[tokio::test(flavor = "multi_thread")]
async fn content_comes_for_a_ticket_by_key_and_counts_as_any_download() {
    let (stage, alice, bob) = alice_and_bob().await;
    let carol = Person::with_bundle(&stage, "carol@wax.example").await;
    let parcel = Parcel::new(1_000);
    let mut request = request_for(&parcel, &alice, &[key(7)]);
    request.max_downloads = Some(2);
    request.expires_in = 700;
    parcel.send_as(&stage, &alice, &request).await;
    let download = file_id().to_string();
    assert_eq!(parcel.ask_ticket(&stage, &bob, &download).await.code(), Code::NotFound);
    let other = parcel.ask_ticket_by(&stage, &bob, &download, Some(key(8))).await;
    assert_eq!(other.code(), Code::NotFound);
    for person in [&bob, &bob, &carol] {
        let ticket: Ticket = parcel.ask_ticket_by(&stage, person, &download, Some(key(7))).await.json();
        let part = paths::fill(paths::CONTENT, &[&parcel.file_id, &0]);
        let reply = parcel.content(&stage, ticket.ticket.expose_secret(), &part, None).await;
        assert_eq!(reply.body, parcel.body);
    }
    let info: FileInfo = alice.get(&stage, &parcel.file_path()).await.json();
    assert_eq!(info.downloads, 2, "one of each caller");
    let late = parcel.ask_ticket_by(&stage, &carol, &file_id().to_string(), Some(key(7))).await;
    assert_eq!(late.code(), Code::DownloadsUsed);
    stage.later(700);
    for _ in 0..2 {
        assert_eq!(bob.get(&stage, &by_key(&parcel, key(7))).await.code(), Code::Expired);
        assert_eq!(bob.get(&stage, &by_key(&parcel, key(8))).await.code(), Code::NotFound);
        stage.run_jobs().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_author_takes_a_key_back() {
    let (stage, alice, bob) = alice_and_bob().await;
    let parcel = Parcel::new(1_000);
    let mut request = request_for(&parcel, &alice, &[key(7), key(8)]);
    let to_bob = parcel.complete_request(&alice, &[&bob]).grants.remove(1);
    // The same manifest, so Bob's grant is made for it.
    let manifest = Manifest::parse(request.manifest.0.as_slice()).unwrap();
    request.grants.push(GrantTo { grant: B64(grant(&grant_head(&manifest, &bob), &alice)), ..to_bob });
    parcel.send_as(&stage, &alice, &request).await;
    let dave = Person::new(&stage, "dave@wax.example").await;
    assert_eq!(dave.delete(&stage, &key_path(&parcel, key(7))).await.code(), Code::NotFound);
    assert_eq!(bob.delete(&stage, &key_path(&parcel, key(7))).await.code(), Code::Forbidden);
    assert_eq!(alice.delete(&stage, &key_path(&parcel, key(9))).await.code(), Code::NotFound);
    assert_gone(&alice.delete(&stage, &key_path(&parcel, key(7))).await);
    assert_eq!(alice.delete(&stage, &key_path(&parcel, key(7))).await.code(), Code::NotFound);
    assert_eq!(dave.get(&stage, &by_key(&parcel, key(7))).await.code(), Code::NotFound);
    dave.get(&stage, &by_key(&parcel, key(8))).await.json::<FileInfo>();
    bob.get(&stage, &parcel.file_path()).await.json::<FileInfo>();
    assert_eq!(alice.get(&stage, &parcel.file_path()).await.json::<FileInfo>().keys, [key(8)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_without_an_account_is_judged_like_any_other() {
    let (stage, alice, bob) = alice_and_bob().await;
    let parcel = Parcel::new(1_000);
    parcel.begin(&stage, &alice).await;
    parcel.put_all(&stage, &alice).await;
    let honest = request_for(&parcel, &alice, &[key(7)]);
    let head = head_for(&honest, &alice, key(7));
    let refused = async |bytes: Vec<u8>, why: &str| {
        let mut request = honest.clone();
        request.grants[1].grant = B64(bytes);
        let reply = parcel.complete(&stage, &alice, &request).await;
        assert_eq!(reply.code(), Code::Rejected, "{why}");
    };
    refused(grant(&GrantHead { wrap: Wrap::XWing, ..head.clone() }, &alice), "no RSA key").await;
    refused(grant(&GrantHead { file_id: file_id(), ..head.clone() }, &alice), "another file").await;
    refused(grant(&GrantHead { min_revision: 9, ..head.clone() }, &alice), "a later revision").await;
    refused(grant(&GrantHead { grantor_root_id: bob.root_id(), ..head.clone() }, &bob), "given by Bob").await;
    refused(grant(&head, &bob), "signed by Bob").await;
    let mut twice = honest.clone();
    twice.grants.push(honest.grants[1].clone());
    assert_eq!(parcel.complete(&stage, &alice, &twice).await.code(), Code::Rejected);
    let mut only_key = honest.clone();
    only_key.grants.remove(0);
    assert_eq!(
        parcel.complete(&stage, &alice, &only_key).await.code(),
        Code::Rejected,
        "none for the author"
    );
    parcel.complete(&stage, &alice, &honest).await.json::<proto::Completed>();
}
