//! What servers share in Redis: limits hold whatever becomes of it, and changes are told at once.

mod fake;
mod limits;
mod live;
mod measure;
mod unfit;

use proto::{Health, paths};
use reqwest::StatusCode;
use serde_json::json;
use server::config::GivenSecret;
use server::{Config, Running};
use stage::Redis;

use crate::stage::Stage;
use crate::stage::server::{Reply, send};
use crate::stage::shared::{at, nobody};

/// Whether the tests below can run; where Redis cannot be installed they say that they did not.
fn redis() -> Option<(tempfile::TempDir, Redis)> {
    if !stage::redis_is_installed() {
        eprintln!("not run: redis-server is not installed");
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    let redis = Redis::start(folder.path()).unwrap();
    Some((folder, redis))
}

/// So many sign-in requests of a network address in an hour: ten blocks of ten.
const MAX: u32 = 100;

/// Three servers over one database and one Redis.
struct Three {
    stage: Stage,
    others: Vec<Running>,
}

impl Three {
    async fn over(change: impl Fn(&mut Config)) -> Self {
        let both = |config: &mut Config| {
            config.limits.sign_ins_per_ip = MAX;
            change(config);
        };
        let stage = Stage::with(both).await;
        let others = vec![stage.beside_with(both).await, stage.beside_with(both).await];
        Self { stage, others }
    }

    fn url(&self, n: usize) -> String {
        match n % 3 {
            0 => self.stage.url.clone(),
            n => self.others[n - 1].url(),
        }
    }

    /// The `n`th request: at another server each time, for another mailbox each time.
    async fn ask(&self, n: usize) -> Reply {
        let body = json!({ "email": format!("p{n}@wax.example") });
        send(self.stage.http.post(format!("{}{}", self.url(n), paths::CODE)).json(&body)).await
    }

    /// How many of these requests are let through, all of them under way at once.
    async fn race(&self, range: std::ops::Range<usize>) -> u32 {
        let replies = futures::future::join_all(range.map(|n| self.ask(n))).await;
        replies.iter().map(taken).sum()
    }

    /// How many are, one after the other.
    async fn queue(&self, range: std::ops::Range<usize>) -> u32 {
        let mut all = 0;
        for n in range {
            all += taken(&self.ask(n).await);
        }
        all
    }

    async fn health(&self, n: usize) -> Health {
        send(self.stage.http.get(format!("{}{}", self.url(n), paths::HEALTH))).await.json()
    }

    /// Waits until every server has Redis, or has none.
    async fn until_redis(&self, is_up: bool) {
        for n in 0..3 {
            while self.health(n).await.redis_available != Some(is_up) {
                tokio::task::yield_now().await;
            }
        }
    }

    async fn end(self) {
        for server in self.others {
            server.shutdown().await;
        }
    }
}

/// One if the request was let through, none if a limit refused it; anything else is wrong.
#[track_caller]
fn taken(reply: &Reply) -> u32 {
    match reply.status {
        StatusCode::NO_CONTENT => 1,
        status => {
            assert_eq!(status, StatusCode::TOO_MANY_REQUESTS, "{:?}", reply.body);
            let wait = reply.refusal().retry_after.unwrap();
            assert!((1..=3_600).contains(&wait), "{wait}");
            assert_eq!(reply.header("ratelimit"), format!("\"ip-code\";r=0;t={wait}"));
            assert_eq!(reply.header("ratelimit-policy"), format!("\"ip-code\";q={MAX};w=3600"));
            0
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_is_reached_by_tls_and_only_where_its_certificate_is_good() {
    let Some((_folder, redis)) = redis() else { return };
    for (ca, is_up) in [(Some(redis.ca.clone()), true), (None, false)] {
        let stage = Stage::with(|config| {
            at(config, redis.tls_url());
            config.redis.redis_ca = ca;
        })
        .await;
        let health: Health = stage.get(paths::HEALTH).await.json();
        assert_eq!(health.redis_available, Some(is_up));
        assert_eq!(health.status, "healthy", "the server works without it");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_refuses_the_password_is_a_redis_that_is_away() {
    if !stage::redis_is_installed() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let port = nobody().rsplit_once(':').unwrap().1.parse().unwrap();
    let redis = Redis::start_at(folder.path(), port, Some("right")).unwrap();
    for (url, is_up) in [(redis.url(), true), (redis.url().replace("right", "wrong"), false)] {
        let stage = Stage::with(|config| at(config, url)).await;
        assert_eq!(stage.get(paths::HEALTH).await.json::<Health>().redis_available, Some(is_up));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_none_is_refused_without_being_repeated() {
    let data = tempfile::tempdir().unwrap();
    let mut config = Config::for_data(data.path().join("data"));
    config.secrets.redis_url = Some(GivenSecret::new("http://:canary@redis.example".to_owned()));
    let refused = server::Server::start(config).await.unwrap_err().to_string();
    assert!(refused.starts_with("REDIS_URL") && !refused.contains("canary"), "{refused}");
}
