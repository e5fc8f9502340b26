//! With a real Postfix, from the request for a code to the session that it gives.

use reqwest::StatusCode;
use server::config::GivenSecret;
use server::{Config, Seams, StartError};
use stage::Postfix;
use stage::postfix::{self, Ports};

use super::{Held, ask, email_available, stage_at, trusting};
use crate::stage::Stage;

/// A Postfix, or a word on why there is none.
fn started(root: &tempfile::TempDir) -> Option<Postfix> {
    if let Some(why) = postfix::missing() {
        eprintln!("not run: {why}");
        return None;
    }
    Some(Postfix::start(root.path()).unwrap())
}

/// Reads the code from the Maildir and signs in with it.
async fn sign_in(stage: &Stage, relay: &Postfix, address: &str) {
    let code = tokio::task::block_in_place(|| relay.code_for(address)).unwrap();
    assert_eq!(stage.redeem(address, &code).await.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_arrives_by_starttls_and_signs_in() {
    let root = tempfile::tempdir().unwrap();
    let Some(relay) = started(&root) else { return };
    let stage = stage_at(relay.starttls, &Held::new(), trusting(&relay.ca)).await;
    assert!(email_available(&stage).await, "nothing speaks against the relay yet");
    ask(&stage, "alice@wax.example").await;
    sign_in(&stage, &relay, "alice@wax.example").await;
    assert!(email_available(&stage).await);
    let letter = relay.letters().unwrap().remove(0);
    for line in [
        "Return-Path: <codes@club.example>",
        "From: \"Our Club\" <codes@club.example>",
        "To: alice@wax.example",
        "Subject: Your Waxwing code",
        "Auto-Submitted: auto-generated",
    ] {
        assert!(letter.lines().any(|found| found == line), "{line} is not in\n{letter}");
    }
    assert!(relay.words().contains("TLS connection established"), "{}", relay.words());
    assert!(!stage.data.path().join("data/mail").exists(), "the console wrote nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_arrives_by_implicit_tls_after_signing_in() {
    let root = tempfile::tempdir().unwrap();
    let Some(relay) = started(&root) else { return };
    if let Some(why) = postfix::missing_for_sign_in() {
        eprintln!("not run: {why}");
        return;
    }
    let stage = signing_in(&relay, postfix::PASSWORD).await;
    ask(&stage, "alice@wax.example").await;
    sign_in(&stage, &relay, "alice@wax.example").await;
    assert!(relay.words().contains(&format!("sasl_username={}", postfix::USER)), "{}", relay.words());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_not_tried_again_and_health_tells_of_it() {
    let root = tempfile::tempdir().unwrap();
    let Some(relay) = started(&root) else { return };
    if let Some(why) = postfix::missing_for_sign_in() {
        eprintln!("not run: {why}");
        return;
    }
    let mut stage = signing_in(&relay, "not the password").await;
    ask(&stage, "alice@wax.example").await;
    while email_available(&stage).await {
        tokio::task::yield_now().await;
    }
    // It ends although nobody lets it try again: nothing waits.
    stage.running.take().unwrap().shutdown().await;
    assert_eq!(relay.words().matches("authentication failed").count(), 1, "{}", relay.words());
    assert!(relay.letters().unwrap().is_empty());
}

async fn signing_in(relay: &Postfix, password: &str) -> Stage {
    let configure = |config: &mut Config| {
        let smtp = &mut config.mail.smtp;
        smtp.smtp_host = Some("localhost".to_owned());
        smtp.smtp_port = Some(relay.implicit);
        smtp.smtp_tls = Some(server::config::SmtpTls::Implicit);
        smtp.smtp_ca = Some(relay.ca.clone());
        smtp.smtp_user = Some(postfix::USER.to_owned());
        config.secrets.smtp_password = Some(GivenSecret::new(password.to_owned()));
    };
    let backoff = std::sync::Arc::new(Held::new());
    Stage::with_seams(configure, |seams| Seams { mailer: None, backoff: Some(backoff), ..seams }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_whose_certificate_is_for_another_name_or_from_a_stranger_gets_nothing() {
    let root = tempfile::tempdir().unwrap();
    let Some(relay) = started(&root) else { return };
    let other = tempfile::tempdir().unwrap();
    let stranger = Postfix::start(other.path()).unwrap();
    for (port, host, ca) in [
        (relay.starttls, "127.0.0.1", &relay.ca),
        (relay.implicit, "127.0.0.1", &relay.ca),
        (relay.starttls, "localhost", &stranger.ca),
        (relay.implicit, "localhost", &stranger.ca),
    ] {
        let backoff = Held::new();
        let stage = stage_at(port, &backoff, |smtp| {
            smtp.smtp_host = Some(host.to_owned());
            smtp.smtp_ca = Some(ca.clone());
            smtp.smtp_tls = (port == relay.implicit).then_some(server::config::SmtpTls::Implicit);
        })
        .await;
        ask(&stage, "alice@wax.example").await;
        assert_eq!(backoff.failed().await, 1);
        assert!(!email_available(&stage).await);
    }
    assert!(relay.letters().unwrap().is_empty());
    let words = relay.words();
    assert!(words.contains("SSL_accept error") && !words.contains("client="), "{words}");
    // The same relay under its own name gets the letter: what was wrong is the certificate alone.
    let stage = stage_at(relay.starttls, &Held::new(), trusting(&relay.ca)).await;
    ask(&stage, "alice@wax.example").await;
    sign_in(&stage, &relay, "alice@wax.example").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_comes_up_later_gets_the_letter_and_the_answer_is_the_same_as_ever() {
    let root = tempfile::tempdir().unwrap();
    let ports = Ports::free().unwrap();
    if let Some(why) = postfix::missing() {
        eprintln!("not run: {why}");
        return;
    }
    // A first run makes the certificate that the server is to trust.
    let ca = Postfix::start_at(root.path(), ports).unwrap().ca.clone();
    let backoff = Held::new();
    let stage = stage_at(ports.starttls(), &backoff, trusting(&ca)).await;
    let down = ask(&stage, "alice@wax.example").await;
    assert_eq!(backoff.failed().await, 1);
    assert!(!email_available(&stage).await);
    backoff.go();
    assert_eq!(backoff.failed().await, 2);

    let relay = Postfix::start_at(root.path(), ports).unwrap();
    backoff.go();
    sign_in(&stage, &relay, "alice@wax.example").await;
    assert!(email_available(&stage).await);
    let up = ask(&stage, "bob@wax.example").await;
    sign_in(&stage, &relay, "bob@wax.example").await;
    let shape = |reply: &crate::stage::Reply| {
        let mut names: Vec<_> = reply.headers.keys().map(ToString::to_string).collect();
        names.sort();
        (reply.status, names, reply.body.clone())
    };
    assert_eq!(shape(&down), shape(&up));
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_reach_addresses_with_odd_but_valid_spellings() {
    let root = tempfile::tempdir().unwrap();
    let Some(relay) = started(&root) else { return };
    let stage = stage_at(relay.starttls, &Held::new(), trusting(&relay.ca)).await;
    // In its letters a relay may write domains beyond ASCII in either form.
    for (address, delivered) in [
        ("a+tag@wax.example", "a+tag@"),
        ("-first.last-@wax.example", "-first.last-@"),
        ("x%y!z=1@wax.example", "x%y!z=1@"),
        ("#$&'*/?^_`{|}~@wax.example", "#$&'*/?^_`{|}~@"),
        (&format!("{}@wax.example", "n".repeat(64)), &format!("{}@", "n".repeat(64))),
        ("UPPER.lower@WING.example", "UPPER.lower@wing.example"),
        ("jörg@wax.example", "jörg@"),
        ("post@bücher.example", "post@"),
    ] {
        ask(&stage, address).await;
        let code = tokio::task::block_in_place(|| relay.code_for(delivered)).unwrap();
        assert_eq!(stage.redeem(address, &code).await.status, StatusCode::OK, "{address}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_on_the_same_machine_may_be_used_in_clear_when_that_is_asked_for() {
    let root = tempfile::tempdir().unwrap();
    let Some(relay) = started(&root) else { return };
    let stage = stage_at(relay.plain, &Held::new(), super::in_clear).await;
    ask(&stage, "alice@wax.example").await;
    sign_in(&stage, &relay, "alice@wax.example").await;
    // Not asked for, the same port gets nothing: it offers no STARTTLS.
    let backoff = Held::new();
    let stage = stage_at(relay.plain, &backoff, trusting(&relay.ca)).await;
    ask(&stage, "bob@wax.example").await;
    backoff.failed().await;
    assert_eq!(relay.letters().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unusable_authority_file_is_named_at_start() {
    let data = tempfile::tempdir().unwrap();
    let mut config = Config::for_data(data.path().join("data"));
    config.mail.smtp.smtp_host = Some("mail.club.example".to_owned());
    config.mail.smtp.smtp_from = Some("codes@club.example".to_owned());
    config.mail.smtp.smtp_ca = Some(data.path().join("missing.pem"));
    let refused = server::Server::start(config).await;
    match refused {
        Err(StartError::Mail(error)) => assert!(error.to_string().contains("missing.pem"), "{error}"),
        other => panic!("{:?}", other.map(|_| "started")),
    }
}
