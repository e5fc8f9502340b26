//! Clients that are too old for the server.

use proto::{Code, paths};
use reqwest::StatusCode;

use crate::stage::Stage;
use crate::stage::server::send;

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_is_too_old_is_asked_to_be_replaced_and_nobody_else_is() {
    let stage = Stage::with(|config| config.clients.min_client = Some("0.2.0".parse().unwrap())).await;
    let ask = async |name: Option<&str>| {
        let request = stage.http.get(format!("{}{}", stage.url, paths::WHOAMI));
        send(match name {
            Some(name) => request.header(proto::headers::CLIENT, name),
            None => request,
        })
        .await
    };
    let refused = ask(Some("wax/0.1.9 (Linux)")).await.refusal();
    assert_eq!((refused.code, refused.status), (Code::UpgradeNeeded, 426));
    assert!(refused.detail.contains("0.2.0") && refused.detail.contains("0.1.9"), "{}", refused.detail);
    for name in [Some("wax/0.2.0"), Some("wax/0.10.0 (Linux)"), Some("Firefox"), None] {
        assert_eq!(ask(name).await.status, StatusCode::UNAUTHORIZED, "{name:?}");
    }
}
