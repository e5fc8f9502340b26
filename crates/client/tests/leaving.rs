//! People who leave.

use crate::stage::{Stage, passphrase};
use client::{Class, Error};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_leaves_takes_their_files_away_and_is_known_to_nobody() {
    let stage = Stage::new().await;
    let (alice, bob) = (stage.person("alice").await, stage.person("bob").await);
    let sent = alice.send(&alice.file("a", b"1"), &bob).await.unwrap();
    alice.client.erase_account(Some(&alice.keys)).await.unwrap();
    assert!(alice.client.signed_in().unwrap().is_none());
    let gone = bob.receive(sent.file_id).await.unwrap_err();
    assert!(matches!(gone, Error::Expired | Error::NotFound), "{gone}");
    let unknown = bob.send(&bob.file("b", b"2"), &alice).await.unwrap_err();
    assert!(matches!(unknown, Error::UnknownRecipients(_)), "{unknown}");
    // The same address is somebody new, whom the pins do not take for the one before.
    let code = stage.code(&alice.client, &alice.address).await;
    alice.client.sign_in(&alice.address, &code).await.unwrap();
    let error = alice.client.unlock(&passphrase()).await.unwrap_err();
    assert!(matches!(error, Error::OtherAccount), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_erased_without_their_keys() {
    let stage = Stage::new().await;
    let (alice, mallory) = (stage.person("alice").await, stage.person("mallory").await);
    let error = alice.client.erase_account(None).await.unwrap_err();
    assert_eq!(error.class(), Class::Refused, "{error}");
    let error = alice.client.erase_account(Some(&mallory.keys)).await.unwrap_err();
    assert_eq!(error.class(), Class::Refused, "{error}");
    alice.client.whoami().await.unwrap();
}
