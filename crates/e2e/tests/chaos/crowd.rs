//! People who send, open and remove files all the time and know nothing of the faults.

use crate::ground::Ground;
use e2e::dice::Chance;
use e2e::scene::executable;
use serde_json::Value;
use stage::{Done, Parcel, Person, sha256_of};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// What `wax` ends with when the server cannot be reached for longer than it is patient, or at all.
const NETWORK: i32 = 4;
/// What it ends with when there is no such file.
const NOT_FOUND: i32 = 5;
/// How long a person tries again.
const PATIENCE: Duration = Duration::from_secs(120);
/// Length of a part, and how many of one client are under way at once.
const PART: u64 = 16 << 20;
const UNDER_WAY: u64 = 2;
const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// A file that was acknowledged.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) id: String,
    pub(crate) digest: String,
}

/// One of the crowd, and what is kept of what they sent.
pub(crate) struct Member {
    pub(crate) person: Person,
    pub(crate) kept: Vec<Kept>,
    /// Everything that was ever acknowledged, removed or not.
    pub(crate) acknowledged: Vec<String>,
}

/// All of them at work.
pub(crate) struct Crowd {
    stop: Arc<AtomicBool>,
    rounds: Arc<AtomicU64>,
    struck: Arc<AtomicU64>,
    threads: Vec<JoinHandle<Member>>,
}

impl Crowd {
    /// Begins: each sends to `reader`.
    pub(crate) fn begin(ground: &Ground, reader: &str, chances: Vec<Chance>) -> Self {
        Self::begin_with(ground, reader, chances, |_| executable("wax"))
    }

    /// The same with an executable for each.
    pub(crate) fn begin_with(
        ground: &Ground,
        reader: &str,
        chances: Vec<Chance>,
        wax: impl Fn(usize) -> PathBuf,
    ) -> Self {
        let (stop, rounds) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let struck = Arc::new(AtomicU64::new(0));
        let people =
            chances.into_iter().zip(["Ann", "Ben", "Cid", "Dot", "Eve", "Fay", "Gus", "Hal"]).enumerate();
        let threads = people
            .map(|(n, (chance, name))| {
                let folder = ground.path(&format!("desk-{name}"));
                std::fs::create_dir(&folder).unwrap();
                let (person, reader) = (ground.person_of(name, &wax(n)), reader.to_owned());
                let (stop, rounds, struck) = (Arc::clone(&stop), Arc::clone(&rounds), Arc::clone(&struck));
                std::thread::spawn(move || {
                    let member = Member { person, kept: Vec::new(), acknowledged: Vec::new() };
                    Desk { member, reader, folder, chance, struck, file: 0 }.work(&stop, &rounds)
                })
            })
            .collect();
        Self { stop, rounds, struck, threads }
    }

    /// Whether somebody has given up, which nobody should.
    pub(crate) fn is_broken(&self) -> bool {
        self.threads.iter().any(JoinHandle::is_finished)
    }

    /// A fault is about to strike.
    pub(crate) fn is_struck(&self) {
        self.struck.fetch_add(1, Ordering::SeqCst);
    }

    /// Rounds that ended well.
    pub(crate) fn rounds(&self) -> u64 {
        self.rounds.load(Ordering::Relaxed)
    }

    /// Lets everybody finish the round that they are in.
    pub(crate) fn end(self) -> Vec<Member> {
        self.stop.store(true, Ordering::Relaxed);
        self.threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    }
}

struct Desk {
    member: Member,
    reader: String,
    folder: PathBuf,
    chance: Chance,
    struck: Arc<AtomicU64>,
    file: u64,
}

impl Desk {
    fn work(mut self, stop: &AtomicBool, rounds: &AtomicU64) -> Member {
        while !stop.load(Ordering::Relaxed) {
            match self.chance.between(0, 10) {
                0..6 => self.send(1, KIB, 3 * MIB),
                6..8 => self.send(1, 17 * MIB, 40 * MIB),
                _ => self.send(3, KIB, 64 * KIB),
            }
            if self.chance.between(0, 2) == 0 && self.member.kept.len() > 4 {
                let old = self.member.kept.swap_remove(0);
                remove(&self.member.person, &old.id);
            }
            rounds.fetch_add(1, Ordering::Relaxed);
        }
        self.member
    }

    /// Sends that many files by one command, opens the last of them, and keeps the ids.
    fn send(&mut self, files: u64, from: u64, end: u64) {
        let paths: Vec<PathBuf> = (0..files).map(|_| self.parcel(from, end)).collect();
        let digests: Vec<String> = paths.iter().map(|path| sha256_of(path).unwrap()).collect();
        let mut args = vec!["send", "--no-compress", "--to", &self.reader];
        args.extend(paths.iter().map(|path| path.to_str().unwrap()));
        let struck = self.struck.load(Ordering::SeqCst);
        let sent = persist(&self.member.person, &args);
        let listed = sent.said["files"].as_array().unwrap();
        assert_eq!(listed.len(), paths.len(), "{}", sent.said);
        for file in listed {
            let path =
                paths.iter().position(|path| path.file_name().unwrap().to_str() == file["name"].as_str());
            let id = file["id"].as_str().unwrap().to_owned();
            if files == 1 {
                little_came_again(file, self.struck.load(Ordering::SeqCst) - struck);
            }
            self.member.acknowledged.push(id.clone());
            self.member.kept.push(Kept { id, digest: digests[path.unwrap_or(0)].clone() });
        }
        for path in paths {
            std::fs::remove_file(path).unwrap();
        }
        opens(&self.member.person, self.member.kept.last().unwrap(), &self.folder.join("back"));
    }

    fn parcel(&mut self, from: u64, end: u64) -> PathBuf {
        self.file += 1;
        let path = self.folder.join(format!("file-{}", self.file));
        Parcel::make(&path, self.chance.between(from, end)).unwrap();
        path
    }
}

/// No part that was finished came again. One that is not recorded yet is not finished: when its sender loses the connection and
/// asks another server, it goes again, and both copies are counted. Two are under way at once, and the fault before these may
/// still be felt.
pub(crate) fn little_came_again(sent: &Value, faults: u64) {
    let number = |key: &str| sent[key].as_u64().unwrap();
    let (parts, received) = (number("sealed_bytes").div_ceil(PART), number("received_parts"));
    let most = parts + UNDER_WAY * (faults + 1);
    assert!((parts..=most).contains(&received), "finished parts came twice, {faults} faults: {sent}");
    assert!(received > parts || number("received_bytes") == number("sealed_bytes"), "{sent}");
}

/// Fetches a file and compares it with what was sent.
pub(crate) fn opens(person: &Person, kept: &Kept, target: &Path) {
    persist(person, &["get", &kept.id, "-o", target.to_str().unwrap()]);
    assert_eq!(sha256_of(target).unwrap(), kept.digest, "other bytes came");
    std::fs::remove_file(target).unwrap();
}

/// Runs a command, again while the server cannot be reached, as a patient person would.
pub(crate) fn persist(who: &Person, args: &[&str]) -> Done {
    let began = Instant::now();
    loop {
        let done = who.attempt(args).unwrap();
        if done.status.code() != Some(NETWORK) || began.elapsed() > PATIENCE {
            return done.or_step(who, args).unwrap();
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Removes a file as a patient person would. If only the answer was lost, it is not there the next time.
pub(crate) fn remove(who: &Person, id: &str) {
    let (began, mut tried) = (Instant::now(), false);
    loop {
        let done = who.attempt(&["rm", id, "--yes"]).unwrap();
        match done.status.code() {
            Some(0) => return,
            Some(NOT_FOUND) if tried => return,
            Some(NETWORK) if began.elapsed() < PATIENCE => tried = true,
            _ => panic!("{}: {}", done.status, who.last_words()),
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}
