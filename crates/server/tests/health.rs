//! `GET /health`, `GET /health/ready`.

use proto::{Health, paths};
use reqwest::StatusCode;

use crate::stage::Stage;

#[tokio::test(flavor = "multi_thread")]
async fn health_has_the_documented_fields() {
    let stage = Stage::new().await;
    let reply = stage.get(paths::HEALTH).await;
    let health: Health = reply.json();
    assert_eq!(health.status, "healthy");
    assert_eq!(health.timestamp, stage.now());
    assert!(!health.s3_available && health.email_available);
    let fields: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(fields.as_object().unwrap().len(), 4);
    assert_eq!(stage.get(paths::READY).await.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_reply_has_a_request_id_of_its_own() {
    let stage = Stage::new().await;
    let mut seen = std::collections::BTreeSet::new();
    for path in [paths::HEALTH, paths::READY, "/nothing", paths::FILES] {
        let reply = stage.get(path).await;
        assert!(seen.insert(reply.header("x-request-id").to_owned()));
        assert_eq!(reply.header("cache-control"), "no-store");
    }
}
