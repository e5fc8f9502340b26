//! Which servers get requests.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::ground::{Ground, request, until_state, whole};

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_requests_are_spread_evenly() {
    let ground = Arc::new(Ground::new());
    let servers = [ground.server().await, ground.server().await, ground.server().await];
    let balancer = Arc::new(ground.balancer(&[&servers[0], &servers[1], &servers[2]]).await);
    let clients = (0..10).map(|_| {
        let (ground, balancer) = (ground.clone(), balancer.clone());
        tokio::spawn(async move {
            let mut client = ground.client(&balancer).await;
            for _ in 0..100 {
                client.ready().await.unwrap();
                let response = client.send_request(request("GET", "/x", "")).await.unwrap();
                assert_eq!(whole(response).await.status(), 200);
            }
        })
    });
    for client in futures::future::join_all(clients).await {
        client.unwrap();
    }
    for server in &servers {
        let share = server.seen("/x");
        assert!((323..=343).contains(&share), "one server took {share} of 1,000");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn consecutive_requests_of_one_connection_go_to_different_servers() {
    let ground = Ground::new();
    let servers = [ground.server().await, ground.server().await, ground.server().await];
    let balancer = ground.balancer(&[&servers[0], &servers[1], &servers[2]]).await;
    let mut client = ground.client(&balancer).await;
    for part in 0..3 {
        client.ready().await.unwrap();
        let put = request("PUT", &format!("/parts/{part}"), vec![7; 200_000]);
        assert_eq!(whole(client.send_request(put).await.unwrap()).await.status(), 200);
    }
    for server in &servers {
        assert_eq!(server.seen_all(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_gets_nothing_after_its_second_failed_check() {
    let ground = Ground::new();
    let (well, sick) = (ground.server().await, ground.server().await);
    let balancer = ground.balancer(&[&well, &sick]).await;
    sick.behaviour.ready.store(500, Ordering::SeqCst);
    let checks = sick.behaviour.checks.load(Ordering::SeqCst);
    until_state(&balancer, &sick, "down").await;
    assert!(sick.behaviour.checks.load(Ordering::SeqCst) >= checks + 2, "it was left too early");
    let before = sick.seen_all();
    for _ in 0..40 {
        assert_eq!(ground.get(&balancer, "/x").await.status(), 200);
    }
    assert_eq!(sick.seen_all(), before);
    sick.behaviour.ready.store(200, Ordering::SeqCst);
    until_state(&balancer, &sick, "up").await;
    for _ in 0..4 {
        ground.get(&balancer, "/x").await;
    }
    assert_eq!(sick.seen_all(), before + 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draining_server_finishes_what_it_has_and_gets_nothing_new() {
    let ground = Arc::new(Ground::new());
    let (stays, leaves) = (ground.server().await, ground.server().await);
    let balancer = Arc::new(ground.balancer(&[&leaves, &stays]).await);
    let held = tokio::spawn({
        let (ground, balancer) = (ground.clone(), balancer.clone());
        async move { ground.get(&balancer, "/held").await }
    });
    while leaves.seen("/held") + stays.seen("/held") == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(leaves.seen("/held"), 1, "the first of the list has the first turn");
    leaves.behaviour.ready.store(503, Ordering::SeqCst);
    until_state(&balancer, &leaves, "draining").await;
    for _ in 0..20 {
        assert_eq!(ground.get(&balancer, "/x").await.status(), 200);
    }
    assert_eq!((leaves.seen("/x"), stays.seen("/x")), (0, 20));
    leaves.behaviour.release.notify_one();
    assert_eq!(held.await.unwrap().body().as_ref(), b"let go");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_less_in_hand_is_asked_first_where_that_is_wanted() {
    let ground = Arc::new(Ground::new());
    let (busy, idle) = (ground.server().await, ground.server().await);
    let tweak = |config: &mut balancer::Config| config.select = balancer::config::Policy::LeastConnections;
    let balancer = Arc::new(ground.balancer_with(&[&busy, &idle], tweak).await);
    let held = tokio::spawn({
        let (ground, balancer) = (ground.clone(), balancer.clone());
        async move { ground.get(&balancer, "/held").await }
    });
    while busy.seen("/held") + idle.seen("/held") == 0 {
        tokio::task::yield_now().await;
    }
    for _ in 0..10 {
        ground.get(&balancer, "/x").await;
    }
    let (holder, other) = if busy.seen("/held") == 1 { (&busy, &idle) } else { (&idle, &busy) };
    assert_eq!((holder.seen("/x"), other.seen("/x")), (0, 10));
    holder.behaviour.release.notify_one();
    held.await.unwrap();
}
