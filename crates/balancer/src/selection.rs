//! Which of the servers that are ready takes the next request.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::upstream::Upstream;

/// How servers are chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Policy {
    /// One after the other.
    #[default]
    RoundRobin,
    /// Whichever has the fewest requests in hand.
    LeastConnections,
    /// The same server for the same client, as long as it is ready.
    Consistent,
}

/// Chooses one of several servers. `ready` is never empty and stands in the order of the list; the answer is an index of it.
pub(crate) trait Select: Send + Sync {
    fn choose(&self, ready: &[Arc<Upstream>], client: IpAddr) -> usize;
}

impl Policy {
    pub(crate) fn build(self) -> Box<dyn Select> {
        match self {
            Self::RoundRobin => Box::new(RoundRobin::default()),
            Self::LeastConnections => Box::new(LeastConnections::default()),
            Self::Consistent => Box::new(Consistent),
        }
    }
}

#[derive(Default)]
struct RoundRobin {
    next: AtomicUsize,
}

impl Select for RoundRobin {
    fn choose(&self, ready: &[Arc<Upstream>], _: IpAddr) -> usize {
        self.next.fetch_add(1, Ordering::Relaxed) % ready.len()
    }
}

/// Ties go round, so that idle servers do not all wait for the first.
#[derive(Default)]
struct LeastConnections {
    next: AtomicUsize,
}

impl Select for LeastConnections {
    fn choose(&self, ready: &[Arc<Upstream>], _: IpAddr) -> usize {
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        let turn = (0..ready.len()).map(|step| (first.wrapping_add(step)) % ready.len());
        turn.min_by_key(|index| ready[*index].active()).unwrap_or(0)
    }
}

/// Rendezvous hashing: each server draws a number for the client, the highest wins. A server that leaves takes only its own
/// clients along.
struct Consistent;

impl Select for Consistent {
    fn choose(&self, ready: &[Arc<Upstream>], client: IpAddr) -> usize {
        let draw = |upstream: &Arc<Upstream>| {
            let mut hasher = DefaultHasher::new();
            (&upstream.name, client).hash(&mut hasher);
            hasher.finish()
        };
        (0..ready.len()).max_by_key(|index| draw(&ready[*index])).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn servers(n: usize) -> Vec<Arc<Upstream>> {
        let one = |port| Arc::new(Upstream::new(format!("https://127.0.0.1:{port}").parse().unwrap()));
        (1..=n).map(one).collect()
    }

    fn client(n: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, n])
    }

    #[test]
    fn round_robin_gives_each_server_its_turn() {
        let (ready, select) = (servers(3), Policy::RoundRobin.build());
        let chosen: Vec<usize> = (0..6).map(|_| select.choose(&ready, client(1))).collect();
        assert_eq!(chosen, [0, 1, 2, 0, 1, 2]);
    }

    #[test]
    fn least_connections_prefers_whoever_has_the_fewest_in_hand() {
        let (ready, select) = (servers(3), Policy::LeastConnections.build());
        let _busy = (ready[0].begin(), ready[0].begin(), ready[2].begin());
        for _ in 0..3 {
            assert_eq!(select.choose(&ready, client(1)), 1);
        }
    }

    #[test]
    fn least_connections_goes_round_where_all_are_alike() {
        let (ready, select) = (servers(3), Policy::LeastConnections.build());
        let chosen: std::collections::HashSet<usize> =
            (0..3).map(|_| select.choose(&ready, client(1))).collect();
        assert_eq!(chosen.len(), 3);
    }

    #[test]
    fn a_client_stays_with_its_server_when_another_leaves() {
        let (all, select) = (servers(4), Policy::Consistent.build());
        let fewer: Vec<_> = all[..3].to_vec();
        let mut used = std::collections::HashSet::new();
        for n in 0..=255 {
            let before = select.choose(&all, client(n));
            used.insert(before);
            if before < 3 {
                assert_eq!(select.choose(&fewer, client(n)), before);
            }
        }
        assert_eq!(used.len(), 4, "every server has clients");
    }
}
