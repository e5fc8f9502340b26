//! The list of servers, read again.

use std::sync::Arc;

use crate::ground::{Ground, Server, until_metrics, until_state};

#[tokio::test(flavor = "multi_thread")]
async fn a_new_list_is_taken_up_and_no_request_is_lost() {
    let ground = Arc::new(Ground::new());
    let (old, new) = (ground.server().await, ground.server().await);
    let list = ground.path("servers");
    let write = |servers: &[&Server]| {
        let text: String = servers.iter().map(|server| format!("{}\n", server.url())).collect();
        // As an editor does it: whole or not at all.
        let beside = list.with_extension("new");
        std::fs::write(&beside, text).unwrap();
        std::fs::rename(&beside, &list).unwrap();
    };
    write(&[&old]);
    let tweak = |config: &mut balancer::Config| config.upstreams_file = Some(list.clone());
    let balancer = Arc::new(ground.balancer_with(&[], tweak).await);
    let held = tokio::spawn({
        let (ground, balancer) = (ground.clone(), balancer.clone());
        async move { ground.get(&balancer, "/held").await }
    });
    while old.seen("/held") == 0 {
        tokio::task::yield_now().await;
    }
    write(&[&old, &new]);
    until_state(&balancer, &new, "up").await;
    write(&[&new]);
    let nothing = format!("waxwing_balancer_upstream_active{{upstream=\"{}\"}} 0", new.name());
    until_metrics(&balancer, &nothing).await;
    while crate::ground::metrics(&balancer).await.contains(&old.name()) {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    for _ in 0..10 {
        assert_eq!(ground.get(&balancer, "/x").await.status(), 200);
    }
    assert_eq!((old.seen("/x"), new.seen("/x")), (0, 10));
    old.behaviour.release.notify_one();
    assert_eq!(held.await.unwrap().body().as_ref(), b"let go");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_cannot_be_read_changes_nothing() {
    let ground = Ground::new();
    let server = ground.server().await;
    let list = ground.path("servers");
    std::fs::write(&list, server.url()).unwrap();
    let tweak = |config: &mut balancer::Config| config.upstreams_file = Some(list.clone());
    let balancer = ground.balancer_with(&[], tweak).await;
    std::fs::write(&list, "http://nowhere.example\n").unwrap();
    until_metrics(&balancer, "waxwing_balancer_bad_lists_total 1").await;
    assert_eq!(ground.get(&balancer, "/x").await.status(), 200);
}
