//! Prompts at a terminal: a pseudo-terminal with a person's keyboard at its other end.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};

use crate::house::{House, PASSPHRASE, PATIENCE, Person, WAX};

const ALICE: &str = "alice@mail.example";

/// A command at a terminal of its own.
pub(crate) struct Terminal {
    child: Child,
    keyboard: File,
    screen: Receiver<Vec<u8>>,
    shown: String,
    read: usize,
}

impl Terminal {
    pub(crate) fn run(person: &Person, args: &[&str]) -> Self {
        let keyboard = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&keyboard).unwrap();
        unlockpt(&keyboard).unwrap();
        let name = ptsname(&keyboard, Vec::new()).unwrap().into_string().unwrap();
        let line = || Stdio::from(File::options().read(true).write(true).open(&name).unwrap());
        let child = Command::new("setsid")
            .args(["--ctty", WAX])
            .args(args)
            .env("WAX_HOME", &person.home)
            .env("TERM", "xterm")
            .env_remove("NO_COLOR")
            .current_dir(&person.work)
            .stdin(line())
            .stdout(line())
            .stderr(line())
            .spawn()
            .unwrap();
        let keyboard = File::from(keyboard);
        let mut eyes = keyboard.try_clone().unwrap();
        let (sender, screen) = channel();
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            // The last program that held the terminal is gone when reading fails.
            while let Ok(n @ 1..) = eyes.read(&mut bytes) {
                if sender.send(bytes[..n].to_vec()).is_err() {
                    break;
                }
            }
        });
        Self { child, keyboard, screen, shown: String::new(), read: 0 }
    }

    /// Waits until this stands on the screen, after everything that was waited for before.
    #[track_caller]
    pub(crate) fn sees(&mut self, words: &str) {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.shown[self.read..].find(words) {
                self.read += at + words.len();
                return;
            }
            let left = end.saturating_duration_since(Instant::now());
            let Ok(bytes) = self.screen.recv_timeout(left) else {
                panic!("{words:?} does not come; on the screen: {:?}", self.shown)
            };
            self.shown.push_str(&String::from_utf8_lossy(&bytes));
        }
    }

    pub(crate) fn types(&mut self, line: &str) {
        self.keyboard.write_all(line.as_bytes()).unwrap();
    }

    /// Everything on the screen when the command has ended, and its exit code.
    pub(crate) fn ends(mut self) -> (String, Option<i32>) {
        let status = self.child.wait().unwrap();
        while let Ok(bytes) = self.screen.recv_timeout(PATIENCE) {
            self.shown.push_str(&String::from_utf8_lossy(&bytes));
        }
        (self.shown, status.code())
    }
}

#[test]
fn a_newcomer_is_led_from_the_code_to_the_keys() {
    let house = House::open();
    let alice = house.newcomer(ALICE);
    let ca = alice.ca.to_str().unwrap().to_owned();
    let mut terminal =
        Terminal::run(&alice, &["login", ALICE, "--server", &alice.url, "--ca", &ca, "--no-agent"]);
    terminal.sees("code: ");
    terminal.types("12345\n");
    terminal.sees("a code is six digits; try again");
    terminal.sees("code: ");
    terminal.types(&format!("{}\n", house.code_for(ALICE)));
    terminal.sees("signed in as alice@mail.example");
    terminal.sees("make them now? [Y/n]");
    terminal.types("\n");
    terminal.sees("new passphrase: ");
    terminal.types("password1\n");
    terminal.sees("that passphrase is too easy to guess");
    terminal.sees("new passphrase: ");
    terminal.types(&format!("{PASSPHRASE}\n"));
    terminal.sees("the same again: ");
    terminal.types("something else\n");
    terminal.sees("the two differ");
    terminal.sees("new passphrase: ");
    terminal.types(&format!("{PASSPHRASE}\n"));
    terminal.sees("the same again: ");
    terminal.types(&format!("{PASSPHRASE}\n"));
    terminal.sees("keys made");
    terminal.sees("fingerprint");
    let (shown, code) = terminal.ends();
    assert_eq!(code, Some(0));
    assert!(!shown.contains("violin") && !shown.contains("password1"), "{shown}");
}

#[test]
fn a_passphrase_typed_once_serves_the_next_command_and_a_wrong_one_may_be_typed_again() {
    let house = House::open();
    let alice = house.member(ALICE);
    let mut terminal = Terminal::run(&alice, &["ls"]);
    terminal.sees("passphrase: ");
    terminal.types("violin kettle harbour seventeen mos\n");
    terminal.sees("the passphrase is wrong");
    terminal.sees("passphrase: ");
    terminal.types(&format!("{PASSPHRASE}\n"));
    terminal.sees("no files yet");
    assert_eq!(terminal.ends().1, Some(0));
    alice.wax_alone(["ls"]).ok();
    alice.wax_alone(["lock"]).ok();
}

#[test]
fn ctrl_c_at_the_passphrase_stops_the_command() {
    let house = House::open();
    let alice = house.member(ALICE);
    let mut terminal = Terminal::run(&alice, &["ls"]);
    terminal.sees("passphrase: ");
    terminal.types("\u{3}");
    let (shown, code) = terminal.ends();
    assert_eq!(code, Some(10), "{shown}");
}

#[test]
fn verification_asks_one_plain_question() {
    let house = House::open();
    let (alice, _bob) = (house.member(ALICE), house.member("bob@mail.example"));
    for (answer, code, last) in [("n\n", 7, "does not match"), ("maybe\ny\n", 0, "verified")] {
        let mut terminal = Terminal::run(&alice, &["contacts", "verify", "bob@mail.example"]);
        terminal.sees("does the same stand on the other device? [y/n]");
        terminal.types(answer);
        terminal.sees(last);
        assert_eq!(terminal.ends().1, Some(code));
    }
}

#[test]
fn a_file_does_not_go_to_the_terminal_unless_forced() {
    let house = House::open();
    let (alice, bob) = (house.member(ALICE), house.member("bob@mail.example"));
    let id = alice.send(&alice.file("notes.txt", b"plain words"), &bob, &[]);
    let mut terminal = Terminal::run(&bob, &["get", &id, "-o", "-"]);
    terminal.sees("standard output is a terminal");
    assert_eq!(terminal.ends().1, Some(2));
    let mut terminal = Terminal::run(&bob, &["get", &id, "-o", "-", "--force", "--no-agent"]);
    terminal.sees("passphrase: ");
    terminal.types(&format!("{PASSPHRASE}\n"));
    terminal.sees("plain words");
    assert_eq!(terminal.ends().1, Some(0));
}

#[test]
fn deleting_asks_first_and_keeps_the_file_unless_told_yes() {
    let house = House::open();
    let (alice, bob) = (house.member(ALICE), house.member("bob@mail.example"));
    let id = alice.send(&alice.file("notes.txt", b"notes"), &bob, &[]);
    for (answer, last) in [("\n", "kept"), ("y\n", "deleted for everybody")] {
        let mut terminal = Terminal::run(&alice, &["rm", &id, "--no-agent"]);
        terminal.sees("passphrase: ");
        terminal.types(&format!("{PASSPHRASE}\n"));
        terminal.sees("delete notes.txt for everybody? [y/N]");
        terminal.types(answer);
        terminal.sees(last);
        assert_eq!(terminal.ends().1, Some(0));
    }
}

#[test]
fn ctrl_c_at_a_question_ends_at_once() {
    let house = House::open();
    let alice = house.newcomer(ALICE);
    let ca = alice.ca.to_str().unwrap().to_owned();
    let mut terminal = Terminal::run(&alice, &["login", ALICE, "--server", &alice.url, "--ca", &ca]);
    terminal.sees("code: ");
    terminal.types("\u{3}");
    assert_eq!(terminal.ends().1, Some(10));
}

#[test]
fn a_terminal_shows_what_is_typed_again_after_ctrl_c_at_a_hidden_question() {
    let house = House::open();
    let alice = house.member(ALICE);
    let mut terminal = Terminal::run(&alice, &["ls"]);
    let shows =
        |terminal: &Terminal| tcgetattr(&terminal.keyboard).unwrap().local_modes.contains(LocalModes::ECHO);
    assert!(shows(&terminal));
    terminal.sees("passphrase: ");
    assert!(!shows(&terminal));
    terminal.types("\u{3}");
    assert_eq!(terminal.child.wait().unwrap().code(), Some(10));
    assert!(shows(&terminal));
}
