//! The agent: a process of its own that remembers the unlocked vault key for a while, so that one passphrase
//! serves many commands.
//!
//! It listens on `agent.sock` (0600) inside the home folder (0700), answers only processes of the same user, and ends
//! after some minutes without use, on `wax lock`, and on `wax logout`. It writes nothing, anywhere, and leaves no
//! core dump. The file `agent.lock` is held by the running agent, so that a socket left by one that was killed
//! can be told from a living one.
//!
//! The protocol is one request and one reply a connection, of fixed lengths:
//!
//! | request | bytes | reply |
//! |---|---|---|
//! | recall | `01 'R' ‖ user_id 16` | `00 ‖ key 32`, or `01`: nothing for this user |
//! | store | `01 'S' ‖ user_id 16 ‖ key 32 ‖ idle u32` (seconds, big-endian) | `00` |
//! | lock | `01 'L'` | `00`; the agent has ended |
//! | time left | `01 'T'` | `00 ‖ u32` (seconds until it ends by itself) |
//!
//! Anything else is answered by `02` and changes nothing.

mod client;
mod server;

pub(crate) use client::{Agent, AgentError};
pub(crate) use server::serve;

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::time::Duration;
use zeroize::Zeroizing;

/// Where the agent of a home listens.
const SOCKET: &str = "agent.sock";
/// Held locked by the running agent.
const LOCK: &str = "agent.lock";
/// First byte of every request.
const VERSION: u8 = 1;
/// Longest request: version, verb, user id, key, idle seconds.
const REQUEST_MAX: usize = 2 + 16 + 32 + 4;
/// Longest reply: status and key.
const REPLY_MAX: usize = 1 + 32;
/// How long either side waits for the other's few bytes.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longest time without use that can be asked for, seconds.
pub(crate) const IDLE_MAX: u32 = 86_400;
/// Time without use that is taken unless a person says otherwise, seconds.
pub(crate) const IDLE_DEFAULT: u32 = 900;

/// A vault key on its way to or from the agent.
pub(crate) type Key = Zeroizing<[u8; 32]>;
/// Whose vault key: the account's id.
pub(crate) type Owner = [u8; 16];

/// What a client asks.
#[derive(PartialEq, Eq)]
enum Request {
    Recall(Owner),
    Store { owner: Owner, key: Key, idle: u32 },
    Lock,
    TimeLeft,
}

/// What the agent answers.
#[derive(PartialEq, Eq)]
enum Reply {
    Done,
    Key(Key),
    TimeLeft(u32),
    Nothing,
    Refused,
}

impl Request {
    fn encode(&self) -> Zeroizing<Vec<u8>> {
        let mut out = Zeroizing::new(Vec::with_capacity(REQUEST_MAX));
        out.push(VERSION);
        match self {
            Self::Recall(owner) => {
                out.push(b'R');
                out.extend_from_slice(owner);
            }
            Self::Store { owner, key, idle } => {
                out.push(b'S');
                out.extend_from_slice(owner);
                out.extend_from_slice(&key[..]);
                out.extend_from_slice(&idle.to_be_bytes());
            }
            Self::Lock => out.push(b'L'),
            Self::TimeLeft => out.push(b'T'),
        }
        out
    }

    /// Exactly one request, or nothing.
    fn decode(bytes: &[u8]) -> Option<Self> {
        let body = bytes.strip_prefix(&[VERSION])?;
        let (verb, body) = body.split_first()?;
        match verb {
            b'R' => Some(Self::Recall(body.try_into().ok()?)),
            b'S' => {
                let (owner, rest) = body.split_first_chunk::<16>()?;
                let (key, idle) = rest.split_first_chunk::<32>()?;
                let idle = u32::from_be_bytes(idle.try_into().ok()?);
                (1..=IDLE_MAX).contains(&idle).then(|| Self::Store {
                    owner: *owner,
                    key: Zeroizing::new(*key),
                    idle,
                })
            }
            b'L' if body.is_empty() => Some(Self::Lock),
            b'T' if body.is_empty() => Some(Self::TimeLeft),
            _ => None,
        }
    }
}

impl Reply {
    fn encode(&self) -> Zeroizing<Vec<u8>> {
        let mut out = Zeroizing::new(Vec::with_capacity(REPLY_MAX));
        match self {
            Self::Done => out.push(0),
            Self::Key(key) => {
                out.push(0);
                out.extend_from_slice(&key[..]);
            }
            Self::TimeLeft(seconds) => {
                out.push(0);
                out.extend_from_slice(&seconds.to_be_bytes());
            }
            Self::Nothing => out.push(1),
            Self::Refused => out.push(2),
        }
        out
    }

    /// The lengths differ, so that a reply needs no tag.
    fn decode(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0] => Some(Self::Done),
            [1] => Some(Self::Nothing),
            [2] => Some(Self::Refused),
            [0, rest @ ..] if rest.len() == 4 => {
                Some(Self::TimeLeft(u32::from_be_bytes(rest.try_into().ok()?)))
            }
            [0, rest @ ..] if rest.len() == 32 => Some(Self::Key(Zeroizing::new(rest.try_into().ok()?))),
            _ => None,
        }
    }
}

/// Where to bind or connect. A socket's path may hold only 107 bytes, so a long one goes through the open folder.
struct SocketPath {
    path: PathBuf,
    _folder: Option<File>,
}

impl SocketPath {
    fn of(home: &Path) -> std::io::Result<Self> {
        const LONGEST: usize = 100;
        let plain = home.join(SOCKET);
        if plain.as_os_str().len() <= LONGEST {
            return Ok(Self { path: plain, _folder: None });
        }
        let folder = File::open(home)?;
        let path = PathBuf::from(format!("/proc/self/fd/{}/{SOCKET}", folder.as_raw_fd()));
        Ok(Self { path, _folder: Some(folder) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWNER: Owner = [7; 16];

    fn key() -> Key {
        Zeroizing::new([9; 32])
    }

    #[test]
    fn requests_come_back_as_they_went() {
        for request in [
            Request::Recall(OWNER),
            Request::Store { owner: OWNER, key: key(), idle: 900 },
            Request::Lock,
            Request::TimeLeft,
        ] {
            assert!(Request::decode(&request.encode()) == Some(request));
        }
    }

    #[test]
    fn replies_come_back_as_they_went() {
        for reply in [Reply::Done, Reply::Key(key()), Reply::TimeLeft(12), Reply::Nothing, Reply::Refused] {
            assert!(Reply::decode(&reply.encode()) == Some(reply));
        }
    }

    #[test]
    fn a_request_of_any_other_length_version_or_verb_is_no_request() {
        let whole = Request::Store { owner: OWNER, key: key(), idle: 900 }.encode();
        for cut in 0..whole.len() {
            assert!(Request::decode(&whole[..cut]).is_none(), "{cut}");
        }
        let mut longer = whole.to_vec();
        longer.push(0);
        assert!(Request::decode(&longer).is_none());
        assert!(Request::decode(&[2, b'L']).is_none());
        assert!(Request::decode(&[1, b'X']).is_none());
        assert!(Request::decode(&[1, b'L', 0]).is_none());
    }

    #[test]
    fn no_idle_time_and_one_beyond_a_day_are_refused() {
        for idle in [0, IDLE_MAX + 1] {
            let bytes = Request::Store { owner: OWNER, key: key(), idle }.encode();
            assert!(Request::decode(&bytes).is_none(), "{idle}");
        }
    }
}
