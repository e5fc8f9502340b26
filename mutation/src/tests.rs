//! Runs of test programs with one change switched on.

use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::Result;
use crate::cargo::Program;
use crate::schemata::SWITCH;

/// Tests that take longer than this run only where the others noticed nothing.
const QUICK: Duration = Duration::from_millis(400);
/// No run is given up before this.
const LEAST_LIMIT: Duration = Duration::from_secs(60);
/// Address space of a test program in KiB: a change may ask for memory without end.
const MEMORY_KIB: &str = "8000000";

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
    arguments: Vec<String>,
    limit: Duration,
}

/// Runs every test once with nothing switched on; gives the quick tests of all programs, then the slow ones.
pub fn rounds(programs: &[Program]) -> Result<Vec<Round>> {
    let mut rounds = Vec::new();
    let mut slow_rounds = Vec::new();
    for program in programs {
        let list = Command::new(&program.path).arg("--list").current_dir(&program.folder).output()?;
        let list = String::from_utf8(list.stdout)?;
        let (mut slow, mut quick_time, mut slow_time) = (HashSet::new(), Duration::ZERO, Duration::ZERO);
        let mut quick_tests = 0;
        for name in list.lines().filter_map(|line| line.strip_suffix(": test")) {
            let arguments = vec!["--exact".to_owned(), name.to_owned()];
            let round = Round { program: program.clone(), arguments, limit: Duration::from_secs(600) };
            let began = Instant::now();
            match round.run(None)? {
                Outcome::Passed if began.elapsed() <= QUICK => {
                    quick_time += began.elapsed();
                    quick_tests += 1;
                }
                Outcome::Passed => {
                    slow_time += began.elapsed();
                    slow.insert(name.to_owned());
                }
                _ => return Err(format!("{name} fails with nothing switched on").into()),
            }
        }
        println!(
            "{}: {quick_tests} quick tests ({quick_time:.1?}), {} slow ({slow_time:.1?})",
            program.path.file_name().unwrap_or_default().display(),
            slow.len()
        );
        let limit = |time: Duration| LEAST_LIMIT.max(time * 10);
        if quick_tests > 0 {
            let skipped = slow.iter().flat_map(|name| ["--skip".to_owned(), name.clone()]);
            let arguments = ["--exact".to_owned()].into_iter().chain(skipped).collect();
            rounds.push(Round { program: program.clone(), arguments, limit: limit(quick_time) });
        }
        if !slow.is_empty() {
            let arguments = ["--exact".to_owned()].into_iter().chain(slow).collect();
            slow_rounds.push(Round { program: program.clone(), arguments, limit: limit(slow_time) });
        }
    }
    rounds.append(&mut slow_rounds);
    Ok(rounds)
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

/// Runs `rounds` until one does not pass. Only programs of `packages` count.
pub fn run(rounds: &[Round], packages: &[String], mutant: Option<usize>) -> Result<Outcome> {
    for round in rounds.iter().filter(|round| packages.contains(&round.program.package)) {
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
        command.args(["-c", "ulimit -v \"$0\"; exec \"$@\"", MEMORY_KIB]).arg(&self.program.path);
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
        let end = Instant::now() + self.limit;
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
        Ok(if status.success() { Outcome::Passed } else { Outcome::Caught(status.to_string()) })
    }
}
