//! How commands talk to the agent, and how they start it.

use super::{Key, LOCK, Owner, PATIENCE, REPLY_MAX, Reply, Request, SocketPath};
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The agent of one home, running or not.
pub(crate) struct Agent {
    home: PathBuf,
}

/// Why the agent could not be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AgentError {
    /// The process could not be started or did not come up.
    #[error("the agent could not be started")]
    Start(#[source] io::Error),
    /// It runs, but cannot be spoken to.
    #[error("the agent does not answer")]
    Talk(#[source] io::Error),
    /// The process behind the socket belongs to another user.
    #[error("the agent's socket belongs to another user")]
    Stranger,
    /// It answered something that is not in the protocol.
    #[error("the agent's answer makes no sense")]
    Nonsense,
}

impl Agent {
    /// The agent of this home.
    pub(crate) fn of(home: &Path) -> Self {
        Self { home: home.to_owned() }
    }

    /// The remembered key of an account, if an agent runs and has it.
    pub(crate) fn recall(&self, owner: Owner) -> Result<Option<Key>, AgentError> {
        match self.ask(&Request::Recall(owner))? {
            Some(Reply::Key(key)) => Ok(Some(key)),
            Some(Reply::Nothing) | None => Ok(None),
            Some(_) => Err(AgentError::Nonsense),
        }
    }

    /// Has a key remembered until nobody used it for `idle` seconds; starts the agent if none runs.
    pub(crate) fn store(&self, owner: Owner, key: &Key, idle: u32) -> Result<(), AgentError> {
        let request = Request::Store { owner, key: key.clone(), idle };
        let reply = match self.ask(&request)? {
            Some(reply) => Some(reply),
            None => {
                self.start(idle)?;
                self.ask(&request)?
            }
        };
        match reply {
            Some(Reply::Done) => Ok(()),
            _ => Err(AgentError::Nonsense),
        }
    }

    /// Ends the agent; false when none ran.
    pub(crate) fn lock(&self) -> Result<bool, AgentError> {
        match self.ask(&Request::Lock)? {
            Some(Reply::Done) => Ok(true),
            None => Ok(false),
            Some(_) => Err(AgentError::Nonsense),
        }
    }

    /// Seconds until the agent forgets its key by itself; nothing when it holds none.
    pub(crate) fn seconds_left(&self) -> Result<Option<u32>, AgentError> {
        match self.ask(&Request::TimeLeft)? {
            Some(Reply::TimeLeft(seconds)) => Ok(Some(seconds)),
            Some(Reply::Nothing) | None => Ok(None),
            Some(_) => Err(AgentError::Nonsense),
        }
    }

    /// One request and its reply, or nothing when no agent runs.
    fn ask(&self, request: &Request) -> Result<Option<Reply>, AgentError> {
        let socket = match SocketPath::of(&self.home) {
            Ok(socket) => socket,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(AgentError::Talk(error)),
        };
        let mut stream = match UnixStream::connect(&socket.path) {
            Ok(stream) => stream,
            // Refused: the socket of an agent that was killed.
            Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
                return Ok(None);
            }
            Err(error) => return Err(AgentError::Talk(error)),
        };
        // A key goes only to a process of the same user, however the socket came to be there.
        let peer = rustix::net::sockopt::socket_peercred(&stream).map_err(|e| AgentError::Talk(e.into()))?;
        if peer.uid != rustix::process::geteuid() {
            return Err(AgentError::Stranger);
        }
        let bytes = exchange(&mut stream, request).map_err(AgentError::Talk)?;
        // Hung up without a word: it ended between our call and its answer.
        if bytes.is_empty() {
            return Ok(None);
        }
        Reply::decode(&bytes).map(Some).ok_or(AgentError::Nonsense)
    }

    /// Starts the agent and returns when it can be spoken to.
    fn start(&self, idle: u32) -> Result<(), AgentError> {
        let program = std::env::current_exe().map_err(AgentError::Start)?;
        let home = std::path::absolute(&self.home).map_err(AgentError::Start)?;
        let mut child = Command::new(program)
            .arg("agent")
            .arg("--idle")
            .arg(idle.to_string())
            .arg("--home")
            .arg(home)
            .current_dir("/")
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(AgentError::Start)?;
        let mut ready = [0u8; 1];
        let mut out = child.stdout.take().expect("standard output was asked for as a pipe");
        out.read_exact(&mut ready).map_err(|_| {
            AgentError::Start(io::Error::other(format!(
                "it ended at once; see {}",
                self.home.join(LOCK).display()
            )))
        })
    }
}

fn exchange(stream: &mut UnixStream, request: &Request) -> io::Result<zeroize::Zeroizing<Vec<u8>>> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(&request.encode())?;
    stream.shutdown(Shutdown::Write)?;
    let mut bytes = zeroize::Zeroizing::new(Vec::with_capacity(REPLY_MAX + 1));
    stream.take(REPLY_MAX as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
