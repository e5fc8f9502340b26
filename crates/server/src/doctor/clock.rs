//! Whether the clock can be right: it goes evenly, it is not behind what was written, and whoever stands before the server has the
//! same time.

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

/// The two clocks of this machine, from the beginning to the end of the doctor's work.
pub(super) struct Watch {
    steady: Instant,
    wall: SystemTime,
}

impl Watch {
    pub(super) fn begin() -> Self {
        Self { steady: Instant::now(), wall: SystemTime::now() }
    }

    /// `newest` is the newest moment that the database knows of, `seen` how far another clock goes ahead of ours.
    pub(super) fn end(self, newest: Option<i64>, seen: Option<i64>, chart: &mut Chart<'_>) {
        const SYNC: &str =
            "let the system keep its time by NTP: `timedatectl set-ntp true`, or install chrony";
        let now = SystemClock.now();
        let behind = newest.map_or(0, |newest| newest - now);
        if now < EARLIEST {
            chart.red("plausible", "the clock shows a time before this version was written", SYNC);
        } else if behind > i64::from(u32::try_from(TOLERATED_SECONDS).unwrap_or(0)) {
            let seen = format!("the clock is {behind} seconds behind what the database has seen");
            chart.red("plausible", seen, SYNC);
        } else {
            chart.green("plausible", "not behind anything that was written");
        }
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
        let Some(ahead) = seen else { return };
        let off = ahead.unsigned_abs();
        let seen = match (ahead, off) {
            (_, 0..=1) => "the same time as at the public address".to_owned(),
            (1.., off) => format!("the public address is {off} seconds ahead"),
            (_, off) => format!("the public address is {off} seconds behind"),
        };
        match off {
            0..=TOLERATED_SECONDS => chart.green("agrees", seen),
            _ if off <= WRONG_SECONDS => chart.yellow("agrees", seen, SYNC),
            _ => chart.red("agrees", seen, SYNC),
        }
    }
}
