//! Files to RSA keys that stand alone: who has the key opens them, with or without keys of their own.

use crate::stage::{Person, Stage, Told, address, noise};
use client::{
    Cancel, Client, Error, FileId, Received, Role, RsaBits, RsaPrivateKey, SendRequest, Sender, Target, Trust,
};
use std::path::Path;
use std::sync::LazyLock;

static KEY: LazyLock<RsaPrivateKey> = LazyLock::new(|| RsaPrivateKey::generate(RsaBits::B2048));
static OTHER: LazyLock<RsaPrivateKey> = LazyLock::new(|| RsaPrivateKey::generate(RsaBits::B2048));

async fn send_to_keys(alice: &Person, path: &Path, keys: &[&RsaPrivateKey]) -> FileId {
    let mut request = SendRequest::file(path, Vec::new());
    request.to_keys = keys.iter().map(|key| key.public().clone()).collect();
    alice.send_request(request).await.unwrap().file_id
}

async fn get(client: &Client, file_id: FileId, key: &RsaPrivateKey, into: &Path) -> client::Result<Received> {
    std::fs::create_dir_all(into).unwrap();
    let target = Target::directory(into);
    client.receive_with_key(file_id, key, target, &Told::default(), &Cancel::new()).await
}

/// Signed in, without keys.
async fn keyless(stage: &Stage, name: &str) -> Client {
    let client = stage.stranger(&format!("home-{name}"), Stage::options());
    let code = stage.code(&client, &address(name)).await;
    client.sign_in(&address(name), &code).await.unwrap();
    client
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_signed_in_and_has_the_key_receives_and_pins_the_author() {
    let stage = Stage::new().await;
    let alice = stage.person("alice").await;
    let content = noise(3_000_000, 1);
    let id = send_to_keys(&alice, &alice.file("report.pdf", &content), &[&KEY]).await;
    let dave = keyless(&stage, "dave").await;
    let into = stage.folder.path().join("dave");
    for trust in [Trust::FirstContact, Trust::Pinned] {
        let got = get(&dave, id, &KEY, &into).await.unwrap();
        let sender = Sender {
            address: Some(alice.address.clone()),
            root_id: alice.keys.root_id(),
            trust,
            retired_root: false,
        };
        assert_eq!((got.name.as_str(), got.sender), ("report.pdf", sender));
        let path = got.path.unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), content);
        std::fs::remove_file(path).unwrap();
    }
    assert_eq!(dave.contacts().unwrap()[0].address, alice.address);
    assert!(matches!(get(&dave, id, &OTHER, &into).await, Err(Error::NotFound)));
    let info = alice.client.info(&alice.keys, id).await.unwrap();
    assert_eq!((info.keys, info.downloads), (vec![KEY.public().recipient_id(None)], 2));
    assert!(info.recipients.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_and_keys_share_one_file_and_each_is_taken_back_alone() {
    let stage = Stage::new().await;
    let (alice, bob) = (stage.person("alice").await, stage.person("bob").await);
    let mut request = SendRequest::file(alice.file("a", b"to all"), vec![bob.address.clone()]);
    // The same key twice is one recipient.
    request.to_keys = [&*KEY, &*OTHER, &*KEY].map(|key| key.public().clone()).to_vec();
    let id = alice.send_request(request).await.unwrap().file_id;
    assert_eq!(alice.client.info(&alice.keys, id).await.unwrap().keys.len(), 2);
    bob.receive(id).await.unwrap();
    let dave = keyless(&stage, "dave").await;
    let into = stage.folder.path().join("dave");
    get(&dave, id, &KEY, &into.join("1")).await.unwrap();
    get(&dave, id, &OTHER, &into.join("2")).await.unwrap();
    alice.client.revoke_key(&alice.keys, id, KEY.public()).await.unwrap();
    assert!(matches!(alice.client.revoke_key(&alice.keys, id, KEY.public()).await, Err(Error::NotFound)));
    assert!(matches!(get(&dave, id, &KEY, &into.join("3")).await, Err(Error::NotFound)));
    get(&dave, id, &OTHER, &into.join("4")).await.unwrap();
    assert_eq!(bob.client.info(&bob.keys, id).await.unwrap().role, Role::Recipient);
    // The author opens their own file by the key as well.
    let own = get(&alice.client, id, &OTHER, &into.join("5")).await.unwrap();
    assert_eq!(own.sender.trust, Trust::Own);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_in_the_vault_opens_without_being_named() {
    let stage = Stage::new().await;
    let (alice, mut bob) = (stage.person("alice").await, stage.person("bob").await);
    let id = send_to_keys(&alice, &alice.file("a", b"to a key"), &[&KEY]).await;
    assert!(matches!(bob.receive(id).await, Err(Error::NotFound)));
    let copy = |key: &RsaPrivateKey| RsaPrivateKey::from_pkcs8(key.pkcs8()).unwrap();
    assert!(bob.client.add_rsa_key(&mut bob.keys, copy(&OTHER)).await.unwrap());
    assert!(bob.client.add_rsa_key(&mut bob.keys, copy(&KEY)).await.unwrap());
    assert!(!bob.client.add_rsa_key(&mut bob.keys, copy(&KEY)).await.unwrap(), "it is there");
    let got = bob.receive(id).await.unwrap();
    assert_eq!(std::fs::read(got.path.unwrap()).unwrap(), b"to a key");
    assert_eq!(bob.client.info(&bob.keys, id).await.unwrap().name, "a");
    // The next process finds both keys in the vault, which the old passphrase opens.
    let again = bob.client.unlock(&crate::stage::passphrase()).await.unwrap();
    assert!(again.rsa_keys().eq([KEY.public(), OTHER.public()]));
    let unknown = FileId::from_bytes([3; 16]);
    assert!(matches!(bob.receive(unknown).await, Err(Error::NotFound)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_needs_somebody_or_some_key() {
    let stage = Stage::new().await;
    let alice = stage.person("alice").await;
    let request = SendRequest::file(alice.file("a", b"1"), Vec::new());
    assert!(matches!(alice.send_request(request).await, Err(Error::NoRecipients)));
}
