//! Where a server listens and how it stops.

use std::net::{Ipv4Addr, SocketAddr};

/// Where a server listens and how it stops.
#[derive(Clone, Debug, clap::Args)]
pub struct Listen {
    /// Address and port; port 0 lets the system choose
    #[arg(long, env = "WAXD_LISTEN", value_name = "ADDRESS:PORT", default_value_t = Listen::default().listen)]
    pub listen: SocketAddr,
    /// Others than this machine reach the server through what stands before it, though it listens on a loopback address: it
    /// refuses what it refuses on a public one
    #[arg(long, env = "WAXD_REACHED_BY_OTHERS")]
    pub reached_by_others: bool,
    /// Administrative address, where GET /metrics is answered in clear and without a sign-in [default: none;
    /// 127.0.0.1:9464 where the flag stands alone]
    #[arg(
        long,
        env = "WAXD_ADMIN_LISTEN",
        value_name = "ADDRESS:PORT",
        num_args = 0..=1,
        default_missing_value = "127.0.0.1:9464"
    )]
    pub admin_listen: Option<SocketAddr>,
    /// Connections at once; more wait in the system's queue
    #[arg(long, env = "WAXD_MAX_CONNECTIONS", value_name = "N", default_value_t = Listen::default().max_connections)]
    pub max_connections: usize,
    /// Seconds that running parts get to finish after SIGTERM or SIGINT
    #[arg(long, env = "WAXD_SHUTDOWN_SECONDS", value_name = "SECONDS", default_value_t = Listen::default().shutdown_seconds)]
    pub shutdown_seconds: u64,
    /// Seconds after SIGTERM (not SIGINT) in which it says that it is not ready but answers as ever, so that a balancer sends
    /// its requests elsewhere first
    #[arg(long, env = "WAXD_DRAIN_SECONDS", value_name = "SECONDS", default_value_t = Listen::default().drain_seconds)]
    pub drain_seconds: u64,
}

impl Listen {
    /// Whether nobody but this machine reaches it.
    pub(crate) fn is_loopback(&self) -> bool {
        self.listen.ip().to_canonical().is_loopback() && !self.reached_by_others
    }
}

impl Default for Listen {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8443)),
            reached_by_others: false,
            admin_listen: None,
            max_connections: 4_096,
            shutdown_seconds: 30,
            drain_seconds: 0,
        }
    }
}
