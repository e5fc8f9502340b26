//! What the log says, and what it never says.

use std::io::Write;
use std::sync::{Arc, Mutex};

use crate::ground::{Ground, request};

#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(buf);
        Ok(buf.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_tells_of_requests_and_never_a_secret() {
    let kept = Kept::default();
    let writer = kept.clone();
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .json()
        .init();
    let ground = Ground::new();
    let server = ground.server().await;
    let balancer = ground.balancer(&[&server]).await;
    let mut secret = request("PUT", "/api/v1/content/canary1/parts/0?ticket=canary2", "canary3");
    for (name, value) in [
        ("authorization", "Bearer canary4"),
        ("cookie", "a=canary5"),
        ("waxwing-ticket", "canary6"),
        ("x-forwarded-for", "canary7"),
    ] {
        secret.headers_mut().insert(name, value.parse().unwrap());
    }
    assert_eq!(ground.ask(&balancer, secret).await.status(), 200);
    ground.get(&balancer, "/s/canary8").await;
    ground.get(&balancer, "/canary9").await;
    server.die().await;
    ground.get(&balancer, "/s/canary10?ticket=canary11").await;
    let log = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
    let own: String =
        log.lines().filter(|line| line.contains("\"target\":\"balancer")).collect::<Vec<_>>().join("\n");
    assert!(!own.contains("canary"), "a secret is in the log:\n{own}");
    for word in [
        "\"method\":\"PUT\"",
        "\"route\":\"/api/v1/content/{}/parts/{}\"",
        "\"route\":\"/s/{}\"",
        "\"status\":200",
        &server.name(),
    ] {
        assert!(own.contains(word), "{word} is not in the log:\n{own}");
    }
}
