//! Forged and stale access tokens on a route that needs one.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as URL;
use proto::{Code, paths};
use serde_json::{Value, json};

use crate::stage::server::send;
use crate::stage::{Person, Stage};

async fn code(stage: &Stage, token: &str) -> Code {
    let reply = send(stage.request(reqwest::Method::GET, paths::WHOAMI).bearer_auth(token)).await;
    assert_eq!(reply.header("www-authenticate"), "Bearer");
    reply.code()
}

fn pieces(token: &str) -> (Value, Value, String) {
    let mut parts = token.split('.');
    let mut json = || serde_json::from_slice(&URL.decode(parts.next().unwrap()).unwrap()).unwrap();
    (json(), json(), parts.next().unwrap().to_owned())
}

fn join(header: &Value, claims: &Value, signature: &str) -> String {
    format!("{}.{}.{signature}", URL.encode(header.to_string()), URL.encode(claims.to_string()))
}

#[tokio::test(flavor = "multi_thread")]
async fn forged_tokens_are_refused() {
    let stage = Stage::new().await;
    let alice = Person::new(&stage, "alice@wax.example").await;
    let bob = Person::new(&stage, "bob@wax.example").await;
    let (header, claims, signature) = pieces(&alice.token);
    let mut forged = vec![
        String::new(),
        "x".to_owned(),
        "..".to_owned(),
        join(&json!({ "alg": "none" }), &claims, ""),
        join(&json!({ "alg": "none", "typ": "JWT", "kid": header["kid"] }), &claims, ""),
        join(&json!({ "alg": "HS256", "typ": "JWT", "kid": header["kid"] }), &claims, &signature),
        join(&json!({ "alg": "EdDSA", "typ": "JWT" }), &claims, &signature),
        join(&json!({ "alg": "EdDSA", "typ": "JWT", "kid": "../../etc/passwd" }), &claims, &signature),
        join(
            &json!({ "alg": "EdDSA", "typ": "JWT", "kid": header["kid"], "jku": "https://evil.example" }),
            &claims,
            &signature,
        ),
    ];
    for (name, value) in [
        ("user_id", json!(bob.user)),
        ("exp", json!("99999999999")),
        ("exp", json!(99_999_999_999_i64)),
        ("type", json!("refresh")),
    ] {
        let mut other = claims.clone();
        other[name] = value;
        forged.push(join(&header, &other, &signature));
    }
    // HMAC with the public part of the key, the classic confusion.
    let confused = join(&json!({ "alg": "HS256", "typ": "JWT", "kid": header["kid"] }), &claims, "");
    let body = confused.trim_end_matches('.');
    let key =
        aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, header["kid"].as_str().unwrap().as_bytes());
    forged.push(format!("{body}.{}", URL.encode(aws_lc_rs::hmac::sign(&key, body.as_bytes()))));
    for token in forged {
        assert_eq!(code(&stage, &token).await, Code::SignInNeeded, "{token}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_of_another_server_are_refused() {
    let (here, there) = (Stage::new().await, Stage::new().await);
    let alice = Person::new(&there, "alice@wax.example").await;
    assert_eq!(code(&here, &alice.token).await, Code::SignInNeeded);
}
