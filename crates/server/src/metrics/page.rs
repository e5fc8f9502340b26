//! `GET /metrics` on the administrative listener, in the text format of Prometheus (version 0.0.4).

use std::fmt::{Display, Write as _};
use std::sync::atomic::Ordering;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use db::{DbError, Stats};
use tokio::time::Instant;

use super::{Metrics, STEPS, TOTALS_LIVE, lock};
use crate::state::App;

const KIND: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// What the administrative listener answers: this and nothing else.
pub(crate) fn admin_router(app: App) -> Router {
    Router::new().route("/metrics", get(show)).with_state(app)
}

async fn show(State(app): State<App>) -> Response {
    let totals = app.metrics.totals(&app).await;
    let mut page = Page::default();
    app.metrics.write(&mut page);
    of_the_moment(&app, &mut page);
    page.head("waxwing_database_up", "gauge", "Whether the database told the totals below.");
    page.line("waxwing_database_up", "", u8::from(totals.is_ok()));
    match totals {
        Ok(totals) => totals_of(&totals, &mut page),
        Err(error) => tracing::warn!(cause = %error, "totals could not be counted for /metrics"),
    }
    ([(header::CONTENT_TYPE, KIND)], page.0).into_response()
}

#[derive(Default)]
struct Page(String);

impl Page {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    fn line(&mut self, name: &str, labels: &str, value: impl Display) {
        let _ = match labels {
            "" => writeln!(self.0, "{name} {value}"),
            labels => writeln!(self.0, "{name}{{{labels}}} {value}"),
        };
    }

    fn one(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        self.head(name, kind, help);
        self.line(name, "", value);
    }
}

impl Metrics {
    /// Totals over everybody, counted now and then.
    async fn totals(&self, app: &App) -> Result<Stats, DbError> {
        let known = *lock(&self.totals);
        if let Some((counted, stats)) = known
            && counted.elapsed() < TOTALS_LIVE
        {
            return Ok(stats);
        }
        let stats = app.db.stats().await?;
        *lock(&self.totals) = Some((Instant::now(), stats));
        Ok(stats)
    }

    fn write(&self, page: &mut Page) {
        page.head("waxwing_requests_total", "counter", "Requests answered, by class of route and status.");
        for ((class, status), count) in lock(&self.requests).iter() {
            page.line("waxwing_requests_total", &format!("route=\"{class}\",status=\"{status}\""), count);
        }
        self.write_routes(page);
        let of = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        let under_way = self.under_way.load(Ordering::Relaxed);
        page.one("waxwing_requests_under_way", "gauge", "Requests that wait for their answer.", under_way);
        page.one("waxwing_parts_total", "counter", "Parts that became durable here.", of(&self.parts));
        let help = "Requests that the database kept waiting for too long.";
        page.one("waxwing_database_busy_total", "counter", help, of(&self.database_busy));
        page.head("waxwing_limits_refused_total", "counter", "Requests refused by a limit.");
        for (limit, count) in lock(&self.limits).iter() {
            page.line("waxwing_limits_refused_total", &format!("limit=\"{limit}\""), count);
        }
        page.head("waxwing_letters_total", "counter", "Letters handed over, or given up.");
        page.line("waxwing_letters_total", "outcome=\"sent\"", of(&self.letters_sent));
        page.line("waxwing_letters_total", "outcome=\"failed\"", of(&self.letters_failed));
        let jobs = lock(&self.jobs).clone();
        let help = "When a job last ran to its end at this server; 0 if it only failed.";
        page.head("waxwing_job_last_run_timestamp_seconds", "gauge", help);
        for (job, runs) in &jobs {
            page.line("waxwing_job_last_run_timestamp_seconds", &format!("job=\"{job}\""), runs.last);
        }
        page.head("waxwing_job_failures_total", "counter", "Runs of a job that ended early.");
        for (job, runs) in &jobs {
            page.line("waxwing_job_failures_total", &format!("job=\"{job}\""), runs.failed);
        }
    }

    fn write_routes(&self, page: &mut Page) {
        let routes = lock(&self.routes).clone();
        let help = "Seconds from the head of a request to the head of its reply.";
        page.head("waxwing_request_seconds", "histogram", help);
        for (class, route) in &routes {
            let mut below = 0;
            for (end, count) in STEPS.iter().zip(route.steps) {
                below += count;
                page.line(
                    "waxwing_request_seconds_bucket",
                    &format!("route=\"{class}\",le=\"{end}\""),
                    below,
                );
            }
            let all = format!("route=\"{class}\",le=\"+Inf\"");
            page.line("waxwing_request_seconds_bucket", &all, route.count);
            page.line("waxwing_request_seconds_sum", &format!("route=\"{class}\""), route.seconds);
            page.line("waxwing_request_seconds_count", &format!("route=\"{class}\""), route.count);
        }
        let help = "Octets of request bodies whose length was said.";
        page.head("waxwing_request_bytes_total", "counter", help);
        for (class, route) in &routes {
            page.line("waxwing_request_bytes_total", &format!("route=\"{class}\""), route.bytes_in);
        }
        let help = "Octets of reply bodies whose length was said.";
        page.head("waxwing_response_bytes_total", "counter", help);
        for (class, route) in &routes {
            page.line("waxwing_response_bytes_total", &format!("route=\"{class}\""), route.bytes_out);
        }
    }
}

/// What stands as it is just now.
fn of_the_moment(app: &App, page: &mut Page) {
    let build = format!("version=\"{}\"", env!("CARGO_PKG_VERSION"));
    page.head("waxwing_build_info", "gauge", "The version that runs.");
    page.line("waxwing_build_info", &build, 1);
    page.one(
        "waxwing_live_watchers",
        "gauge",
        "Connections that watch for what happens.",
        app.live.watchers(),
    );
    let help = "Places for parts that are taken, of those there are.";
    page.one("waxwing_parts_under_way", "gauge", help, app.places.taken());
    page.one("waxwing_letters_waiting", "gauge", "Letters on their way to the relay.", app.mailer.waiting());
    page.one("waxwing_draining", "gauge", "Whether the server is stopping.", u8::from(app.is_draining()));
    let Some(fleeting) = &app.fleeting else { return };
    page.one(
        "waxwing_redis_up",
        "gauge",
        "Whether Redis answered when asked last.",
        u8::from(fleeting.is_up()),
    );
    let help = "Whether the changes of other servers are heard of by Redis.";
    page.one("waxwing_redis_hearing", "gauge", help, u8::from(app.hearing.is_open()));
    let counts = &fleeting.counts;
    page.head("waxwing_redis_answers_total", "counter", "What became of what Redis was asked.");
    for (outcome, counter) in [
        ("hit", &counts.taken),
        ("refused", &counts.refused),
        ("failed", &counts.failed),
        ("disbelieved", &counts.disbelieved),
    ] {
        let labels = format!("outcome=\"{outcome}\"");
        page.line("waxwing_redis_answers_total", &labels, counter.load(Ordering::Relaxed));
    }
}

/// Totals over all servers, for they share the database.
fn totals_of(totals: &Stats, page: &mut Page) {
    page.one("waxwing_accounts", "gauge", "Accounts there are.", totals.accounts);
    page.one("waxwing_files", "gauge", "Files that can be fetched.", totals.files);
    page.one("waxwing_uploads_open", "gauge", "Uploads that have begun and not ended.", totals.open_uploads);
    page.one(
        "waxwing_charged_bytes",
        "gauge",
        "Sealed octets that accounts are charged for.",
        totals.charged_bytes,
    );
    page.one("waxwing_blobs_doomed", "gauge", "Blobs that wait for their deletion.", totals.doomed_blobs);
}
