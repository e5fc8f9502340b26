//! A cluster of the story: `waxd cluster` as a process of its own, and the parts that it keeps.

use crate::server::code_in;
use crate::{Doing, StageError};
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a message may take to reach the mail folder.
const MAIL_PATIENCE: Duration = Duration::from_secs(20);

/// What a cluster is started with.
pub struct ClusterOptions<'a> {
    /// The `waxd` executable.
    pub waxd: &'a Path,
    /// Its data folder.
    pub data: &'a Path,
    /// Its log is `cluster.log` here; what its console mailers say to the operator goes to `terminal.txt` beside this folder,
    /// for it is no log.
    pub logs: &'a Path,
    /// Port of the balancer on 127.0.0.1, and of the first server; 0 takes those that are free.
    pub ports: (u16, u16),
    /// Log as it usually does, instead of at the most talkative level.
    pub quiet: bool,
    /// More arguments of `waxd cluster`.
    pub more: &'a [&'a str],
    /// The folder that it is started in, with the `.env` that it reads; absent: that of the caller.
    pub dir: Option<&'a Path>,
}

/// A cluster that runs; it is asked to end when this goes away.
pub struct Cluster {
    /// Its data folder.
    pub data: PathBuf,
    /// The balancer: `https://…`.
    pub url: String,
    /// The certificate of its authority; empty where the balancer shows a certificate that was brought.
    pub ca: PathBuf,
    /// From the start of the process to its word that all of it is ready.
    pub started_in: Duration,
    /// What all parts log.
    pub log: PathBuf,
    child: Child,
    /// Its end would be the end of the cluster.
    _stdin: Option<ChildStdin>,
    parts: Arc<Parts>,
}

/// One part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartOfCluster {
    /// Where it listens: `https://…`.
    pub url: String,
    /// Its process.
    pub pid: u32,
    /// How often it has been ready.
    pub times: u32,
}

#[derive(Default)]
struct Parts {
    known: Mutex<BTreeMap<String, PartOfCluster>>,
    changed: Condvar,
}

impl Cluster {
    /// Starts a cluster and waits until it is ready.
    ///
    /// # Errors
    /// [`StageError::Server`] when it ends before it is ready.
    pub fn start(options: &ClusterOptions<'_>, env: &[(String, OsString)]) -> Result<Self, StageError> {
        std::fs::create_dir_all(options.logs).doing("making a folder for logs")?;
        let log = options.logs.join("cluster.log");
        let log_file = OpenOptions::new().create(true).append(true).open(&log).doing("opening a log")?;
        let (balancer, servers) = options.ports;
        let began = Instant::now();
        let mut command = Command::new(options.waxd);
        if let Some(dir) = options.dir {
            command.current_dir(dir);
        }
        let mut child = command
            .args(["cluster", "--until-stdin-ends", "--listen", &format!("127.0.0.1:{balancer}")])
            .args(["--ports", &servers.to_string(), "--data"])
            .arg(options.data)
            .args(options.more)
            // A relay in the environment of whoever plays the story is not to get its letters.
            .env("WAXD_MAIL", "console")
            .envs(env.iter().map(|(name, value)| (name, value)))
            .env("RUST_LOG", if options.quiet { "info" } else { "trace" })
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log_file)
            .spawn()
            .doing("starting waxd cluster")?;
        let stdout = child.stdout.take().ok_or_else(|| StageError::Unexpected("no stdout".into()))?;
        let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
        let parts = Arc::new(Parts::default());
        let ready = lines.by_ref().find_map(|line| {
            parts.hear(&line);
            let word = line.strip_prefix("ready ")?;
            // Where the operator has brought a certificate, no authority is told: it is known to whoever brought it.
            let (url, ca) = word.split_once(" ca ").unwrap_or((word, ""));
            Some((url.to_owned(), PathBuf::from(ca)))
        });
        let Some((url, ca)) = ready else {
            drop(child.stdin.take());
            drop(child.wait());
            return Err(StageError::Server { log });
        };
        let started_in = began.elapsed();
        let terminal = options.logs.with_file_name("terminal.txt");
        let mut terminal = File::create(terminal).doing("keeping the terminal")?;
        let heard = Arc::clone(&parts);
        std::thread::spawn(move || {
            for line in lines {
                if !heard.hear(&line) && writeln!(terminal, "{line}").is_err() {
                    return;
                }
            }
        });
        let stdin = child.stdin.take();
        Ok(Self { data: options.data.to_owned(), url, ca, started_in, log, child, _stdin: stdin, parts })
    }

    /// A part by its name: `balancer`, `server 1` and so on.
    ///
    /// # Errors
    /// When there is none.
    pub fn part(&self, name: &str) -> Result<PartOfCluster, StageError> {
        let part = self.parts.known().get(name).cloned();
        part.ok_or_else(|| StageError::Unexpected(format!("the cluster has no {name}")))
    }

    /// All of them, in order.
    #[must_use]
    pub fn parts(&self) -> Vec<(String, PartOfCluster)> {
        self.parts.known().iter().map(|(name, part)| (name.clone(), part.clone())).collect()
    }

    /// Waits until a part has been ready for the `times`-th time, and gives it.
    ///
    /// # Errors
    /// When that does not happen within `patience`.
    pub fn wait_for(&self, name: &str, times: u32, patience: Duration) -> Result<PartOfCluster, StageError> {
        let began = Instant::now();
        let mut known = self.parts.known();
        loop {
            if let Some(part) = known.get(name).filter(|part| part.times >= times) {
                return Ok(part.clone());
            }
            let Some(left) = patience.checked_sub(began.elapsed()) else {
                return Err(StageError::Unexpected(format!("{name} is not ready again")));
            };
            let waited = self.parts.changed.wait_timeout(known, left);
            known = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// kill -9 of a part, which the cluster then starts again.
    ///
    /// # Errors
    /// When there is none.
    pub fn kill(&self, name: &str) -> Result<PartOfCluster, StageError> {
        let part = self.part(name)?;
        signal(part.pid, Signal::KILL)?;
        Ok(part)
    }

    /// Restarts every server, one after the other (SIGHUP). Does not wait.
    ///
    /// # Errors
    /// When the cluster is gone.
    pub fn roll(&self) -> Result<(), StageError> {
        signal(self.child.id(), Signal::HUP)
    }

    /// Waits for a message to an address and reads its code.
    ///
    /// # Errors
    /// When none arrives in twenty seconds.
    pub fn code_for(&self, address: &str) -> Result<String, StageError> {
        wait_for_code(&self.data.join("mail"), address)
    }

    /// The process that keeps the parts.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// kill -9 of the process that keeps the parts.
    ///
    /// # Errors
    /// When it cannot be ended.
    pub fn kill_keeper(mut self) -> Result<Vec<(String, PartOfCluster)>, StageError> {
        self.child.kill().doing("killing the cluster")?;
        self.child.wait().doing("waiting for the cluster")?;
        Ok(self.parts())
    }
}

impl Drop for Cluster {
    /// Asks it to end and waits until running parts have finished.
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait()
            && signal(self.child.id(), Signal::TERM).is_ok()
        {
            drop(self.child.wait());
        }
    }
}

impl Parts {
    fn known(&self) -> MutexGuard<'_, BTreeMap<String, PartOfCluster>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the line was `NAME ready URL pid N`.
    fn hear(&self, line: &str) -> bool {
        let Some((name, url, pid)) = read_part(line) else { return false };
        let mut known = self.known();
        let times = known.get(name).map_or(1, |part| part.times + 1);
        known.insert(name.to_owned(), PartOfCluster { url: url.to_owned(), pid, times });
        self.changed.notify_all();
        true
    }
}

fn read_part(line: &str) -> Option<(&str, &str, u32)> {
    let (name, rest) = line.split_once(" ready ")?;
    let (url, pid) = rest.split_once(" pid ")?;
    Some((name, url, pid.parse().ok()?))
}

/// Waits for a message to an address in a mail folder and reads its code.
pub(crate) fn wait_for_code(folder: &Path, address: &str) -> Result<String, StageError> {
    let began = Instant::now();
    while began.elapsed() < MAIL_PATIENCE {
        if let Some(code) = code_in(folder, address) {
            return Ok(code);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Err(StageError::Unexpected("no code arrived in the mail folder".into()))
}

fn signal(pid: u32, signal: Signal) -> Result<(), StageError> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| StageError::Unexpected("that is no process".into()))?;
    kill_process(pid, signal).map_err(std::io::Error::from).doing("sending a signal")
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_word_of_a_part_is_read_and_letters_are_none() {
        let read = super::read_part("server 2 ready https://localhost:8444 pid 4711");
        assert_eq!(read, Some(("server 2", "https://localhost:8444", 4711)));
        assert_eq!(super::read_part("ready https://localhost:9000 ca /tmp/ca.pem"), None);
        assert_eq!(super::read_part("your code is ready to be typed"), None);
    }
}
