//! Letters about files that others shared: one for many, none for whoever does not want them, one of all servers.

use proto::{Notify, paths};
use reqwest::{Method, StatusCode};
use serde_json::json;
use server::Notice;

use crate::stage::sealed::alice_and_bob;
use crate::stage::server::send;
use crate::stage::{Parcel, Person, Stage};

const SHARED: Notice = Notice::Files { shared: true, arrived: false };

/// Runs the jobs until a letter is there; they are sent in the background.
async fn letters(stage: &Stage, many: usize) -> Vec<(String, Notice)> {
    while stage.mail.notices().len() < many {
        stage.run_jobs().await;
        tokio::task::yield_now().await;
    }
    stage.mail.notices()
}

async fn set(stage: &Stage, who: &Person, mail: bool) {
    let request = stage.request(Method::PUT, paths::NOTIFY).bearer_auth(&who.token);
    assert_eq!(send(request.json(&json!({ "mail": mail }))).await.status, StatusCode::NO_CONTENT);
    assert_eq!(who.get(stage, paths::NOTIFY).await.json::<Notify>(), Notify { mail });
}

#[tokio::test(flavor = "multi_thread")]
async fn many_shared_files_are_one_letter_of_all_servers_and_none_to_the_sender() {
    let (stage, alice, bob) = alice_and_bob().await;
    let others = [stage.beside().await, stage.beside().await];
    for _ in 0..3 {
        Parcel::new(5_000).send(&stage, &alice, &[&bob]).await;
    }
    stage.run_jobs().await;
    assert_eq!(stage.mail.notices(), [], "it waits for more");
    stage.later(60);
    for server in &others {
        server.run_jobs().await.unwrap();
    }
    let one = [(bob.address.clone(), SHARED)];
    assert_eq!(letters(&stage, 1).await, one);
    Parcel::new(5_000).send(&stage, &alice, &[&bob]).await;
    stage.later(3_500);
    for server in &others {
        server.run_jobs().await.unwrap();
    }
    stage.run_jobs().await;
    assert_eq!(stage.mail.notices(), one, "not twice in an hour");
    stage.later(100);
    assert_eq!(letters(&stage, 2).await[1..], one);
    for server in others {
        server.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_wants_no_letters_gets_none() {
    let (stage, alice, bob) = alice_and_bob().await;
    let carol = Person::with_bundle(&stage, "carol@wax.example").await;
    assert_eq!(bob.get(&stage, paths::NOTIFY).await.json::<Notify>(), Notify { mail: true }, "by default");
    set(&stage, &bob, false).await;
    Parcel::new(5_000).send(&stage, &alice, &[&bob, &carol]).await;
    stage.later(60);
    assert_eq!(letters(&stage, 1).await, [(carol.address.clone(), SHARED)]);
    set(&stage, &bob, true).await;
    Parcel::new(5_000).send(&stage, &alice, &[&bob]).await;
    stage.later(60);
    assert_eq!(letters(&stage, 2).await[1], (bob.address.clone(), SHARED));
}
