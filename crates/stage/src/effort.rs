//! How much processor time processes have taken, as the kernel tells it (Linux; elsewhere "not measured").

use std::time::Duration;

/// What these processes have taken so far, in user and in kernel mode, their ended children not counted.
#[must_use]
pub fn spent_by(pids: &[u32]) -> Option<Duration> {
    pids.iter().map(|pid| fields(&pid.to_string(), 14)).sum()
}

/// What all ended children of this process took that it has waited for.
#[must_use]
pub fn spent_by_children() -> Option<Duration> {
    fields("self", 16)
}

/// Two neighbouring times of `/proc/…/stat`, counted from one as in its manual, added up.
fn fields(process: &str, first: usize) -> Option<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The second field is a name that may hold anything, in parentheses; the third begins behind the last of them.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut times = rest.split_whitespace().skip(first - 3).map(str::parse::<u64>);
    let ticks = times.next()?.ok()? + times.next()?.ok()?;
    let a_second = rustix::param::clock_ticks_per_second();
    Some(Duration::from_millis(ticks * 1000 / a_second))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn the_work_of_a_process_is_seen_while_it_runs_and_after_it_was_waited_for() {
        let (own, before) = (std::process::id(), spent_by_children().unwrap());
        while spent_by(&[own]).unwrap() < Duration::from_millis(20) {
            std::hint::black_box((0..100_000_u64).sum::<u64>());
        }
        // A child that works until it has seen 50 ms of its own.
        let script = "import time\nwhile time.process_time() < 0.05: pass";
        assert!(Command::new("python3").args(["-c", script]).status().unwrap().success());
        assert!(spent_by_children().unwrap() >= before + Duration::from_millis(30));
    }
}
