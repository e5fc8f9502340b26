//! Starting and stopping: reads the list, looks at every server, binds, runs, and ends in order.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use pingora::apps::HttpServerOptions;
use pingora::proxy::ProxyServiceBuilder;
use pingora::server::configuration::ServerConf;
use pingora::services::Service as _;
use rustls::server::ResolvesServerCert;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admin::Admin;
use crate::check::Checker;
use crate::config::{Config, ConfigError};
use crate::dialer::Dialer;
use crate::discovery::ListError;
use crate::door::{Door, http2_options};
use crate::gate::Gate;
use crate::hand_over::{self, HandOverError, Listening};
use crate::metrics::{Metrics, add};
use crate::pool::Pool;
use crate::tls::{self, FileIdentity, TlsError};

/// How often files are looked at.
const LOOK_AT_FILES: Duration = Duration::from_secs(1);
/// How often it is looked whether a predecessor's metrics are gone.
const LOOK_AT_METRICS: Duration = Duration::from_millis(200);
/// Servers that one request is tried at.
const TRIES: usize = 3;
/// Idle connections to servers that are kept.
const KEPT: usize = 128;

/// Why a balancer does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The configuration is refused.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Certificate or authority.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The list of servers.
    #[error("the servers are not known")]
    List(#[from] ListError),
    /// The predecessor did not hand its address over.
    #[error(transparent)]
    HandOver(#[from] HandOverError),
    /// An address to listen on.
    #[error("{address} cannot be listened on")]
    Bind {
        /// Which.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// The balancer; see [`Balancer::start`].
#[derive(Clone, Copy, Debug)]
pub struct Balancer;

impl Balancer {
    /// Looks at the servers, binds and begins to pass on. When this returns, connections are accepted. `identity` is what
    /// clients are shown where the configuration names no certificate.
    ///
    /// # Errors
    /// A refused configuration; a list, a certificate or an address that cannot be used. That no server is ready is none.
    pub async fn start(
        config: Config,
        identity: Option<Arc<dyn ResolvesServerCert>>,
    ) -> Result<Running, StartError> {
        config.check()?;
        let files = match (&config.tls_cert, &config.tls_key) {
            (Some(cert), Some(key)) => Some(Arc::new(FileIdentity::open(cert, key)?)),
            _ => None,
        };
        let shown = files.clone().map(|files| files as Arc<dyn ResolvesServerCert>).or(identity);
        let tls = tls::server_config(shown.ok_or(ConfigError::NoCertificate)?)?;
        let ca = config.upstream_ca.as_deref().ok_or(ConfigError::NoAuthority)?;
        let dialer = Dialer::new(Arc::new(tls::client_config(ca)?), config.limits.connect());
        let (select, checker) = (config.select.build(), Checker::new(dialer.clone()));
        let pool = Arc::new(Pool::open(config.discovery(), select, checker, config.check_pause()).await?);
        if !pool.servers().iter().any(|upstream| upstream.is_up()) {
            tracing::warn!("no server is ready yet");
        }
        Running::begin(config, tls, dialer, pool, files).await
    }
}

/// A balancer that passes requests on.
pub struct Running {
    place: Listening,
    hand_over: Option<PathBuf>,
    admin: Option<SocketAddr>,
    metrics: Arc<Metrics>,
    pool: Arc<Pool>,
    patience: Duration,
    shutdown: watch::Sender<bool>,
    stop: CancellationToken,
    abort: CancellationToken,
    end: CancellationToken,
    connections: TaskTracker,
    listening: JoinHandle<()>,
}

impl Running {
    async fn begin(
        config: Config,
        tls: rustls::ServerConfig,
        dialer: Dialer,
        pool: Arc<Pool>,
        files: Option<Arc<FileIdentity>>,
    ) -> Result<Self, StartError> {
        let address = config.listen;
        let place = match config.hand_over.clone().filter(|_| config.take_over) {
            Some(path) => hand_over::take(path).await?,
            None => hand_over::bind(address).map_err(|source| StartError::Bind { address, source })?,
        };
        let metrics = Arc::new(Metrics::default());
        let (stop, abort, end) =
            (CancellationToken::new(), CancellationToken::new(), CancellationToken::new());
        let admin = match config.admin_listen {
            None => None,
            Some(address) => {
                let admin = Admin { metrics: metrics.clone(), pool: pool.clone() };
                Some(watch_over(address, admin, end.clone(), config.take_over).await?)
            }
        };
        let connections = TaskTracker::new();
        let door = Door {
            tls: TlsAcceptor::from(Arc::new(tls)),
            room: Arc::new(Semaphore::new(config.limits.max_connections)),
            metrics: metrics.clone(),
            header_time: config.limits.header(),
            idle_seconds: config.limits.idle_seconds,
            connections: connections.clone(),
            stop: stop.clone(),
            abort: abort.clone(),
        };
        let gate = Gate {
            pool: pool.clone(),
            metrics: metrics.clone(),
            limits: config.limits.clone(),
            trusted: config.trusted_proxies.clone(),
            places: Arc::new(Semaphore::new(config.limits.max_connections)),
            stop: stop.clone(),
        };
        let (shutdown, watching) = watch::channel(false);
        let listening = listen(gate, dialer, door, &place, watching);
        tokio::spawn(look_at_files(pool.clone(), files, metrics.clone(), end.clone()));
        let patience = Duration::from_secs(config.limits.shutdown_seconds);
        Ok(Self {
            place,
            hand_over: config.hand_over,
            admin,
            metrics,
            pool,
            patience,
            shutdown,
            stop,
            abort,
            end,
            connections,
            listening,
        })
    }

    /// The address that was bound.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.place.address
    }

    /// Where metrics are read, if anywhere.
    #[must_use]
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin
    }

    /// Where a client on the same machine reaches the balancer.
    #[must_use]
    pub fn url(&self) -> String {
        let host = match self.place.address.ip() {
            ip if ip.is_loopback() || ip.is_unspecified() => "localhost".to_owned(),
            IpAddr::V6(six) => format!("[{six}]"),
            IpAddr::V4(four) => four.to_string(),
        };
        format!("https://{host}:{}", self.place.address.port())
    }

    /// Hands the listening address to a successor that was told to take it over. This one goes on until it is shut down.
    ///
    /// # Errors
    /// No socket was configured, others could meddle with it, or no successor came within a few seconds.
    pub async fn hand_over(&self) -> Result<(), HandOverError> {
        match self.hand_over.clone() {
            Some(path) => hand_over::give(path, self.place.fds.clone()).await,
            None => Err(HandOverError::NotConfigured),
        }
    }

    /// Stops accepting, lets running requests finish in bounded time, and ends.
    pub async fn shutdown(self) {
        self.stop.cancel();
        // Nobody else holds the other end when the listener is gone already.
        let _ = self.shutdown.send(true);
        let _ = self.listening.await;
        self.connections.close();
        if tokio::time::timeout(self.patience, self.connections.wait()).await.is_err() {
            let left = self.metrics.open.load(Ordering::Relaxed);
            tracing::warn!(left, "some requests did not finish in time and were cut off");
            self.abort.cancel();
            self.connections.wait().await;
        }
        self.end.cancel();
        self.pool.close();
    }
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running").field("address", &self.place.address).finish_non_exhaustive()
    }
}

/// Hands the bound socket to Pingora's own loop, which calls the door for each connection.
fn listen(
    gate: Gate,
    dialer: Dialer,
    door: Door,
    place: &Listening,
    shutdown: watch::Receiver<bool>,
) -> JoinHandle<()> {
    let conf = ServerConf {
        max_retries: TRIES,
        upstream_keepalive_pool_size: KEPT,
        threads: 2,
        ..ServerConf::default()
    };
    let mut options = HttpServerOptions::default();
    options.force_custom = true;
    options.h2_idle_timeout = Some(Duration::from_secs(door.idle_seconds));
    let mut service = ProxyServiceBuilder::new(&Arc::new(conf), gate)
        .name("waxwing")
        .server_options(options)
        .custom(dialer, Arc::new(door).open())
        .build();
    if let Some(proxy) = service.app_logic_mut() {
        proxy.h2_options = Some(http2_options());
    }
    service.add_tcp(&place.address.to_string());
    let fds = place.fds.clone();
    tokio::spawn(async move { service.start_service(Some(fds), shutdown, 1).await })
}

/// Shows metrics at an address; where a predecessor still shows its own there, as soon as it has ended.
async fn watch_over(
    address: SocketAddr,
    admin: Admin,
    end: CancellationToken,
    has_predecessor: bool,
) -> Result<SocketAddr, StartError> {
    let listener = match TcpListener::bind(address).await {
        Err(error) if has_predecessor && error.kind() == io::ErrorKind::AddrInUse => {
            tokio::spawn(async move {
                if let Some(listener) = bind_when_free(address, &end).await {
                    Arc::new(admin).run(listener, end).await;
                }
            });
            return Ok(address);
        }
        bound => bound,
    };
    let bind = |source| StartError::Bind { address, source };
    let listener = listener.map_err(bind)?;
    let bound = listener.local_addr().map_err(bind)?;
    tokio::spawn(Arc::new(admin).run(listener, end));
    Ok(bound)
}

/// `None` where it was never free before the end, or cannot be listened on for another reason.
async fn bind_when_free(address: SocketAddr, end: &CancellationToken) -> Option<TcpListener> {
    loop {
        match TcpListener::bind(address).await {
            Ok(listener) => return Some(listener),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            Err(error) => {
                tracing::error!(%address, cause = %error, "metrics cannot be shown");
                return None;
            }
        }
        tokio::select! {
            () = end.cancelled() => return None,
            () = tokio::time::sleep(LOOK_AT_METRICS) => {}
        }
    }
}

/// Takes up a list of servers and a certificate that changed; what cannot be read changes nothing.
async fn look_at_files(
    pool: Arc<Pool>,
    files: Option<Arc<FileIdentity>>,
    metrics: Arc<Metrics>,
    end: CancellationToken,
) {
    loop {
        tokio::select! {
            () = end.cancelled() => return,
            () = tokio::time::sleep(LOOK_AT_FILES) => {}
        }
        match pool.refresh() {
            Ok(false) => {}
            Ok(true) => tracing::info!(servers = pool.servers().len(), "the list of servers was read again"),
            Err(error) => {
                add(&metrics.bad_lists, 1);
                tracing::error!(cause = %error, "the list of servers cannot be used; the last one stays in force");
            }
        }
        match files.as_ref().map(|files| files.renew()) {
            Some(Ok(true)) => tracing::info!("the certificate was read again"),
            Some(Err(error)) => {
                tracing::error!(cause = %error, "the certificate cannot be used; the last one stays in force");
            }
            Some(Ok(false)) | None => {}
        }
    }
}
