//! The agent's own process: one thread, one connection at a time, one key.

use super::{IDLE_MAX, Key, LOCK, Owner, PATIENCE, REQUEST_MAX, Reply, Request, SocketPath};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FlockOperation, Mode, OFlags, flock};
use rustix::process::{DumpableBehavior, set_dumpable_behavior, umask};
use rustix::time::{ClockId, clock_gettime};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

/// Longest sleep: time that the machine was suspended must not keep the key alive for long after it wakes.
const LONGEST_SLEEP: u64 = 20;

/// How an agent came to its end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Another one serves this home already.
    AnotherRuns,
    /// Nobody used it for long enough, or somebody locked it.
    Done,
}

/// Serves one home until it is locked or nobody used it for `idle` seconds. Writes one byte to standard output
/// when clients may connect, then lets go of every open file that it was started with.
pub(crate) fn serve(home: &Path, idle: u32) -> io::Result<End> {
    detach()?;
    let Some(lock) = lock(home)? else {
        announce()?;
        return Ok(End::AnotherRuns);
    };
    let socket = SocketPath::of(home)?;
    // We hold the lock, so whatever stands there belongs to an agent that is dead.
    match std::fs::remove_file(&socket.path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&socket.path)?;
    listener.set_nonblocking(true)?;
    announce()?;
    let end = answer_until_idle(&listener, idle.min(IDLE_MAX));
    let _gone_already = std::fs::remove_file(&socket.path);
    drop(lock);
    end.map(|()| End::Done)
}

/// A session of its own, no core dumps and no tracing, private files, and no file descriptor of its parent.
fn detach() -> io::Result<()> {
    // Fails only for the leader of a process group, which needs no new session to outlive its terminal's signals
    // when it was started by hand.
    let _leader_already = rustix::process::setsid();
    close_inherited()?;
    umask(Mode::RWXG | Mode::RWXO | Mode::XUSR);
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    Ok(())
}

/// Closes every descriptor above standard error. Nothing of our own is open yet.
fn close_inherited() -> io::Result<()> {
    let mut open = Vec::new();
    for entry in std::fs::read_dir("/proc/self/fd")? {
        if let Some(number) = entry?.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) {
            open.push(number);
        }
    }
    for number in open.into_iter().filter(|number| *number > 2) {
        // The folder that was just read is among them, closed by now.
        let _closed_already = nix::unistd::close(number);
    }
    Ok(())
}

/// The lock that says that an agent lives, or nothing when another holds it.
fn lock(home: &Path) -> io::Result<Option<OwnedFd>> {
    let flags = OFlags::CREATE | OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let file = rustix::fs::open(home.join(LOCK), flags, Mode::RUSR | Mode::WUSR)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Tells the starter that the socket is there, and hangs up.
fn announce() -> io::Result<()> {
    let mut out = io::stdout();
    // A starter that is gone does not matter.
    let _gone = out.write_all(b"+").and_then(|()| out.flush());
    let null = File::options().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&null)?;
    rustix::stdio::dup2_stderr(&null)?;
    Ok(())
}

/// The one thing the agent remembers.
struct Memory {
    held: Option<(Owner, Key)>,
    idle: u32,
    last_use: u64,
}

impl Memory {
    fn seconds_left(&self, now: u64) -> u32 {
        let used = u32::try_from(now.saturating_sub(self.last_use)).unwrap_or(u32::MAX);
        self.idle.saturating_sub(used)
    }

    /// Answers a request; only recalling and storing count as use.
    fn answer(&mut self, request: Option<Request>, now: u64) -> Reply {
        match request {
            Some(Request::Recall(owner)) => match &self.held {
                Some((held, key)) if *held == owner => {
                    self.last_use = now;
                    Reply::Key(key.clone())
                }
                _ => Reply::Nothing,
            },
            Some(Request::Store { owner, key, idle }) => {
                (self.held, self.idle, self.last_use) = (Some((owner, key)), idle, now);
                Reply::Done
            }
            Some(Request::Lock) => {
                self.held = None;
                Reply::Done
            }
            Some(Request::TimeLeft) => match self.held {
                Some(_) => Reply::TimeLeft(self.seconds_left(now)),
                None => Reply::Nothing,
            },
            None => Reply::Refused,
        }
    }
}

fn answer_until_idle(listener: &UnixListener, idle: u32) -> io::Result<()> {
    let mut memory = Memory { held: None, idle, last_use: now() };
    loop {
        let left = memory.seconds_left(now());
        if left == 0 {
            return Ok(());
        }
        wait(listener, u64::from(left).min(LONGEST_SLEEP))?;
        // Woken from a long suspension, the time may be over before the question is read.
        if memory.seconds_left(now()) == 0 {
            return Ok(());
        }
        match listener.accept() {
            Ok((stream, _)) => {
                // A peer that breaks off, or is not ours, changes nothing for the others.
                if let Ok(true) = converse(&stream, &mut memory) {
                    return Ok(());
                }
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => return Err(error),
        }
    }
}

fn wait(listener: &UnixListener, seconds: u64) -> io::Result<()> {
    let limit = Timespec { tv_sec: i64::try_from(seconds).unwrap_or(i64::MAX), tv_nsec: 0 };
    match poll(&mut [PollFd::new(listener, PollFlags::IN)], Some(&limit)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// One request and its reply; true when the agent has been told to end.
fn converse(stream: &UnixStream, memory: &mut Memory) -> io::Result<bool> {
    if rustix::net::sockopt::socket_peercred(stream)?.uid != rustix::process::geteuid() {
        return Ok(false);
    }
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    // The peer closes its half after the request: a longer one is cut here and refused by its length.
    let mut bytes = zeroize::Zeroizing::new(Vec::with_capacity(REQUEST_MAX + 1));
    stream.take(REQUEST_MAX as u64 + 1).read_to_end(&mut bytes)?;
    let request = Request::decode(&bytes);
    let ends = request == Some(Request::Lock);
    let reply = memory.answer(request, now());
    let mut out = stream;
    let written = out.write_all(&reply.encode());
    if ends {
        return Ok(true);
    }
    written.map(|()| false)
}

/// Seconds since the machine started, suspension included.
fn now() -> u64 {
    u64::try_from(clock_gettime(ClockId::Boottime).tv_sec).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use zeroize::Zeroizing;

    const ALICE: Owner = [1; 16];
    const BOB: Owner = [2; 16];

    fn holding() -> Memory {
        let mut memory = Memory { held: None, idle: 900, last_use: 0 };
        let key = Zeroizing::new([3; 32]);
        assert!(memory.answer(Some(Request::Store { owner: ALICE, key, idle: 60 }), 100) == Reply::Done);
        memory
    }

    #[test]
    fn a_key_is_given_to_its_owner_only() {
        let mut memory = holding();
        assert!(memory.answer(Some(Request::Recall(ALICE)), 101) == Reply::Key(Zeroizing::new([3; 32])));
        assert!(memory.answer(Some(Request::Recall(BOB)), 101) == Reply::Nothing);
    }

    #[test]
    fn use_puts_the_end_off_and_asking_for_the_time_does_not() {
        let mut memory = holding();
        assert_eq!(memory.seconds_left(130), 30);
        assert!(memory.answer(Some(Request::TimeLeft), 130) == Reply::TimeLeft(30));
        assert!(memory.answer(Some(Request::Recall(BOB)), 130) == Reply::Nothing);
        assert_eq!(memory.seconds_left(130), 30);
        memory.answer(Some(Request::Recall(ALICE)), 130);
        assert_eq!(memory.seconds_left(130), 60);
        assert_eq!(memory.seconds_left(190), 0);
    }

    #[test]
    fn nothing_is_remembered_after_lock() {
        let mut memory = holding();
        memory.answer(Some(Request::Lock), 101);
        assert!(memory.answer(Some(Request::Recall(ALICE)), 101) == Reply::Nothing);
    }
}
