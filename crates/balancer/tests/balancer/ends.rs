//! Connections that end, and a balancer that stops.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::ground::{Ground, PATIENCE, request, until_metrics};

#[tokio::test(flavor = "multi_thread")]
async fn a_running_request_finishes_when_the_balancer_stops_and_idle_connections_close() {
    let ground = Arc::new(Ground::new());
    let server = ground.server().await;
    let balancer = ground.balancer(&[&server]).await;
    let mut client = ground.client(&balancer).await;
    let mut idle = ground.raw(&balancer).await;
    idle.write_all(b"GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    until_metrics(&balancer, "waxwing_balancer_connections 2").await;
    let held = tokio::spawn(async move { client.send_request(request("GET", "/held", "")).await.unwrap() });
    while server.seen("/held") == 0 {
        tokio::task::yield_now().await;
    }
    let address = balancer.address();
    let stopping = tokio::spawn(balancer.shutdown());
    let mut rest = Vec::new();
    // Says its answer, then ends, while the other request still runs.
    let _ =
        tokio::time::timeout(PATIENCE, idle.read_to_end(&mut rest)).await.expect("the idle connection stays");
    assert!(TcpStream::connect(address).await.is_err(), "it still listens");
    assert!(!stopping.is_finished());
    server.behaviour.release.notify_one();
    assert_eq!(held.await.unwrap().status(), 200);
    tokio::time::timeout(PATIENCE, stopping).await.expect("it does not end").unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_watches_does_not_hold_up_the_end() {
    let ground = Ground::new();
    let server = ground.server().await;
    let balancer = ground.balancer(&[&server]).await;
    let mut watching = ground.raw(&balancer).await;
    let asking =
        "GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    watching.write_all(asking.as_bytes()).await.unwrap();
    assert_eq!(watching.read_u8().await.unwrap(), b'H');
    tokio::time::timeout(Duration::from_secs(20), balancer.shutdown())
        .await
        .expect("the watcher was waited for");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_too_many_is_closed_and_the_others_go_on() {
    let ground = Ground::new();
    let server = ground.server().await;
    let balancer = ground.balancer_with(&[&server], |config| config.limits.max_connections = 1).await;
    let mut first = ground.client(&balancer).await;
    let mut second = TcpStream::connect(balancer.address()).await.unwrap();
    let mut nothing = Vec::new();
    let closed = tokio::time::timeout(PATIENCE, second.read_to_end(&mut nothing)).await;
    assert!(closed.expect("it was left open").is_err() || nothing.is_empty());
    until_metrics(&balancer, "waxwing_balancer_connections_total{outcome=\"turned_away\"} 1").await;
    assert_eq!(first.send_request(request("GET", "/x", "")).await.unwrap().status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_says_nothing_is_not_waited_for() {
    let ground = Ground::new();
    let server = ground.server().await;
    let tweak = |config: &mut balancer::Config| {
        config.limits.header_seconds = 1;
        config.limits.idle_seconds = 1;
    };
    let balancer = ground.balancer_with(&[&server], tweak).await;
    let mut bare = TcpStream::connect(balancer.address()).await.unwrap();
    let mut silent = ground.raw(&balancer).await;
    let mut half = ground.raw(&balancer).await;
    half.write_all(b"GET /x HTTP/1.1\r\nHost: loc").await.unwrap();
    let mut kept = ground.raw(&balancer).await;
    kept.write_all(b"GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut rest = Vec::new();
    let all = async {
        let _ = bare.read_to_end(&mut rest).await;
        let _ = silent.read_to_end(&mut rest).await;
        let _ = half.read_to_end(&mut rest).await;
        let _ = kept.read_to_end(&mut rest).await;
    };
    assert!(tokio::time::timeout(PATIENCE, all).await.is_ok(), "a silent connection was kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_successor_takes_the_address_over_and_no_connection_is_refused() {
    let ground = Arc::new(Ground::new());
    let server = ground.server().await;
    let folder = ground.path("private");
    std::fs::create_dir(&folder).unwrap();
    std::fs::set_permissions(&folder, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let socket = folder.join("socket");
    let first = ground.balancer_with(&[&server], |config| config.hand_over = Some(socket.clone())).await;
    let mut client = ground.client(&first).await;
    let held = tokio::spawn(async move { client.send_request(request("GET", "/held", "")).await.unwrap() });
    while server.seen("/held") == 0 {
        tokio::task::yield_now().await;
    }
    let takes = |config: &mut balancer::Config| {
        config.hand_over = Some(socket.clone());
        config.take_over = true;
        // One configuration for both: where metrics are shown passes on as well, once the first has ended.
        config.admin_listen = first.admin_address();
    };
    // The predecessor may be asked before the successor is there: it waits a little.
    let servers = [&server];
    let (second, given) = tokio::join!(ground.balancer_with(&servers, takes), first.hand_over());
    given.unwrap();
    assert_eq!(second.address(), first.address());
    let (second, stopping) = (Arc::new(second), tokio::spawn(first.shutdown()));
    for _ in 0..50 {
        assert_eq!(ground.get(&second, "/x").await.status(), 200);
    }
    assert!(!stopping.is_finished(), "a request was cut off");
    server.behaviour.release.notify_one();
    assert_eq!(held.await.unwrap().status(), 200);
    tokio::time::timeout(PATIENCE, stopping).await.expect("it does not end").unwrap();
    assert_eq!(ground.get(&second, "/x").await.status(), 200);
    let metrics = second.admin_address().unwrap();
    let shown = async {
        while TcpStream::connect(metrics).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, shown).await.expect("the successor shows no metrics");
}
