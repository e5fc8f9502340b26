//! `POST /auth/session`, `POST /auth/logout`, `GET /auth/whoami`.

use proto::{Code, WhoAmI, paths};
use reqwest::StatusCode;
use serde_json::json;

use crate::stage::{Person, Stage};

#[tokio::test(flavor = "multi_thread")]
async fn the_first_right_code_makes_the_account_and_the_next_finds_it() {
    let stage = Stage::new().await;
    let first = stage.sign_in("alice@wax.example").await;
    let second = stage.sign_in(" alice@WAX.example").await;
    assert_eq!(first.user_id, second.user_id);
    assert_ne!(first.refresh_token.expose_secret(), second.refresh_token.expose_secret());
    assert_eq!(first.expires_in, 3_600);
    assert_eq!(first.refresh_expires_at, stage.now() + 7 * 86_400);
    assert_eq!(first.server_time, stage.now());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_is_good_for_ten_minutes_and_once() {
    let stage = Stage::new().await;
    let code = stage.code_for("a@wax.example").await;
    stage.later(600);
    assert_eq!(stage.redeem("a@wax.example", &code).await.code(), Code::CodeRejected);
    let code = stage.code_for("a@wax.example").await;
    stage.later(599);
    assert_eq!(stage.redeem("a@wax.example", &code).await.status, StatusCode::OK);
    assert_eq!(stage.redeem("a@wax.example", &code).await.code(), Code::CodeRejected);
}

#[tokio::test(flavor = "multi_thread")]
async fn three_wrong_tries_void_the_right_code() {
    let stage = Stage::new().await;
    let code = stage.code_for("a@wax.example").await;
    let wrong = if code == "000000" { "000001" } else { "000000" };
    for _ in 0..3 {
        assert_eq!(stage.redeem("a@wax.example", wrong).await.code(), Code::CodeRejected);
    }
    assert_eq!(stage.redeem("a@wax.example", &code).await.code(), Code::CodeRejected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_of_one_address_is_not_good_for_another() {
    let stage = Stage::new().await;
    let alice = stage.code_for("alice@wax.example").await;
    let bob = stage.code_for("bob@wax.example").await;
    if alice != bob {
        assert_eq!(stage.redeem("bob@wax.example", &alice).await.code(), Code::CodeRejected);
    }
    assert_eq!(stage.redeem("bob@wax.example", &bob).await.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_six_digits_is_malformed_and_costs_no_try() {
    let stage = Stage::new().await;
    let code = stage.code_for("a@wax.example").await;
    for text in ["", "12345", "1234567", "12345a", "１２３４５６"] {
        assert_eq!(stage.redeem("a@wax.example", text).await.code(), Code::Malformed, "{text}");
    }
    assert_eq!(stage.redeem("a@wax.example", &code).await.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn logout_ends_the_session_at_once() {
    let stage = Stage::new().await;
    let alice = Person::new(&stage, "alice@wax.example").await;
    let me: WhoAmI = alice.get(&stage, paths::WHOAMI).await.json();
    assert_eq!((me.user_id, me.has_bundle, me.used_bytes), (alice.user, false, 0));
    assert_eq!(alice.post(&stage, paths::LOGOUT, &json!({})).await.status, StatusCode::NO_CONTENT);
    assert_eq!(alice.get(&stage, paths::WHOAMI).await.code(), Code::SignInNeeded);
}
