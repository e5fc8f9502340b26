//! What the fuzzers kept, run again, and a short search from there: no bytes break a promise.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use peak_alloc::PeakAlloc;
use strangers::{TARGETS, Target};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// One test at a time in one process, so that the peak of memory belongs to one input.
static ALONE: Mutex<()> = Mutex::new(());

/// Mutations for each target.
const MUTATIONS: usize = 1_000;
/// What a target may hold at once besides a multiple of its input: segments, windows, fixed values.
const FIXED_BYTES: usize = 4 << 20;
/// Bytes held at once for each byte read. An X-Wing key grows from a seed of 32 bytes to some 1,300.
const GROWTH: usize = 256;

/// The files of one target, in the order of their names.
fn corpus(name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(name);
    let mut files: Vec<PathBuf> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

/// Runs one input, and says which and why if it breaks a promise.
fn run(name: &str, target: Target, data: &[u8], origin: &str) -> Option<String> {
    MEMORY.reset_peak_usage();
    let before = MEMORY.current_usage();
    let outcome = catch_unwind(AssertUnwindSafe(|| target(data)));
    let held = MEMORY.peak_usage().saturating_sub(before);
    if outcome.is_err() {
        return Some(format!("{name}: {origin} breaks it: {}", hex(data)));
    }
    (held > FIXED_BYTES + GROWTH * data.len())
        .then(|| format!("{name}: {origin} of {} bytes holds {held} bytes", data.len()))
}

fn hex(data: &[u8]) -> String {
    let shown: String = data.iter().take(2_000).map(|byte| format!("{byte:02x}")).collect();
    if data.len() > 2_000 { format!("{shown}… ({} bytes)", data.len()) } else { shown }
}

#[test]
fn every_target_has_a_corpus_and_every_corpus_a_target() {
    for (name, _) in TARGETS {
        assert!(!corpus(name).is_empty(), "{name} has an empty corpus");
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    for entry in fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(TARGETS.iter().any(|(target, _)| *target == name), "{name} is the corpus of no target");
    }
}

#[test]
fn targets_are_listed_once_and_each_has_a_fuzzer() {
    let mut names: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
    assert!(names.is_sorted(), "targets are listed in order");
    names.dedup();
    assert_eq!(names.len(), TARGETS.len());
    let manifest =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/Cargo.toml")).unwrap();
    for name in names {
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name} has no fuzzer");
    }
}

#[test]
fn nothing_that_the_fuzzers_kept_breaks_a_promise() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut broken = Vec::new();
    for (name, target) in TARGETS {
        // Fixed values are made at the first call.
        target(&[]);
        for (path, data) in corpus(name) {
            let origin = path.file_name().unwrap().to_string_lossy().into_owned();
            broken.extend(run(name, *target, &data, &origin));
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn nothing_close_to_what_the_fuzzers_kept_breaks_a_promise() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut broken = Vec::new();
    for (name, target) in TARGETS {
        target(&[]);
        let files = corpus(name);
        let mut chance = Chance(0x5eed ^ name.len() as u64);
        for round in 0..MUTATIONS {
            let mut data = files[chance.below(files.len())].1.clone();
            for _ in 0..=chance.below(4) {
                let other = &files[chance.below(files.len())].1;
                chance.mutate(&mut data, other);
            }
            broken.extend(run(name, *target, &data, &format!("mutation {round}")));
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// A small generator (xorshift64*): the same mutations in every run.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() >> 16).unwrap() % bound.max(1)
    }

    fn byte(&mut self) -> u8 {
        self.next().to_be_bytes()[0]
    }

    fn mutate(&mut self, data: &mut Vec<u8>, other: &[u8]) {
        let at = self.below(data.len());
        match self.below(8) {
            0 if !data.is_empty() => data[at] ^= 1 << self.below(8),
            1 if !data.is_empty() => data[at] = self.byte(),
            2 if !data.is_empty() => data[at] = [0, 1, 0x7f, 0x80, 0xfe, 0xff][self.below(6)],
            3 if !data.is_empty() => drop(data.remove(at)),
            4 => data.truncate(at),
            5 if data.len() < 1 << 16 => {
                let byte = self.byte();
                data.insert(at, byte);
            }
            6 if !other.is_empty() => {
                let from = self.below(other.len());
                let len = self.below(other.len() - from + 1).min(64);
                for (n, byte) in other[from..from + len].iter().enumerate() {
                    match data.get_mut(at + n) {
                        Some(place) => *place = *byte,
                        None => data.push(*byte),
                    }
                }
            }
            _ => data.extend_from_slice(&self.next().to_be_bytes()),
        }
    }
}
