//! What every route and job shares.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use db::{Database, UnixTime};
use tokio_util::task::TaskTracker;

use crate::arriving::Arriving;
use crate::auth::{AccessTokens, RelyingParty};
use crate::clock::Clock;
use crate::config::{ClientVersion, Limits, PublicUrl, SecondFactorRule, SignupRule, TrustedProxies, V0};
use crate::fleeting::{Fleeting, Hearing};
use crate::live::Live;
use crate::mail::Mailer;
use crate::metrics::Metrics;
use crate::places::Places;
use crate::routes::doctor::Practice;
use crate::secrets::Keys;
use crate::stores::Stores;

/// A handle to everything shared; cloning is cheap.
#[derive(Clone)]
pub(crate) struct App(Arc<Shared>);

/// The shared things themselves.
pub(crate) struct Shared {
    pub(crate) db: Arc<dyn Database>,
    pub(crate) stores: Stores,
    pub(crate) mailer: Arc<dyn Mailer>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) keys: Keys,
    pub(crate) access: AccessTokens,
    pub(crate) limits: Limits,
    /// The figures of the documented API.
    pub(crate) v0: V0,
    pub(crate) signup: SignupRule,
    /// The oldest client that is spoken to.
    pub(crate) min_client: Option<ClientVersion>,
    pub(crate) second_factor: SecondFactorRule,
    /// Whose `X-Forwarded-For` is read.
    pub(crate) trusted_proxies: TrustedProxies,
    /// Where browsers reach this server; none, and nothing is offered to browsers.
    pub(crate) public: Option<PublicUrl>,
    /// What judges passkeys; none where browsers know the server by no name.
    pub(crate) relying: Option<RelyingParty>,
    /// Work that outlives its request: letters, and the last step of a part that arrived whole.
    pub(crate) tasks: TaskTracker,
    /// Parts whose bytes are coming in or being made durable.
    pub(crate) arriving: Arriving,
    /// Whose turn it is to send.
    pub(crate) places: Places,
    /// Those who watch.
    pub(crate) live: Live,
    /// What servers share in Redis, if there is one.
    pub(crate) fleeting: Option<Fleeting>,
    /// Whether the changes of other servers are heard of.
    pub(crate) hearing: Hearing,
    /// Places for doctors.
    pub(crate) practice: Practice,
    /// What is counted of all that.
    pub(crate) metrics: Metrics,
    /// Set once the server has begun to stop.
    pub(crate) draining: AtomicBool,
}

impl App {
    pub(crate) fn new(shared: Shared) -> Self {
        Self(Arc::new(shared))
    }

    /// Unix seconds now.
    pub(crate) fn now(&self) -> i64 {
        self.clock.now()
    }

    /// The present, as the database wants it.
    pub(crate) fn time(&self) -> UnixTime {
        UnixTime(self.now())
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }
}

impl Deref for App {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").finish_non_exhaustive()
    }
}
