//! A balancer of the story: `waxd balance` as a process of its own, before several servers.

use crate::memory::peak_of;
use crate::{Doing, StageError};
use std::fs::OpenOptions;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A balancer that runs; it is asked to end when this goes away.
pub struct Balancer {
    /// `https://…`.
    pub url: String,
    /// The certificate of the servers' authority, which signed the balancer's as well.
    pub ca: PathBuf,
    /// Where it says what it counted: `http://…/metrics`.
    pub metrics: Option<String>,
    /// Its log.
    pub log: PathBuf,
    child: Child,
}

/// What a balancer is started with.
pub struct BalancerOptions<'a> {
    /// The `waxd` executable.
    pub waxd: &'a Path,
    /// The data folder that the servers share, for its authority.
    pub data: &'a Path,
    /// Its log is `balancer.log` here.
    pub logs: &'a Path,
    /// Port on 127.0.0.1; 0 takes one that is free.
    pub port: u16,
    /// The servers, `https://…` each.
    pub upstreams: &'a [&'a str],
    /// More arguments of `waxd balance`.
    pub more: &'a [&'a str],
}

impl Balancer {
    /// Starts a balancer and waits until it is ready.
    ///
    /// # Errors
    /// [`StageError::Server`] when it ends before it is ready.
    pub fn start(options: &BalancerOptions<'_>) -> Result<Self, StageError> {
        std::fs::create_dir_all(options.logs).doing("making a folder for logs")?;
        let log = options.logs.join("balancer.log");
        let log_file = OpenOptions::new().create(true).append(true).open(&log).doing("opening a log")?;
        let mut command = Command::new(options.waxd);
        command
            .args(["balance", "--listen", &format!("127.0.0.1:{}", options.port)])
            .args(["--admin-listen", "127.0.0.1:0", "--data"])
            .arg(options.data);
        for upstream in options.upstreams {
            command.args(["--upstream", upstream]);
        }
        let mut child = command
            .args(options.more)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log_file)
            .spawn()
            .doing("starting waxd balance")?;
        let stdout = child.stdout.take().ok_or_else(|| StageError::Unexpected("no stdout".into()))?;
        let mut metrics = None;
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if let Some(url) = line.strip_prefix("metrics ") {
                metrics = Some(url.to_owned());
            } else if let Some((url, ca)) =
                line.strip_prefix("ready ").and_then(|line| line.split_once(" ca "))
            {
                return Ok(Self { url: url.to_owned(), ca: PathBuf::from(ca), metrics, log, child });
            }
        }
        drop(child.kill());
        drop(child.wait());
        Err(StageError::Server { log })
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
}

impl Drop for Balancer {
    /// Asks it to end and waits until running requests have finished.
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
