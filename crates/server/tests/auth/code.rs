//! `POST /auth/code`.

use proto::{Code, paths};
use reqwest::StatusCode;
use serde_json::json;

use crate::stage::{Person, Stage};

#[tokio::test(flavor = "multi_thread")]
async fn known_and_unknown_addresses_get_the_same_answer() {
    let stage =
        Stage::with(|config| config.signup.signup = Some("domains:wax.example".parse().unwrap())).await;
    Person::new(&stage, "alice@wax.example").await;
    let mut seen = Vec::new();
    for address in ["alice@wax.example", "new@wax.example", "stranger@elsewhere.example"] {
        let reply = stage.post(paths::CODE, &json!({ "email": address })).await;
        assert_eq!(reply.status, StatusCode::NO_CONTENT);
        let mut names: Vec<_> = reply.headers.keys().map(ToString::to_string).collect();
        names.sort();
        seen.push((names, reply.body));
    }
    assert!(seen.windows(2).all(|pair| pair[0] == pair[1]), "{seen:?}");
    // Nothing was sent to the stranger, and no guess of theirs is right.
    assert!(stage.mail.codes_for("stranger@elsewhere.example").is_empty());
    assert_eq!(stage.redeem("stranger@elsewhere.example", "123456").await.code(), Code::CodeRejected);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_gets_five_codes_in_an_hour_known_or_not() {
    let stage = Stage::with(|config| config.signup.signup = Some("invite".parse().unwrap())).await;
    for _ in 0..5 {
        let reply = stage.post(paths::CODE, &json!({ "email": "a@wax.example" })).await;
        assert_eq!(reply.status, StatusCode::NO_CONTENT);
    }
    let reply = stage.post(paths::CODE, &json!({ "email": "a@wax.example" })).await;
    assert_eq!(reply.code(), Code::TooMany);
    let seconds = reply.refusal().retry_after.unwrap();
    assert!(seconds <= 3_600);
    assert_eq!(reply.header("ratelimit"), format!("\"codes\";r=0;t={seconds}"));
    assert_eq!(reply.header("ratelimit-policy"), "\"codes\";q=5;w=3600");
    stage.later(3_601);
    let reply = stage.post(paths::CODE, &json!({ "email": "a@wax.example" })).await;
    assert_eq!(reply.status, StatusCode::NO_CONTENT);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_address_is_counted_over_all_mailboxes() {
    let stage = Stage::with(|config| config.limits.sign_ins_per_ip = 3).await;
    for n in 0..3 {
        let reply = stage.post(paths::CODE, &json!({ "email": format!("p{n}@wax.example") })).await;
        assert_eq!(reply.status, StatusCode::NO_CONTENT);
    }
    let reply = stage.post(paths::CODE, &json!({ "email": "p4@wax.example" })).await;
    assert_eq!(reply.code(), Code::TooMany);
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_requests_are_refused_without_repeating_them() {
    let stage = Stage::new().await;
    for body in [json!({}), json!({ "email": 1 }), json!({ "email": "a@b.example", "more": 1 }), json!([])] {
        assert_eq!(stage.post(paths::CODE, &body).await.code(), Code::Malformed);
    }
    let reply = stage.post(paths::CODE, &json!({ "email": "no address canary" })).await;
    assert_eq!(reply.code(), Code::Malformed);
    assert!(!String::from_utf8_lossy(&reply.body).contains("canary"));
}
