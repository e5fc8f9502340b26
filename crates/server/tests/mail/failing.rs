//! With relays that refuse, stop, or offer less than they must.

use stage::Relay;

use super::{Held, ask, email_available, in_clear, stage_at};
use crate::logs::Kept;

/// Whatever of a letter a relay must not see.
fn has_letter(relay: &Relay) -> bool {
    let words = ["MAIL", "RCPT", "DATA", "AUTH", "alice", "Your code"];
    relay.heard().iter().any(|line| words.iter().any(|word| line.contains(word)))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_offers_no_starttls_gets_nothing() {
    let relay = Relay::start(|_| None).unwrap();
    let honest_part = || {
        // The search finds what is there: the same relay, asked for in clear, gets it all.
        let relay = Relay::start(|_| None).unwrap();
        (relay.port, relay)
    };
    let backoff = Held::new();
    let ca = authority();
    let stage = stage_at(relay.port, &backoff, |smtp| smtp.smtp_ca = Some(ca.path().join("ca.pem"))).await;
    ask(&stage, "alice@wax.example").await;
    assert_eq!(backoff.failed().await, 1);
    backoff.go();
    assert_eq!(backoff.failed().await, 2);
    assert!(!has_letter(&relay), "{:?}", relay.heard());
    assert!(relay.heard().iter().any(|line| line.starts_with("EHLO")));
    assert!(!email_available(&stage).await);

    let (port, relay) = honest_part();
    let stage = stage_at(port, &backoff, in_clear).await;
    ask(&stage, "alice@wax.example").await;
    while !has_letter(&relay) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_refuses_starttls_gets_nothing() {
    let relay = Relay::start(|line| match line.split(' ').next() {
        Some("EHLO") => Some("250-relay.example\r\n250 STARTTLS\r\n".to_owned()),
        Some("STARTTLS") => Some("454 4.7.0 not now\r\n".to_owned()),
        _ => None,
    })
    .unwrap();
    let backoff = Held::new();
    let ca = authority();
    let stage = stage_at(relay.port, &backoff, |smtp| smtp.smtp_ca = Some(ca.path().join("ca.pem"))).await;
    ask(&stage, "alice@wax.example").await;
    assert_eq!(backoff.failed().await, 1);
    assert!(!has_letter(&relay), "{:?}", relay.heard());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_4xx_is_tried_again_and_a_5xx_is_not() {
    let kept = Kept::install();
    let relay = Relay::start(|line| match line {
        "RCPT TO:<later@wax.example>" => Some("450 4.2.0 <later@wax.example>: come again\r\n".to_owned()),
        "RCPT TO:<never@wax.example>" => Some("550 5.1.1 <never@wax.example>: unknown\r\n".to_owned()),
        _ => None,
    })
    .unwrap();
    let backoff = Held::new();
    let mut stage = stage_at(relay.port, &backoff, in_clear).await;
    let tries =
        |who: &str| relay.heard().iter().filter(|line| line.contains(&format!("RCPT TO:<{who}"))).count();
    ask(&stage, "later@wax.example").await;
    assert_eq!(backoff.failed().await, 1);
    backoff.go();
    assert_eq!(backoff.failed().await, 2);
    ask(&stage, "never@wax.example").await;
    while !kept.holds(b"answered 550 to the recipient") {
        tokio::task::yield_now().await;
    }
    assert!(email_available(&stage).await, "an unknown recipient says nothing about the relay");
    // The server's end gives the waiting letter one more try, at once, and no more than that.
    stage.running.take().unwrap().shutdown().await;
    assert_eq!((tries("later"), tries("never")), (3, 1));
    assert!(kept.holds(b"answered 450 to the recipient"));
    for leaked in ["later@", "never@", "come again", "wax.example"] {
        assert!(!kept.holds(leaked.as_bytes()), "the log holds {leaked}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_tells_of_a_failure_without_address_code_and_password() {
    let kept = Kept::install();
    let relay = Relay::start(|line| {
        // Repeats the letter's words, as relays do.
        let is_letter = line == ".";
        is_letter
            .then(|| "554 5.7.1 To: alice@wax.example Your code is 012345 canary-password\r\n".to_owned())
    })
    .unwrap();
    let mut stage = stage_at(relay.port, &Held::new(), in_clear).await;
    ask(&stage, "alice@wax.example").await;
    while email_available(&stage).await {
        tokio::task::yield_now().await;
    }
    stage.running.take().unwrap().shutdown().await;
    assert!(kept.holds(b"a code could not be sent") && kept.holds(b"answered 554 to the letter"));
    let code =
        relay.heard().iter().find_map(|line| line.strip_prefix("Your code is ").map(str::to_owned)).unwrap();
    for leaked in ["alice", "wax.example", "canary-password"] {
        assert!(!kept.holds(leaked.as_bytes()), "the log holds {leaked}");
    }
    assert!(!kept.holds_digits("012345") && !kept.holds_digits(&code), "the log holds a code");
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_lets_a_letter_that_is_under_way_arrive() {
    let (open, gate) = std::sync::mpsc::channel::<()>();
    let gate = std::sync::Mutex::new(gate);
    let relay = Relay::start(move |line| {
        if line == "DATA" {
            // The relay is slow until the test says otherwise.
            let _ = gate.lock().unwrap().recv();
        }
        None
    })
    .unwrap();
    let mut stage = stage_at(relay.port, &Held::new(), in_clear).await;
    ask(&stage, "alice@wax.example").await;
    while !relay.heard().contains(&"DATA".to_owned()) {
        tokio::task::yield_now().await;
    }
    let running = stage.running.take().unwrap();
    running.begin_shutdown();
    let ended = tokio::spawn(running.wait());
    assert!(!ended.is_finished());
    open.send(()).unwrap();
    ended.await.unwrap();
    assert!(relay.heard().iter().any(|line| line.starts_with("Your code is ")));
}

/// A server with TLS to its relay needs an authority to start with, also where the system has none.
fn authority() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(dir.path().join("ca.pem"), made.cert.pem()).unwrap();
    dir
}
