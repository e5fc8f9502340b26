//! `POST /auth/refresh`.

use proto::{Code, SessionReply, Token, paths};
use serde_json::json;

use crate::stage::{Reply, Stage};

async fn renew(stage: &Stage, token: &Token) -> Reply {
    stage.post(paths::REFRESH, &json!({ "refresh_token": token.expose_secret() })).await
}

async fn whoami(stage: &Stage, session: &SessionReply) -> Reply {
    let request = stage.request(reqwest::Method::GET, paths::WHOAMI);
    crate::stage::server::send(request.bearer_auth(session.access_token.expose_secret())).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_is_good_once_and_its_reuse_ends_the_family() {
    let stage = Stage::new().await;
    let first = stage.sign_in("a@wax.example").await;
    stage.later(3_601);
    assert_eq!(whoami(&stage, &first).await.code(), Code::SignInNeeded);
    let second: SessionReply = renew(&stage, &first.refresh_token).await.json();
    assert_eq!(second.user_id, first.user_id);
    whoami(&stage, &second).await.json::<proto::WhoAmI>();
    // A copy of the first token turns up: thief and owner lose the session.
    stage.later(30);
    assert_eq!(renew(&stage, &first.refresh_token).await.code(), Code::SignInNeeded);
    assert_eq!(whoami(&stage, &second).await.code(), Code::SignInNeeded);
    assert_eq!(renew(&stage, &second.refresh_token).await.code(), Code::SignInNeeded);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_ends_after_seven_days_unless_it_is_used() {
    let stage = Stage::new().await;
    let first = stage.sign_in("a@wax.example").await;
    stage.later(6 * 86_400);
    let second: SessionReply = renew(&stage, &first.refresh_token).await.json();
    stage.later(6 * 86_400);
    let third: SessionReply = renew(&stage, &second.refresh_token).await.json();
    stage.later(7 * 86_400);
    assert_eq!(renew(&stage, &third.refresh_token).await.code(), Code::SignInNeeded);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_token_is_refused() {
    let stage = Stage::new().await;
    for text in ["", "AAAA", "not base64!", &proto::B64(vec![0; 32]).to_text()] {
        let reply = renew(&stage, &Token::new(text.to_owned())).await;
        assert_eq!(reply.code(), Code::SignInNeeded, "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_whose_answer_was_lost_asks_again_and_gets_the_same_session() {
    let stage = Stage::new().await;
    let first = stage.sign_in("a@wax.example").await;
    let lost: SessionReply = renew(&stage, &first.refresh_token).await.json();
    stage.later(29);
    let again: SessionReply = renew(&stage, &first.refresh_token).await.json();
    assert_eq!(again.refresh_token.expose_secret(), lost.refresh_token.expose_secret(), "one successor");
    let next: SessionReply = renew(&stage, &again.refresh_token).await.json();
    assert_ne!(next.refresh_token.expose_secret(), again.refresh_token.expose_secret());
    // Its successor was used: whoever shows the first token now has a copy.
    assert_eq!(renew(&stage, &first.refresh_token).await.code(), Code::SignInNeeded);
    assert_eq!(whoami(&stage, &next).await.code(), Code::SignInNeeded);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_shown_by_many_at_once_never_gives_two_sessions() {
    let stage = Stage::new().await;
    let first = stage.sign_in("a@wax.example").await;
    let replies = futures::future::join_all((0..8).map(|_| renew(&stage, &first.refresh_token))).await;
    let mut tokens: Vec<String> = replies
        .iter()
        .filter(|reply| reply.status.is_success())
        .map(|reply| reply.json::<SessionReply>().refresh_token.expose_secret().to_owned())
        .collect();
    tokens.sort();
    tokens.dedup();
    assert!(tokens.len() <= 1, "{}", tokens.len());
}
