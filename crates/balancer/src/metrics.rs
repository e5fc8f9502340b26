//! What is counted, in the text format of Prometheus.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::upstream::{News, Standing, Upstream};

/// First digits of statuses.
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// What is counted of one server.
#[derive(Default)]
pub(crate) struct Counted {
    classes: [AtomicU64; 5],
    broken: AtomicU64,
    by_check: AtomicU64,
    by_request: AtomicU64,
    by_itself: AtomicU64,
}

impl Counted {
    /// An answer of the server.
    pub(crate) fn answered(&self, status: u16) {
        if let Some(class) = usize::from(status / 100).checked_sub(1).and_then(|n| self.classes.get(n)) {
            class.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A request that the server did not answer to its end.
    pub(crate) fn broke(&self) {
        self.broken.fetch_add(1, Ordering::Relaxed);
    }

    /// It was up, and is not any more.
    pub(crate) fn ejected(&self, because: News) {
        let counter = match because {
            News::CheckFailed => &self.by_check,
            News::RequestFailed => &self.by_request,
            News::NotReady | News::Ready => &self.by_itself,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// What is counted of the balancer itself.
#[derive(Default)]
pub(crate) struct Metrics {
    /// Connections of clients that are open.
    pub(crate) open: AtomicU64,
    /// Connections of clients that were taken.
    pub(crate) accepted: AtomicU64,
    /// Connections that were closed at once because there were too many.
    pub(crate) turned_away: AtomicU64,
    /// Connections whose TLS did not come about.
    pub(crate) handshakes_failed: AtomicU64,
    /// Requests that were given to another server after the first failed.
    pub(crate) retries: AtomicU64,
    /// Answers of the balancer itself: no server is up; a server broke off; the request is refused.
    pub(crate) unavailable: AtomicU64,
    pub(crate) gateway: AtomicU64,
    pub(crate) refused: AtomicU64,
    /// Octets of bodies.
    pub(crate) bytes_in: AtomicU64,
    pub(crate) bytes_out: AtomicU64,
    /// Lists of servers that could not be read.
    pub(crate) bad_lists: AtomicU64,
}

/// Adds to a counter.
pub(crate) fn add(counter: &AtomicU64, n: u64) {
    counter.fetch_add(n, Ordering::Relaxed);
}

impl Metrics {
    /// Everything, as text.
    pub(crate) fn render(&self, upstreams: &[Arc<Upstream>]) -> String {
        let mut page = Page(String::with_capacity(4096));
        self.own(&mut page);
        page.head("requests_total", "counter", "Requests by server and class of the answer's status.");
        for upstream in upstreams {
            for (class, counter) in CLASSES.iter().zip(&upstream.counted.classes) {
                page.line("requests_total", &[("upstream", &upstream.name), ("class", class)], load(counter));
            }
        }
        page.head("broken_total", "counter", "Requests that a server did not answer to their end.");
        for upstream in upstreams {
            page.line("broken_total", &[("upstream", &upstream.name)], load(&upstream.counted.broken));
        }
        page.head("ejections_total", "counter", "How often a server stopped getting requests, by cause.");
        for upstream in upstreams {
            let counted = &upstream.counted;
            for (cause, counter) in [
                ("check", &counted.by_check),
                ("request", &counted.by_request),
                ("draining", &counted.by_itself),
            ] {
                page.line(
                    "ejections_total",
                    &[("upstream", &upstream.name), ("cause", cause)],
                    load(counter),
                );
            }
        }
        page.head("upstream_state", "gauge", "Where a server stands: 1 at the state it is in.");
        for upstream in upstreams {
            for standing in Standing::ALL {
                let here = u64::from(upstream.standing() == standing);
                page.line(
                    "upstream_state",
                    &[("upstream", &upstream.name), ("state", standing.as_str())],
                    here,
                );
            }
        }
        page.head("upstream_active", "gauge", "Requests that a server has in hand.");
        for upstream in upstreams {
            page.line("upstream_active", &[("upstream", &upstream.name)], upstream.active() as u64);
        }
        page.0
    }

    fn own(&self, page: &mut Page) {
        page.head("connections", "gauge", "Connections of clients that are open.");
        page.line("connections", &[], load(&self.open));
        page.head("connections_total", "counter", "Connections of clients, by what became of them.");
        for (outcome, counter) in [
            ("accepted", &self.accepted),
            ("turned_away", &self.turned_away),
            ("handshake_failed", &self.handshakes_failed),
        ] {
            page.line("connections_total", &[("outcome", outcome)], load(counter));
        }
        page.head("retries_total", "counter", "Requests that were given to another server.");
        page.line("retries_total", &[], load(&self.retries));
        page.head("own_answers_total", "counter", "Answers of the balancer itself.");
        for (why, counter) in
            [("no_server", &self.unavailable), ("server_failed", &self.gateway), ("refused", &self.refused)]
        {
            page.line("own_answers_total", &[("why", why)], load(counter));
        }
        page.head("bytes_total", "counter", "Octets of bodies: from clients (in) and to them (out).");
        page.line("bytes_total", &[("direction", "in")], load(&self.bytes_in));
        page.line("bytes_total", &[("direction", "out")], load(&self.bytes_out));
        page.head(
            "bad_lists_total",
            "counter",
            "Lists of servers that could not be read and changed nothing.",
        );
        page.line("bad_lists_total", &[], load(&self.bad_lists));
    }
}

fn load(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

struct Page(String);

impl Page {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        let _ =
            writeln!(self.0, "# HELP waxwing_balancer_{name} {help}\n# TYPE waxwing_balancer_{name} {kind}");
    }

    /// Values of labels are names of servers and words of our own: nothing in them needs escaping.
    fn line(&mut self, name: &str, labels: &[(&str, &str)], value: u64) {
        let _ = write!(self.0, "waxwing_balancer_{name}");
        for (index, (label, text)) in labels.iter().enumerate() {
            let _ = write!(self.0, "{}{label}=\"{text}\"", if index == 0 { '{' } else { ',' });
        }
        let _ = writeln!(self.0, "{}{value}", if labels.is_empty() { " " } else { "} " });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_is_found_in_the_text() {
        let upstream = Arc::new(Upstream::new("https://127.0.0.1:8443".parse().unwrap()));
        upstream.counted.answered(204);
        upstream.counted.answered(503);
        upstream.counted.answered(9);
        upstream.learn(News::Ready);
        upstream.learn(News::NotReady);
        let metrics = Metrics::default();
        add(&metrics.bytes_in, 7);
        let text = metrics.render(&[upstream]);
        for line in [
            "waxwing_balancer_requests_total{upstream=\"127.0.0.1:8443\",class=\"2xx\"} 1",
            "waxwing_balancer_requests_total{upstream=\"127.0.0.1:8443\",class=\"5xx\"} 1",
            "waxwing_balancer_ejections_total{upstream=\"127.0.0.1:8443\",cause=\"draining\"} 1",
            "waxwing_balancer_upstream_state{upstream=\"127.0.0.1:8443\",state=\"draining\"} 1",
            "waxwing_balancer_bytes_total{direction=\"in\"} 7",
            "waxwing_balancer_connections 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
    }
}
