//! What flows through.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::Request;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::ground::{Ground, PATIENCE, pieces, request, whole};

fn put(path: &str) -> hyper::http::request::Builder {
    Request::builder().method("PUT").uri(path).header("host", "localhost")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_beginning_of_a_body_arrives_before_its_end_was_sent() {
    let ground = Ground::new();
    let server = ground.server().await;
    let balancer = ground.balancer(&[&server]).await;
    let (sender, body) = pieces();
    let mut client = ground.client(&balancer).await;
    let length = 3 << 20;
    let asked = tokio::spawn(async move {
        whole(
            client
                .send_request(put("/part").header("content-length", length).body(body).unwrap())
                .await
                .unwrap(),
        )
        .await
    });
    for piece in 1..=3 {
        sender.send(Bytes::from(vec![piece; 1 << 20])).await.unwrap();
        server.until_arrived(usize::from(piece) << 20).await;
    }
    drop(sender);
    assert_eq!(asked.await.unwrap().status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_without_a_length_arrives_whole() {
    let ground = Ground::new();
    let server = ground.server().await;
    let balancer = ground.balancer(&[&server]).await;
    let (sender, body) = pieces();
    let mut client = ground.client(&balancer).await;
    let asked = tokio::spawn(async move {
        whole(client.send_request(put("/part").body(body).unwrap()).await.unwrap()).await
    });
    for _ in 0..5 {
        sender.send(Bytes::from(vec![1; 100_000])).await.unwrap();
    }
    drop(sender);
    assert_eq!(asked.await.unwrap().status(), 200);
    assert_eq!(server.behaviour.arrived.load(Ordering::SeqCst), 500_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn large_bodies_pass_over_http2_and_only_as_fast_as_the_server_takes_them() {
    let ground = Ground::new();
    let server = ground.server().await;
    let balancer = ground.balancer(&[&server]).await;
    let mut client = ground.client2(&balancer).await;
    let large = Request::builder().method("PUT").uri("https://localhost/part");
    let large = large.body(http_body_util::Full::new(Bytes::from(vec![1; 8 << 20]))).unwrap();
    assert_eq!(whole(client.send_request(large).await.unwrap()).await.status(), 200);
    assert_eq!(server.behaviour.arrived.load(Ordering::SeqCst), 8 << 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_told_as_they_happen() {
    let ground = Ground::new();
    let server = ground.server().await;
    let balancer = ground.balancer(&[&server]).await;
    let mut client = ground.client(&balancer).await;
    let mut response = client.send_request(request("GET", "/trickle", "")).await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let first =
        tokio::time::timeout(PATIENCE, response.body_mut().frame()).await.expect("the first was held back");
    assert_eq!(first.unwrap().unwrap().into_data().unwrap().as_ref(), b"first");
    server.behaviour.release.notify_one();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes().as_ref(), b"last");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_passes_in_both_directions() {
    let ground = Ground::new();
    let server = ground.server().await;
    let balancer = ground.balancer(&[&server]).await;
    let mut stream = ground.raw(&balancer).await;
    let asking = "GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                  Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(asking.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    assert!(head.starts_with("http/1.1 101"), "{head}");
    assert!(
        head.contains("upgrade: websocket")
            && head.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="),
        "{head}"
    );
    for message in [&b"\x81\x05hello"[..], b"\x81\x05again"] {
        stream.write_all(message).await.unwrap();
        let mut back = vec![0; message.len()];
        tokio::time::timeout(PATIENCE, stream.read_exact(&mut back))
            .await
            .expect("nothing came back")
            .unwrap();
        assert_eq!(back, message);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ranges_and_tags_pass_untouched() {
    let ground = Ground::new();
    let server = ground.server().await;
    let balancer = ground.balancer(&[&server]).await;
    let mut ranged = request("GET", "/range", "");
    ranged.headers_mut().insert("range", "bytes=2-4".parse().unwrap());
    let response = ground.ask(&balancer, ranged).await;
    assert_eq!(response.status(), 206);
    assert_eq!(response.headers()["content-range"], "bytes 2-4/10");
    assert_eq!(response.headers()["etag"], "\"abc\"");
    assert_eq!(response.body().as_ref(), b"234");
    // A range that the server chose not to serve is not served in its place.
    let mut other = request("GET", "/range", "");
    other.headers_mut().insert("range", "bytes=0-0".parse().unwrap());
    other.headers_mut().insert("if-none-match", "\"abc\"".parse().unwrap());
    let response = ground.ask(&balancer, other).await;
    assert_eq!((response.status().as_u16(), response.body().as_ref()), (200, &b"0123456789"[..]));
}
