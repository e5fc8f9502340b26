//! The end of a server.

use proto::paths;

use crate::stage::Parcel;
use crate::stage::raw::Raw;
use crate::stage::sealed::{MIB, alice_and_bob, node_of};

#[tokio::test(flavor = "multi_thread")]
async fn a_running_part_finishes_and_nothing_new_begins() {
    let (mut stage, alice, _) = alice_and_bob().await;
    let parcel = Parcel::new(2 * MIB);
    parcel.begin(&stage, &alice).await;
    let part = parcel.part(0);
    let (mut raw, mut idle) = (Raw::connect(&stage).await, Raw::connect(&stage).await);
    idle.write(format!("GET {} HTTP/1.1\r\nhost: localhost\r\n\r\n", paths::READY).as_bytes()).await;
    assert!(idle.read_reply().await.starts_with("HTTP/1.1 200 "));
    let head = format!(
        "PUT {} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\nwaxwing-node: {}\r\ncontent-length: {}\r\n\r\n",
        parcel.part_path(0),
        alice.token,
        node_of(part),
        part.len()
    );
    raw.write(head.as_bytes()).await;
    raw.write(&part[..600_000]).await;
    // Until the part has begun to arrive: a temporary blob shows it.
    while stage.stored_files() == 0 {
        tokio::task::yield_now().await;
    }
    let running = stage.running.take().unwrap();
    running.begin_shutdown();
    let ended = tokio::spawn(running.wait());
    while tokio::net::TcpStream::connect(("127.0.0.1", stage.port)).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(!ended.is_finished());
    raw.write(&part[600_000..]).await;
    let reply = raw.read_reply().await;
    assert!(reply.starts_with("HTTP/1.1 200 ") && reply.contains(&node_of(part).to_string()), "{reply}");
    ended.await.unwrap();
    assert_eq!(stage.stored_files(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_finish_in_time_is_cut_off_and_leaves_nothing() {
    let stage = crate::stage::Stage::with(|config| config.listen.shutdown_seconds = 1).await;
    let alice = crate::stage::Person::with_bundle(&stage, "alice@wax.example").await;
    let parcel = Parcel::new(2 * MIB);
    parcel.begin(&stage, &alice).await;
    let mut raw = Raw::connect(&stage).await;
    let head = format!(
        "PUT {} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\nwaxwing-node: {}\r\ncontent-length: {MIB}\r\n\r\n",
        parcel.part_path(0),
        alice.token,
        node_of(parcel.part(0)),
    );
    raw.write(head.as_bytes()).await;
    raw.write(&parcel.part(0)[..600_000]).await;
    while stage.stored_files() == 0 {
        tokio::task::yield_now().await;
    }
    let mut stage = stage;
    stage.running.take().unwrap().shutdown().await;
    assert_eq!(stage.stored_files(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_drains_says_that_it_is_not_ready_and_answers_all_the_same() {
    let mut stage = crate::stage::Stage::with(|config| config.listen.drain_seconds = 3_600).await;
    let running = stage.running.take().unwrap();
    let looks = async {
        let ready = stage.http.get(format!("{}{}", stage.url, paths::READY)).send().await.unwrap();
        let health = stage.http.get(format!("{}{}", stage.url, paths::HEALTH)).send().await.unwrap();
        (ready.status().as_u16(), health.status().as_u16())
    };
    tokio::select! {
        biased;
        () = running.drain() => panic!("an hour has passed"),
        seen = looks => assert_eq!(seen, (503, 200)),
    }
    running.shutdown().await;
}
