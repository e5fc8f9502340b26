//! The words on the terminal: what happens, and a short table at the end.

use std::io::Write;
use std::time::Duration;

/// One line of the story.
pub(super) fn tell(line: &str) {
    say(&format!("  {line}"));
}

/// The beginning of a chapter.
pub(super) fn chapter(title: &str) {
    say(&format!("\n{title}"));
}

/// A line as it is; a terminal that went away is no reason to stop.
pub(super) fn say(line: &str) {
    drop(writeln!(std::io::stdout(), "{line}"));
}

/// Bytes in words, in units of 1000.
pub(super) fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{}.{} kB", bytes / 1_000, bytes % 1_000 / 100),
        1_000_000..1_000_000_000 => format!("{}.{} MB", bytes / 1_000_000, bytes % 1_000_000 / 100_000),
        _ => format!("{}.{:02} GB", bytes / 1_000_000_000, bytes % 1_000_000_000 / 10_000_000),
    }
}

/// Memory in words, in units of 1024.
pub(super) fn memory(bytes: Option<u64>) -> String {
    bytes.map_or_else(|| "not measured".to_owned(), |bytes| format!("{} MiB", bytes.div_ceil(1 << 20)))
}

/// A rate in words.
pub(super) fn rate(bytes: u64, took: Duration) -> String {
    let per_second = u128::from(bytes) * 1_000 / took.as_millis().max(1);
    format!("{}/s", size(u64::try_from(per_second).unwrap_or(u64::MAX)))
}

/// Rows of equal length, columns aligned.
pub(super) fn table(rows: &[Vec<String>]) {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns)
        .map(|c| rows.iter().filter_map(|row| row.get(c)).map(|cell| cell.chars().count()).max().unwrap_or(0))
        .collect();
    for row in rows {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        tell(cells.join("   ").trim_end());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_as_a_person_says_them() {
        assert_eq!(size(999), "999 B");
        assert_eq!(size(1_500), "1.5 kB");
        assert_eq!(size(300_000_000), "300.0 MB");
        assert_eq!(size(4_294_967_296), "4.29 GB");
        assert_eq!(rate(500, Duration::ZERO), "500.0 kB/s");
    }
}
