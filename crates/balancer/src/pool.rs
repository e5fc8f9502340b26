//! The servers that there are, kept up to date, and the choice among them.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use tokio_util::task::TaskTracker;

use crate::check::Checker;
use crate::discovery::{Discovery, ListError};
use crate::selection::Select;
use crate::upstream::Upstream;

/// The servers.
pub(crate) struct Pool {
    servers: RwLock<Arc<Vec<Arc<Upstream>>>>,
    discovery: Mutex<Box<dyn Discovery>>,
    select: Box<dyn Select>,
    checker: Arc<Checker>,
    pause: Duration,
    looking: TaskTracker,
}

impl Pool {
    /// Reads the list and looks at every server once, so that it is known who is ready before the first request comes.
    pub(crate) async fn open(
        discovery: Box<dyn Discovery>,
        select: Box<dyn Select>,
        checker: Checker,
        pause: Duration,
    ) -> Result<Self, ListError> {
        let pool = Self {
            servers: RwLock::default(),
            discovery: Mutex::new(discovery),
            select,
            checker: Arc::new(checker),
            pause,
            looking: TaskTracker::new(),
        };
        let looks = pool.reload()?;
        futures::future::join_all(looks).await;
        Ok(pool)
    }

    /// Reads the list again if it changed. Servers that stay keep what is known of them and what they have in hand; new ones
    /// get requests when they were seen to be ready; requests at those that left run to their end.
    pub(crate) fn refresh(&self) -> Result<bool, ListError> {
        if !self.discovery.lock().unwrap_or_else(PoisonError::into_inner).has_changed() {
            return Ok(false);
        }
        let looks = self.reload()?;
        for look in looks {
            self.looking.spawn(look);
        }
        Ok(true)
    }

    /// Takes the list in and gives the first looks at those that are new.
    fn reload(&self) -> Result<Vec<impl Future<Output = ()> + Send + use<>>, ListError> {
        let targets = self.discovery.lock().unwrap_or_else(PoisonError::into_inner).read()?;
        let before = self.servers();
        let known = |target| before.iter().find(|upstream| upstream.target == target).cloned();
        let now: Vec<Arc<Upstream>> = targets
            .into_iter()
            .map(|target| known(target.clone()).unwrap_or_else(|| Arc::new(Upstream::new(target))))
            .collect();
        let is_in =
            |list: &[Arc<Upstream>], one: &Arc<Upstream>| list.iter().any(|other| Arc::ptr_eq(other, one));
        let fresh: Vec<_> = now.iter().filter(|one| !is_in(&before, one)).cloned().collect();
        for left in before.iter().filter(|one| !is_in(&now, one)) {
            tracing::info!(upstream = left.name, "a server left the list");
            left.gone.cancel();
        }
        for new in &fresh {
            let (checker, upstream, pause) = (self.checker.clone(), new.clone(), self.pause);
            self.looking.spawn(async move { checker.keep_looking(upstream, pause).await });
        }
        *self.servers.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(now);
        let checker = self.checker.clone();
        Ok(fresh
            .into_iter()
            .map(move |upstream| {
                let checker = checker.clone();
                async move { checker.look(&upstream).await }
            })
            .collect())
    }

    /// All servers, in the order of the list.
    pub(crate) fn servers(&self) -> Arc<Vec<Arc<Upstream>>> {
        self.servers.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A server that is ready and was not tried yet, if there is one.
    pub(crate) fn choose(&self, client: IpAddr, tried: &[Arc<Upstream>]) -> Option<Arc<Upstream>> {
        let is_new = |one: &&Arc<Upstream>| !tried.iter().any(|other| Arc::ptr_eq(other, one));
        let ready: Vec<Arc<Upstream>> =
            self.servers().iter().filter(|one| one.is_up()).filter(is_new).cloned().collect();
        if ready.is_empty() {
            return None;
        }
        ready.get(self.select.choose(&ready, client)).cloned()
    }

    /// Stops looking.
    pub(crate) fn close(&self) {
        for upstream in self.servers().iter() {
            upstream.gone.cancel();
        }
        self.looking.close();
    }
}
