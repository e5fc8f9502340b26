//! One child process that is kept running: started, watched, started again when it dies, and ended when it should.

use std::ffi::OsString;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::words::Words;

/// The pause before a child that died is started again, doubling up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// Who has lived for so long dies for another reason than the one before.
const GROWN_UP: Duration = Duration::from_secs(60);
/// How long a child may take to be ready: a database of any size is opened, and brought up to date at its first start.
const STARTING: Duration = Duration::from_secs(120);

/// How a child is started.
#[derive(Clone, Debug)]
pub(super) struct CommandLine {
    pub(super) name: String,
    pub(super) program: PathBuf,
    /// Before and after the address that it listens on.
    pub(super) before: Vec<OsString>,
    pub(super) after: Vec<OsString>,
    /// At its first start alone.
    pub(super) at_first: Vec<OsString>,
    /// With port 0 only until it has been started once: who knows it must find it again.
    pub(super) listen: SocketAddr,
    /// What of the environment is not meant for it.
    pub(super) hidden: &'static [&'static str],
    /// How long it may take to end once it was told to.
    pub(super) ending: Duration,
}

/// Where a child that is ready can be found.
#[derive(Clone, Debug)]
pub(super) struct Ready {
    pub(super) url: String,
    pub(super) ca: Option<String>,
}

/// Why a part does not run.
#[derive(Debug, thiserror::Error)]
pub(super) enum PartError {
    /// It never was ready.
    #[error("{name} does not start: {why}")]
    Start {
        /// Which part.
        name: String,
        /// What happened instead.
        why: String,
    },
    /// It was told to stop.
    #[error("{0} is stopped")]
    Stopped(String),
}

/// Where a part is in its life.
#[derive(Clone, Debug)]
enum Standing {
    Starting,
    Ready(Ready),
    Failed(String),
}

enum Order {
    Restart(oneshot::Sender<()>),
    /// Whether it is to hand its place over and then end, or to stay after all.
    Leave(bool),
    Stop,
}

/// A child and whoever keeps it.
pub(super) struct Part {
    name: String,
    orders: mpsc::Sender<Order>,
    standing: watch::Receiver<Standing>,
    port: Arc<OnceLock<u16>>,
    keeper: JoinHandle<()>,
}

impl Part {
    /// Starts a child and keeps it running from now on.
    pub(super) fn keep(command: CommandLine, words: Words) -> Self {
        let (orders, ordered) = mpsc::channel(4);
        let (told, standing) = watch::channel(Standing::Starting);
        let (name, port) = (command.name.clone(), Arc::<OnceLock<u16>>::default());
        let keeper =
            Keeper { command, words, ordered, told, port: port.clone(), was_ready: false, leaves: false };
        Self { name, orders, standing, port, keeper: tokio::spawn(keeper.run()) }
    }

    /// Waits until it is ready.
    pub(super) async fn ready(&mut self) -> Result<Ready, PartError> {
        let stopped = || PartError::Stopped(self.name.clone());
        let settled = self.standing.wait_for(|standing| !matches!(standing, Standing::Starting)).await;
        match &*settled.map_err(|_| stopped())? {
            Standing::Ready(ready) => Ok(ready.clone()),
            Standing::Failed(why) => Err(PartError::Start { name: self.name.clone(), why: why.clone() }),
            Standing::Starting => Err(stopped()),
        }
    }

    /// Ends it in peace and starts it again; when this returns, the old one has ended.
    pub(super) async fn restart(&self) -> Result<(), PartError> {
        let (done, ended) = oneshot::channel();
        let stopped = || PartError::Stopped(self.name.clone());
        self.orders.send(Order::Restart(done)).await.map_err(|_| stopped())?;
        ended.await.map_err(|_| stopped())
    }

    /// Asks it by SIGQUIT to hand its place over to a successor and to end when its requests have; or, where that came to
    /// nothing, lets it stay.
    pub(super) async fn leave(&self, leaves: bool) -> Result<(), PartError> {
        self.orders.send(Order::Leave(leaves)).await.map_err(|_| PartError::Stopped(self.name.clone()))
    }

    /// Where it was when it was ready last, if it ever was.
    pub(super) fn port(&self) -> Option<u16> {
        self.port.get().copied()
    }

    /// Whether it has ended for good.
    pub(super) fn is_gone(&self) -> bool {
        self.keeper.is_finished()
    }

    /// Ends it in peace and for good.
    pub(super) async fn stop(&mut self) {
        // Whoever keeps it may have given up already.
        if self.orders.send(Order::Stop).await.is_ok() || !self.keeper.is_finished() {
            drop((&mut self.keeper).await);
        }
    }
}

impl Drop for Part {
    /// The child dies with its keeper.
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

struct Keeper {
    command: CommandLine,
    words: Words,
    ordered: mpsc::Receiver<Order>,
    told: watch::Sender<Standing>,
    port: Arc<OnceLock<u16>>,
    was_ready: bool,
    /// It hands its place over: when it has ended, it is not started again.
    leaves: bool,
}

/// What became of a child.
enum Ended {
    Died(ExitStatus),
    Restarted,
    Stopped,
}

impl Keeper {
    async fn run(mut self) {
        let mut pause = FIRST_PAUSE;
        loop {
            let began = Instant::now();
            let why = match self.once().await {
                Ok(Ended::Stopped) => return,
                Ok(Ended::Restarted) => {
                    pause = FIRST_PAUSE;
                    continue;
                }
                Ok(Ended::Died(status)) => status.to_string(),
                Err(why) => why,
            };
            if !self.was_ready {
                self.told.send_replace(Standing::Failed(why));
                return;
            }
            if began.elapsed() > GROWN_UP {
                pause = FIRST_PAUSE;
            }
            let again = format!("{:.1} s", pause.as_secs_f32());
            tracing::warn!(part = %self.command.name, ended = %why, again_in = %again, "a part died and is started again");
            match tokio::time::timeout(pause, self.ordered.recv()).await {
                Ok(Some(Order::Restart(done))) => {
                    let _ = done.send(());
                }
                Ok(Some(Order::Stop) | None) => return,
                // A successor finds nobody to take over from.
                Ok(Some(Order::Leave(_))) | Err(_) => {}
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// One life of the child.
    async fn once(&mut self) -> Result<Ended, String> {
        self.told.send_replace(Standing::Starting);
        let mut child = self.spawn().map_err(|error| format!("it cannot be started: {error}"))?;
        // Held here, for whoever waits for a child lets go of its standard input first.
        let _stdin = child.stdin.take();
        let (ready, becomes_ready) = oneshot::channel();
        if let Some(stdout) = child.stdout.take() {
            tokio::spawn(listen(stdout, ready));
        }
        if let Some(stderr) = child.stderr.take() {
            let (words, name) = (self.words, self.command.name.clone());
            tokio::spawn(async move { words.pass_on(&name, stderr).await });
        }
        let starting = tokio::select! {
            ready = tokio::time::timeout(STARTING, becomes_ready) => ready,
            order = next_end(&mut self.ordered, |_| {}) => return self.end(child, order).await,
        };
        match starting {
            Ok(Ok(ready)) => self.tell(ready, child.id()),
            Ok(Err(_)) => {
                // It has closed its standard output without the word, so it is about to end.
                let status = child.wait().await.map_err(|error| error.to_string())?;
                return Err(format!("it ended with {status} before it was ready"));
            }
            Err(_) => {
                drop(child.kill().await);
                return Err(format!("it was not ready in {} s", STARTING.as_secs()));
            }
        }
        let pid = pid(&child);
        let leaves = &mut self.leaves;
        let told_to_leave = |now| {
            *leaves = now;
            if now {
                send(pid, Signal::QUIT);
            }
        };
        let order = tokio::select! {
            status = child.wait() => {
                let status = status.map_err(|error| error.to_string())?;
                return Ok(if self.leaves && status.success() { Ended::Stopped } else { Ended::Died(status) });
            }
            order = next_end(&mut self.ordered, told_to_leave) => order,
        };
        self.end(child, order).await
    }

    fn spawn(&self) -> std::io::Result<Child> {
        let CommandLine { program, before, after, at_first, listen, hidden, .. } = &self.command;
        let mut command = Command::new(program);
        for name in *hidden {
            command.env_remove(name);
        }
        command.env(crate::NO_DOTENV, "1");
        command
            .args(before)
            .args(if self.was_ready { &[] } else { at_first.as_slice() })
            .args(["--listen", &listen.to_string()])
            .args(after)
            // Its end tells the child that this process is gone, however it went.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Ctrl-C in a terminal comes to this process alone, which ends the others in order.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
    }

    fn tell(&mut self, ready: Ready, pid: Option<u32>) {
        self.was_ready = true;
        if let Some(port) = ready.url.rsplit_once(':').and_then(|(_, port)| port.parse().ok()) {
            self.command.listen.set_port(port);
            // It never changes: with port 0 it was chosen at the first start.
            let _ = self.port.set(port);
        }
        let name = &self.command.name;
        // Nobody may be listening.
        drop(writeln!(std::io::stdout(), "{name} ready {} pid {}", ready.url, pid.unwrap_or(0)));
        self.told.send_replace(Standing::Ready(ready));
    }

    /// Asks the child to end, and waits no longer than it may take.
    async fn end(&mut self, mut child: Child, order: Option<Order>) -> Result<Ended, String> {
        // Notice is given where others go on; where all end, nobody is left to send requests elsewhere.
        let signal = if matches!(order, Some(Order::Restart(_))) { Signal::TERM } else { Signal::INT };
        send(pid(&child), signal);
        if tokio::time::timeout(self.command.ending, child.wait()).await.is_err() {
            tracing::warn!(part = %self.command.name, "a part did not end in time and is killed");
            drop(child.kill().await);
        }
        match order {
            Some(Order::Restart(done)) => {
                self.told.send_replace(Standing::Starting);
                // Whoever asked may have been stopped since.
                let _ = done.send(());
                Ok(Ended::Restarted)
            }
            Some(Order::Stop | Order::Leave(_)) | None => Ok(Ended::Stopped),
        }
    }
}

fn pid(child: &Child) -> Option<Pid> {
    child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw)
}

fn send(pid: Option<Pid>, signal: Signal) {
    if let Some(pid) = pid {
        // Gone already: then there is nobody to tell.
        let _ = kill_process(pid, signal);
    }
}

/// The next order by which a child ends; `leave` is told of those by which it goes on for now.
async fn next_end(ordered: &mut mpsc::Receiver<Order>, mut leave: impl FnMut(bool)) -> Option<Order> {
    loop {
        match ordered.recv().await {
            Some(Order::Leave(now)) => leave(now),
            order => return order,
        }
    }
}

/// Waits for the word `ready URL [ca FILE]` and passes on every other line, such as letters of the console mailer.
async fn listen(from: impl AsyncRead + Unpin, ready: oneshot::Sender<Ready>) {
    let mut ready = Some(ready);
    let mut lines = BufReader::new(from).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        match (read_ready(&line), ready.take()) {
            (Some(word), Some(ready)) => drop(ready.send(word)),
            (_, waiting) => {
                ready = waiting;
                drop(writeln!(std::io::stdout(), "{line}"));
            }
        }
    }
}

fn read_ready(line: &str) -> Option<Ready> {
    let rest = line.strip_prefix("ready ")?;
    let (url, ca) = rest.split_once(" ca ").map_or((rest, None), |(url, ca)| (url, Some(ca.to_owned())));
    Some(Ready { url: url.to_owned(), ca })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_is_read_with_and_without_an_authority() {
        let ready = read_ready("ready https://localhost:8443 ca /srv/my data/tls/ca.pem").unwrap();
        assert_eq!(
            (ready.url.as_str(), ready.ca.as_deref()),
            ("https://localhost:8443", Some("/srv/my data/tls/ca.pem"))
        );
        assert!(read_ready("ready https://wax.example:8443").unwrap().ca.is_none());
        assert!(read_ready("already").is_none());
    }
}
