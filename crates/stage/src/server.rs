//! A server of the story: `waxd serve` as a process of its own.

use crate::cluster::wait_for_code;
use crate::memory::peak_of;
use crate::{Doing, StageError};
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A server that runs; it is asked to end when this goes away.
pub struct Server {
    /// Its data folder.
    pub data: PathBuf,
    /// `https://…`.
    pub url: String,
    /// The certificate of its own authority.
    pub ca: PathBuf,
    /// From the start of the process to its word that it is ready.
    pub started_in: Duration,
    child: Child,
}

/// What a server is started with.
pub struct ServerOptions<'a> {
    /// The `waxd` executable.
    pub waxd: &'a Path,
    /// Its data folder.
    pub data: &'a Path,
    /// Its log is `waxd.log` here; what its console mailer says to the operator goes to `terminal.txt` beside
    /// this folder, for it is no log.
    pub logs: &'a Path,
    /// Port on 127.0.0.1; 0 takes one that is free.
    pub port: u16,
    /// Log as a server usually does, instead of at the most talkative level.
    pub quiet: bool,
    /// More arguments of `waxd serve`.
    pub more: &'a [&'a str],
}

impl Server {
    /// Starts a server and waits until it is ready.
    ///
    /// # Errors
    /// [`StageError::Server`] when it ends before it is ready.
    pub fn start(options: &ServerOptions<'_>) -> Result<Self, StageError> {
        Self::start_in(options, &[])
    }

    /// The same with more of an environment.
    ///
    /// # Errors
    /// [`StageError::Server`] when it ends before it is ready.
    pub fn start_in(options: &ServerOptions<'_>, env: &[(String, OsString)]) -> Result<Self, StageError> {
        std::fs::create_dir_all(options.logs).doing("making a folder for logs")?;
        let log = options.logs.join("waxd.log");
        let log_file = OpenOptions::new().create(true).append(true).open(&log).doing("opening a log")?;
        let began = Instant::now();
        let mut child = Command::new(options.waxd)
            .args(["serve", "--listen", &format!("127.0.0.1:{}", options.port), "--data"])
            .arg(options.data)
            .args(options.more)
            // A relay in the environment of whoever plays the story is not to get its letters.
            .env("WAXD_MAIL", "console")
            // Nor is a database there to be filled by it.
            .env_remove("DATABASE_URL")
            .env_remove("DATABASE_URL_FILE")
            .envs(env.iter().map(|(name, value)| (name, value)))
            .env("RUST_LOG", if options.quiet { "info" } else { "trace" })
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log_file)
            .spawn()
            .doing("starting waxd serve")?;
        let stdout = child.stdout.take().ok_or_else(|| StageError::Unexpected("no stdout".into()))?;
        let mut lines = BufReader::new(stdout).lines();
        let ready = lines.by_ref().map_while(Result::ok).find_map(|line| {
            let (url, ca) = line.strip_prefix("ready ")?.split_once(" ca ")?;
            Some((url.to_owned(), PathBuf::from(ca)))
        });
        let Some((url, ca)) = ready else {
            drop(child.kill());
            drop(child.wait());
            return Err(StageError::Server { log });
        };
        let started_in = began.elapsed();
        let mut terminal =
            File::create(options.logs.with_file_name("terminal.txt")).doing("keeping the terminal")?;
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if writeln!(terminal, "{line}").is_err() {
                    return;
                }
            }
        });
        Ok(Self { child, data: options.data.to_owned(), url, ca, started_in })
    }

    /// Waits for a message to an address and reads its code.
    ///
    /// # Errors
    /// When none arrives in twenty seconds.
    pub fn code_for(&self, address: &str) -> Result<String, StageError> {
        wait_for_code(&self.data.join("mail"), address)
    }

    /// Peak of resident memory so far, bytes, where the kernel tells it.
    #[must_use]
    pub fn peak(&self) -> Option<u64> {
        peak_of(self.child.id())
    }

    /// Its process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The port it listens on.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.url.rsplit_once(':')?.1.parse().ok()
    }

    /// Ends it without any warning, as a power cut of the process would.
    ///
    /// # Errors
    /// When it cannot be ended.
    pub fn kill(mut self) -> Result<(), StageError> {
        self.child.kill().doing("killing the server")?;
        self.child.wait().doing("waiting for the server").map(drop)
    }
}

impl Drop for Server {
    /// Asks it to end and waits until running parts have finished.
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let pid = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw);
            let asked = pid.map(|pid| rustix::process::kill_process(pid, rustix::process::Signal::TERM));
            if asked == Some(Ok(())) {
                drop(self.child.wait());
            }
        }
    }
}

/// Looks in a mail folder for the newest message to the address and reads its six digits.
#[must_use]
pub fn code_in(folder: &Path, address: &str) -> Option<String> {
    let mut messages: Vec<PathBuf> =
        std::fs::read_dir(folder).ok()?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    messages.sort();
    messages.iter().rev().filter_map(|path| std::fs::read_to_string(path).ok()).find_map(|text| {
        let (head, body) = text.split_once("\r\n\r\n").or_else(|| text.split_once("\n\n"))?;
        head.contains(address).then(|| six_digits(body)).flatten()
    })
}

fn six_digits(text: &str) -> Option<String> {
    text.split(|c: char| !c.is_ascii_digit()).find(|run| run.len() == 6).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_code_is_the_run_of_six_digits() {
        assert_eq!(super::six_digits("within 10 minutes: 012345.").as_deref(), Some("012345"));
        assert_eq!(super::six_digits("1234567 12345"), None);
    }
}
