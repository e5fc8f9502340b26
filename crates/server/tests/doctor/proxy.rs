//! Through nginx: in order, and with each fault that proxies are known for.

use server::doctor::Finding;
use stage::{Nginx, Role};

use super::{findings, of, red};
use crate::stage::Stage;

/// What a proxy before Waxwing needs.
const GOOD: &str = "proxy_http_version 1.1; proxy_request_buffering off; proxy_buffering off;
      proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_set_header Host $host;";

async fn behind(
    body_mib: u32,
    name: &'static str,
    lines: &'static str,
    is_trusted: bool,
) -> Option<Vec<Finding>> {
    if !stage::nginx_is_installed() {
        eprintln!("not run: nginx is not installed");
        return None;
    }
    let stage = Stage::with(|config| {
        if is_trusted {
            config.proxies.trusted_proxies = Some("127.0.0.1".parse().unwrap());
        }
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let role = Role::Before { upstream: stage.port, body_mib, name, lines };
    let nginx = Nginx::start(folder.path(), role).unwrap();
    let found = findings(&stage, |config, options| {
        config.public.public_url = Some(nginx.url.parse().unwrap());
        options.ca = Some(nginx.ca.clone());
        options.slow_seconds = lines.contains("proxy_read_timeout").then_some(3);
    })
    .await;
    Some(found.into_iter().filter(|finding| finding.area == "public address").collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_in_order_is_all_green() {
    let Some(found) = behind(0, "localhost", GOOD, true).await else { return };
    assert_eq!(super::wrong(&found), [], "{found:#?}");
    assert!(of(&found, "public address", "forwarded").seen.contains("by the word of"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_as_it_comes_is_red_in_what_it_does_not_let_through() {
    let lines = "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;";
    let Some(found) = behind(1, "localhost", lines, true).await else { return };
    let expected = ["bodies", "request_stream", "reply_stream", "websocket"];
    assert_eq!(red(&found), expected.map(|check| format!("public address/{check}")), "{found:#?}");
    let bodies = of(&found, "public address", "bodies");
    assert!(bodies.seen.contains("413") && bodies.seen.contains("1.0 MiB does"), "{}", bodies.seen);
    assert!(bodies.fix.as_ref().unwrap().contains("client_max_body_size 0;"));
    assert!(of(&found, "public address", "websocket").fix.as_ref().unwrap().contains("Upgrade"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_is_not_believed_or_does_not_say_who_asks_is_red() {
    let Some(found) = behind(0, "localhost", GOOD, false).await else { return };
    assert_eq!(red(&found), ["public address/forwarded"]);
    let fix = of(&found, "public address", "forwarded").fix.as_deref();
    assert_eq!(fix, Some("set TRUSTED_PROXIES=127.0.0.1"));
    let silent = "proxy_http_version 1.1; proxy_request_buffering off; proxy_buffering off; \
        proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade;";
    let Some(found) = behind(0, "localhost", silent, true).await else { return };
    assert_eq!(red(&found), ["public address/forwarded"]);
    assert!(of(&found, "public address", "forwarded").fix.as_ref().unwrap().contains("X-Forwarded-For"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bare_proxy_pass_is_red_for_all_people_are_one_to_the_limits() {
    let Some(found) = behind(0, "localhost", "", false).await else { return };
    let expected = ["request_stream", "reply_stream", "websocket", "forwarded"];
    assert_eq!(red(&found), expected.map(|check| format!("public address/{check}")), "{found:#?}");
    let forwarded = of(&found, "public address", "forwarded");
    assert!(forwarded.seen.contains("all people are one"), "{}", forwarded.seen);
    let fix = forwarded.fix.as_ref().unwrap();
    assert!(fix.contains("X-Forwarded-For") && fix.contains("TRUSTED_PROXIES=127.0.0.1"), "{fix}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_takes_the_doctors_header_away_is_named_as_a_cause() {
    let lines = "proxy_http_version 1.1; proxy_set_header waxwing-doctor \"\";";
    let Some(found) = behind(0, "localhost", lines, false).await else { return };
    assert_eq!(red(&found), ["public address/this_server"]);
    let fix = of(&found, "public address", "this_server").fix.as_ref().unwrap();
    assert!(fix.contains("header waxwing-doctor"), "{fix}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_for_another_name_is_red() {
    let Some(found) = behind(0, "elsewhere.example", GOOD, true).await else { return };
    assert_eq!(red(&found), ["public address/reached"]);
    let seen = &of(&found, "public address", "reached").seen;
    assert!(seen.contains("not for localhost"), "{seen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_compresses_or_swallows_ranges_is_red() {
    let lines = "proxy_http_version 1.1; proxy_request_buffering off; proxy_buffering off; \
        proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade; \
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; \
        gzip on; gzip_types application/octet-stream; gzip_proxied any; proxy_set_header Range \"\"; max_ranges 0;";
    let Some(found) = behind(0, "localhost", lines, true).await else { return };
    assert_eq!(red(&found), ["public address/ranges", "public address/unaltered"], "{found:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_gives_up_on_what_stands_still_is_red() {
    let lines = "proxy_http_version 1.1; proxy_request_buffering off; proxy_buffering off; \
        proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade; \
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_read_timeout 2s;";
    let Some(found) = behind(0, "localhost", lines, true).await else { return };
    assert_eq!(red(&found), ["public address/stillness"], "{found:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_without_a_server_behind_it_is_red() {
    if !stage::nginx_is_installed() {
        return;
    }
    let stage = Stage::new().await;
    let upstream = crate::stage::shared::nobody().rsplit_once(':').unwrap().1.parse().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let role = Role::Before { upstream, body_mib: 0, name: "localhost", lines: GOOD };
    let nginx = Nginx::start(folder.path(), role).unwrap();
    let found = findings(&stage, |config, options| {
        config.public.public_url = Some(nginx.url.parse().unwrap());
        options.ca = Some(nginx.ca.clone());
    })
    .await;
    assert_eq!(red(&found), ["public address/this_server"]);
    assert!(
        of(&found, "public address", "this_server")
            .fix
            .as_ref()
            .unwrap()
            .contains("does not reach the server")
    );
}
