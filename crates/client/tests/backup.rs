//! Keys that come back from the server to a new device, and servers that hand out something else.

use crate::stage::{Answer, Exchange, PASSPHRASE, Person, Proxy, Stage, passphrase};
use client::{
    BackupState, Class, Client, Error, KeysState, Passphrase, RecoveryPhrase, RestoreWith, SendRequest,
    Target,
};
use proto::{B64, PublishBundle, VaultReply, paths};

fn other() -> Passphrase {
    Passphrase::parse("violet-anchor-meadow-tundra-42".into()).unwrap()
}

/// A new device of the same person, signed in and without keys.
async fn device(stage: &Stage, person: &Person, home: &str) -> Client {
    let client = stage.stranger(home, Stage::options());
    let code = stage.code(&client, &person.address).await;
    client.sign_in(&person.address, &code).await.unwrap();
    client
}

/// The same behind a server that changes what it says.
async fn lied_to(
    stage: &Stage,
    person: &Person,
    home: &str,
    lie: impl Fn(&mut Exchange) + Send + Sync + 'static,
) -> (Client, Proxy) {
    let proxy = Proxy::start(stage, |_| Answer::Forward, lie).await;
    let client = stage.stranger(home, Stage::options());
    client.configure_server(proxy.url(), Some(proxy.ca())).unwrap();
    let code = stage.code(&client, &person.address).await;
    client.sign_in(&person.address, &code).await.unwrap();
    (client, proxy)
}

fn in_vault(
    change: impl Fn(&mut VaultReply) + Send + Sync + 'static,
) -> impl Fn(&mut Exchange) + Send + Sync {
    move |exchange| {
        if exchange.path == paths::VAULT && exchange.status == 200 {
            let mut reply: VaultReply = serde_json::from_slice(&exchange.reply).unwrap();
            change(&mut reply);
            exchange.reply = serde_json::to_vec(&reply).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_lost_device_the_passphrase_brings_keys_and_files_back() {
    let stage = Stage::new().await;
    let (alice, bob) = (stage.person("alice").await, stage.person("bob").await);
    let path = bob.file("letter", b"for Alice");
    let sent = bob.send_request(SendRequest::file(path, vec![alice.address.clone()])).await.unwrap();
    assert_eq!(alice.client.backup_state().unwrap(), BackupState::None);
    alice.client.back_up_keys(&alice.keys, &passphrase()).await.unwrap();
    alice.client.back_up_keys(&alice.keys, &passphrase()).await.unwrap();
    assert_eq!(alice.client.backup_state().unwrap(), BackupState::Current);
    let laptop = device(&stage, &alice, "new laptop").await;
    let wrong = laptop.restore_keys(&RestoreWith::Passphrase(&other())).await.unwrap_err();
    assert!(matches!(wrong, Error::WrongPassphrase), "{wrong}");
    assert_eq!(laptop.keys_state().unwrap(), KeysState::None);
    let me = laptop.restore_keys(&RestoreWith::Passphrase(&passphrase())).await.unwrap();
    assert_eq!(me.root_id(), alice.keys.root_id());
    assert_eq!(laptop.backup_state().unwrap(), BackupState::Current);
    let target = Target::directory(&alice.folder);
    let got =
        laptop.receive(&me, sent.file_id, target, &client::Quiet, &client::Cancel::new()).await.unwrap();
    assert_eq!(std::fs::read(got.path.unwrap()).unwrap(), b"for Alice");
    let again = laptop.restore_keys(&RestoreWith::Passphrase(&passphrase())).await.unwrap_err();
    assert!(matches!(again, Error::KeysExist), "{again}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_the_passphrase_forgotten_too_the_phrase_brings_them_back_under_a_new_one() {
    let stage = Stage::new().await;
    let alice = stage.person("alice").await;
    let phrase = RecoveryPhrase::generate();
    alice.client.set_recovery_phrase(&alice.keys, &phrase).unwrap();
    alice.client.back_up_keys(&alice.keys, &passphrase()).await.unwrap();
    let laptop = device(&stage, &alice, "new laptop").await;
    let (stranger, new) = (RecoveryPhrase::generate(), other());
    let wrong = laptop.restore_keys(&RestoreWith::Phrase(&stranger, &new)).await.unwrap_err();
    assert!(matches!(wrong, Error::WrongPhrase), "{wrong}");
    let me = laptop.restore_keys(&RestoreWith::Phrase(&phrase, &new)).await.unwrap();
    assert_eq!(me.root_id(), alice.keys.root_id());
    assert!(matches!(laptop.unlock(&passphrase()).await, Err(Error::WrongPassphrase)));
    laptop.unlock(&new).await.unwrap();
    assert_eq!(
        laptop.backup_state().unwrap(),
        BackupState::Outdated,
        "it opens with the forgotten passphrase"
    );
    laptop.back_up_keys(&me, &new).await.unwrap();
    assert_eq!(laptop.backup_state().unwrap(), BackupState::Current);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_passphrase_that_could_be_guessed_keeps_the_key_file_at_home() {
    let stage = Stage::new().await;
    let alice = stage.person("alice").await;
    let fair = Passphrase::parse("heron harbour".into()).unwrap();
    assert!(client::strength(&fair) < client::strength(&passphrase()), "{PASSPHRASE}");
    alice.client.change_passphrase(&alice.keys, &fair).unwrap();
    let me = alice.client.unlock(&fair).await.unwrap();
    let error = alice.client.back_up_keys(&me, &fair).await.unwrap_err();
    assert!(matches!(error, Error::PassphraseTooWeak), "{error}");
    let error = alice.client.back_up_keys(&me, &other()).await.unwrap_err();
    assert!(matches!(error, Error::WrongPassphrase), "another passphrase says nothing of this one: {error}");
    let laptop = device(&stage, &alice, "new laptop").await;
    let error = laptop.restore_keys(&RestoreWith::Passphrase(&fair)).await.unwrap_err();
    assert_eq!(error.class(), Class::NotFound, "nothing was sent");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_of_before_a_rotation_is_refused_and_a_renewed_one_restores() {
    let stage = Stage::new().await;
    let alice = stage.person("alice").await;
    alice.client.back_up_keys(&alice.keys, &passphrase()).await.unwrap();
    let me = alice.client.rotate(&alice.keys, &other(), None).await.unwrap();
    assert_eq!(alice.client.backup_state().unwrap(), BackupState::Outdated);
    let laptop = device(&stage, &alice, "new laptop").await;
    let error = laptop.restore_keys(&RestoreWith::Passphrase(&passphrase())).await.unwrap_err();
    assert!(matches!(error, Error::OwnKeysDiffer), "{error}");
    assert_eq!(laptop.keys_state().unwrap(), KeysState::None, "nothing of it is here");
    alice.client.back_up_keys(&me, &other()).await.unwrap();
    let restored = laptop.restore_keys(&RestoreWith::Passphrase(&other())).await.unwrap();
    assert_eq!(restored.root_id(), me.root_id());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_hands_out_another_key_file_is_refused() {
    let stage = Stage::new().await;
    let (alice, mallory) = (stage.person("alice").await, stage.person("mallory").await);
    alice.client.back_up_keys(&alice.keys, &passphrase()).await.unwrap();
    // Mallory uses the very same passphrase: what opens is not yet one's own.
    let foreign = std::fs::read(mallory.client.home().path().join("vault.wxv")).unwrap();
    let whole = foreign.clone();
    let (laptop, _proxy) =
        lied_to(&stage, &alice, "laptop 1", in_vault(move |reply| reply.vault = B64(whole.clone()))).await;
    let error = laptop.restore_keys(&RestoreWith::Passphrase(&passphrase())).await.unwrap_err();
    assert!(matches!(error, Error::OtherAccount), "{error}");
    assert_eq!(laptop.keys_state().unwrap(), KeysState::None);
    for (n, at) in [8, 26, 40, 100, 250].into_iter().enumerate() {
        let flip = in_vault(move |reply| reply.vault.0[at] ^= 1);
        let (laptop, _proxy) = lied_to(&stage, &alice, &format!("flipped {n}"), flip).await;
        laptop.restore_keys(&RestoreWith::Passphrase(&passphrase())).await.unwrap_err();
        assert_eq!(laptop.keys_state().unwrap(), KeysState::None, "byte {at}");
    }
    let bundle = mallory.client.own_bundle().unwrap();
    let shown = move |exchange: &mut Exchange| {
        if exchange.path == paths::MY_BUNDLE && exchange.method == "GET" {
            exchange.reply = serde_json::to_vec(&PublishBundle { bundle: B64(bundle.clone()) }).unwrap();
        }
    };
    let (laptop, _proxy) = lied_to(&stage, &alice, "other keys shown", shown).await;
    let error = laptop.restore_keys(&RestoreWith::Passphrase(&passphrase())).await.unwrap_err();
    assert!(matches!(error, Error::OwnKeysDiffer), "{error}");
    assert_eq!(laptop.keys_state().unwrap(), KeysState::None);
    let honest = device(&stage, &alice, "honest").await;
    honest.restore_keys(&RestoreWith::Passphrase(&passphrase())).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removed_backup_is_gone() {
    let stage = Stage::new().await;
    let alice = stage.person("alice").await;
    assert!(!alice.client.remove_backup(&alice.keys).await.unwrap());
    alice.client.back_up_keys(&alice.keys, &passphrase()).await.unwrap();
    assert!(alice.client.remove_backup(&alice.keys).await.unwrap());
    assert_eq!(alice.client.backup_state().unwrap(), BackupState::None);
    let laptop = device(&stage, &alice, "new laptop").await;
    let error = laptop.restore_keys(&RestoreWith::Passphrase(&passphrase())).await.unwrap_err();
    assert!(matches!(error, Error::NotFound), "{error}");
}
