//! List, info, remove, revoke, expiry and limits.

use crate::stage::{Person, Stage};
use client::{Class, Error, FilePaging, Removed, Role, SendRequest, Trust};
use std::time::Duration;

async fn two() -> (Stage, Person, Person) {
    let stage = Stage::new().await;
    let (alice, bob) = (stage.person("alice").await, stage.person("bob").await);
    (stage, alice, bob)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_sides_list_what_was_sealed() {
    let (_stage, alice, bob) = two().await;
    for n in 0..5 {
        alice.send(&alice.file(&format!("file {n}"), b"12345"), &bob).await.unwrap();
    }
    let own = alice.client.list(&alice.keys, FilePaging::default()).await.unwrap();
    assert_eq!(own.files.len(), 5);
    assert!(own.files.iter().all(|file| file.role == Role::Author && file.sender.trust == Trust::Own));
    let one = alice.client.info(&alice.keys, own.files[0].file_id).await.unwrap();
    assert_eq!(one.recipients.len(), 1);
    assert_eq!(one.recipients[0].address.as_ref(), Some(&bob.address));
    let mut names = Vec::new();
    let mut after = None;
    loop {
        let paging = FilePaging { after, limit: Some(2), into_box: None };
        let page = bob.client.list(&bob.keys, paging).await.unwrap();
        assert!(page.refused.is_empty());
        for file in &page.files {
            assert_eq!((file.role, file.bytes, file.sender.trust), (Role::Recipient, 5, Trust::FirstContact));
            assert!(file.recipients.is_empty());
            names.push(file.name.clone());
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    names.sort();
    assert_eq!(names, ["file 0", "file 1", "file 2", "file 3", "file 4"]);
    assert!(bob.client.contacts().unwrap().is_empty(), "looking pins nobody");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_author_removes_for_everybody_and_a_recipient_only_for_themselves() {
    let (_stage, alice, bob) = two().await;
    let first = alice.send(&alice.file("a", b"1"), &bob).await.unwrap().file_id;
    let second = alice.send(&alice.file("b", b"2"), &bob).await.unwrap().file_id;
    assert_eq!(bob.client.remove(&bob.keys, first).await.unwrap(), Removed::OwnAccess);
    assert!(matches!(bob.receive(first).await, Err(Error::NotFound)));
    assert_eq!(alice.client.info(&alice.keys, first).await.unwrap().name, "a");
    assert_eq!(alice.client.remove(&alice.keys, second).await.unwrap(), Removed::ForEveryone);
    assert!(matches!(bob.receive(second).await, Err(Error::NotFound)));
    assert!(matches!(alice.client.info(&alice.keys, second).await, Err(Error::NotFound)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_grant_opens_nothing_any_more() {
    let (_stage, alice, bob) = two().await;
    let id = alice.send(&alice.file("a", b"1"), &bob).await.unwrap().file_id;
    bob.receive(id).await.unwrap();
    alice.client.revoke(&alice.keys, id, &bob.address).await.unwrap();
    let error = bob.receive(id).await.unwrap_err();
    assert!(matches!(error, Error::NotFound), "{error}");
    assert!(error.hint().is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_expired_file_and_a_used_up_one_say_so() {
    let (stage, alice, bob) = two().await;
    let path = alice.file("a", b"1");
    let to = vec![bob.address.clone()];
    let request = SendRequest { max_downloads: Some(1), ..SendRequest::file(&path, to.clone()) };
    let id = alice.send_request(request).await.unwrap().file_id;
    let got = bob.receive(id).await.unwrap();
    std::fs::remove_file(got.path.unwrap()).unwrap();
    let error = bob.receive(id).await.unwrap_err();
    assert!(matches!(error, Error::DownloadsUsed), "{error}");
    let request = SendRequest { expires_in: Duration::from_secs(60), ..SendRequest::file(&path, to) };
    let id = alice.send_request(request).await.unwrap().file_id;
    stage.clock.advance(61);
    let error = bob.receive(id).await.unwrap_err();
    assert_eq!((error.class(), error.to_string().as_str()), (Class::Gone, "the file has expired"));
    assert!(bob.names().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quota_that_does_not_hold_it_is_said_before_anything_goes() {
    let stage = Stage::with(|config| config.limits.quota_bytes = 1 << 20).await;
    let (alice, bob) = (stage.person("alice").await, stage.person("bob").await);
    let path = alice.file("big", &vec![0; 2 << 20]);
    let error = alice.send(&path, &bob).await.unwrap_err();
    assert!(matches!(error, Error::QuotaExceeded), "{error}");
    assert!(alice.client.uploads().unwrap().is_empty());
    let stage = Stage::with(|config| config.limits.file_bytes = 1 << 20).await;
    let (alice, bob) = (stage.person("alice").await, stage.person("bob").await);
    let error = alice.send(&alice.file("big", &vec![0; 2 << 20]), &bob).await.unwrap_err();
    assert!(matches!(error, Error::TooLarge), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_make_no_sense_are_refused_before_anything_goes() {
    let (_stage, alice, bob) = two().await;
    let path = alice.file("a", b"1");
    let to = || vec![bob.address.clone()];
    let bad = [
        SendRequest::file(&path, Vec::new()),
        SendRequest::file(&alice.folder, to()),
        SendRequest { expires_in: Duration::ZERO, ..SendRequest::file(&path, to()) },
        SendRequest { max_downloads: Some(0), ..SendRequest::file(&path, to()) },
        SendRequest { name: Some("a/b".into()), ..SendRequest::file(&path, to()) },
    ];
    for request in bad {
        let error = alice.send_request(request).await.unwrap_err();
        assert_eq!(error.class(), Class::Usage, "{error}");
    }
    let missing =
        alice.send_request(SendRequest::file(alice.folder.join("missing"), to())).await.unwrap_err();
    assert_eq!(missing.class(), Class::Local, "{missing}");
}
