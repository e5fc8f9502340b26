//! New keys after a loss, and whoever asks for them without having lost any.

use crate::stage::{Person, Stage, Told, passphrase};
use client::{Class, Client, Error, KeysState, Note, SendRequest, Share};

const DAY: i64 = 86_400;

/// A device without keys, signed in by the mailbox alone.
async fn by_mailbox(stage: &Stage, person: &Person) -> Client {
    let client = stage.stranger("device without keys", Stage::options());
    let code = stage.code(&client, &person.address).await;
    client.sign_in(&person.address, &code).await.unwrap();
    client
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_keys_are_replaced_after_three_days_and_nobody_takes_them_for_the_old_ones() {
    let stage = Stage::new().await;
    let (alice, bob) = (stage.person("alice").await, stage.person("bob").await);
    bob.client.lookup(std::slice::from_ref(&alice.address)).await.unwrap();
    alice.client.lookup(std::slice::from_ref(&bob.address)).await.unwrap();
    alice.client.share_contacts(&alice.keys, Share::Now).await.unwrap();
    let laptop = by_mailbox(&stage, &alice).await;
    laptop.begin_reset(&passphrase(), None).await.unwrap();
    assert!(laptop.reset_is_pending().unwrap());
    let early = laptop.finish_reset(&passphrase()).await.unwrap_err();
    assert_eq!(early.class(), Class::Refused, "{early}");
    assert_eq!(laptop.keys_state().unwrap(), KeysState::None);
    stage.clock.advance(3 * DAY);
    let me = laptop.finish_reset(&passphrase()).await.unwrap();
    assert!(!laptop.reset_is_pending().unwrap());
    assert_ne!(me.root_id(), alice.keys.root_id());
    assert_eq!(laptop.unlock(&passphrase()).await.unwrap().root_id(), me.root_id());
    // Who knew the old keys stops; who accepts the new ones can send to them.
    let path = bob.file("letter", b"hello");
    let stopped = bob.send(&path, &alice).await.unwrap_err();
    assert!(matches!(stopped, Error::IdentityChanged(_)), "{stopped}");
    let number = laptop.contacts_import(&bob.client.own_bundle().unwrap(), &bob.address).unwrap();
    let number = number.safety_number.unwrap().to_string();
    bob.client.accept_new_identity(&alice.address, &number).await.unwrap();
    let sent = bob.send(&path, &alice).await.unwrap();
    let target = client::Target::directory(&alice.folder);
    laptop.receive(&me, sent.file_id, target, &client::Quiet, &client::Cancel::new()).await.unwrap();
    // The device with the old keys is told that they are no longer the ones.
    let old = alice.client.unlock(&passphrase()).await.unwrap_err();
    assert!(matches!(old, Error::OwnKeysDiffer), "{old}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_has_only_the_mailbox_is_seen_and_stopped_by_the_keys() {
    let stage = Stage::new().await;
    let (alice, bob) = (stage.person("alice").await, stage.person("bob").await);
    let thief = by_mailbox(&stage, &alice).await;
    let due = thief.begin_reset(&passphrase(), None).await.unwrap();
    let me = alice.client.unlock(&passphrase()).await.unwrap();
    assert_eq!(me.reset_due(), Some(due), "the owner sees it at the next unlocking");
    let (told, path) = (Told::default(), bob.file("a", b"1"));
    let request = SendRequest::file(path, vec![alice.address.clone()]);
    bob.client.send(&bob.keys, request, &told, &client::Cancel::new()).await.unwrap();
    let warned =
        |note: &Note| matches!(note, Note::KeysToBeReplaced { address, .. } if *address == alice.address);
    assert!(told.notes.lock().unwrap().iter().any(warned), "and so do those who send to them");
    assert!(alice.client.stop_reset(&me).await.unwrap());
    assert_eq!(alice.client.unlock(&passphrase()).await.unwrap().reset_due(), None);
    assert!(!alice.client.stop_reset(&me).await.unwrap(), "there is nothing left to stop");
    stage.clock.advance(4 * DAY);
    let error = thief.finish_reset(&passphrase()).await.unwrap_err();
    assert_eq!(error.class(), Class::Refused, "{error}");
    assert_eq!(thief.keys_state().unwrap(), KeysState::None);
    alice.client.unlock(&passphrase()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reset_that_died_after_publishing_is_finished_by_the_same_command() {
    let stage = Stage::new().await;
    let alice = stage.person("alice").await;
    let laptop = by_mailbox(&stage, &alice).await;
    laptop.begin_reset(&passphrase(), None).await.unwrap();
    let kept = ["vault.reset.wxv", "bundle.reset.wxb"].map(|name| {
        let path = laptop.home().path().join(name);
        (path.clone(), std::fs::read(path).unwrap())
    });
    stage.clock.advance(3 * DAY);
    let me = laptop.finish_reset(&passphrase()).await.unwrap();
    for (path, bytes) in kept {
        std::fs::write(&path, bytes).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    }
    let again = laptop.finish_reset(&passphrase()).await.unwrap();
    assert_eq!(again.root_id(), me.root_id());
    assert!(!laptop.reset_is_pending().unwrap());
}
