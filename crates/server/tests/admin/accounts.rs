//! Suspension, quotas, invitations, sessions.

use proto::{Code, SessionList, WhoAmI, paths};
use reqwest::{Method, StatusCode};
use serde_json::json;
use server::admin::{AdminError, Who};

use super::users;
use crate::stage::sealed::{MIB, alice_and_bob};
use crate::stage::server::send;
use crate::stage::{Parcel, Person, Stage};

fn who(text: &str) -> Who {
    text.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_person_is_out_at_once_on_every_server_and_learns_why() {
    let (stage, alice, bob) = alice_and_bob().await;
    let session = stage.sign_in(&alice.address).await;
    let beside = stage.beside().await;
    let (users, there) = (users(&stage).await, beside.url());
    let elsewhere = async |path: &str| {
        send(stage.client().request(Method::GET, format!("{there}{path}")).bearer_auth(&alice.token)).await
    };
    assert_eq!(elsewhere(paths::WHOAMI).await.status, StatusCode::OK);
    assert_eq!(users.suspend(&who(&alice.address)).await.unwrap(), Some(2));
    assert_eq!(users.suspend(&Who::Id(alice.user)).await.unwrap(), None);
    for path in [paths::WHOAMI, paths::FILES, paths::SESSIONS, paths::ACTIVITY, paths::UPLOADS] {
        let here = alice.get(&stage, path).await.refusal();
        assert_eq!((here.code, here.status), (Code::Suspended, 403), "{path}");
        assert!(here.detail.contains("Nothing was deleted"), "{}", here.detail);
        assert_eq!(elsewhere(path).await.code(), Code::Suspended, "{path}");
    }
    let refresh = json!({ "refresh_token": session.refresh_token.expose_secret() });
    assert_eq!(stage.post(paths::REFRESH, &refresh).await.code(), Code::SignInNeeded);
    let code = stage.code_for(&alice.address).await;
    assert_eq!(stage.redeem(&alice.address, "000000").await.code(), Code::CodeRejected, "as to anybody");
    assert_eq!(stage.redeem(&alice.address, &code).await.code(), Code::Suspended);
    assert_eq!(bob.get(&stage, paths::WHOAMI).await.status, StatusCode::OK);
    assert!(users.reinstate(&who(&alice.address)).await.unwrap());
    assert_eq!(alice.get(&stage, paths::WHOAMI).await.code(), Code::SignInNeeded, "what ended stays ended");
    let code = stage.code_for(&alice.address).await;
    assert_eq!(stage.redeem(&alice.address, &code).await.status, StatusCode::OK);
    users.close().await;
    beside.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn asking_for_a_code_tells_nobody_who_is_suspended_or_invited() {
    let stage =
        Stage::with(|config| config.signup.signup = Some("domains:wax.example".parse().unwrap())).await;
    Person::new(&stage, "alice@wax.example").await;
    let users = users(&stage).await;
    users.suspend(&who("alice@wax.example")).await.unwrap();
    let invited = envelope::Address::parse("carol@elsewhere.example").unwrap();
    users.invite(&invited, 30, None).await.unwrap();
    let mut seen = Vec::new();
    for address in
        ["alice@wax.example", "new@wax.example", "carol@elsewhere.example", "stranger@elsewhere.example"]
    {
        let reply = stage.post(paths::CODE, &json!({ "email": address })).await;
        assert_eq!(reply.status, StatusCode::NO_CONTENT);
        let mut names: Vec<_> = reply.headers.keys().map(ToString::to_string).collect();
        names.sort();
        seen.push((names, reply.body));
    }
    assert!(seen.windows(2).all(|pair| pair[0] == pair[1]), "{seen:?}");
    users.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_a_suspended_person_stay_for_their_recipients_and_not_for_them() {
    let (stage, alice, bob) = alice_and_bob().await;
    let parcel = Parcel::new(MIB + 100);
    parcel.send(&stage, &alice, &[&bob]).await;
    let (own, bobs) = (parcel.ticket(&stage, &alice).await, parcel.ticket(&stage, &bob).await);
    let users = users(&stage).await;
    users.suspend(&who(&alice.address)).await.unwrap();
    let path = paths::fill(paths::CONTENT, &[&parcel.file_id, &0]);
    assert_eq!(parcel.content(&stage, &own, &path, None).await.code(), Code::Suspended);
    assert_eq!(parcel.content(&stage, &bobs, &path, None).await.body, parcel.part(0));
    assert_eq!(bob.get(&stage, &parcel.file_path()).await.status, StatusCode::OK);
    stage.run_jobs().await;
    assert_eq!(stage.stored_files(), 3, "nothing was deleted");
    users.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_of_ones_own_is_shown_and_judged_at_begin() {
    let (stage, alice, bob) = alice_and_bob().await;
    let users = users(&stage).await;
    assert!(users.set_quota(&who(&alice.address), Some(MIB)).await.unwrap());
    assert!(!users.set_quota(&who(&alice.address), Some(MIB)).await.unwrap());
    let me: WhoAmI = alice.get(&stage, paths::WHOAMI).await.json();
    assert_eq!(me.quota_bytes, MIB);
    let parcel = Parcel::new(MIB + 1_000);
    let refused = alice.post(&stage, paths::UPLOADS, &parcel.begin_request()).await.refusal();
    assert_eq!(refused.code, Code::QuotaExceeded);
    assert!(refused.detail.contains(&MIB.to_string()), "{}", refused.detail);
    Parcel::new(MIB + 1_000).begin(&stage, &bob).await;
    assert!(users.set_quota(&who(&alice.address), None).await.unwrap());
    parcel.begin(&stage, &alice).await;
    let listed = users.list().await.unwrap();
    assert!(listed.iter().all(|user| user.quota_bytes.is_none() && user.suspended.is_none()));
    users.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_invited_signs_up_once_where_nobody_else_may() {
    let stage = Stage::with(|config| config.signup.signup = Some("invite".parse().unwrap())).await;
    let users = users(&stage).await;
    let address = |text: &str| envelope::Address::parse(text).unwrap();
    let (carol, dave) = (address("carol@wax.example"), address("dave@wax.example"));
    users.invite(&carol, 30, None).await.unwrap();
    users.invite(&dave, 30, None).await.unwrap();
    assert_eq!(users.invitations().await.unwrap().len(), 2);
    let code = stage.code_for("dave@wax.example").await;
    assert!(users.withdraw(&dave).await.unwrap());
    assert_eq!(
        stage.redeem("dave@wax.example", &code).await.code(),
        Code::SignupClosed,
        "withdrawn meanwhile"
    );
    stage.sign_in("carol@wax.example").await;
    assert!(users.invitations().await.unwrap().is_empty());
    assert!(matches!(users.invite(&carol, 30, None).await, Err(AdminError::HasAccount(_))));
    stage.sign_in("carol@wax.example").await;
    users.invite(&dave, 1, None).await.unwrap();
    stage.later(86_400);
    stage.post(paths::CODE, &json!({ "email": "dave@wax.example" })).await;
    assert_eq!(stage.mail.codes_for("dave@wax.example").len(), 1, "the invitation has lapsed");
    users.close().await;
    // What rests of an invitation names nobody.
    assert!(!stage.database_holds(b"dave"), "an invited address rests in clear");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_session_is_ended_by_its_id_and_its_owner_sees_that() {
    let (stage, alice, bob) = alice_and_bob().await;
    let users = users(&stage).await;
    let all = users.sessions(None).await.unwrap();
    assert_eq!(all.len(), 2);
    let own = users.sessions(Some(&who(&alice.address))).await.unwrap();
    assert_eq!((own.len(), own[0].user), (1, alice.user));
    assert!(users.end_session(own[0].id).await.unwrap());
    assert!(!users.end_session(own[0].id).await.unwrap());
    assert_eq!(alice.get(&stage, paths::WHOAMI).await.code(), Code::SignInNeeded);
    let bobs: SessionList = bob.get(&stage, paths::SESSIONS).await.json();
    assert_eq!(bobs.sessions.len(), 1);
    let again = Person { token: Person::new(&stage, &alice.address).await.token, ..alice };
    let activity: proto::ActivityPage = again.get(&stage, paths::ACTIVITY).await.json();
    assert!(activity.events.iter().any(|event| event.kind == "session_ended_by_operator"));
    users.close().await;
}
