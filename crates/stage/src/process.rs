//! Stopping a process for a while, as a laptop does whose lid is closed.

use crate::{Doing, StageError};
use rustix::process::{Pid, Signal, kill_process};

/// Stops a process where it is (SIGSTOP).
///
/// # Errors
/// When there is no such process.
pub fn pause(pid: u32) -> Result<(), StageError> {
    signal(pid, Signal::STOP, "stopping a process for a while")
}

/// Lets it go on (SIGCONT).
///
/// # Errors
/// When there is no such process.
pub fn go_on(pid: u32) -> Result<(), StageError> {
    signal(pid, Signal::CONT, "letting a process go on")
}

/// Asks it to end (SIGTERM). Who is gone already needs no asking.
pub fn terminate(pid: u32) {
    drop(signal(pid, Signal::TERM, "asking a process to end"));
}

fn signal(pid: u32, signal: Signal, doing: &str) -> Result<(), StageError> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| StageError::Unexpected("that is no process".into()))?;
    kill_process(pid, signal).map_err(std::io::Error::from).doing(doing)
}
