//! A clock that is wrong, for one process and its children (Linux with a C compiler; elsewhere there is none).

use crate::{Doing, StageError};
use std::ffi::OsString;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const SOURCE: &str = include_str!("clock.c");

/// The time of day of whoever is started with its environment is off by as many seconds as it was last set to.
pub struct WrongClock {
    library: PathBuf,
    figure: PathBuf,
}

impl WrongClock {
    /// Builds one in a folder; right until it is set. `None` where it cannot be built or does nothing.
    ///
    /// # Errors
    /// When the folder cannot be written to.
    pub fn build(folder: &Path) -> Result<Option<Self>, StageError> {
        let (source, library) = (folder.join("clock.c"), folder.join("clock.so"));
        std::fs::write(&source, SOURCE).doing("writing a clock")?;
        let clock = Self { library, figure: folder.join("clock.figure") };
        clock.set(0)?;
        let mut compile = Command::new("cc");
        compile.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&clock.library).arg(&source);
        let built = compile.stdout(Stdio::null()).stderr(Stdio::null()).status();
        let works = built.is_ok_and(|status| status.success()) && clock.moves_a_process()?;
        Ok(works.then_some(clock))
    }

    /// Makes it that many seconds fast, or slow if they are fewer than none.
    ///
    /// # Errors
    /// When its file cannot be written.
    pub fn set(&self, ahead: i64) -> Result<(), StageError> {
        let mut open = std::fs::OpenOptions::new();
        let file =
            open.write(true).create(true).truncate(false).open(&self.figure).doing("setting a clock")?;
        file.write_all_at(&ahead.to_ne_bytes(), 0).doing("setting a clock")
    }

    /// What a process must be started with.
    #[must_use]
    pub fn env(&self) -> Vec<(String, OsString)> {
        vec![
            ("LD_PRELOAD".to_owned(), self.library.clone().into_os_string()),
            ("WAXWING_CLOCK".to_owned(), self.figure.clone().into_os_string()),
            // A server whose clock is far from the database's does nothing, unless it is told that this is meant.
            ("WAXD_CLOCK_TOLERANCE_SECONDS".to_owned(), "10000000000".into()),
        ]
    }

    fn moves_a_process(&self) -> Result<bool, StageError> {
        const YEARS: i64 = 1_000_000_000;
        self.set(YEARS)?;
        let mut date = Command::new("date");
        let said = date.arg("+%s").envs(self.env()).output().doing("asking for the date")?;
        self.set(0)?;
        let moved = String::from_utf8_lossy(&said.stdout).trim().parse::<i64>().unwrap_or(0);
        let real = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Ok(moved > i64::try_from(real.as_secs()).unwrap_or(i64::MAX - YEARS) + YEARS / 2)
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_started_with_it_sees_another_day() {
        let dir = tempfile::tempdir().unwrap();
        let Some(clock) = WrongClock::build(dir.path()).unwrap() else {
            eprintln!("not run: there is no C compiler, or its libraries are not loaded before others");
            return;
        };
        clock.set(-1_000_000_000).unwrap();
        let mut date = Command::new("date");
        let said = date.arg("+%Y").envs(clock.env()).output().unwrap();
        let year: u32 = String::from_utf8(said.stdout).unwrap().trim().parse().unwrap();
        assert!(year < 2020, "{year}");
    }
}
