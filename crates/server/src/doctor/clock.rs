//! Whether the clock can be right: it goes evenly, it is not behind what was written, and the server and whoever stands before it
//! have the same time.

use std::ops::RangeInclusive;
use std::time::{Duration, Instant, SystemTime};

use super::Chart;
use crate::clock::{Clock as _, SystemClock};

/// Sessions and codes live for minutes; beyond this, people notice.
const TOLERATED_SECONDS: u64 = 5;
const WRONG_SECONDS: u64 = 60;
/// How far the two clocks of this machine may part while the doctor works.
const JUMP: Duration = Duration::from_millis(500);
/// This version was not there before (2026-11-01).
const EARLIEST: i64 = 1_793_491_200;
const SYNC: &str = "let the system keep its time by NTP: `timedatectl set-ntp true`, or install chrony";

/// How many seconds other clocks go ahead of ours, as far as they were seen.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Others {
    /// The server's own, which may be on another machine.
    pub(super) server: Option<i64>,
    /// That of whoever answers at the public address: the server, or a proxy before it.
    pub(super) gate: Option<i64>,
}

/// How far a clock goes ahead of ours that was read at some moment of a span of ours.
pub(super) fn ahead(there: i64, span: &RangeInclusive<i64>) -> i64 {
    // Not `clamp`, which panics where ours was set back meanwhile.
    let here = there.max(*span.start()).min(*span.end());
    there.saturating_sub(here)
}

/// The two clocks of this machine, from the beginning to the end of the doctor's work.
pub(super) struct Watch {
    steady: Instant,
    wall: SystemTime,
}

impl Watch {
    pub(super) fn begin() -> Self {
        Self { steady: Instant::now(), wall: SystemTime::now() }
    }

    /// `newest` is the newest moment that the database knows of.
    pub(super) fn end(self, newest: Option<i64>, others: Others, chart: &mut Chart<'_>) {
        plausible(newest, chart);
        self.steady(chart);
        let seen =
            [("server", "at the server", others.server), ("agrees", "at the public address", others.gate)];
        for (check, place, ahead) in seen {
            if let Some(ahead) = ahead {
                compare(check, place, ahead, chart);
            }
        }
    }

    fn steady(self, chart: &mut Chart<'_>) {
        let steady = self.steady.elapsed();
        let jumped = match self.wall.elapsed() {
            Ok(wall) => wall.abs_diff(steady),
            Err(back) => back.duration() + steady,
        };
        if jumped > JUMP {
            let seen = format!("it jumped by {} ms while the doctor was at work", jumped.as_millis());
            chart.yellow(
                "steady",
                seen,
                "a virtual machine that was stopped, or a clock that is set by hand: use NTP",
            );
        } else {
            chart.green("steady", "it did not jump while the doctor was at work");
        }
    }
}

fn plausible(newest: Option<i64>, chart: &mut Chart<'_>) {
    let now = SystemClock.now();
    let behind = newest.map_or(0, |newest| newest.saturating_sub(now));
    if now < EARLIEST {
        chart.red("plausible", "the clock shows a time before this version was written", SYNC);
    } else if behind > i64::from(u32::try_from(TOLERATED_SECONDS).unwrap_or(0)) {
        let seen = format!("the clock is {behind} seconds behind what the database has seen");
        chart.red("plausible", seen, SYNC);
    } else {
        chart.green("plausible", "not behind anything that was written");
    }
}

/// Another clock beside ours. Which of the two is wrong cannot be seen from here, so both are to be set.
fn compare(check: &'static str, place: &str, ahead: i64, chart: &mut Chart<'_>) {
    let off = ahead.unsigned_abs();
    let seen = match (ahead, off) {
        (_, 0..=1) => format!("the same time as {place}"),
        (1.., off) => format!("the clock {place} is {off} seconds ahead of this machine's"),
        (_, off) => format!("the clock {place} is {off} seconds behind this machine's"),
    };
    match off {
        0..=TOLERATED_SECONDS => chart.green(check, seen),
        _ if off <= WRONG_SECONDS => chart.yellow(check, seen, SYNC),
        _ => chart.red(check, seen, SYNC),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::{Finding, Verdict};

    fn judged(others: Others) -> Vec<(&'static str, Verdict, String)> {
        let mut show = |_: &Finding| {};
        let mut chart = Chart::new(Duration::from_secs(30), &mut show);
        Watch::begin().end(None, others, &mut chart);
        let of_others =
            chart.findings.into_iter().filter(|finding| ["server", "agrees"].contains(&finding.check));
        of_others.map(|finding| (finding.check, finding.verdict, finding.seen)).collect()
    }

    #[test]
    fn a_server_whose_clock_is_ahead_is_red_although_the_proxy_before_it_has_the_right_time() {
        let seen = judged(Others { server: Some(120), gate: Some(0) });
        assert_eq!((seen[0].0, seen[0].1), ("server", Verdict::Red));
        assert!(seen[0].2.contains("120 seconds ahead"), "{}", seen[0].2);
        assert_eq!((seen[1].0, seen[1].1), ("agrees", Verdict::Green));
        let seen = judged(Others { server: Some(-30), gate: None });
        assert_eq!((seen.len(), seen[0].1), (1, Verdict::Yellow));
        assert!(seen[0].2.contains("30 seconds behind"), "{}", seen[0].2);
    }

    #[test]
    fn a_slow_answer_is_no_wrong_clock() {
        assert_eq!(ahead(1_000, &(1_000..=1_030)), 0);
        assert_eq!(ahead(1_030, &(1_000..=1_030)), 0);
        assert_eq!(ahead(1_040, &(1_000..=1_030)), 10);
        assert_eq!(ahead(990, &(1_000..=1_030)), -10);
    }

    #[test]
    fn no_time_that_is_told_breaks_the_doctor() {
        for (there, here) in [(i64::MIN, 0), (i64::MAX, -1)] {
            assert!(ahead(there, &(here..=here)).unsigned_abs() > WRONG_SECONDS);
        }
        // Ours was set back between question and answer.
        let (asked, answered) = (1_000, 900);
        assert_eq!(ahead(950, &RangeInclusive::new(asked, answered)), 50);
    }
}
