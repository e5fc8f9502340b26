//! A list of a million files, measured and not asserted: run with `--run-ignored only --no-capture` when a figure is wanted.

use super::entry::Entry;
use super::entry::tests::sample;
use super::judge::Judge;
use super::query::{Best, ListQuery, Sort, Wanted};
use super::store::tests::key;
use super::store::{BASE, Index, RECENT};
use crate::{FileId, Home};
use std::time::Instant;

const ROWS: u64 = 1_000_000;
/// As many as a refreshing holds before it writes.
const HELD: u64 = 4_000;

fn peak_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0");
    line.split_whitespace().next().and_then(|kb| kb.parse::<u64>().ok()).unwrap_or(0) / 1_000
}

/// Ids come in no order, as random ones do.
fn id(n: u64) -> FileId {
    let digest = crate::hash::sha256(&[&n.to_be_bytes()]);
    FileId::from_bytes(*digest.first_chunk().expect("a digest is longer than an id"))
}

#[test]
#[ignore = "prints figures and asserts none but that every row is there; half a gigabyte on disk"]
fn a_million_files_are_filled_in_listed_and_searched() {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::open(folder.path().join("home")).unwrap();
    let open = || Index::open(&home, key(1), b"alice".to_vec()).unwrap();
    let (mut index, _) = open();
    println!("before: peak {} MB", peak_mb());
    let start = Instant::now();
    for n in 0..ROWS {
        let name = format!("Report {n} of the harbour.pdf");
        let row = Entry {
            file_id: id(n),
            bytes: n.wrapping_mul(7_919) % 10_000_000,
            created: i64::try_from(n).unwrap(),
            ..sample(1, 1, &name)
        };
        index.put(row.file_id, row.write());
        if n % HELD == HELD - 1 {
            index.mark.cursor = Some(n.to_string());
            index.commit().unwrap();
        }
    }
    println!("filled in {:.1} s without the network: peak {} MB", start.elapsed().as_secs_f64(), peak_mb());
    drop(index);
    for name in [BASE, RECENT] {
        let len = std::fs::metadata(home.path().join(name)).map_or(0, |meta| meta.len());
        println!("{name}: {} MB", len / 1_000_000);
    }
    let words = |text: &str| vec![text.to_owned()];
    for (what, query) in [
        ("newest 50", ListQuery { limit: Some(50), ..ListQuery::default() }),
        ("by name, 50", ListQuery { sort: Sort::Name, limit: Some(50), ..ListQuery::default() }),
        ("one name", ListQuery { words: words("report 777777 "), ..ListQuery::default() }),
        (
            "largest 50 of a sender",
            ListQuery { sort: Sort::Size, from: Some("bob".into()), limit: Some(50), ..ListQuery::default() },
        ),
    ] {
        let start = Instant::now();
        let (index, _) = open();
        let (wanted, judge, mut best) = (Wanted::new(&query, 0), Judge::of_nobody(), Best::new(&query));
        let mut rows = 0;
        for bytes in index.rows().unwrap() {
            let bytes = bytes.unwrap();
            let row = Entry::read(&bytes).unwrap();
            rows += 1;
            if let Some(trust) = wanted.takes(&row, &judge) {
                best.take(&wanted, &row, &bytes, trust);
            }
        }
        assert_eq!(rows, ROWS);
        let (matched, shown) = (best.matched, best.files().len());
        let took = start.elapsed().as_secs_f64();
        println!("{what}: {shown} of {matched} in {took:.2} s, peak {} MB", peak_mb());
    }
}
