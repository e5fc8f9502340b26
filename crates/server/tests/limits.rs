//! Lengths, counts, media types and methods.

use proto::{Code, paths};
use reqwest::Method;

use crate::stage::raw::Raw;
use crate::stage::server::send;
use crate::stage::{Parcel, Person, Stage};

#[tokio::test(flavor = "multi_thread")]
async fn too_many_or_too_long_headers_are_refused() {
    let stage = Stage::new().await;
    let long = stage.request(Method::GET, paths::HEALTH).header("x-long", "x".repeat(17 << 10));
    assert_eq!(send(long).await.code(), Code::HeadersTooLarge);
    let target = format!("{}?after={}", paths::FILES, "A".repeat(3 << 10));
    assert_eq!(stage.get(&target).await.code(), Code::HeadersTooLarge);
    let mut many = String::from("GET /health HTTP/1.1\r\nhost: localhost\r\n");
    for n in 0..100 {
        many.push_str(&format!("x-{n}: 1\r\n"));
    }
    let mut raw = Raw::connect(&stage).await;
    raw.write(format!("{many}\r\n").as_bytes()).await;
    let reply = raw.read_reply().await;
    assert!(reply.starts_with("HTTP/1.1 431 "), "{reply}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_refused_before_the_body_was_read_gets_to_read_why_and_goes_on() {
    let stage = Stage::new().await;
    let alice = Person::with_bundle(&stage, "alice@wax.example").await;
    let parcel = Parcel::new(2 << 20);
    parcel.begin(&stage, &alice).await;
    let stranger = Person { token: "nobody".into(), ..Person::new(&stage, "bob@wax.example").await };
    for _ in 0..20 {
        let refused = parcel.put(&stage, &stranger, 0).await;
        assert_eq!(refused.code(), Code::SignInNeeded);
        // The next request may come over the same connection.
        alice.get(&stage, paths::WHOAMI).await.json::<serde_json::Value>();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_json_body_has_a_largest_length() {
    let stage = Stage::new().await;
    let alice = Person::new(&stage, "alice@wax.example").await;
    let post = |body: Vec<u8>| {
        let request = stage.request(Method::POST, paths::LOOKUP).bearer_auth(&alice.token);
        send(request.header("content-type", "application/json").body(body))
    };
    assert_eq!(post(vec![b' '; (2 << 20) + 1]).await.code(), Code::TooLarge);
    assert_eq!(post(vec![b' '; 2 << 20]).await.code(), Code::Malformed);
    // Without an announced length, too.
    let stream = futures::stream::iter((0..3).map(|_| Ok::<_, std::io::Error>(vec![b' '; 1 << 20])));
    let request = stage.request(Method::POST, paths::LOOKUP).bearer_auth(&alice.token);
    let request = request.header("content-type", "application/json").body(reqwest::Body::wrap_stream(stream));
    assert_eq!(send(request).await.code(), Code::TooLarge);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_media_types_methods_and_paths_are_refused_as_problems() {
    let stage = Stage::new().await;
    let request = stage.request(Method::POST, paths::CODE).body("email=a@b.example");
    assert_eq!(send(request).await.code(), Code::MediaType);
    let reply = send(stage.request(Method::PATCH, paths::FILES)).await;
    assert_eq!(reply.code(), Code::MethodNotAllowed);
    assert_eq!(reply.header("allow"), "GET,HEAD");
    assert_eq!(stage.get("/api/v1/nothing").await.code(), Code::NotFound);
    assert_eq!(stage.get("/").await.code(), Code::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_json_is_refused_with_its_place() {
    let stage = Stage::new().await;
    let request = stage.request(Method::POST, paths::CODE).header("content-type", "application/json");
    let reply = send(request.body("{\"email\": canary}")).await;
    assert_eq!(reply.code(), Code::Malformed);
    assert!(reply.refusal().detail.contains("column"));
    assert!(!String::from_utf8_lossy(&reply.body).contains("canary"));
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_that_never_end_are_given_up() {
    let stage = Stage::with(|config| {
        config.limits.header_seconds = 1;
        config.limits.idle_seconds = 1;
    })
    .await;
    let mut raw = Raw::connect(&stage).await;
    raw.write(b"GET /health HTTP/1.1\r\nhost: localhost\r\nx-slow: ").await;
    let reply = raw.read_reply().await;
    assert!(!reply.contains(" 200 "), "{reply}");
}

#[tokio::test(flavor = "multi_thread")]
async fn http_2_serves_the_same() {
    let stage = Stage::new().await;
    let ca = reqwest::Certificate::from_pem_bundle(&stage.ca_pem).unwrap();
    let http = reqwest::Client::builder().tls_certs_only(ca).build().unwrap();
    let response = http.get(format!("{}{}", stage.url, paths::HEALTH)).send().await.unwrap();
    assert_eq!(response.version(), reqwest::Version::HTTP_2);
    assert_eq!(response.status(), reqwest::StatusCode::OK);
}

/// A connection that does not come to a request, and what it says at most before it is given up.
async fn is_given_up(stage: &Stage, said: &[u8]) {
    let mut raw = Raw::connect(stage).await;
    raw.write(said).await;
    let reply = raw.read_reply().await;
    assert!(!reply.contains(" 200 "), "{reply}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_says_nothing_or_half_a_greeting_is_given_up() {
    let stage = Stage::with(|config| {
        config.limits.header_seconds = 1;
        config.limits.idle_seconds = 1;
    })
    .await;
    for said in ["", "P", "PRI * HTTP/2.0\r\n\r\nSM\r\n", "G", "GET /health HTTP/1.1\r\n"] {
        is_given_up(&stage, said.as_bytes()).await;
    }
    // A connection that does nothing after its handshake is no better than one that never makes it.
    let mut tcp = tokio::net::TcpStream::connect(("127.0.0.1", stage.port)).await.unwrap();
    let mut end = Vec::new();
    let _ = tokio::io::AsyncReadExt::read_to_end(&mut tcp, &mut end).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_http_2_connection_without_a_request_is_ended_however_it_answers_pings() {
    let stage = Stage::with(|config| {
        config.limits.header_seconds = 1;
        config.limits.idle_seconds = 1;
    })
    .await;
    let mut raw = Raw::connect(&stage).await;
    // The greeting, and empty settings: a whole client that asks for nothing.
    raw.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await;
    let all = raw.read_to_end().await;
    let goaway = all.windows(5).any(|frame| frame == [0, 0, 8, 7, 0]);
    assert!(goaway, "the end is said before it comes: {all:?}");
    // Two settings' frames, and the end; the ping that asks whether anybody is there would come after 20 seconds.
    let pings = all.windows(5).filter(|frame| *frame == [0, 0, 8, 6, 0]).count();
    assert!(pings <= 1, "the one that goes with the end: {all:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_that_come_one_by_one_are_given_up_however_steadily() {
    let stage = Stage::with(|config| {
        config.limits.header_seconds = 1;
        config.limits.idle_seconds = 1;
    })
    .await;
    let mut raw = Raw::connect(&stage).await;
    raw.write(b"GET /health HTTP/1.1\r\nhost: localhost\r\n").await;
    let mut written = 0;
    // As slow as an attacker can be, and never silent: the whole head has one limit of time.
    while raw.try_write(b"x-slow: 1\r\n").await && written < 60 {
        written += 1;
        raw.wait_for_a_reply(std::time::Duration::from_millis(100)).await;
    }
    assert!(written < 60, "it went on for as long as it liked");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_json_body_that_drips_is_given_up_however_steadily() {
    let stage = Stage::with(|config| config.limits.request_seconds = 1).await;
    let mut raw = Raw::connect(&stage).await;
    let head = format!(
        "POST {} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n",
        paths::CODE
    );
    raw.write(head.as_bytes()).await;
    let mut reply = String::new();
    for _ in 0..60 {
        if !raw.try_write(b" ").await {
            break;
        }
        reply = raw.wait_for_a_reply(std::time::Duration::from_millis(100)).await;
        if !reply.is_empty() {
            break;
        }
    }
    assert!(reply.starts_with("HTTP/1.1 408 ") && reply.contains("\"timeout\""), "{reply}");
}
