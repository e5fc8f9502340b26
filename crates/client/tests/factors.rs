//! The second factor and the list of sessions, from the client's side.

use crate::stage::{Person, Stage, address};
use client::{Class, Error, Offered, SignIn};
use server::Clock as _;
use totp_rs::{Builder, Secret};

/// What an app with this secret shows so many steps from now.
fn shown(stage: &Stage, offered: &Offered, steps: i64) -> String {
    let secret = Secret::try_from_base32(offered.secret.expose_secret()).unwrap();
    let app = Builder::new().with_secret(secret).build().unwrap();
    app.generate(u64::try_from(stage.clock.now() + steps * 30).unwrap()).to_string()
}

async fn enrol(stage: &Stage, person: &Person) -> (Offered, Vec<client::Token>) {
    let offered = person.client.offer_second_factor(Some(&person.keys)).await.unwrap();
    let codes = person.client.confirm_second_factor(&shown(stage, &offered, 0)).await.unwrap();
    (offered, codes)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_an_app_a_sign_in_takes_two_steps() {
    let stage = Stage::new().await;
    let alice = stage.person("alice").await;
    let (offered, codes) = enrol(&stage, &alice).await;
    assert_eq!(codes.len(), 10);
    let me = alice.client.whoami().await.unwrap();
    assert_eq!((me.second_factor, me.backup_codes_left, me.second_factor_demanded), (true, 10, false));
    stage.clock.advance(60);
    let code = stage.code(&alice.client, &alice.address).await;
    let SignIn::SecondFactor(half) = alice.client.sign_in(&alice.address, &code).await.unwrap() else {
        panic!("the mailbox was enough")
    };
    let right = shown(&stage, &offered, 0);
    let wrong = if right == "000000" { "000001" } else { "000000" };
    let error = alice.client.show_second_factor(&half, wrong).await.unwrap_err();
    assert!(matches!(error, Error::CodeRejected), "{error}");
    let signed_in = alice.client.show_second_factor(&half, &right).await.unwrap();
    assert_eq!(signed_in.user_id, alice.keys.user_id());
    assert_eq!(alice.client.signed_in().unwrap().unwrap().address, alice.address);
    let sessions = alice.client.sessions().await.unwrap();
    let own = sessions.iter().find(|one| one.current).unwrap();
    assert!(own.second_factor && own.client.starts_with("wax/"));
    alice.client.remove_second_factor(Some(&alice.keys)).await.unwrap();
    let code = stage.code(&alice.client, &alice.address).await;
    assert!(matches!(alice.client.sign_in(&alice.address, &code).await.unwrap(), SignIn::Done(_)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_the_factor_without_the_root_key_is_refused() {
    let stage = Stage::new().await;
    let (alice, bob) = (stage.person("alice").await, stage.person("bob").await);
    let error = alice.client.offer_second_factor(None).await.unwrap_err();
    assert_eq!(error.code(), Some(proto::Code::ProofNeeded));
    let error = alice.client.offer_second_factor(Some(&bob.keys)).await.unwrap_err();
    assert_eq!((error.code(), error.class()), (Some(proto::Code::ProofNeeded), Class::Refused));
    enrol(&stage, &alice).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_elsewhere_are_ended_from_here() {
    let stage = Stage::new().await;
    let alice = stage.person("alice").await;
    let elsewhere = stage.stranger("another home", Stage::options());
    let code = stage.code(&elsewhere, &address("alice")).await;
    elsewhere.sign_in(&address("alice"), &code).await.unwrap();
    let sessions = alice.client.sessions().await.unwrap();
    assert_eq!(sessions.len(), 2);
    let other = sessions.iter().find(|one| !one.current).unwrap();
    alice.client.end_session(&other.id).await.unwrap();
    assert!(matches!(elsewhere.whoami().await, Err(Error::SessionEnded)));
    for id in [other.id.as_str(), "../whoami"] {
        assert!(matches!(alice.client.end_session(id).await, Err(Error::NotFound)), "{id}");
    }
    assert_eq!(alice.client.end_other_sessions().await.unwrap(), 0);
    alice.client.whoami().await.unwrap();
}
