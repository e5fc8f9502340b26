//! The figures on paper: medians, rates, ratios to Waxwing, peaks of memory.

use crate::Ground;
use crate::rows::{Group, Row, Spent};
use serde_json::{Value, json};
use stage::{Doing, StageError};
use std::path::Path;
use std::time::Duration;

/// Prints one Markdown table for each task.
pub(crate) fn print(ground: &Ground, groups: &[Group]) {
    print_groups(groups);
    println!(
        "\nserver: peak memory {}, ready after {} ms",
        memory(ground.server.peak()),
        ground.server.started_in.as_millis()
    );
}

/// Prints tasks that have servers of their own.
pub(crate) fn print_groups(groups: &[Group]) {
    for group in groups {
        println!("\n{} ({} MiB)\n", group.task, group.bytes >> 20);
        let is_metered = group.rows.iter().any(|row| !row.spent.is_empty());
        let (head, rule) = if is_metered {
            (format!(" processor time, client + {} |", group.beyond), "---|")
        } else {
            Default::default()
        };
        println!(
            "| tool | median | fastest to slowest | rate | Waxwing's rate to this | peak memory |{head}"
        );
        println!("|---|---|---|---|---|---|{rule}");
        let own = group.rows.first().and_then(median);
        for row in &group.rows {
            println!(
                "{}{}",
                line(row, own, group.bytes),
                if is_metered { effort(row) } else { String::new() }
            );
        }
    }
}

/// Figures that are no times of a tool beside its peers.
pub(crate) struct Sheet {
    pub(crate) title: String,
    pub(crate) head: Vec<&'static str>,
    pub(crate) rows: Vec<Vec<String>>,
    /// The same for programs.
    pub(crate) figures: Value,
}

/// Prints a sheet as a Markdown table.
pub(crate) fn print_sheet(sheet: &Sheet) {
    println!("\n{}\n", sheet.title);
    println!("| {} |", sheet.head.join(" | "));
    println!("|{}", "---|".repeat(sheet.head.len()));
    for row in &sheet.rows {
        println!("| {} |", row.join(" | "));
    }
}

/// Writes the same figures as JSON: seconds and bytes.
pub(crate) fn write_json(path: &Path, groups: &[Group], sheets: &[Sheet]) -> Result<(), StageError> {
    let groups: Vec<_> = groups
        .iter()
        .map(|group| {
            let rows: Vec<_> = group
                .rows
                .iter()
                .map(|row| {
                    let seconds =
                        row.times.as_ref().map(|t| t.iter().map(Duration::as_secs_f64).collect::<Vec<_>>());
                    let spent = |of: fn(&Spent) -> Duration| {
                        row.spent.iter().map(|spent| of(spent).as_secs_f64()).collect::<Vec<_>>()
                    };
                    json!({
                        "tool": row.tool, "seconds": seconds, "peak_bytes": row.peak,
                        "processor_seconds": { "client": spent(|s| s.client), "beyond": spent(|s| s.beyond) },
                    })
                })
                .collect();
            json!({ "task": group.task, "bytes": group.bytes, "rows": rows })
        })
        .collect();
    let sheets: Vec<_> =
        sheets.iter().map(|sheet| json!({ "task": sheet.title, "figures": sheet.figures })).collect();
    let all: Vec<Value> = groups.into_iter().chain(sheets).collect();
    let text = serde_json::to_string_pretty(&all).unwrap_or_default();
    std::fs::write(path, text + "\n").doing("writing the figures")
}

fn line(row: &Row, own: Option<Duration>, bytes: u64) -> String {
    let (Some(times), Some(median)) = (&row.times, median(row)) else {
        return format!("| {} | not measured | | | | |", row.tool);
    };
    let seconds = median.as_secs_f64();
    let ends = format!(
        "{:.2} to {:.2} s",
        times.iter().min().map_or(0.0, Duration::as_secs_f64),
        times.iter().max().map_or(0.0, Duration::as_secs_f64)
    );
    let ratio = own.map_or_else(String::new, |own| format!("{:.2}", seconds / own.as_secs_f64()));
    #[expect(clippy::cast_precision_loss, reason = "a rate in MB/s needs no more than 53 bits")]
    let rate = bytes as f64 / 1e6 / seconds;
    format!("| {} | {seconds:.2} s | {ends} | {rate:.0} MB/s | {ratio} | {} |", row.tool, memory(row.peak))
}

/// The last cell of a row: medians of the processor time of both sides.
fn effort(row: &Row) -> String {
    let of = |side: fn(&Spent) -> Duration| middle(row.spent.iter().map(side).collect());
    match (of(|spent| spent.client), of(|spent| spent.beyond)) {
        (Some(client), Some(beyond)) => {
            format!(" {:.2} + {:.2} s |", client.as_secs_f64(), beyond.as_secs_f64())
        }
        _ => " |".to_owned(),
    }
}

fn median(row: &Row) -> Option<Duration> {
    middle(row.times.clone()?)
}

fn middle(mut times: Vec<Duration>) -> Option<Duration> {
    times.sort();
    times.get(times.len() / 2).copied()
}

fn memory(bytes: Option<u64>) -> String {
    bytes.map_or_else(String::new, |bytes| format!("{} MiB", bytes.div_ceil(1 << 20)))
}
