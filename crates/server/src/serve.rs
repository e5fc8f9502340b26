//! Starting and stopping: opens everything, binds, runs, and ends in order.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use blobs::Blobs;
use db::DbError;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::arriving::Arriving;
use crate::auth::{AccessTokens, RelyingParty};
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, ConfigError, PublicUrl, Relay};
use crate::database;
use crate::fleeting::{Fleeting, Hearing, RedisSetupError};
use crate::jobs::{self, JobError, JobReport};
use crate::listener::Listener;
use crate::live::Live;
use crate::mail::{Backoff, ConsoleMailer, Growing, Mailer, RelayError, SmtpMailer};
use crate::metrics::{Metrics, admin_router};
use crate::places::Places;
use crate::private_file;
use crate::router::router;
use crate::routes::doctor::Practice;
use crate::secrets::Keys;
use crate::state::{App, Shared};
use crate::stores::{OpenStoresError, StoreName, Stores};
use crate::tls::{Identity, TlsError};

/// Connections at once to the administrative address.
const ADMIN_CONNECTIONS: usize = 16;

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The configuration is refused.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Certificate or authority.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] TlsError),
    /// The data folder, or a file in it.
    #[error("{} cannot be used", path.display())]
    Data {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The mail relay: its authorities cannot be used.
    #[error(transparent)]
    Mail(#[from] RelayError),
    /// Redis: its authority or its address cannot be used.
    #[error(transparent)]
    Redis(#[from] RedisSetupError),
    /// The database.
    #[error("the database cannot be opened: {0}")]
    Database(#[from] DbError),
    /// The database belongs to other keys.
    #[error(
        "this server's SECRET_KEY is not the one that the database was filled with, so nobody could sign in: give all servers \
         of a database the same one, by SECRET_KEY or as secrets/secret_key in their data folders"
    )]
    OtherKeys,
    /// `DATABASE_URL` names an empty database, and there are accounts in the SQLite file.
    #[error(
        "DATABASE_URL names an empty database, and {} is there with what came before: bring them there by `waxd admin migrate`, or, to begin \
         without them, move that file away",
        .0.display()
    )]
    LeftBehind(PathBuf),
    /// The stores of blobs.
    #[error(transparent)]
    Stores(#[from] OpenStoresError),
    /// The address to listen on.
    #[error("{address} cannot be listened on")]
    Bind {
        /// Which.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// What a caller may put in the place of the defaults.
#[derive(Default)]
pub struct Seams {
    /// Instead of the system's clock.
    pub clock: Option<Arc<dyn Clock>>,
    /// Instead of the configured mailer.
    pub mailer: Option<Arc<dyn Mailer>>,
    /// Stores of blobs, beside the configured ones or in their place.
    pub stores: Vec<(StoreName, Arc<dyn Blobs>)>,
    /// Instead of the growing pauses between two tries of a letter.
    pub backoff: Option<Arc<dyn Backoff>>,
}

/// The server; see [`Server::start`].
#[derive(Clone, Copy, Debug)]
pub struct Server;

impl Server {
    /// Opens everything, binds and begins to answer. When this returns, connections are accepted.
    ///
    /// # Errors
    /// A refused configuration, a data folder, database, storage or address that cannot be used.
    pub async fn start(config: Config) -> Result<Running, StartError> {
        Self::start_with(config, Seams::default()).await
    }

    /// As [`Server::start`], with some parts given by the caller.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub async fn start_with(config: Config, seams: Seams) -> Result<Running, StartError> {
        // What opens everything holds much at once, and callers would carry it around.
        Box::pin(Self::open(config, seams)).await
    }

    async fn open(config: Config, seams: Seams) -> Result<Running, StartError> {
        let relay = config.relay()?;
        config.check(seams.mailer.is_none() && relay.is_none())?;
        let data = config.storage.data.clone();
        let in_data = |path: PathBuf| move |source| StartError::Data { path, source };
        private_file::make_dir(&data).map_err(in_data(data.clone()))?;
        let clock = seams.clock.unwrap_or_else(|| Arc::new(SystemClock));
        let secrets = data.join("secrets");
        let keys = Keys::open(&config.secrets, &secrets).map_err(in_data(secrets))?;
        let mailer = match seams.mailer {
            Some(mailer) => mailer,
            None => mailer(relay, data.join("mail"), seams.backoff)?,
        };
        let identity = if config.tls.plain_http {
            None
        } else {
            Some(Identity::open(&config.tls, &data.join("tls"), &*clock)?)
        };
        let stores = Stores::open(&config, seams.stores).await?;
        if config.storage.parts.store == StoreName::Ipfs {
            tracing::warn!(
                "new files go to IPFS: what is published there cannot be taken back; only sealed bytes are published"
            );
        }
        let db = database::open(&config).await?;
        // Asked before anything is kept in it: what it is for may still be to come.
        if database::is_left_behind(&config, &*db).await? {
            db.close().await;
            return Err(StartError::LeftBehind(data.join(database::FILE)));
        }
        if !database::fits(&*db, &keys).await? {
            db.close().await;
            return Err(StartError::OtherKeys);
        }
        db.keep_birth(db::UnixTime(clock.now())).await?;
        let fleeting = Fleeting::open(&config, &keys).await?;
        let address = config.listen.listen;
        let bind = |source| StartError::Bind { address, source };
        let tcp = TcpListener::bind(address).await.map_err(bind)?;
        let bound = tcp.local_addr().map_err(bind)?;
        let admin = match config.listen.admin_listen {
            Some(address) => {
                let bind = |source| StartError::Bind { address, source };
                Some(TcpListener::bind(address).await.map_err(bind)?)
            }
            None => None,
        };
        let public = public_url(&config, bound);
        let app = App::new(Shared {
            db,
            stores,
            mailer,
            clock,
            access: AccessTokens::new(&keys.access_seeds),
            keys,
            limits: config.limits.clone(),
            v0: config.v0.clone(),
            signup: config.signup_rule(),
            min_client: config.clients.min_client,
            second_factor: config.factor.second_factor,
            trusted_proxies: config.trusted_proxies(),
            relying: public.as_ref().and_then(RelyingParty::new),
            public,
            tasks: TaskTracker::new(),
            arriving: Arriving::default(),
            places: Places::new(config.limits.parts_at_once),
            live: Live::new(),
            fleeting,
            hearing: Hearing::default(),
            practice: Practice::default(),
            metrics: Metrics::default(),
            draining: AtomicBool::new(false),
        });
        Ok(Running::begin(app, Bound { tcp, address: bound, admin }, identity, &config))
    }
}

fn own_url(address: SocketAddr, plain: bool) -> String {
    let scheme = if plain { "http" } else { "https" };
    let host = match address.ip() {
        ip if ip.is_loopback() || ip.is_unspecified() => "localhost".to_owned(),
        IpAddr::V6(six) => format!("[{six}]"),
        IpAddr::V4(four) => four.to_string(),
    };
    format!("{scheme}://{host}:{}", address.port())
}

/// Where browsers reach the server: as the operator says, or by its own address where nothing stands in front of it and
/// nobody else can connect. A guess elsewhere would let pages of a wrong origin in.
fn public_url(config: &Config, bound: SocketAddr) -> Option<PublicUrl> {
    let own = config.listen.is_loopback() && !config.tls.behind_proxy;
    let own = own.then(|| own_url(bound, config.tls.plain_http).parse().ok());
    config.public.public_url.clone().or(own.flatten())
}

/// The configured mailer: a relay, or else the console.
fn mailer(
    relay: Option<Relay>,
    dir: PathBuf,
    backoff: Option<Arc<dyn Backoff>>,
) -> Result<Arc<dyn Mailer>, StartError> {
    let backoff = backoff.unwrap_or_else(|| Arc::new(Growing));
    match relay {
        Some(relay) => Ok(SmtpMailer::open(relay, backoff)?),
        None => {
            let opened = ConsoleMailer::open(dir.clone());
            Ok(Arc::new(opened.map_err(|source| StartError::Data { path: dir, source })?))
        }
    }
}

/// Sockets that are listened on.
struct Bound {
    tcp: TcpListener,
    address: SocketAddr,
    admin: Option<TcpListener>,
}

/// A server that answers.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    admin_address: Option<SocketAddr>,
    plain: bool,
    ca_file: Option<PathBuf>,
    holder: String,
    app: App,
    stop: CancellationToken,
    abort: CancellationToken,
    patience: Duration,
    draining: Duration,
    listening: JoinHandle<()>,
    administering: Option<JoinHandle<()>>,
    working: JoinHandle<()>,
}

impl Running {
    fn begin(app: App, bound: Bound, identity: Option<Identity>, config: &Config) -> Self {
        let (stop, abort) = (CancellationToken::new(), CancellationToken::new());
        let authority = identity.as_ref().and_then(|identity| identity.authority.clone());
        let holder = uuid::Uuid::from_bytes(crate::random::uuid()).to_string();
        let admin_address = bound.admin.as_ref().and_then(|tcp| tcp.local_addr().ok());
        let administering = bound.admin.map(|tcp| {
            let listener = Listener {
                tcp,
                tls: None,
                router: admin_router(app.clone()),
                limits: config.limits.clone(),
                max_connections: ADMIN_CONNECTIONS,
                stop: stop.clone(),
                abort: abort.clone(),
            };
            tokio::spawn(listener.run())
        });
        let listener = Listener {
            tcp: bound.tcp,
            tls: identity.map(|identity| TlsAcceptor::from(identity.config)),
            router: router(app.clone()),
            limits: config.limits.clone(),
            max_connections: config.listen.max_connections,
            stop: stop.clone(),
            abort: abort.clone(),
        };
        Self {
            address: bound.address,
            admin_address,
            plain: config.tls.plain_http,
            ca_file: authority.as_ref().map(|authority| authority.ca_file.clone()),
            listening: tokio::spawn(listener.run()),
            administering,
            working: tokio::spawn(jobs::keep_running(app.clone(), holder.clone(), authority, stop.clone())),
            holder,
            app,
            stop,
            abort,
            patience: Duration::from_secs(config.listen.shutdown_seconds),
            draining: Duration::from_secs(config.listen.drain_seconds),
        }
    }

    /// The address that was bound.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The administrative address that was bound, if there is one.
    #[must_use]
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin_address
    }

    /// Where a client on the same machine reaches the server.
    #[must_use]
    pub fn url(&self) -> String {
        own_url(self.address, self.plain)
    }

    /// The certificate of the development authority, if that is what the server uses.
    #[must_use]
    pub fn ca_file(&self) -> Option<&std::path::Path> {
        self.ca_file.as_deref()
    }

    /// Runs every background job once, now, where no other server is at it.
    ///
    /// # Errors
    /// The database or the storage failed; running again is safe.
    pub async fn run_jobs(&self) -> Result<JobReport, JobError> {
        jobs::run_all(&self.app, &self.holder).await
    }

    /// Says that it is not ready and answers as ever, for the configured time: whoever sends requests here hears of the
    /// end before it comes.
    pub async fn drain(&self) {
        self.app.draining.store(true, Ordering::Release);
        tokio::time::sleep(self.draining).await;
    }

    /// Stops accepting connections and lets running requests finish. Does not wait: see [`Running::wait`].
    pub fn begin_shutdown(&self) {
        self.app.draining.store(true, Ordering::Release);
        self.app.live.stop();
        self.stop.cancel();
    }

    /// Waits for the end that [`Running::begin_shutdown`] began, at most the configured time for what still runs,
    /// and closes the database.
    pub async fn wait(self) {
        self.stop.cancelled().await;
        let mut listening = self.listening;
        if tokio::time::timeout(self.patience, &mut listening).await.is_err() {
            tracing::warn!("some requests did not finish in time and were cut off");
            self.abort.cancel();
            // Cut-off connections end at once; a join error could only be a panic, which was logged.
            let _ = listening.await;
        }
        if let Some(administering) = self.administering {
            // Whoever still reads numbers is not waited for.
            self.abort.cancel();
            let _ = administering.await;
        }
        let _ = self.working.await;
        self.app.mailer.hurry();
        self.app.tasks.close();
        if tokio::time::timeout(self.patience, self.app.tasks.wait()).await.is_err() {
            tracing::warn!("some last steps did not finish in time");
        }
        self.app.db.close().await;
    }

    /// [`Running::begin_shutdown`], then [`Running::wait`].
    pub async fn shutdown(self) {
        self.begin_shutdown();
        self.wait().await;
    }
}
