//! `GET /metrics` on the administrative listener: what is documented, and nothing that says who or what.

use proto::paths;
use reqwest::{Method, StatusCode};

use crate::stage::sealed::alice_and_bob;
use crate::stage::server::send;
use crate::stage::{Parcel, Stage};

/// Waits until a job of a server has run to its end once.
pub(crate) async fn until_ran(running: &server::Running, job: &str) {
    let line = format!("waxwing_job_last_run_timestamp_seconds{{job=\"{job}\"}} ");
    while !page_of(running).await.contains(&line) {
        tokio::task::yield_now().await;
    }
}

async fn page(stage: &Stage) -> String {
    page_of(stage.running.as_ref().unwrap()).await
}

pub(crate) async fn page_of(running: &server::Running) -> String {
    let address = running.admin_address().unwrap();
    let reply = send(reqwest::Client::new().get(format!("http://{address}/metrics"))).await;
    assert_eq!(reply.status, StatusCode::OK);
    assert_eq!(reply.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    String::from_utf8(reply.body.to_vec()).unwrap()
}

pub(crate) fn value(page: &str, line: &str) -> f64 {
    let found = page.lines().find_map(|found| found.strip_prefix(line)?.strip_prefix(' '));
    found.unwrap_or_else(|| panic!("no {line} in\n{page}")).parse().unwrap()
}

pub(crate) fn with_admin(config: &mut server::Config) {
    config.listen.admin_listen = Some("127.0.0.1:0".parse().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_server_does_is_counted() {
    let stage = Stage::with(|config| {
        with_admin(config);
        config.limits.sign_ins_per_ip = 8;
    })
    .await;
    let (alice, bob) = (
        crate::stage::Person::with_bundle(&stage, "alice@wax.example").await,
        crate::stage::Person::with_bundle(&stage, "bob@wax.example").await,
    );
    Parcel::new(5_000).send(&stage, &alice, &[&bob]).await;
    stage.get("/nothing").await;
    for n in 0..10 {
        let body = serde_json::json!({ "email": format!("p{n}@wax.example") });
        stage.post(paths::CODE, &body).await;
    }
    let page = page(&stage).await;
    assert_eq!(value(&page, "waxwing_parts_total"), 1.0);
    assert_eq!(value(&page, "waxwing_requests_total{route=\"part_put\",status=\"200\"}"), 1.0);
    assert_eq!(value(&page, "waxwing_requests_total{route=\"unknown\",status=\"404\"}"), 1.0);
    assert_eq!(value(&page, "waxwing_limits_refused_total{limit=\"ip-code\"}"), 4.0);
    assert_eq!(value(&page, "waxwing_request_seconds_count{route=\"part_put\"}"), 1.0);
    assert_eq!(value(&page, "waxwing_request_seconds_bucket{route=\"part_put\",le=\"+Inf\"}"), 1.0);
    assert!(value(&page, "waxwing_request_bytes_total{route=\"part_put\"}") >= 5_000.0);
    assert_eq!(value(&page, "waxwing_accounts"), 2.0);
    assert_eq!(value(&page, "waxwing_files"), 1.0);
    assert_eq!(value(&page, "waxwing_database_up"), 1.0);
    assert!(value(&page, "waxwing_letters_total{outcome=\"sent\"}") >= 2.0);
    assert!(!page.contains("redis"), "there is none");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_name_is_documented_and_no_label_says_who_or_what() {
    let folder = tempfile::tempdir().unwrap();
    let redis = stage::redis_is_installed().then(|| stage::Redis::start(folder.path()).unwrap());
    let stage = Stage::with(|config| {
        with_admin(config);
        if let Some(redis) = &redis {
            crate::stage::shared::at(config, redis.url());
        }
    })
    .await;
    let alice = crate::stage::Person::with_bundle(&stage, "alice@wax.example").await;
    let parcel = Parcel::new(5_000);
    parcel.send(&stage, &alice, &[]).await;
    stage.get(&paths::fill(paths::LINK_PAGE, &[&parcel.file_id])).await;
    stage.get("/canary/canary").await;
    send(stage.request(Method::from_bytes(b"CANARY").unwrap(), paths::FILES)).await;
    stage.run_jobs().await;
    let page = page(&stage).await;
    for secret in ["canary", "CANARY", "alice", "wax.example", "127.0.0.1", &parcel.file_id.to_string()] {
        assert!(!page.contains(secret), "{secret} in\n{page}");
    }
    let book = include_str!("../../../docs/hosting.md");
    let names: Vec<&str> =
        page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    assert!(names.len() > 15);
    for name in names {
        assert!(book.contains(&format!("`{name}`")), "docs/hosting.md does not say what {name} is");
    }
    // A line is a name, perhaps labels of fixed words, and a number.
    for line in page.lines().filter(|line| !line.starts_with('#')) {
        let (name, number) = line.rsplit_once(' ').unwrap();
        number.parse::<f64>().unwrap();
        let fixed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_{}=\",-.+I".contains(c);
        assert!(name.chars().all(fixed), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_neither_public_nor_there_unless_asked_for() {
    let (stage, _, _) = alice_and_bob().await;
    assert_eq!(stage.running.as_ref().unwrap().admin_address(), None);
    assert_eq!(stage.get("/metrics").await.status, StatusCode::NOT_FOUND);
    let asked = Stage::with(with_admin).await;
    assert_eq!(asked.get("/metrics").await.status, StatusCode::NOT_FOUND, "not on the public listener");
    let address = asked.running.as_ref().unwrap().admin_address().unwrap();
    let other = send(reqwest::Client::new().get(format!("http://{address}{}", paths::HEALTH))).await;
    assert_eq!(other.status, StatusCode::NOT_FOUND, "and nothing else on the administrative one");
}
