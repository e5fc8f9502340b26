//! A Redis for every server of a test process, where the environment asks for one: `WAXWING_TEST_REDIS` is `up`, `down`, or
//! `dying`, which is killed in the middle and comes back with nothing. Every test must hold in each of the three.

use std::net::TcpListener;
use std::sync::OnceLock;
use std::time::Duration;

use proto::Problem;
use reqwest::StatusCode;
use server::Config;
use server::config::GivenSecret;
use stage::Redis;

use super::Reply;

/// Redis at an address, for limits however small.
pub(crate) fn at(config: &mut Config, url: String) {
    config.secrets.redis_url = Some(GivenSecret::new(url));
    // On a busy machine Redis is not to be taken for one that hangs.
    config.redis.patience = Duration::from_secs(10);
    config.redis.pause = Duration::from_millis(20);
}

pub(crate) fn by_environment(config: &mut Config) {
    static URL: OnceLock<Option<String>> = OnceLock::new();
    let url = URL.get_or_init(|| match std::env::var("WAXWING_TEST_REDIS").ok()?.as_str() {
        "down" => Some(nobody()),
        "up" => Some(keep(false)),
        "dying" => Some(keep(true)),
        other => panic!("WAXWING_TEST_REDIS={other}"),
    });
    if let Some(url) = url {
        at(config, url.clone());
        config.redis.limits_from = 1;
    }
}

/// Whether hits may be lost while a test runs.
pub(crate) fn is_dying() -> bool {
    std::env::var_os("WAXWING_TEST_REDIS").is_some_and(|mode| mode == "dying")
}

/// Calls until one is refused: after exactly as many as a limit says, or after fewer where hits that were counted ahead die with
/// Redis. Gives the refusal.
pub(crate) async fn refused_after(max: usize, call: impl AsyncFn() -> Reply) -> Problem {
    for done in 0..=max {
        let reply = call().await;
        if reply.status == StatusCode::TOO_MANY_REQUESTS {
            assert!(done == max || is_dying(), "{done} of {max}");
            return reply.refusal();
        }
        assert!(reply.status.is_success(), "{}", reply.status);
    }
    panic!("{max} and one more were let through");
}

/// An address where nobody listens.
pub(crate) fn nobody() -> String {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    format!("redis://127.0.0.1:{port}")
}

/// A Redis for as long as this process lives; one that dies does so again and again.
fn keep(is_dying: bool) -> String {
    let folder = tempfile::tempdir().unwrap();
    let redis = Redis::start(folder.path()).unwrap();
    let (url, port) = (redis.url(), redis.port);
    let parent = std::process::id();
    // It must not outlive the process, which ends without a word.
    let watcher = format!("while kill -0 {parent} 2>/dev/null; do sleep 0.2; done; kill -9 {}", redis.pid());
    let mut watcher = std::process::Command::new("sh").args(["-c", &watcher]).spawn().unwrap();
    std::thread::spawn(move || watcher.wait());
    std::thread::spawn(move || {
        let mut living = Some(redis);
        loop {
            std::thread::sleep(Duration::from_millis(if is_dying { 150 } else { 1_000_000 }));
            match living.take() {
                Some(redis) => redis.kill().unwrap(),
                None => living = Redis::start_at(folder.path(), port, None).ok(),
            }
        }
    });
    url
}
