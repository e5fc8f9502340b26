//! Requests that are two requests to somebody.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::ground::{Ground, PATIENCE, request};

/// What is behind each attempt; no server may ever see it.
const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// Heads that tell the length of their body in two ways, or in none that is known.
const ATTEMPTS: [&str; 11] = [
    "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "Content-Length: 0\r\nContent-Length: 44\r\n\r\n",
    "Content-Length: 0, 44\r\n\r\n",
    "Content-Length: +0\r\n\r\n",
    "Content-Length: -1\r\n\r\n",
    "Content-Length: 0x0\r\n\r\n",
    "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "Content-Length\0: 0\r\n\r\n",
];

#[tokio::test(flavor = "multi_thread")]
async fn requests_with_two_lengths_are_refused_and_what_is_behind_them_is_never_seen() {
    let ground = Ground::new();
    let server = ground.server().await;
    let balancer = ground.balancer(&[&server]).await;
    for attempt in ATTEMPTS {
        let mut stream = ground.raw(&balancer).await;
        let text = format!("POST /outer HTTP/1.1\r\nHost: localhost\r\n{attempt}{SMUGGLED}");
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        // The connection ends, in one way or another.
        let _ =
            tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("it was left open");
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(answer.starts_with("HTTP/1.1 400 "), "{attempt:?} was answered {answer:?}");
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{attempt:?} was answered twice");
    }
    assert_eq!(server.seen("/smuggled"), 0);
    assert_eq!(server.seen("/outer"), 0);
    assert_eq!(ground.get(&balancer, "/x").await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_behind_a_request_is_not_taken_for_part_of_it() {
    let ground = Ground::new();
    let server = ground.server().await;
    let balancer = ground.balancer(&[&server]).await;
    let mut stream = ground.raw(&balancer).await;
    let text = "POST /outer HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbodyGET /smuggled HTTP/1.1\r\n\r\n";
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("it was left open");
    assert_eq!(server.seen("/smuggled"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_is_too_large_is_refused_in_our_words() {
    let ground = Ground::new();
    let server = ground.server().await;
    let balancer = ground.balancer(&[&server]).await;
    let mut long = request("GET", "/x", "");
    long.headers_mut().insert("x-long", "x".repeat(20_000).parse().unwrap());
    let mut many = request("GET", "/x", "");
    for n in 0..70 {
        many.headers_mut()
            .insert(hyper::header::HeaderName::try_from(format!("x-{n}")).unwrap(), "x".parse().unwrap());
    }
    let far = request("GET", &format!("/x?{}", "q".repeat(3000)), "");
    for refused in [long, many, far] {
        let response = ground.ask(&balancer, refused).await;
        assert_eq!(response.status(), 431);
        let problem: proto::Problem = serde_json::from_slice(response.body()).unwrap();
        assert_eq!(problem.code, proto::Code::HeadersTooLarge);
    }
    assert_eq!(server.seen("/x"), 0);
}
