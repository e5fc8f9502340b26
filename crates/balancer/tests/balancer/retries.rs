//! When another server is asked, and when the client is told to ask again.

use crate::ground::{Ground, request, until_state};

/// Checks that come so late that requests are what tells.
fn late(config: &mut balancer::Config) {
    config.check_seconds = 3600.0;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_reached_nobody_goes_to_another_server_whatever_it_is() {
    let ground = Ground::new();
    let (dead, well) = (ground.server().await, ground.server().await);
    let balancer = ground.balancer_with(&[&dead, &well], late).await;
    dead.die().await;
    for _ in 0..6 {
        let large = request("POST", "/large", vec![1; 1 << 20]);
        assert_eq!(ground.ask(&balancer, large).await.status(), 200);
    }
    assert_eq!(well.seen("/large"), 6);
    until_state(&balancer, &dead, "down").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_body_that_was_forwarded_is_not_sent_again() {
    let ground = Ground::new();
    let servers = [ground.server().await, ground.server().await];
    let balancer = ground.balancer(&[&servers[0], &servers[1]]).await;
    let response = ground.ask(&balancer, request("PUT", "/breaks", vec![1; 1 << 20])).await;
    assert_eq!(response.status(), 502);
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let problem: proto::Problem = serde_json::from_slice(response.body()).unwrap();
    assert_eq!(problem.code, proto::Code::BadGateway);
    assert_eq!(problem.request_id, response.headers()["x-request-id"].to_str().unwrap());
    assert_eq!(servers[0].seen("/breaks") + servers[1].seen("/breaks"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_request_that_may_be_repeated_is_tried_at_every_server() {
    for method in ["GET", "PUT", "DELETE"] {
        // Each with servers of its own: one that broke requests before is left alone for a while.
        let ground = Ground::new();
        let servers = [ground.server().await, ground.server().await];
        let balancer = ground.balancer(&[&servers[0], &servers[1]]).await;
        assert_eq!(ground.ask(&balancer, request(method, "/breaks", "small")).await.status(), 502);
        assert_eq!((servers[0].seen("/breaks"), servers[1].seen("/breaks")), (1, 1), "{method}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_may_have_done_something_is_not_repeated() {
    let ground = Ground::new();
    let servers = [ground.server().await, ground.server().await];
    let balancer = ground.balancer(&[&servers[0], &servers[1]]).await;
    assert_eq!(ground.ask(&balancer, request("POST", "/breaks", "small")).await.status(), 502);
    assert_eq!(servers[0].seen("/breaks") + servers[1].seen("/breaks"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_no_server_is_ready_clients_are_told_when_to_come_again() {
    let ground = Ground::new();
    let server = ground.server().await;
    let balancer = ground.balancer(&[&server]).await;
    server.die().await;
    until_state(&balancer, &server, "down").await;
    for path in ["/api/v1/files", "/"] {
        let response = ground.get(&balancer, path).await;
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()["retry-after"], "2");
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        let problem: proto::Problem = serde_json::from_slice(response.body()).unwrap();
        assert_eq!((problem.code, problem.retry_after), (proto::Code::Unavailable, Some(2)));
    }
}
