//! What a relay cannot make the mailer do: wait for ever, hold more than its share, or believe what came in clear.

use std::collections::BTreeSet;

use stage::Relay as Played;
use tokio::sync::mpsc;

use super::*;

/// Tells of each failed try, then waits for ever.
struct Stuck(mpsc::UnboundedSender<u32>);

#[async_trait]
impl Backoff for Stuck {
    async fn wait(&self, failed: u32) -> bool {
        self.0.send(failed).unwrap();
        std::future::pending().await
    }
}

/// No second try.
struct Never;

#[async_trait]
impl Backoff for Never {
    async fn wait(&self, _: u32) -> bool {
        false
    }
}

fn relay(port: u16, tls: SmtpTls) -> Relay {
    Relay {
        host: "localhost".to_owned(),
        port,
        tls,
        login: None,
        from: "codes@club.example".parse().unwrap(),
        ca: None,
    }
}

fn letter(to: &str) -> CodeLetter {
    CodeLetter {
        to: envelope::Address::parse(to).unwrap(),
        code: "012345".to_owned().into(),
        written: 1_700_000_000,
    }
}

fn fault(error: MailError) -> String {
    match error {
        MailError::Relay { fault, .. } => fault.to_string(),
        other => other.to_string(),
    }
}

#[tokio::test]
async fn letters_share_a_connection() {
    let played = Played::start(|_| None).unwrap();
    let mailer = SmtpMailer::open(relay(played.port, SmtpTls::None), Arc::new(Never)).unwrap();
    for to in ["a@wax.example", "b@wax.example", "c@wax.example"] {
        mailer.send_code(letter(to)).await.unwrap();
    }
    assert_eq!(played.connections(), 1);
    let recipients: BTreeSet<_> =
        played.heard().into_iter().filter(|line| line.starts_with("RCPT")).collect();
    assert_eq!(recipients.len(), 3);
}

#[tokio::test]
async fn a_connection_that_the_relay_closed_is_not_used_again() {
    let played = Played::start(|line| (line == "NOOP").then(|| "421 too long\r\n".to_owned())).unwrap();
    let mailer = SmtpMailer::open(relay(played.port, SmtpTls::None), Arc::new(Never)).unwrap();
    mailer.send_code(letter("a@wax.example")).await.unwrap();
    mailer.send_code(letter("b@wax.example")).await.unwrap();
    assert_eq!(played.connections(), 2);
}

#[tokio::test]
async fn a_dead_relay_holds_a_bounded_number_of_letters_and_further_ones_are_refused_at_once() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (tell, mut told) = mpsc::unbounded_channel();
    let mailer = SmtpMailer::open(relay(port, SmtpTls::None), Arc::new(Stuck(tell))).unwrap();
    let waiting: Vec<_> = (0..LETTERS)
        .map(|n| {
            let mailer = mailer.clone();
            tokio::spawn(async move { mailer.send_code(letter(&format!("p{n}@wax.example"))).await })
        })
        .collect();
    for _ in 0..LETTERS {
        told.recv().await.unwrap();
    }
    assert!(matches!(mailer.send_code(letter("more@wax.example")).await, Err(MailError::Full)));
    // The server stops: one more try each, and all are given up.
    mailer.hurry();
    for given_up in waiting {
        assert!(matches!(given_up.await.unwrap(), Err(MailError::Relay { tries: 2, .. })));
    }
    assert!(!mailer.is_available());
}

#[tokio::test(start_paused = true)]
async fn a_relay_that_never_answers_is_left_when_the_time_is_up() {
    let played = Played::start(|_| Some(String::new())).unwrap();
    for tls in [SmtpTls::None, SmtpTls::Starttls, SmtpTls::Implicit] {
        let Ok(mailer) = SmtpMailer::open(relay(played.port, tls), Arc::new(Never)) else {
            continue; // no authorities on this system
        };
        let error = mailer.send_code(letter("a@wax.example")).await.unwrap_err();
        assert_eq!(fault(error), "the relay took too long");
        assert!(!mailer.is_available());
    }
}

#[tokio::test(start_paused = true)]
async fn a_letter_is_given_up_when_its_code_is_too_old() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (tell, _told) = mpsc::unbounded_channel();
    let mailer = SmtpMailer::open(relay(port, SmtpTls::None), Arc::new(Stuck(tell))).unwrap();
    let error = mailer.send_code(letter("a@wax.example")).await.unwrap_err();
    assert!(matches!(error, MailError::TooLate));
}

#[tokio::test]
async fn a_line_without_an_end_is_not_read_for_ever() {
    let endless = "2".repeat(8 << 20);
    for at in ["hello", "MAIL"] {
        let endless = endless.clone();
        let played = Played::start(move |line| line.starts_with(at).then(|| endless.clone())).unwrap();
        let mailer = SmtpMailer::open(relay(played.port, SmtpTls::None), Arc::new(Never)).unwrap();
        let error = fault(mailer.send_code(letter("a@wax.example")).await.unwrap_err());
        assert!(error.contains("broke off"), "{error}");
    }
    let played = Played::start(move |line| (line == "hello").then(|| endless.clone())).unwrap();
    let tcp = tokio::net::TcpStream::connect(("127.0.0.1", played.port)).await.unwrap();
    let refused = starttls::upgrade(tcp, &ClientId::default()).await;
    assert!(matches!(refused, Err(Fault::Broken(fault::Step::Greeting))));
}

#[tokio::test]
async fn what_comes_in_clear_behind_the_answer_to_starttls_ends_it() {
    for (answer, is_injected) in
        [("220 go\r\n", false), ("220 go\r\n250 AUTH PLAIN\r\n", true), ("220 go\r\n2", true)]
    {
        let played = Played::start(move |line| match line.split(' ').next() {
            Some("EHLO") => Some("250-relay.example\r\n250-SIZE 1\r\n250 starttls\r\n".to_owned()),
            Some("STARTTLS") => Some(answer.to_owned()),
            _ => None,
        })
        .unwrap();
        let tcp = tokio::net::TcpStream::connect(("127.0.0.1", played.port)).await.unwrap();
        match starttls::upgrade(tcp, &ClientId::default()).await {
            Ok(_) => assert!(!is_injected, "{answer:?}"),
            Err(Fault::Injected) => assert!(is_injected, "{answer:?}"),
            Err(other) => panic!("{other}"),
        }
    }
}

#[tokio::test]
async fn an_address_beyond_ascii_goes_only_to_a_relay_that_takes_it() {
    let played = Played::start(|_| None).unwrap();
    let mailer = SmtpMailer::open(relay(played.port, SmtpTls::None), Arc::new(Never)).unwrap();
    let error = fault(mailer.send_code(letter("jörg@wax.example")).await.unwrap_err());
    assert!(error.contains("SMTPUTF8"), "{error}");
    assert!(mailer.is_available(), "the relay itself works");
    let able = Played::start(|line| {
        line.starts_with("EHLO").then(|| "250-relay.example\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n".to_owned())
    })
    .unwrap();
    let mailer = SmtpMailer::open(relay(able.port, SmtpTls::None), Arc::new(Never)).unwrap();
    mailer.send_code(letter("jörg@wax.example")).await.unwrap();
    assert!(able.heard().contains(&"MAIL FROM:<codes@club.example> SMTPUTF8 BODY=8BITMIME".to_owned()));
}

#[tokio::test]
async fn a_password_goes_only_to_a_relay_that_asks_for_it_and_shows_in_no_fault() {
    for (offers, wrong) in [("250 8BITMIME\r\n", "none of the ways"), ("250 AUTH PLAIN\r\n", "answered 535")]
    {
        let played = Played::start(move |line| match line.split(' ').next() {
            Some("EHLO") => Some(format!("250-relay.example\r\n{offers}")),
            Some("AUTH") => Some("535 5.7.8 canary-password is wrong\r\n".to_owned()),
            _ => None,
        })
        .unwrap();
        let mut relay = relay(played.port, SmtpTls::None);
        relay.login = Some(crate::config::Login {
            user: "post".to_owned(),
            password: crate::config::GivenSecret::new("canary-password".to_owned()),
        });
        let mailer = SmtpMailer::open(relay, Arc::new(Never)).unwrap();
        let error = mailer.send_code(letter("a@wax.example")).await.unwrap_err();
        assert!(chain(&error).contains(wrong), "{}", chain(&error));
        assert!(!format!("{error:?} {}", chain(&error)).contains("canary"));
        assert_eq!(played.heard().iter().any(|line| line.starts_with("AUTH")), wrong.contains("535"));
        assert!(!mailer.is_available());
    }
}

#[tokio::test]
async fn a_file_without_a_certificate_is_no_authority() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ca.pem");
    std::fs::write(&path, "nothing").unwrap();
    let relay = Relay { ca: Some(path), ..relay(587, SmtpTls::Starttls) };
    assert!(matches!(SmtpMailer::open(relay, Arc::new(Never)), Err(RelayError::Ca { .. })));
}
