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

    /// The words of the recovery phrase, in order, as they stand on the screen. Ends at the question below them.
    #[track_caller]
    fn phrase(&mut self) -> Vec<String> {
        self.sees("your recovery phrase:");
        let from = self.read;
        self.sees("press Enter when they stand on paper: ");
        let table = self.shown[from..self.read].split("if you forget").next().unwrap();
        let cells: Vec<&str> = table.split_whitespace().collect();
        let mut words = vec![String::new(); 24];
        for cell in cells.chunks(2) {
            words[cell[0].parse::<usize>().unwrap() - 1] = cell[1].to_owned();
        }
        assert!(words.iter().all(|word| word.len() >= 3), "{words:?}");
        words
    }

    /// Answers the next question for a word, with what `answer` makes of the right one.
    #[track_caller]
    fn answers(&mut self, words: &[String], answer: impl Fn(&str) -> String) {
        self.sees("word ");
        let from = self.read;
        self.sees(": ");
        let place: usize = self.shown[from..self.read].trim_end_matches(": ").parse().unwrap();
        self.types(&format!("{}\n", answer(&words[place - 1])));
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
    let words = terminal.phrase();
    terminal.types("\n");
    for _ in 0..3 {
        terminal.answers(&words, str::to_owned);
    }
    terminal.sees("keys made");
    terminal.sees("fingerprint");
    let (shown, code) = terminal.ends();
    assert_eq!(code, Some(0));
    assert!(!shown.contains("violin") && !shown.contains("password1"), "{shown}");
}

/// Begins to make keys at a terminal; gives it where the phrase is shown.
fn generating(house: &House) -> (Person, Terminal) {
    let alice = house.newcomer(ALICE);
    let ca = alice.ca.to_str().unwrap().to_owned();
    alice.wax_alone(["login", ALICE, "--server", &alice.url, "--ca", &ca, "--request-code"]).ok();
    alice.wax_alone(["login", ALICE, "--code", &house.code_for(ALICE)]).ok();
    let mut terminal = Terminal::run(&alice, &["keys", "generate", "--no-agent"]);
    for prompt in ["new passphrase: ", "the same again: "] {
        terminal.sees(prompt);
        terminal.types(&format!("{PASSPHRASE}\n"));
    }
    (alice, terminal)
}

#[test]
fn a_recovery_phrase_is_confirmed_from_paper_and_a_wrong_word_is_noticed() {
    let house = House::open();
    let (alice, mut terminal) = generating(&house);
    let words = terminal.phrase();
    terminal.types("\n");
    terminal.answers(&words, |_| "zebra".to_owned());
    terminal.sees("that is not word ");
    terminal.answers(&words, |word| word[..word.len().min(4)].to_uppercase());
    // Enter alone shows the same words once more, and asks for three again.
    terminal.answers(&words, |_| String::new());
    assert_eq!(terminal.phrase(), words);
    terminal.types("\n");
    for _ in 0..3 {
        terminal.answers(&words, str::to_owned);
    }
    terminal.sees("\u{1b}[?1049l");
    terminal.sees("the recovery phrase is the only way back");
    let (shown, code) = terminal.ends();
    assert_eq!(code, Some(0));
    let (_, after) = shown.rsplit_once("\u{1b}[?1049l").unwrap();
    // Single words may stand in any sentence: two in a row do not, nor one with its number.
    let mut cells = words.windows(2).map(|pair| pair.join(" "));
    assert!(cells.all(|cell| !after.contains(&cell)), "nothing of it stays on the screen");
    let mut cells = words.iter().enumerate().map(|(n, word)| format!("{} {word}", n + 1));
    assert!(cells.all(|cell| !after.contains(&cell)), "nothing of it stays on the screen");

    // And it opens the keys: typed over three lines, words cut short, into a terminal.
    let mut terminal = Terminal::run(&alice, &["keys", "recover", "--no-agent"]);
    for (n, line) in words.chunks(8).enumerate() {
        terminal.sees(["words: ", "words from 9: ", "words from 17: "][n]);
        let short: Vec<&str> = line.iter().map(|word| &word[..word.len().min(4)]).collect();
        terminal.types(&format!("{}\n", short.join(" ")));
    }
    for prompt in ["new passphrase: ", "the same again: "] {
        terminal.sees(prompt);
        terminal.types("nine grey otters drum on the pontoon\n");
    }
    terminal.sees("your keys are back");
    assert_eq!(terminal.ends().1, Some(0));
    alice.wax(["ls"], &[]).failed(8, "the passphrase is wrong");
    alice.types("nine grey otters drum on the pontoon");
    alice.wax(["ls"], &[]).ok();
}

#[test]
fn ctrl_c_at_the_recovery_phrase_makes_no_keys_and_gives_the_screen_back() {
    let house = House::open();
    let (alice, mut terminal) = generating(&house);
    terminal.phrase();
    terminal.types("\u{3}");
    terminal.sees("\u{1b}[?1049l");
    assert_eq!(terminal.ends().1, Some(10));
    alice.wax(["keys"], &[]).failed(3, "no keys");
}

#[test]
fn words_that_are_no_phrase_may_be_typed_again() {
    let house = House::open();
    let alice = house.member(ALICE);
    alice.wax(["keys", "phrase", "--phrase-out", "words"], &[]).ok();
    let mut terminal = Terminal::run(&alice, &["keys", "recover", "--no-agent"]);
    terminal.sees("words: ");
    terminal.types(&format!("{}\n", "abandon ".repeat(24)));
    terminal.sees("the words do not fit together");
    terminal.sees("words: ");
    terminal.types(&format!("{}waxwing\n", "zebra ".repeat(23)));
    terminal.sees("word 24 is not on the list of words");
    terminal.sees("words: ");
    terminal.types("\n");
    assert_eq!(terminal.ends().1, Some(10));
}

#[test]
fn rotating_asks_first_and_changes_nothing_without_a_clear_yes() {
    let house = House::open();
    let alice = house.member(ALICE);
    let before = alice.wax(["keys", "--json"], &[]).ok().json();
    let mut terminal = Terminal::run(&alice, &["keys", "rotate", "--no-agent"]);
    terminal.sees("passphrase: ");
    terminal.types(&format!("{PASSPHRASE}\n"));
    terminal.sees("your safety numbers change");
    terminal.sees("replace your keys? [y/N]");
    terminal.types("\n");
    assert_eq!(terminal.ends().1, Some(10));
    assert_eq!(alice.wax(["keys", "--json"], &[]).ok().json(), before);
    alice.wax(["keys", "rotate"], &[]).failed(2, "nobody to ask");
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
