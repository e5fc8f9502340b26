//! Lengths, counts, media types and methods.

use proto::{Code, paths};
use reqwest::Method;

use crate::stage::raw::Raw;
use crate::stage::server::send;
use crate::stage::{Person, Stage};

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
