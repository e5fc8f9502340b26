//! Whose keys are whose: pins, hard stops, bundles handed over.

use crate::stage::{Answer, Exchange, Person, Proxy, Stage, address};
use client::{Class, Error, Trust};
use proto::{B64, LookupReply};
use std::sync::Mutex;

async fn two() -> (Stage, Person, Person) {
    let stage = Stage::new().await;
    let (alice, bob) = (stage.person("alice").await, stage.person("bob").await);
    (stage, alice, bob)
}

async fn via(stage: &Stage, person: &Person, proxy: &Proxy) {
    person.through(proxy);
    let code = stage.code(&person.client, &person.address).await;
    person.client.sign_in(&person.address, &code).await.unwrap();
}

/// A directory that shows these bytes as the keys of whoever is asked for.
async fn showing(stage: &Stage, bundle: Vec<u8>) -> Proxy {
    let bundle = Mutex::new(bundle);
    Proxy::start(
        stage,
        |_| Answer::Forward,
        move |exchange: &mut Exchange| {
            if exchange.path.ends_with("/directory/lookup") {
                let mut reply: LookupReply = serde_json::from_slice(&exchange.reply).unwrap();
                for person in &mut reply.people {
                    person.bundle = B64(bundle.lock().unwrap().clone());
                }
                exchange.reply = serde_json::to_vec(&reply).unwrap();
            }
        },
    )
    .await
}

/// A bundle that another person under the same address has published elsewhere.
async fn impostor(name: &str) -> Vec<u8> {
    Stage::new().await.person(name).await.client.own_bundle().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_contact_is_pinned_and_both_see_the_same_number() {
    let (_stage, alice, bob) = two().await;
    let id = alice.send(&alice.file("a", b"1"), &bob).await.unwrap().file_id;
    let contact = &alice.client.contacts().unwrap()[0];
    assert_eq!(
        (&contact.address, contact.root_id, contact.verified),
        (&bob.address, bob.keys.root_id(), false)
    );
    assert_eq!(bob.receive(id).await.unwrap().sender.trust, Trust::FirstContact);
    let numbers = (
        alice.client.safety_number(&bob.address).unwrap(),
        bob.client.safety_number(&alice.address).unwrap(),
    );
    assert_eq!(numbers.0, numbers.1);
    assert!(bob.client.verify_contact(&alice.address).unwrap().verified);
    let id = alice.send(&alice.file("b", b"2"), &bob).await.unwrap().file_id;
    assert_eq!(bob.receive(id).await.unwrap().sender.trust, Trust::Verified);
    assert!(bob.client.forget_contact(&alice.address).unwrap());
    assert!(!bob.client.forget_contact(&alice.address).unwrap());
    assert!(matches!(bob.client.safety_number(&alice.address), Err(Error::UnknownContact(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_recipient_is_named_and_nothing_is_sent() {
    let (_stage, alice, bob) = two().await;
    let nobody = address("nobody");
    let request = client::SendRequest::file(alice.file("a", b"1"), vec![bob.address.clone(), nobody.clone()]);
    let error = alice.send_request(request).await.unwrap_err();
    assert!(matches!(&error, Error::UnknownRecipients(who) if *who == [nobody]), "{error}");
    assert!(error.to_string().contains("nobody@people.example"));
    assert!(alice.client.uploads().unwrap().is_empty());
    assert!(alice.client.contacts().unwrap().is_empty(), "nobody is pinned by a request that failed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changed_keys_are_a_hard_stop_until_the_new_number_is_read_out() {
    let (stage, alice, bob) = two().await;
    alice.client.lookup(std::slice::from_ref(&bob.address)).await.unwrap();
    let known = alice.client.safety_number(&bob.address).unwrap();
    let proxy = showing(&stage, impostor("bob").await).await;
    via(&stage, &alice, &proxy).await;
    let path = alice.file("a", b"secret");
    let error = alice.send(&path, &bob).await.unwrap_err();
    assert_eq!(error.class(), Class::Identity);
    let Error::IdentityChanged(change) = &error else { panic!("{error}") };
    assert_eq!((&change.address, change.old), (&bob.address, known));
    assert_ne!(change.old, change.new);
    let hint = error.hint().unwrap();
    assert!(hint.contains(&change.old.to_string()) && hint.contains(&change.new.to_string()), "{hint}");
    assert!(alice.client.uploads().unwrap().is_empty());
    assert_eq!(alice.client.safety_number(&bob.address).unwrap(), known, "the pin stays");

    let refused = alice.client.accept_new_identity(&bob.address, &known.to_string()).await;
    assert!(matches!(refused, Err(Error::SafetyNumberDiffers)));
    let typed = change.new.to_string().replace(' ', "");
    let accepted = alice.client.accept_new_identity(&bob.address, &typed).await.unwrap();
    assert!(!accepted.verified);
    assert_eq!(accepted.previous, [bob.keys.root_id()]);
    assert_eq!(alice.client.safety_number(&bob.address).unwrap(), change.new);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_of_another_address_and_forged_ones_are_refused_even_at_first_contact() {
    let (stage, alice, bob) = two().await;
    let carol = stage.person("carol").await;
    let mut flipped = bob.client.own_bundle().unwrap();
    flipped[60] ^= 1;
    for shown in [carol.client.own_bundle().unwrap(), flipped, b"nonsense".to_vec()] {
        let proxy = showing(&stage, shown).await;
        via(&stage, &alice, &proxy).await;
        let error = alice.send(&alice.file("a", b"1"), &bob).await.unwrap_err();
        assert!(matches!(error, Error::IdentityNotGenuine(_)), "{error}");
        assert!(alice.client.contacts().unwrap().is_empty());
    }
    // The honest twin.
    alice.client.configure_server(stage.url(), Some(stage.ca())).unwrap();
    let code = stage.code(&alice.client, &alice.address).await;
    alice.client.sign_in(&alice.address, &code).await.unwrap();
    alice.send(&alice.file("a", b"1"), &bob).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bundles_handed_over_make_the_first_contact_a_known_one() {
    let (stage, alice, bob) = two().await;
    let imported = alice.client.contacts_import(&bob.client.own_bundle().unwrap(), &bob.address).unwrap();
    assert!(imported.contact.first_contact);
    bob.client.contacts_import(&alice.client.own_bundle().unwrap(), &alice.address).unwrap();
    assert_eq!(imported.safety_number, Some(bob.client.safety_number(&alice.address).unwrap()));
    let again = alice.client.contacts_import(&bob.client.own_bundle().unwrap(), &bob.address).unwrap();
    assert!(!again.contact.first_contact);
    let id = alice.send(&alice.file("a", b"1"), &bob).await.unwrap().file_id;
    assert_eq!(bob.receive(id).await.unwrap().sender.trust, Trust::Pinned);

    let wrong = alice.client.contacts_import(&bob.client.own_bundle().unwrap(), &address("carol"));
    assert!(matches!(wrong, Err(Error::BundleNotGenuine)));
    let changed = alice.client.contacts_import(&impostor("bob").await, &bob.address);
    assert!(matches!(changed, Err(Error::IdentityChanged(_))), "{changed:?}");
    let own = alice.client.contacts_import(&alice.client.own_bundle().unwrap(), &alice.address);
    assert!(matches!(own, Err(Error::OwnAddress)));
    // A server that shows an impostor to somebody who imported is found out at the very first file.
    let proxy = showing(&stage, impostor("bob").await).await;
    via(&stage, &alice, &proxy).await;
    let error = alice.send(&alice.file("b", b"2"), &bob).await.unwrap_err();
    assert!(matches!(error, Error::IdentityChanged(_)), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_shows_other_keys_as_ones_own_is_found_out() {
    let (stage, alice, _bob) = two().await;
    let other = impostor("alice").await;
    let proxy = Proxy::start(
        &stage,
        |_| Answer::Forward,
        move |exchange| {
            if exchange.method == "GET" && exchange.path.ends_with("/directory/me") {
                exchange.reply =
                    serde_json::to_vec(&proto::PublishBundle { bundle: B64(other.clone()) }).unwrap();
            }
        },
    )
    .await;
    via(&stage, &alice, &proxy).await;
    let error = alice.client.unlock(&crate::stage::passphrase()).await.unwrap_err();
    assert!(matches!(error, Error::OwnKeysDiffer), "{error}");
}
