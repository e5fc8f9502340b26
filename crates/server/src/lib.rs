//! The server library: routes, jobs, mail, TLS.
//!
//! It keeps sealed files for people who do not have to trust it: nothing here can open one, and the crate that
//! could is not among its dependencies. [`Server::start`] takes a [`Config`] and gives a [`Running`] server.
//!
//! | module | what it is |
//! |---|---|
//! | `config` | what an operator may say, and what is refused |
//! | `listener`, `observe`, `router` | connections, the layer around every request, the paths |
//! | `routes/<noun>/<verb>` | what is answered |
//! | `auth` | codes, tokens, tickets, and who calls |
//! | `metrics` | what is counted of itself, on an administrative listener |
//! | `error` | the one place that turns faults into problem details |
//! | `fleeting` | what several servers share in Redis for a short while |
//! | `audit` | what is written into the audit log, how it is sealed and checked |
//! | `jobs` | expiry, deletion, orphans, sealing |
//! | `doctor` | what is looked at when an operator asks whether all is well |
//! | `stores` | where blobs are kept, and which store a reference names |
//! | `admin`, `stored` | what an operator does beside the server; whether stored bytes are those that were recorded |
//! | `tls`, `secrets`, `mail`, `clock` | the authority, the server's own keys, letters, time |

pub mod admin;
mod arriving;
pub mod audit;
mod auth;
mod clock;
pub mod config;
mod database;
pub mod doctor;
mod error;
mod fleeting;
mod http;
mod jobs;
mod limited;
mod listener;
mod live;
pub mod logging;
mod mail;
mod metrics;
mod observe;
mod openapi;
mod patience;
mod places;
mod private_file;
mod random;
mod router;
mod routes;
mod secrets;
mod serve;
mod state;
mod stored;
mod stores;
mod tls;

pub use clock::{Clock, SettableClock, SystemClock};
pub use config::Config;
pub use fleeting::RedisSetupError;
pub use jobs::{JobError, JobReport};
pub use mail::{Backoff, CodeLetter, MailError, Mailer, Notice, NoticeLetter, RelayError};
pub use openapi::openapi;
pub use serve::{Running, Seams, Server, StartError};
pub use stores::{BadReference, OpenStoresError, StoreError, StoreName};
pub use tls::{DevelopmentAuthority, TlsError};
