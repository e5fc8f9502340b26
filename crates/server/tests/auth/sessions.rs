//! `GET /auth/sessions`, and how sessions are ended.

use proto::{Code, SessionList, SessionReply, SessionsEnded, WhoAmI, headers, paths};
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::stage::server::send;
use crate::stage::{Person, Stage};

async fn sign_in_as(stage: &Stage, address: &str, client: &str) -> SessionReply {
    let code = stage.code_for(address).await;
    let body = json!({ "email": address, "code": code });
    let request = stage.request(Method::POST, paths::SESSION).header(headers::CLIENT, client).json(&body);
    send(request).await.json()
}

async fn call(stage: &Stage, session: &SessionReply, method: Method, path: &str) -> crate::stage::Reply {
    let request = stage.request(method, path).bearer_auth(session.access_token.expose_secret());
    send(request.json(&json!({}))).await
}

async fn list(stage: &Stage, session: &SessionReply) -> SessionList {
    call(stage, session, Method::GET, paths::SESSIONS).await.json()
}

#[tokio::test(flavor = "multi_thread")]
async fn people_see_where_they_are_signed_in() {
    let stage = Stage::new().await;
    let laptop = sign_in_as(&stage, "a@wax.example", "wax/9.1 (laptop)").await;
    stage.later(60);
    let phone = sign_in_as(&stage, "a@wax.example", "app\t").await;
    stage.sign_in("b@wax.example").await;
    let seen = list(&stage, &laptop).await.sessions;
    let names: Vec<&str> = seen.iter().map(|one| one.client.as_str()).collect();
    assert_eq!(names, ["app", "wax/9.1 (laptop)"], "the last used first, printable, and nobody else's");
    assert_eq!(seen.iter().map(|one| one.current).collect::<Vec<_>>(), [false, true]);
    assert_eq!(seen[1].created, stage.now() - 60);
    stage.later(60);
    let body = json!({ "refresh_token": laptop.refresh_token.expose_secret() });
    stage.post(paths::REFRESH, &body).await.json::<SessionReply>();
    let seen = list(&stage, &phone).await.sessions;
    assert_eq!((seen[0].client.as_str(), seen[0].last_used), ("wax/9.1 (laptop)", stage.now()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_ended_from_another_device_at_once() {
    let stage = Stage::new().await;
    let stolen = stage.sign_in("a@wax.example").await;
    stage.later(1);
    let own = stage.sign_in("a@wax.example").await;
    let id = list(&stage, &own).await.sessions.into_iter().find(|one| !one.current).unwrap().id;
    let path = paths::fill(paths::ONE_SESSION, &[&id]);
    let stranger = Person::new(&stage, "b@wax.example").await;
    assert_eq!(stranger.delete(&stage, &path).await.code(), Code::NotFound, "not theirs to end");
    call(&stage, &stolen, Method::GET, paths::WHOAMI).await.json::<WhoAmI>();
    assert_eq!(call(&stage, &own, Method::DELETE, &path).await.status, StatusCode::NO_CONTENT);
    assert_eq!(call(&stage, &stolen, Method::GET, paths::WHOAMI).await.code(), Code::SignInNeeded);
    let body = json!({ "refresh_token": stolen.refresh_token.expose_secret() });
    assert_eq!(stage.post(paths::REFRESH, &body).await.code(), Code::SignInNeeded);
    assert_eq!(call(&stage, &own, Method::DELETE, &path).await.code(), Code::NotFound);
    for odd in ["x", "..%2fwhoami"] {
        let path = paths::fill(paths::ONE_SESSION, &[&odd]);
        assert_eq!(call(&stage, &own, Method::DELETE, &path).await.code(), Code::NotFound, "{odd}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_other_sessions_are_ended_and_the_own_one_stays() {
    let stage = Stage::new().await;
    let (one, two) = (stage.sign_in("a@wax.example").await, stage.sign_in("a@wax.example").await);
    let (own, other) = (stage.sign_in("a@wax.example").await, stage.sign_in("b@wax.example").await);
    let ended: SessionsEnded = call(&stage, &own, Method::POST, paths::OTHER_SESSIONS).await.json();
    assert_eq!(ended.ended, 2);
    for gone in [one, two] {
        assert_eq!(call(&stage, &gone, Method::GET, paths::WHOAMI).await.code(), Code::SignInNeeded);
    }
    for stays in [own, other] {
        call(&stage, &stays, Method::GET, paths::WHOAMI).await.json::<WhoAmI>();
    }
}
