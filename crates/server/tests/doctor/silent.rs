//! What takes a question and never answers: it is red, and the rest is looked at.

use std::net::TcpListener;
use std::time::Duration;

use server::config::GivenSecret;
use server::doctor::{Finding, Verdict};

use super::{findings, of, red};
use crate::stage::Stage;

/// Long for what works, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(8);

#[track_caller]
fn is_silent_alone(found: &[Finding], area: &str, check: &str) {
    assert_eq!(red(found), [format!("{area}/{check}")], "{found:#?}");
    assert_eq!(of(found, area, check).seen, "did not answer within 8 seconds");
    assert_eq!(of(found, "public address", "this_server").verdict, Verdict::Green, "the rest is looked at");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_was_stopped_while_it_starts_does_not_hold_up_the_doctor() {
    let stage = Stage::new().await;
    // What it holds while it brings the schema up to date.
    let turn = std::fs::File::open(stage.data.path().join("data")).unwrap();
    turn.lock().unwrap();
    let found = findings(&stage, |_, options| options.patience = PATIENCE).await;
    drop(turn);
    is_silent_alone(&found, "database", "commits");
    let fix = of(&found, "database", "commits").fix.as_ref().unwrap();
    assert!(fix.contains("kill -CONT"), "{fix}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_store_that_is_silent_is_red_and_does_not_hold_up_the_doctor() {
    let stage = Stage::new().await;
    // The system takes connections, and nobody takes them from it.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let found = findings(&stage, |config, options| {
        let s3 = &mut config.storage.parts.s3;
        s3.s3_bucket = Some("wax".into());
        s3.s3_endpoint = Some(endpoint.parse().unwrap());
        s3.s3_access_key_id = Some("doctor".into());
        config.secrets.aws_secret_access_key = Some(GivenSecret::new("canary".into()));
        options.patience = PATIENCE;
    })
    .await;
    is_silent_alone(&found, "storage", "s3");
    assert!(of(&found, "storage", "s3").fix.as_ref().unwrap().contains("S3_ENDPOINT"));
}
