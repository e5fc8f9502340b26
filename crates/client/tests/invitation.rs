//! Invitations: the first contact without having to trust the server.

use crate::stage::{Answer, Exchange, Proxy, Stage, passphrase};
use client::{Class, Error, Trust};
use proto::{B64, Chain};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_invited_has_verified_keys_from_the_first_file_on() {
    let stage = Stage::new().await;
    let (alice, bob) = (stage.person("alice").await, stage.person("bob").await);
    let link = alice.client.invitation().unwrap();
    assert!(link.starts_with(stage.url()) && link.contains("#1."), "{link}");
    let contact = bob.client.accept_invitation(&link).await.unwrap();
    assert!(contact.verified && contact.first_contact);
    assert_eq!((&contact.address, contact.root_id), (&alice.address, alice.keys.root_id()));
    let sent = alice.send(&alice.file("a", b"1"), &bob).await.unwrap();
    assert_eq!(bob.receive(sent.file_id).await.unwrap().sender.trust, Trust::Verified);
    assert!(!bob.client.accept_invitation(&link).await.unwrap().first_contact, "once more changes nothing");
    let own = alice.client.accept_invitation(&link).await.unwrap_err();
    assert!(matches!(own, Error::OwnAddress), "{own}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invitation_of_before_a_rotation_leads_to_the_keys_of_now() {
    let stage = Stage::new().await;
    let (alice, bob) = (stage.person("alice").await, stage.person("bob").await);
    let link = alice.client.invitation().unwrap();
    let rotated = alice.client.rotate(&alice.keys, &passphrase(), None).await.unwrap();
    let contact = bob.client.accept_invitation(&link).await.unwrap();
    assert_eq!(contact.root_id, rotated.root_id());
    assert!(contact.verified);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_shows_other_keys_than_the_invitation_names_is_refused() {
    let stage = Stage::new().await;
    let (alice, bob) = (stage.person("alice").await, stage.person("bob").await);
    let link = alice.client.invitation().unwrap();
    let forged = Stage::new().await.person("alice").await.client.own_bundle().unwrap();
    let lie = move |exchange: &mut Exchange| {
        if exchange.path.contains("/chain") && exchange.status == 200 {
            let mut reply: Chain = serde_json::from_slice(&exchange.reply).unwrap();
            reply.bundles = vec![B64(forged.clone())];
            exchange.reply = serde_json::to_vec(&reply).unwrap();
        }
    };
    let proxy = Proxy::start(&stage, |_| Answer::Forward, lie).await;
    bob.through(&proxy);
    let code = stage.code(&bob.client, &bob.address).await;
    bob.client.sign_in(&bob.address, &code).await.unwrap();
    let by_proxy = link.replace(stage.url(), proxy.url());
    let error = bob.client.accept_invitation(&by_proxy).await.unwrap_err();
    assert!(matches!(error, Error::InvitationDiffers), "{error}");
    assert_eq!(error.class(), Class::Identity);
    assert_eq!(bob.client.contacts().unwrap(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invitation_to_another_server_is_refused_before_anybody_is_asked() {
    let stage = Stage::new().await;
    let (alice, bob) = (stage.person("alice").await, stage.person("bob").await);
    let link = alice.client.invitation().unwrap();
    for wrong in [link.replace("localhost", "elsewhere.example"), link.replace('#', "?"), "hello".to_owned()]
    {
        let error = bob.client.accept_invitation(&wrong).await.unwrap_err();
        assert!(matches!(error, Error::BadInvitation), "{error}");
    }
}
