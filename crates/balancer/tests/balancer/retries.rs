//! When another server is asked, and when the client is told to ask again.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::Request;

use crate::ground::{Ground, PATIENCE, metrics, request, until_state, whole};

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
async fn answers_that_break_off_in_their_middle_take_no_server_away_from_others() {
    const AT_ONCE: usize = 16;
    let ground = Ground::new();
    let server = ground.server().await;
    let balancer = ground.balancer_with(&[&server], late).await;
    let mut halves = Vec::new();
    for _ in 0..AT_ONCE {
        let mut client = ground.client(&balancer).await;
        let asked = client.send_request(request("GET", "/shortened", ""));
        let mut half = tokio::time::timeout(PATIENCE, asked).await.expect("no head").unwrap();
        assert_eq!(half.status(), 200);
        tokio::time::timeout(PATIENCE, half.body_mut().frame())
            .await
            .expect("no beginning")
            .unwrap()
            .unwrap();
        halves.push((half, client));
    }
    // As when all who read are too slow for the server's patience, and somebody has all of them at it. Again and again, for
    // an answer that is not waiting yet hears nothing.
    let behaviour = server.behaviour.clone();
    let releasing = tokio::spawn(async move {
        loop {
            behaviour.release.notify_waiters();
            tokio::task::yield_now().await;
        }
    });
    for (half, _client) in halves {
        let rest = tokio::time::timeout(PATIENCE, half.into_body().collect()).await;
        rest.expect("neither whole nor broken").unwrap_err();
    }
    releasing.abort();
    assert_eq!(ground.get(&balancer, "/x").await.status(), 200);
    let counted = metrics(&balancer).await;
    let line = format!("ejections_total{{upstream=\"{}\",cause=\"request\"}} 0", server.name());
    assert!(counted.contains(&line), "{counted}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_connection_of_http2_asks_for_no_more_than_there_may_be_connections() {
    let ground = Ground::new();
    let server = ground.server().await;
    let balancer = ground.balancer_with(&[&server], |config| config.limits.max_connections = 2).await;
    let client = ground.client2(&balancer).await;
    let ask = |path: &str| {
        let uri = format!("https://localhost{path}");
        let asked = Request::builder().uri(uri).body(Full::new(Bytes::new())).unwrap();
        client.clone().send_request(asked)
    };
    let held = [tokio::spawn(ask("/held")), tokio::spawn(ask("/held"))];
    while server.seen("/held") < 2 {
        tokio::task::yield_now().await;
    }
    let third = whole(ask("/x").await.unwrap()).await;
    assert_eq!(
        (third.status(), third.headers()["retry-after"].to_str().unwrap()),
        (503.try_into().unwrap(), "2")
    );
    assert_eq!(server.seen("/x"), 0);
    for _ in 0..2 {
        server.behaviour.release.notify_one();
    }
    for asked in held {
        assert_eq!(asked.await.unwrap().unwrap().status(), 200);
    }
    // Their places are free again.
    while whole(ask("/x").await.unwrap()).await.status() != 200 {
        tokio::task::yield_now().await;
    }
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
