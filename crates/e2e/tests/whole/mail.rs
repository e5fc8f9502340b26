//! Codes by mail: the real server, a real relay, a real mailbox.

use e2e::scene::executable;
use stage::{Person, Postfix, Server, ServerOptions, postfix};
use std::ffi::OsString;

#[test]
fn a_person_signs_in_with_the_code_of_a_letter_that_a_real_relay_delivered() {
    if let Some(why) = postfix::missing() {
        eprintln!("not run: {why}");
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let relay = Postfix::start(root.path()).unwrap();
    let (data, logs) = (root.path().join("data"), root.path().join("logs"));
    let options = ServerOptions {
        waxd: &executable("waxd"),
        data: &data,
        logs: &logs,
        port: 0,
        quiet: false,
        more: &[],
    };
    let set = |name: &str, value: &str| (name.to_owned(), OsString::from(value));
    let env = [
        set("WAXD_MAIL", "smtp"),
        set("SMTP_HOST", "localhost"),
        set("SMTP_PORT", &relay.starttls.to_string()),
        set("SMTP_FROM", "codes@club.example"),
        set("SMTP_CA", &relay.ca.to_string_lossy()),
    ];
    let server = Server::start_in(&options, &env).unwrap();
    let alice = Person::new("Alice", "alice@wax.example", &executable("wax"), root.path()).unwrap();
    let code = alice.sign_up_with(&server.url, &server.ca, || relay.code_for(&alice.address)).unwrap();
    assert_eq!(alice.wax(&["whoami"]).unwrap().said["address"], "alice@wax.example");
    assert!(!data.join("mail").exists(), "the console mailer wrote nothing");
    let log = std::fs::read_to_string(logs.join("waxd.log")).unwrap();
    assert!(log.contains("answered") && !log.contains(&alice.address));
    // By itself: times and ids of the log hold runs of six digits inside.
    let mut words = log.split(|c: char| !c.is_ascii_alphanumeric() && c != '.');
    assert!(!words.any(|word| word == code), "the log holds the code");
}
