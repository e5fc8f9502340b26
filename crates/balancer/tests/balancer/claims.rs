//! What servers are told of clients.

use balancer::Config;

use crate::ground::{Ground, request};

const CLAIMS: [(&str, &str); 6] = [
    ("x-forwarded-for", "203.0.113.66"),
    ("x-forwarded-host", "evil.example"),
    ("x-forwarded-proto", "http"),
    ("x-forwarded-port", "1"),
    ("forwarded", "for=203.0.113.66"),
    ("x-real-ip", "203.0.113.66"),
];

async fn told(ground: &Ground, tweak: impl FnOnce(&mut Config)) -> String {
    let server = ground.server().await;
    let balancer = ground.balancer_with(&[&server], tweak).await;
    let mut forged = request("GET", "/headers", "");
    for (name, value) in CLAIMS {
        forged.headers_mut().append(name, value.parse().unwrap());
    }
    forged.headers_mut().insert("authorization", "Bearer kept".parse().unwrap());
    forged.headers_mut().insert("x-request-id", "forged".parse().unwrap());
    let response = ground.ask(&balancer, forged).await;
    String::from_utf8(response.body().to_vec()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_claims_of_itself_is_dropped() {
    let text = told(&Ground::new(), |_| {}).await;
    for forged in ["203.0.113.66", "evil.example", "x-forwarded-port", "forged"] {
        assert!(!text.contains(forged), "{forged} was passed on:\n{text}");
    }
    for own in ["x-forwarded-for: 127.0.0.1\n", "x-forwarded-proto: https\n", "x-forwarded-host: localhost\n"]
    {
        assert!(text.contains(own), "{own} is not in\n{text}");
    }
    assert!(text.contains("authorization: Bearer kept\n"));
    assert!(text.contains("host: localhost\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trusted_proxy_is_believed() {
    let text = told(&Ground::new(), |config| config.trusted_proxies = "127.0.0.0/8".parse().unwrap()).await;
    assert!(text.contains("x-forwarded-for: 203.0.113.66\n"), "{text}");
    assert!(text.contains("x-forwarded-host: evil.example\n"), "{text}");
    assert!(text.contains("x-forwarded-proto: https\n"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_meant_for_the_balancer_alone_is_not_passed_on() {
    let ground = Ground::new();
    let server = ground.server().await;
    let balancer = ground.balancer(&[&server]).await;
    let mut hop = request("GET", "/headers", "");
    for (name, value) in
        [("connection", "x-secret-hop"), ("x-secret-hop", "1"), ("te", "trailers"), ("keep-alive", "9")]
    {
        hop.headers_mut().insert(name, value.parse().unwrap());
    }
    let response = ground.ask(&balancer, hop).await;
    let text = String::from_utf8(response.body().to_vec()).unwrap();
    for hop in ["x-secret-hop", "keep-alive", "te: trailers"] {
        assert!(!text.contains(hop), "{hop} was passed on:\n{text}");
    }
}
