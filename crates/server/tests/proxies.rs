//! Whose `X-Forwarded-For` is believed, over real connections; told by what is counted for whom.

use proto::paths;
use reqwest::StatusCode;
use serde_json::json;
use server::config::TrustedProxies;

use crate::stage::Stage;
use crate::stage::server::send;

/// A server that takes two sign-in requests of a network address in an hour.
async fn stage(trusted: Option<&str>, behind_proxy: bool) -> Stage {
    let trusted: Option<TrustedProxies> = trusted.map(|list| list.parse().unwrap());
    Stage::with(|config| {
        config.limits.sign_ins_per_ip = 2;
        config.proxies.trusted_proxies = trusted;
        config.tls.behind_proxy = behind_proxy;
    })
    .await
}

/// How many requests with these headers are taken, one after the other.
async fn taken(stage: &Stage, from: &str, headers: &[&str]) -> usize {
    let ca = reqwest::Certificate::from_pem_bundle(&stage.ca_pem).unwrap();
    let client = reqwest::Client::builder().tls_certs_only(ca).local_address(Some(from.parse().unwrap()));
    let client = client.build().unwrap();
    // The certificate is for this address too, and the connection goes there from another one.
    let url = format!("https://127.0.0.1:{}{}", stage.port, paths::CODE);
    let mut taken = 0;
    for header in headers {
        let address = format!("p{}@wax.example", crate::stage::sealed::file_id());
        let request = client.post(&url).header("x-forwarded-for", *header);
        let reply = send(request.json(&json!({ "email": address }))).await;
        match reply.status {
            StatusCode::NO_CONTENT => taken += 1,
            status => assert_eq!(status, StatusCode::TOO_MANY_REQUESTS),
        }
    }
    taken
}

const FOUR: [&str; 4] = ["198.51.100.1", "198.51.100.2", "198.51.100.3", "198.51.100.4"];

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_does_not_escape_a_limit_by_writing_a_header() {
    // No proxy at all; a proxy elsewhere; a proxy on this machine, but this is another address of it.
    for trusted in [None, Some(""), Some("192.0.2.0/24"), Some("127.0.0.1")] {
        let stage = stage(trusted, false).await;
        assert_eq!(taken(&stage, "127.0.0.9", &FOUR).await, 2, "{trusted:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trusted_proxy_tells_clients_apart() {
    for (trusted, behind_proxy) in [(None, true), (Some("127.0.0.1"), false), (Some("127.0.0.0/8"), true)] {
        let stage = stage(trusted, behind_proxy).await;
        assert_eq!(taken(&stage, "127.0.0.1", &FOUR).await, 4, "{trusted:?}");
        assert_eq!(taken(&stage, "127.0.0.1", &[FOUR[0]; 3]).await, 1, "the first of them has one left");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_claims_behind_a_trusted_proxy_changes_nothing() {
    let stage = stage(Some("127.0.0.1, 10.0.0.0/8"), false).await;
    let claims = [
        "192.0.2.1, 198.51.100.1",
        "192.0.2.2, 198.51.100.1, 10.0.0.1",
        "127.0.0.1, 198.51.100.1, 10.0.0.1, 10.0.0.2",
        "garbage, 198.51.100.1",
    ];
    assert_eq!(taken(&stage, "127.0.0.1", &claims).await, 2, "all are 198.51.100.1");
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_of_one_ipv6_network_are_one_and_garbage_is_the_proxy_itself() {
    let stage = stage(Some("127.0.0.1"), false).await;
    let household = ["2001:db8::1", "2001:db8::ffff:1", "2001:db8::2", "[2001:db8::3]:443"];
    assert_eq!(taken(&stage, "127.0.0.1", &household).await, 2);
    assert_eq!(taken(&stage, "127.0.0.1", &["2001:db8:0:1::1"]).await, 1, "next door");
    assert_eq!(taken(&stage, "127.0.0.1", &["unknown", "198.51.100.1,", ""]).await, 2);
}
