//! What Redis brings: requests of a limited route in a second, with and without it. `--run-ignored only` shows it.

use std::time::{Duration, Instant};

use proto::paths;
use reqwest::StatusCode;
use serde_json::json;

use super::redis;
use crate::stage::shared::at;
use crate::stage::{Person, Stage};

const SPAN: Duration = Duration::from_secs(5);
const AT_ONCE: usize = 16;

/// Lookups in a second over three servers, and how they were answered.
async fn rate(url: Option<String>, lookups: u32) -> (f64, StatusCode) {
    let change = |config: &mut server::Config| {
        config.limits.lookups = lookups;
        if let Some(url) = &url {
            at(config, url.clone());
        }
    };
    let stage = Stage::with(change).await;
    let others = [stage.beside_with(change).await, stage.beside_with(change).await];
    let alice = Person::with_bundle(&stage, "alice@wax.example").await;
    let urls = [stage.url.clone(), others[0].url(), others[1].url()];
    let ask = async |n: usize| {
        let client = stage.client();
        let (begun, mut count, mut last) = (Instant::now(), 0_u32, StatusCode::OK);
        while begun.elapsed() < SPAN {
            let request = client.post(format!("{}{}", urls[n % 3], paths::LOOKUP)).bearer_auth(&alice.token);
            let reply = request.json(&json!({ "addresses": ["alice@wax.example"] })).send().await.unwrap();
            last = reply.status();
            reply.bytes().await.unwrap();
            count += 1;
        }
        (count, last)
    };
    let done = futures::future::join_all((0..AT_ONCE).map(ask)).await;
    for server in others {
        server.shutdown().await;
    }
    let all: u32 = done.iter().map(|(count, _)| count).sum();
    (f64::from(all) / SPAN.as_secs_f64(), done[0].1)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement, not a promise"]
async fn requests_of_a_limited_route_in_a_second() {
    let Some((_folder, redis)) = redis() else { return };
    for (what, lookups) in [("within the limit", 10_000_000), ("refused", 40)] {
        for (way, url) in [
            ("database", None),
            ("redis", Some(redis.url())),
            ("database", None),
            ("redis", Some(redis.url())),
        ] {
            let (rate, status) = rate(url, lookups).await;
            println!("{what}, {way}: {rate:.0} a second (last {status})");
        }
    }
}
