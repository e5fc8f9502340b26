//! The key file: recovered by the phrase, changed, and noticed when an older one is put back.

use crate::stage::{PASSPHRASE, Person, Stage, address, passphrase};
use client::{Class, Client, Error, Home, Passphrase, RecoveryPhrase};
use std::path::PathBuf;

const OTHER: &str = "nine grey otters drum on the pontoon";

fn other() -> Passphrase {
    Passphrase::parse(OTHER.to_owned()).unwrap()
}

/// The next process of the same person.
fn fresh(person: &Person) -> Client {
    Client::open(Home::open(person.client.home().path()).unwrap(), Stage::options()).unwrap()
}

fn at(person: &Person, name: &str) -> PathBuf {
    person.client.home().path().join(name)
}

/// Somebody who wrote a phrase down when the keys were made.
async fn careful(stage: &Stage, phrase: &RecoveryPhrase) -> Client {
    let client = stage.stranger("home-careful", Stage::options());
    let me = address("careful");
    let code = stage.code(&client, &me).await;
    client.sign_in(&me, &code).await.unwrap();
    client.create_keys(&passphrase(), Some(phrase)).await.unwrap();
    client
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forgotten_passphrase_is_replaced_by_the_phrase() {
    let stage = Stage::new().await;
    let phrase = RecoveryPhrase::generate();
    let client = careful(&stage, &phrase).await;
    let before = client.unlock(&passphrase()).await.unwrap();
    assert!(client.has_recovery_phrase().unwrap());
    let wrong = client.recover(&RecoveryPhrase::generate(), &other()).unwrap_err();
    assert!(matches!(wrong, Error::WrongPhrase), "{wrong}");
    let weak = client.recover(&phrase, &Passphrase::parse("password1".into()).unwrap()).unwrap_err();
    assert!(matches!(weak, Error::PassphraseTooWeak), "{weak}");
    assert!(client.unlock(&passphrase()).await.is_ok(), "nothing was changed");
    client.recover(&phrase, &other()).unwrap();
    let after = client.unlock(&other()).await.unwrap();
    assert_eq!(after.root_id(), before.root_id());
    assert_eq!(after.vault_key(), before.vault_key());
    assert!(matches!(client.unlock(&passphrase()).await, Err(Error::WrongPassphrase)));
    client.recover(&phrase, &passphrase()).unwrap();
    assert!(client.unlock(&passphrase()).await.is_ok(), "the phrase stays good");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_phrase_can_be_made_later_and_replaced() {
    let stage = Stage::new().await;
    let alice = stage.person("alice").await;
    let (first, second) = (RecoveryPhrase::generate(), RecoveryPhrase::generate());
    assert!(!alice.client.has_recovery_phrase().unwrap());
    assert!(matches!(alice.client.recover(&first, &other()), Err(Error::NoPhrase)));
    alice.client.set_recovery_phrase(&alice.keys, &first).unwrap();
    alice.client.set_recovery_phrase(&alice.keys, &second).unwrap();
    assert!(alice.client.unlock(&passphrase()).await.is_ok(), "the passphrase stays");
    assert!(matches!(alice.client.recover(&first, &other()), Err(Error::WrongPhrase)));
    alice.client.recover(&second, &other()).unwrap();
    assert!(alice.client.unlock(&other()).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_passphrase_opens_and_the_old_one_only_old_copies() {
    let stage = Stage::new().await;
    let alice = stage.person("alice").await;
    let copy = std::fs::read(at(&alice, "vault.wxv")).unwrap();
    let weak = Passphrase::parse("password1".into()).unwrap();
    assert!(matches!(alice.client.change_passphrase(&alice.keys, &weak), Err(Error::PassphraseTooWeak)));
    alice.client.change_passphrase(&alice.keys, &other()).unwrap();
    assert!(matches!(alice.client.unlock(&passphrase()).await, Err(Error::WrongPassphrase)));
    assert!(alice.client.unlock(&other()).await.is_ok());
    assert!(alice.client.unlock_with_key(alice.keys.vault_key()).await.is_ok(), "an agent goes on");
    assert_eq!(std::fs::read(at(&alice, "vault.1.wxv")).unwrap(), copy, "the one before is kept beside it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_five_key_files_are_kept() {
    let stage = Stage::new().await;
    let alice = stage.person("alice").await;
    for _ in 0..8 {
        alice.client.set_recovery_phrase(&alice.keys, &RecoveryPhrase::generate()).unwrap();
    }
    let names = std::fs::read_dir(alice.client.home().path()).unwrap();
    let mut names: Vec<String> = names
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".wxv"))
        .collect();
    names.sort();
    let expected = ["vault.4.wxv", "vault.5.wxv", "vault.6.wxv", "vault.7.wxv", "vault.8.wxv", "vault.wxv"];
    assert_eq!(names, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_key_file_that_is_put_back_is_noticed_and_used_only_when_told_so() {
    let stage = Stage::new().await;
    let alice = stage.person("alice").await;
    alice.client.change_passphrase(&alice.keys, &other()).unwrap();
    std::fs::copy(at(&alice, "vault.1.wxv"), at(&alice, "vault.wxv")).unwrap();
    let client = fresh(&alice);
    let error = client.unlock(&passphrase()).await.unwrap_err();
    assert!(matches!(error, Error::OlderKeys { found: 1, newest: 2 }), "{error}");
    assert_eq!(error.class(), Class::Identity);
    assert!(error.hint().unwrap().contains("wax keys accept-older"));
    assert!(matches!(client.unlock_offline(&passphrase()), Err(Error::OlderKeys { .. })));
    assert!(matches!(client.unlock_with_key(alice.keys.vault_key()).await, Err(Error::OlderKeys { .. })));
    let change = client.change_passphrase(&alice.keys, &other());
    assert!(matches!(change, Err(Error::OlderKeys { .. })), "{change:?}");
    client.accept_older_keys().unwrap();
    let me = client.unlock(&passphrase()).await.unwrap();
    // The next one has a number that was never given before.
    client.change_passphrase(&me, &other()).unwrap();
    assert!(fresh(&alice).unlock(&other()).await.is_ok());
    assert!(!at(&alice, "vault.2.wxv").exists());
    std::fs::copy(at(&alice, "vault.1.wxv"), at(&alice, "vault.wxv")).unwrap();
    let again = fresh(&alice).unlock(&passphrase()).await;
    assert!(matches!(again, Err(Error::OlderKeys { found: 1, newest: 3 })), "accepting counts once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_that_another_process_changed_are_not_overwritten() {
    let stage = Stage::new().await;
    let alice = stage.person("alice").await;
    let stale = stage.again(&alice, Stage::options()).await;
    let me = alice.client.rotate(&alice.keys, &other(), None).await.unwrap();
    let vault = std::fs::read(at(&alice, "vault.wxv")).unwrap();
    let phrase = RecoveryPhrase::generate();
    let attempts = [
        stale.client.change_passphrase(&stale.keys, &passphrase()),
        stale.client.set_recovery_phrase(&stale.keys, &phrase),
        stale.client.rotate(&stale.keys, &passphrase(), None).await.map(drop),
        stale.client.rotate_encryption(&stale.keys).await.map(drop),
    ];
    for outcome in attempts {
        assert!(matches!(outcome, Err(Error::KeysChangedMeanwhile)), "{outcome:?}");
    }
    assert_eq!(std::fs::read(at(&alice, "vault.wxv")).unwrap(), vault);
    assert_eq!(alice.client.unlock(&other()).await.unwrap().root_id(), me.root_id());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn neither_phrase_nor_passphrase_stands_in_the_home() {
    let stage = Stage::new().await;
    let phrase = RecoveryPhrase::generate();
    let client = careful(&stage, &phrase).await;
    client.recover(&phrase, &other()).unwrap();
    let words = phrase.words();
    for entry in std::fs::read_dir(client.home().path()).unwrap() {
        let path = entry.unwrap().path();
        let Ok(bytes) = std::fs::read(&path) else { continue };
        let text = String::from_utf8_lossy(&bytes);
        for secret in [PASSPHRASE, OTHER, &words[..2].join(" ")] {
            assert!(!text.contains(secret), "{}", path.display());
        }
    }
}
