//! Real executables played as separate processes: a server, people with homes, and a search for leaks.
//!
//! The demo and the tests of the whole tell their stories with it. Nothing here can open a sealed file: it
//! starts programs, compares digests, searches bytes and reads what the kernel says of memory.

mod balancer;
mod certificate;
mod clock;
mod cluster;
mod digest;
mod effort;
mod haproxy;
mod memory;
mod nginx;
mod parcel;
mod person;
pub mod postfix;
pub mod postgres;
mod process;
mod redis;
mod relay;
mod search;
mod server;
mod stores;
mod wire;

pub use balancer::{Balancer, BalancerOptions};
pub use clock::WrongClock;
pub use cluster::{Cluster, ClusterOptions, PartOfCluster};
pub use digest::{sha256_from, sha256_of};
pub use effort::{spent_by, spent_by_children};
pub use haproxy::Haproxy;
pub use memory::{Watch, peak_of};
pub use nginx::{Nginx, Role, is_installed as nginx_is_installed};
pub use parcel::Parcel;
pub use person::{Done, Person, text_at};
pub use postfix::Postfix;
pub use postgres::Postgres;
pub use process::{go_on, pause, terminate};
pub use redis::{Redis, redis_is_installed};
pub use relay::Relay;
pub use search::{Found, Needles, Searched};
pub use server::{Server, ServerOptions, code_in};
pub use stores::{Garage, IpfsNode};
pub use wire::{Cut, Waited, Way, Wire};

use std::path::PathBuf;

/// Why a story stopped; each is a sentence for the person who started it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StageError {
    /// A folder or file of the story could not be used.
    #[error("{doing}: {source}")]
    Io {
        /// What was attempted.
        doing: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The server did not come up.
    #[error("the server did not start; its words are in {}", log.display())]
    Server {
        /// Where its log is.
        log: PathBuf,
    },
    /// A step of the story failed.
    #[error("{who}: `wax {command}` ended with {status}\n{said}")]
    Step {
        /// Whose step.
        who: String,
        /// The subcommand.
        command: String,
        /// Exit status.
        status: std::process::ExitStatus,
        /// The end of what it wrote to standard error.
        said: String,
    },
    /// A step answered something that the story does not understand.
    #[error("{0}")]
    Unexpected(String),
    /// A promise of the product does not hold.
    #[error("BROKEN PROMISE: {0}")]
    Broken(String),
}

/// Gives an error of the system the words for what was attempted.
pub trait Doing<T> {
    /// `doing` is a phrase such as `reading the file`.
    ///
    /// # Errors
    /// [`StageError::Io`] with that phrase.
    fn doing(self, doing: impl Into<String>) -> Result<T, StageError>;
}

impl<T> Doing<T> for Result<T, std::io::Error> {
    fn doing(self, doing: impl Into<String>) -> Result<T, StageError> {
        self.map_err(|source| StageError::Io { doing: doing.into(), source })
    }
}
