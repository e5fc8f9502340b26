//! What an operator may say to the balancer, and what is refused.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use crate::discovery::{Discovery, Fixed, Listed};
use crate::forwarded::Trusted;
pub use crate::selection::Policy;
pub use crate::target::Target;

/// What `waxd balance` can be told; every flag is also an environment variable.
#[derive(Clone, Debug, clap::Args)]
pub struct Config {
    /// Address and port; port 0 lets the system choose
    #[arg(long, env = "WAXD_BALANCE_LISTEN", value_name = "ADDRESS:PORT", default_value_t = Config::default().listen)]
    pub listen: SocketAddr,
    /// Servers, as https://HOST:PORT; several times, or separated by commas
    #[arg(long = "upstream", env = "WAXD_UPSTREAMS", value_name = "URL", value_delimiter = ',')]
    pub upstreams: Vec<Target>,
    /// File that names the servers, one on each line; it is read again when it changes
    #[arg(long, env = "WAXD_UPSTREAMS_FILE", value_name = "FILE")]
    pub upstreams_file: Option<PathBuf>,
    /// Authority (PEM) that the servers' certificates must come from [default: the development authority in --data]
    #[arg(long, env = "WAXD_UPSTREAM_CA", value_name = "FILE")]
    pub upstream_ca: Option<PathBuf>,
    /// How servers are chosen
    #[arg(long, env = "WAXD_BALANCE_SELECT", value_enum, value_name = "HOW", default_value_t = Policy::RoundRobin)]
    pub select: Policy,
    /// Certificate chain (PEM) for clients; read again when it changes [default: by the development authority in --data]
    #[arg(long, env = "TLS_CERT", value_name = "FILE")]
    pub tls_cert: Option<PathBuf>,
    /// Key of the certificate (PEM)
    #[arg(long, env = "TLS_KEY", value_name = "FILE")]
    pub tls_key: Option<PathBuf>,
    /// Address and port for /metrics and /health over plain HTTP; without it there is none
    #[arg(long, env = "WAXD_BALANCE_ADMIN", value_name = "ADDRESS:PORT")]
    pub admin_listen: Option<SocketAddr>,
    /// Proxies before the balancer whose X-Forwarded-For is believed: addresses and networks, separated by commas
    #[arg(long, env = "WAXD_BALANCE_TRUSTED_PROXIES", value_name = "ADDRESSES", default_value_t = Trusted::default())]
    pub trusted_proxies: Trusted,
    /// Socket by which a successor gets the listening address, in a folder that only this account enters
    #[arg(long, env = "WAXD_BALANCE_HAND_OVER", value_name = "FILE")]
    pub hand_over: Option<PathBuf>,
    /// Take the listening address over from the balancer that runs with the same --hand-over, once it gets SIGQUIT
    #[arg(long, requires = "hand_over")]
    pub take_over: bool,
    /// Seconds between two checks of a server
    #[arg(long, env = "WAXD_BALANCE_CHECK_SECONDS", value_name = "SECONDS", default_value_t = Config::default().check_seconds)]
    pub check_seconds: f64,
    #[command(flatten)]
    #[allow(missing_docs, reason = "its fields say it")]
    pub limits: Limits,
}

/// What the balancer takes at most.
#[derive(Clone, Debug, clap::Args)]
pub struct Limits {
    /// Connections at once; more are closed
    #[arg(long, env = "WAXD_BALANCE_MAX_CONNECTIONS", value_name = "N", default_value_t = Limits::default().max_connections)]
    pub max_connections: usize,
    /// Seconds that the TLS handshake, and then the head of a request, may take
    #[arg(long, env = "WAXD_BALANCE_HEADER_SECONDS", value_name = "SECONDS", default_value_t = Limits::default().header_seconds)]
    pub header_seconds: u64,
    /// Seconds that a client may pause: between requests, within a body, and while it takes 64 KiB of an answer
    #[arg(long, env = "WAXD_BALANCE_IDLE_SECONDS", value_name = "SECONDS", default_value_t = Limits::default().idle_seconds)]
    pub idle_seconds: u64,
    /// Seconds that a server may take to be connected to
    #[arg(long, env = "WAXD_BALANCE_CONNECT_SECONDS", value_name = "SECONDS", default_value_t = Limits::default().connect_seconds)]
    pub connect_seconds: u64,
    /// Seconds that a server may be silent, and that a connection may be silent on which a client watches
    #[arg(long, env = "WAXD_BALANCE_ANSWER_SECONDS", value_name = "SECONDS", default_value_t = Limits::default().answer_seconds)]
    pub answer_seconds: u64,
    /// Seconds that running requests get to finish after SIGTERM or SIGINT
    #[arg(long, env = "WAXD_BALANCE_SHUTDOWN_SECONDS", value_name = "SECONDS", default_value_t = Limits::default().shutdown_seconds)]
    pub shutdown_seconds: u64,
}

/// A configuration that is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// Nobody to send requests to.
    #[error("no server is named: give --upstream https://HOST:PORT, or --upstreams-file")]
    NoUpstream,
    /// Two sources of one truth.
    #[error("--upstream and --upstreams-file are both given: name the servers in one of them")]
    TwoLists,
    /// One without the other.
    #[error("certificate and key go together: set both TLS_CERT and TLS_KEY, or neither")]
    HalfCertificate,
    /// Nobody to trust.
    #[error("nothing says which authority the servers are trusted by: give --upstream-ca")]
    NoAuthority,
    /// Nothing to show to clients.
    #[error("there is no certificate for clients: give --tls-cert and --tls-key")]
    NoCertificate,
    /// A figure that makes no sense.
    #[error("{0}")]
    Figure(&'static str),
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 9000)),
            upstreams: Vec::new(),
            upstreams_file: None,
            upstream_ca: None,
            select: Policy::RoundRobin,
            tls_cert: None,
            tls_key: None,
            admin_listen: None,
            trusted_proxies: Trusted::default(),
            hand_over: None,
            take_over: false,
            check_seconds: 1.0,
            limits: Limits::default(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 4_096,
            header_seconds: 10,
            idle_seconds: 30,
            connect_seconds: 3,
            // A server takes up to five minutes for the largest complete.
            answer_seconds: 330,
            shutdown_seconds: 30,
        }
    }
}

impl Config {
    /// Refuses what cannot be meant.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        match (self.upstreams.is_empty(), self.upstreams_file.is_some()) {
            (true, false) => return Err(ConfigError::NoUpstream),
            (false, true) => return Err(ConfigError::TwoLists),
            _ => {}
        }
        if self.tls_cert.is_some() != self.tls_key.is_some() {
            return Err(ConfigError::HalfCertificate);
        }
        let limits = &self.limits;
        let times =
            [limits.header_seconds, limits.idle_seconds, limits.connect_seconds, limits.answer_seconds];
        if times.contains(&0) {
            return Err(ConfigError::Figure("a time limit of 0 seconds would refuse everything"));
        }
        if !(0.05..=3600.0).contains(&self.check_seconds) {
            return Err(ConfigError::Figure("servers are checked every 0.05 to 3600 seconds"));
        }
        if limits.max_connections == 0 {
            return Err(ConfigError::Figure("a balancer without connections would be of no use"));
        }
        Ok(())
    }

    pub(crate) fn discovery(&self) -> Box<dyn Discovery> {
        match &self.upstreams_file {
            Some(path) => Box::new(Listed::new(path.clone())),
            None => Box::new(Fixed(self.upstreams.clone())),
        }
    }

    pub(crate) fn check_pause(&self) -> Duration {
        Duration::from_secs_f64(self.check_seconds)
    }
}

impl Limits {
    pub(crate) fn header(&self) -> Duration {
        Duration::from_secs(self.header_seconds)
    }

    pub(crate) fn idle(&self) -> Duration {
        Duration::from_secs(self.idle_seconds)
    }

    pub(crate) fn connect(&self) -> Duration {
        Duration::from_secs(self.connect_seconds)
    }

    pub(crate) fn answer(&self) -> Duration {
        Duration::from_secs(self.answer_seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_one() -> Config {
        Config { upstreams: vec!["https://127.0.0.1:8443".parse().unwrap()], ..Config::default() }
    }

    #[test]
    fn servers_are_named_in_exactly_one_place() {
        assert!(of_one().check().is_ok());
        assert!(matches!(Config::default().check(), Err(ConfigError::NoUpstream)));
        let both = Config { upstreams_file: Some("list".into()), ..of_one() };
        assert!(matches!(both.check(), Err(ConfigError::TwoLists)));
    }

    #[test]
    fn half_a_certificate_and_impossible_figures_are_refused() {
        let half = Config { tls_cert: Some("cert.pem".into()), ..of_one() };
        assert!(matches!(half.check(), Err(ConfigError::HalfCertificate)));
        let never = Config { limits: Limits { idle_seconds: 0, ..Limits::default() }, ..of_one() };
        assert!(matches!(never.check(), Err(ConfigError::Figure(_))));
        let nan = Config { check_seconds: f64::NAN, ..of_one() };
        assert!(matches!(nan.check(), Err(ConfigError::Figure(_))));
    }
}
