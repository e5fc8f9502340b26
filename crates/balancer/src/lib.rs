//! The load balancer: HTTPS from clients, HTTPS to the servers, on Pingora.
//!
//! It keeps nothing and understands nothing of what it passes on: requests go to a server that is ready, bodies flow through
//! in small pieces. [`Balancer::start`] takes a [`Config`] and gives a [`Running`] balancer.
//!
//! | module | what it is |
//! |---|---|
//! | `config` | what an operator may say, and what is refused |
//! | `discovery` | which servers there are: a fixed list, or a file that is read again when it changes |
//! | `check`, `upstream` | whether a server is ready: asked of it, and learnt from requests |
//! | `selection` | which of those that are ready takes the next request |
//! | `pool` | these three together |
//! | `gate` | the way of one request, as hooks of Pingora |
//! | `forwarded`, `refusal`, `route` | headers about the client, answers of the balancer itself, what the log may say |
//! | `door`, `wire`, `dialer`, `tls` | connections of clients and to servers |
//! | `hand_over` | the listening address, to a successor |
//! | `metrics`, `admin` | what is counted, and where it is read |

mod admin;
mod check;
pub mod config;
mod dialer;
mod discovery;
mod door;
mod forwarded;
mod gate;
mod hand_over;
mod metrics;
mod pool;
mod refusal;
mod route;
mod selection;
mod serve;
mod target;
mod tls;
mod upstream;
mod wire;

pub use config::{Config, ConfigError};
pub use hand_over::HandOverError;
pub use serve::{Balancer, Running, StartError};
pub use tls::TlsError;
