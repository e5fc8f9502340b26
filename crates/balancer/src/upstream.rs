//! One server as the balancer sees it: where it stands, what it has in hand, what was counted of it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::metrics::Counted;
use crate::target::Target;

/// Failures in a row, of checks or of requests, after which a server gets nothing more.
const FAILURES_MAX: u32 = 2;
/// Good checks in a row that a server owes whose requests failed although checks did not: the first comes at once.
const OWED: u32 = 3;

/// Where a server stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Standing {
    /// Not asked yet.
    Unknown,
    /// Gets requests.
    Up,
    /// Lives, and says that it wants no new requests.
    Draining,
    /// Does not answer.
    Down,
}

impl Standing {
    pub(crate) const ALL: [Self; 4] = [Self::Unknown, Self::Up, Self::Draining, Self::Down];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Up => "up",
            Self::Draining => "draining",
            Self::Down => "down",
        }
    }
}

/// What was learnt of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// It says that it is ready.
    Ready,
    /// It says that it is not.
    NotReady,
    /// A check got no answer, or one that means nothing.
    CheckFailed,
    /// A request could not be brought to it, or broke off.
    RequestFailed,
}

/// The rules by which a server rises and falls; time and network stay outside.
#[derive(Clone, Copy, Debug)]
struct Health {
    standing: Standing,
    failures: u32,
    owed: u32,
}

impl Health {
    fn learn(&mut self, news: News) {
        match news {
            News::Ready if self.owed > 1 => self.owed -= 1,
            News::Ready => *self = Self { standing: Standing::Up, failures: 0, owed: 0 },
            News::NotReady => *self = Self { standing: Standing::Draining, failures: 0, owed: 0 },
            // Requests say nothing new of a server that gets none.
            News::RequestFailed if self.standing != Standing::Up => {}
            News::CheckFailed | News::RequestFailed => {
                self.failures = self.failures.saturating_add(1);
                self.owed = 0;
                if self.failures >= FAILURES_MAX || self.standing == Standing::Unknown {
                    self.standing = Standing::Down;
                    // Whoever does not answer checks either was simply away, and is welcome when it is back.
                    self.owed = if news == News::RequestFailed { OWED } else { 0 };
                }
            }
        }
    }
}

/// One server.
pub(crate) struct Upstream {
    /// Where it is.
    pub(crate) target: Target,
    /// `HOST:PORT`, for logs and metrics.
    pub(crate) name: String,
    /// What was counted.
    pub(crate) counted: Counted,
    /// Woken when requests fail, so that it is looked at before its time.
    pub(crate) look: Notify,
    /// Cancelled when the list no longer names it.
    pub(crate) gone: CancellationToken,
    health: Mutex<Health>,
    standing: AtomicU8,
    active: AtomicUsize,
    address: Mutex<Option<SocketAddr>>,
}

impl Upstream {
    pub(crate) fn new(target: Target) -> Self {
        Self {
            name: target.to_string(),
            target,
            counted: Counted::default(),
            look: Notify::new(),
            gone: CancellationToken::new(),
            health: Mutex::new(Health { standing: Standing::Unknown, failures: 0, owed: 0 }),
            standing: AtomicU8::new(Standing::Unknown as u8),
            active: AtomicUsize::new(0),
            address: Mutex::new(None),
        }
    }

    pub(crate) fn standing(&self) -> Standing {
        let now = self.standing.load(Ordering::Acquire);
        Standing::ALL.into_iter().find(|standing| *standing as u8 == now).unwrap_or(Standing::Unknown)
    }

    pub(crate) fn is_up(&self) -> bool {
        self.standing() == Standing::Up
    }

    /// Takes news in and says of it what an operator wants to know, once.
    pub(crate) fn learn(&self, news: News) {
        let (before, after) = {
            let mut health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
            let before = health.standing;
            health.learn(news);
            self.standing.store(health.standing as u8, Ordering::Release);
            (before, health.standing)
        };
        if news == News::RequestFailed {
            self.look.notify_one();
        }
        if before == after {
            return;
        }
        match after {
            Standing::Up => tracing::info!(upstream = self.name, "a server is ready"),
            Standing::Draining => {
                tracing::warn!(
                    upstream = self.name,
                    "a server wants nothing new: it stops, or waits for a part of itself"
                );
            }
            Standing::Down => {
                tracing::warn!(upstream = self.name, "a server does not answer and gets nothing more")
            }
            Standing::Unknown => {}
        }
        if before == Standing::Up {
            self.counted.ejected(news);
        }
    }

    /// Requests that it has in hand.
    pub(crate) fn active(&self) -> usize {
        self.active.load(Ordering::Relaxed)
    }

    /// Counts a request as in hand until what is given goes away.
    pub(crate) fn begin(self: &Arc<Self>) -> InHand {
        self.active.fetch_add(1, Ordering::Relaxed);
        InHand(Arc::clone(self))
    }

    /// The address that its host had when it was last looked up.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        *self.address.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_address(&self, address: SocketAddr) {
        *self.address.lock().unwrap_or_else(PoisonError::into_inner) = Some(address);
    }
}

/// A request that a server has in hand.
pub(crate) struct InHand(Arc<Upstream>);

impl InHand {
    pub(crate) fn upstream(&self) -> &Arc<Upstream> {
        &self.0
    }
}

impl Drop for InHand {
    fn drop(&mut self) {
        self.0.active.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(news: &[News]) -> Standing {
        let upstream = Upstream::new("https://127.0.0.1:1".parse().unwrap());
        for item in news {
            upstream.learn(*item);
        }
        upstream.standing()
    }

    #[test]
    fn a_server_is_left_after_its_second_failed_check_and_not_before() {
        assert_eq!(after(&[News::Ready, News::CheckFailed]), Standing::Up);
        assert_eq!(after(&[News::Ready, News::CheckFailed, News::CheckFailed]), Standing::Down);
        assert_eq!(after(&[News::Ready, News::CheckFailed, News::Ready, News::CheckFailed]), Standing::Up);
    }

    #[test]
    fn requests_that_fail_count_like_checks() {
        assert_eq!(after(&[News::Ready, News::RequestFailed, News::RequestFailed]), Standing::Down);
        assert_eq!(after(&[News::Ready, News::RequestFailed, News::CheckFailed]), Standing::Down);
    }

    #[test]
    fn a_server_that_breaks_requests_and_passes_checks_comes_back_only_after_several() {
        let fell = [News::Ready, News::RequestFailed, News::RequestFailed];
        let and = |more: &[News]| after(&[&fell[..], more].concat());
        assert_eq!(and(&[News::Ready, News::Ready]), Standing::Down);
        assert_eq!(and(&[News::Ready, News::Ready, News::Ready]), Standing::Up);
        assert_eq!(and(&[News::CheckFailed, News::Ready]), Standing::Up, "it was away, and is back");
    }

    #[test]
    fn a_server_that_says_it_is_not_ready_is_left_at_once() {
        assert_eq!(after(&[News::Ready, News::NotReady]), Standing::Draining);
        assert_eq!(after(&[News::Ready, News::NotReady, News::RequestFailed]), Standing::Draining);
        assert_eq!(after(&[News::Ready, News::NotReady, News::Ready]), Standing::Up);
    }

    #[test]
    fn a_server_that_was_never_seen_gets_nothing() {
        assert_eq!(after(&[News::CheckFailed]), Standing::Down);
        assert_eq!(after(&[]), Standing::Unknown);
    }

    #[test]
    fn what_is_in_hand_is_counted_until_it_ends() {
        let upstream = Arc::new(Upstream::new("https://127.0.0.1:1".parse().unwrap()));
        let first = upstream.begin();
        let second = upstream.begin();
        assert_eq!(upstream.active(), 2);
        drop(first);
        assert_eq!(upstream.active(), 1);
        drop(second);
        assert_eq!(upstream.active(), 0);
    }
}
