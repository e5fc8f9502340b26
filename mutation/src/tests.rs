//! Runs of test programs with one change switched on.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::Result;
use crate::cargo::Program;
use crate::schemata::SWITCH;

/// Tests that take more of the processor than this run only where the others noticed nothing.
const QUICK: Duration = Duration::from_millis(400);
/// No run is given up before it took this much of the processor.
const LEAST_LIMIT: Duration = Duration::from_secs(60);
/// Address space of a test program in KiB: a change may ask for memory without end.
const MEMORY_KIB: &str = "8000000";

/// What ends a program that took too much of the processor (Linux).
const SIGXCPU: i32 = 24;

pub enum Outcome {
    Passed,
    /// Noticed by this test (or by the end of the program).
    Caught(String),
    TimedOut,
}

/// A program, some of its tests, and for how long they may run.
#[derive(Clone)]
pub struct Round {
    program: Program,
    is_quick: bool,
    /// `--exact`, and the tests that run, or for the quick ones those that do not.
    arguments: Vec<String>,
    limit: Duration,
}

/// Runs every test once with nothing switched on, but for those in `times`, and notes there what of the processor it
/// takes. Gives the quick tests of all programs, then the slow ones.
pub fn rounds(programs: &[Program], times: &mut BTreeMap<String, Duration>) -> Result<Vec<Round>> {
    let mut rounds = Vec::new();
    let mut slow_rounds = Vec::new();
    for program in programs {
        let list = Command::new(&program.path).arg("--list").current_dir(&program.folder).output()?;
        let list = String::from_utf8(list.stdout)?;
        let (mut quick, mut slow) = (Vec::new(), Vec::new());
        let (mut quick_time, mut slow_time) = (Duration::ZERO, Duration::ZERO);
        for name in list.lines().filter_map(|line| line.strip_suffix(": test")) {
            let key = format!("{} {} {name}", program.package, program.name());
            let time = match times.get(&key) {
                Some(time) => *time,
                None => measured(program, name)?,
            };
            times.insert(key, time);
            let (tests, sum) =
                if time <= QUICK { (&mut quick, &mut quick_time) } else { (&mut slow, &mut slow_time) };
            tests.push(name.to_owned());
            *sum += time;
        }
        println!(
            "{} {}: {} quick tests ({quick_time:.1?}), {} slow ({slow_time:.1?})",
            program.package,
            program.name(),
            quick.len(),
            slow.len()
        );
        let round = |is_quick: bool, tests: &[String], time: Duration| {
            let named = |name: &String| [is_quick.then(|| "--skip".to_owned()), Some(name.clone())];
            let names = tests.iter().flat_map(named).flatten();
            let arguments = ["--exact".to_owned()].into_iter().chain(names).collect();
            let limit = LEAST_LIMIT.max(time * 10);
            Round { program: program.clone(), is_quick, arguments, limit }
        };
        if !quick.is_empty() {
            rounds.push(round(true, &slow, quick_time));
        }
        if !slow.is_empty() {
            slow_rounds.push(round(false, &slow, slow_time));
        }
    }
    rounds.append(&mut slow_rounds);
    Ok(rounds)
}

/// How much of the processor one test takes.
fn measured(program: &Program, name: &str) -> Result<Duration> {
    let mut command = Command::new("sh");
    command.args(["-c", "\"$@\" >/dev/null 2>&1 && times", "sh"]).arg(&program.path);
    command.args(["--exact", name]).current_dir(&program.folder);
    let output = command.env("CARGO_MANIFEST_DIR", &program.folder).env_remove(SWITCH).output()?;
    if !output.status.success() {
        return Err(format!("{name} fails with nothing switched on").into());
    }
    // The second line is of the children: `0m0.12s 0m0.03s`.
    let text = String::from_utf8(output.stdout)?;
    let seconds = text.lines().nth(1).unwrap_or_default().split_whitespace().filter_map(|time| {
        let (minutes, seconds) = time.strip_suffix('s')?.split_once('m')?;
        Some(minutes.parse::<f64>().ok()? * 60.0 + seconds.parse::<f64>().ok()?)
    });
    Ok(Duration::from_secs_f64(seconds.sum()))
}

/// The same rounds with `programs`, by package and name.
pub fn moved(rounds: &[Round], programs: &[Program]) -> Vec<Round> {
    let same = |round: &Round, program: &Program| {
        program.package == round.program.package && program.name() == round.program.name()
    };
    let moved = rounds.iter().filter_map(|round| {
        let program = programs.iter().find(|program| same(round, program))?;
        Some(Round { program: program.clone(), ..round.clone() })
    });
    moved.collect()
}

/// Runs `rounds` until one does not pass, the quick tests that have `near` in their names first. Only programs of
/// `packages` count.
pub fn run(rounds: &[Round], packages: &[String], near: &str, mutant: Option<usize>) -> Result<Outcome> {
    let counted = || rounds.iter().filter(|round| packages.contains(&round.program.package));
    let nearest = counted().filter(|round| round.is_quick).map(|round| {
        let mut nearest = round.clone();
        nearest.arguments[0] = format!("{near}::");
        nearest
    });
    for round in nearest.chain(counted().cloned()) {
        match round.run(mutant)? {
            Outcome::Passed => {}
            other => return Ok(other),
        }
    }
    Ok(Outcome::Passed)
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Round {
    fn run(&self, mutant: Option<usize>) -> Result<Outcome> {
        let mut command = Command::new("sh");
        command.args(["-c", "ulimit -v \"$0\"; ulimit -t \"$1\"; shift; exec \"$@\"", MEMORY_KIB]);
        command.arg(self.limit.as_secs().to_string()).arg(&self.program.path);
        command.args(&self.arguments).arg("--test-threads=1");
        command.current_dir(&self.program.folder).env("CARGO_MANIFEST_DIR", &self.program.folder);
        command.env("PROPTEST_DISABLE_FAILURE_PERSISTENCE", "1").env("PROPTEST_MAX_SHRINK_ITERS", "0");
        command.env_remove(SWITCH).envs(mutant.map(|id| (SWITCH, id.to_string())));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = Killed(command.spawn()?);
        let stdout = child.0.stdout.take().ok_or("no output")?;
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            let lines = BufReader::new(stdout).lines().map_while(std::io::Result::ok);
            lines.take_while(|line| sender.send(line.clone()).is_ok()).for_each(drop);
        });
        // Whoever waits for ever takes nothing of the processor.
        let end = Instant::now() + self.limit * 60;
        loop {
            match lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) if line.ends_with("FAILED") => {
                    return Ok(Outcome::Caught(line.split(' ').nth(1).unwrap_or_default().to_owned()));
                }
                Ok(_) => {}
                Err(mpsc::RecvTimeoutError::Timeout) => return Ok(Outcome::TimedOut),
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
            }
        }
        let status = child.0.wait()?;
        if status.signal() == Some(SIGXCPU) {
            return Ok(Outcome::TimedOut);
        }
        Ok(if status.success() { Outcome::Passed } else { Outcome::Caught(status.to_string()) })
    }
}
