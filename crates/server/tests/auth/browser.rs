//! Sessions of browsers: the cookie, and what pages of other sites cannot do with it.

use proto::{BrowserSession, Code, SessionReply, headers, paths};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};

use crate::stage::server::send;
use crate::stage::{Reply, Stage};

const ALICE: &str = "alice@wax.example";

/// A request as a page of the server's own makes it.
pub(crate) fn own_page(stage: &Stage, path: &str, body: &Value) -> RequestBuilder {
    let request = stage.request(Method::POST, path).header(headers::SESSION, headers::BROWSER);
    request.header("origin", &stage.url).header("sec-fetch-site", "same-origin").json(body)
}

/// The value of the one cookie that a reply sets.
#[track_caller]
pub(crate) fn cookie(reply: &Reply) -> String {
    let set: Vec<_> = reply.headers.get_all("set-cookie").iter().collect();
    assert_eq!(set.len(), 1, "{set:?}");
    let pair = set[0].to_str().unwrap().split(';').next().unwrap();
    pair.strip_prefix("__Host-waxwing-refresh=").unwrap().to_owned()
}

async fn sign_in(stage: &Stage) -> Reply {
    let code = stage.code_for(ALICE).await;
    send(own_page(stage, paths::SESSION, &json!({ "email": ALICE, "code": code }))).await
}

fn with_cookie(request: RequestBuilder, token: &str) -> RequestBuilder {
    request.header("cookie", format!("theme=dark; {}={token}", headers::REFRESH_COOKIE))
}

async fn renew(stage: &Stage, token: &str) -> Reply {
    send(with_cookie(own_page(stage, paths::REFRESH, &json!({})), token)).await
}

async fn whoami(stage: &Stage, access: &proto::Token) -> Reply {
    send(stage.request(Method::GET, paths::WHOAMI).bearer_auth(access.expose_secret())).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browsers_refresh_token_stands_in_a_host_cookie_and_never_in_the_body() {
    let stage = Stage::new().await;
    let reply = sign_in(&stage).await;
    let token = cookie(&reply);
    let set = reply.header("set-cookie");
    let expected =
        format!("__Host-waxwing-refresh={token}; Path=/; Max-Age=604800; Secure; HttpOnly; SameSite=Strict");
    assert_eq!(set, expected);
    let body: Value = reply.json();
    let names: Vec<&String> = body.as_object().unwrap().keys().collect();
    assert_eq!(names, ["access_token", "expires_in", "refresh_expires_at", "server_time", "user_id"]);
    assert!(!String::from_utf8_lossy(&reply.body).contains(&token));
    let renewed = renew(&stage, &token).await;
    assert_ne!(cookie(&renewed), token);
    assert!(!String::from_utf8_lossy(&renewed.body).contains(&cookie(&renewed)));
    let code = stage.code_for(ALICE).await;
    let program = stage.redeem(ALICE, &code).await;
    assert_eq!(program.status, StatusCode::OK);
    assert!(program.headers.get("set-cookie").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browsers_access_token_lives_a_quarter_of_an_hour() {
    let stage = Stage::new().await;
    let reply = sign_in(&stage).await;
    let session: BrowserSession = reply.json();
    assert_eq!(session.expires_in, 900);
    stage.later(899);
    whoami(&stage, &session.access_token).await.json::<proto::WhoAmI>();
    stage.later(1);
    assert_eq!(whoami(&stage, &session.access_token).await.code(), Code::SignInNeeded);
    let renewed: BrowserSession = renew(&stage, &cookie(&reply)).await.json();
    assert_eq!(renewed.user_id, session.user_id);
    whoami(&stage, &renewed.access_token).await.json::<proto::WhoAmI>();
}

/// Every way in which a page of another site, or no page, could send the cookie along.
fn from_elsewhere(stage: &Stage, path: &str, body: &Value) -> Vec<(&'static str, RequestBuilder)> {
    let post = || stage.request(Method::POST, path).json(body);
    let marked = || post().header(headers::SESSION, headers::BROWSER);
    let own = stage.url.clone();
    vec![
        ("no header of ours", post().header("origin", &own).header("sec-fetch-site", "same-origin")),
        ("no origin", marked().header("sec-fetch-site", "same-origin")),
        ("another site", marked().header("origin", "https://evil.example")),
        ("a hidden origin", marked().header("origin", "null")),
        ("another port", marked().header("origin", "https://localhost:1")),
        ("another scheme", marked().header("origin", own.replace("https", "http"))),
        ("a longer name", marked().header("origin", format!("{own}.evil.example"))),
        ("a path behind", marked().header("origin", format!("{own}/"))),
        ("the site's sister", marked().header("origin", &own).header("sec-fetch-site", "same-site")),
        ("cross-site", marked().header("origin", &own).header("sec-fetch-site", "cross-site")),
        ("typed by hand", marked().header("origin", &own).header("sec-fetch-site", "none")),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_site_renews_and_ends_no_session() {
    let stage = Stage::new().await;
    let first = sign_in(&stage).await;
    let token = cookie(&first);
    let access = first.json::<BrowserSession>().access_token;
    for path in [paths::REFRESH, paths::LOGOUT] {
        for (what, request) in from_elsewhere(&stage, path, &json!({})) {
            let reply = send(with_cookie(request, &token).bearer_auth(access.expose_secret())).await;
            assert_eq!(reply.code(), Code::CrossSite, "{path}: {what}");
            assert!(reply.headers.get("set-cookie").is_none(), "{path}: {what}");
        }
    }
    // Nothing happened: the token is as good as before, long after the grace of a repeated exchange.
    stage.later(60);
    whoami(&stage, &access).await.json::<proto::WhoAmI>();
    renew(&stage, &token).await.json::<BrowserSession>();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_site_signs_nobody_in() {
    let stage = Stage::new().await;
    let code = stage.code_for(ALICE).await;
    let body = json!({ "email": ALICE, "code": code });
    for (what, request) in from_elsewhere(&stage, paths::SESSION, &body).split_off(1) {
        assert_eq!(send(request).await.code(), Code::CrossSite, "{what}");
    }
    let reply = send(own_page(&stage, paths::SESSION, &body)).await;
    assert_eq!(reply.status, StatusCode::OK, "the code was not used up");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_headers_where_one_belongs_are_refused() {
    let stage = Stage::new().await;
    let token = cookie(&sign_in(&stage).await);
    for (name, value) in
        [("origin", stage.url.as_str()), ("sec-fetch-site", "same-origin"), (headers::SESSION, "browser")]
    {
        let request = own_page(&stage, paths::REFRESH, &json!({})).header(name, value);
        assert_eq!(send(with_cookie(request, &token)).await.code(), Code::Malformed, "{name}");
    }
    let odd =
        stage.request(Method::POST, paths::REFRESH).header(headers::SESSION, "Browser").json(&json!({}));
    assert_eq!(send(odd).await.code(), Code::Malformed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_of_one_kind_is_never_taken_as_the_other() {
    let stage = Stage::new().await;
    let cookie_token = cookie(&sign_in(&stage).await);
    let program = stage.sign_in(ALICE).await;
    let in_json = json!({ "refresh_token": cookie_token });
    assert_eq!(stage.post(paths::REFRESH, &in_json).await.code(), Code::SignInNeeded);
    let both = own_page(&stage, paths::REFRESH, &in_json);
    assert_eq!(send(with_cookie(both, &cookie_token)).await.code(), Code::Malformed, "two places");
    let in_cookie = renew(&stage, program.refresh_token.expose_secret()).await;
    assert_eq!(in_cookie.code(), Code::SignInNeeded);
    assert_eq!(stage.post(paths::REFRESH, &json!({})).await.code(), Code::Malformed);
    // Neither session suffered.
    renew(&stage, &cookie_token).await.json::<BrowserSession>();
    let token = json!({ "refresh_token": program.refresh_token.expose_secret() });
    stage.post(paths::REFRESH, &token).await.json::<SessionReply>();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copied_cookie_ends_the_whole_session() {
    let stage = Stage::new().await;
    let token = cookie(&sign_in(&stage).await);
    let reply = renew(&stage, &token).await;
    let session: BrowserSession = reply.json();
    stage.later(30);
    assert_eq!(renew(&stage, &token).await.code(), Code::SignInNeeded);
    assert_eq!(whoami(&stage, &session.access_token).await.code(), Code::SignInNeeded);
    assert_eq!(renew(&stage, &cookie(&reply)).await.code(), Code::SignInNeeded);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_tabs_that_renew_at_once_stay_one_session() {
    let stage = Stage::new().await;
    let token = cookie(&sign_in(&stage).await);
    let replies = futures::future::join_all((0..2).map(|_| renew(&stage, &token))).await;
    let next: Vec<String> = replies.iter().map(cookie).collect();
    assert_eq!(next[0], next[1], "one successor");
    for reply in &replies {
        whoami(&stage, &reply.json::<BrowserSession>().access_token).await.json::<proto::WhoAmI>();
    }
    let last = renew(&stage, &next[0]).await;
    let last: BrowserSession = last.json();
    let request = stage.request(Method::GET, paths::SESSIONS).bearer_auth(last.access_token.expose_secret());
    assert_eq!(send(request).await.json::<proto::SessionList>().sessions.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn logout_ends_a_browsers_session_and_clears_its_cookie() {
    let stage = Stage::new().await;
    let cleared = "__Host-waxwing-refresh=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Strict";
    let reply = sign_in(&stage).await;
    let (token, session) = (cookie(&reply), reply.json::<BrowserSession>());
    for turn in ["by the cookie alone", "once more"] {
        let out = send(with_cookie(own_page(&stage, paths::LOGOUT, &json!({})), &token)).await;
        assert_eq!((out.status, out.header("set-cookie")), (StatusCode::NO_CONTENT, cleared), "{turn}");
        assert_eq!(whoami(&stage, &session.access_token).await.code(), Code::SignInNeeded);
        assert_eq!(renew(&stage, &token).await.code(), Code::SignInNeeded);
    }
    let session: BrowserSession = sign_in(&stage).await.json();
    let request = own_page(&stage, paths::LOGOUT, &json!({}));
    let out = send(request.bearer_auth(session.access_token.expose_secret())).await;
    assert_eq!(out.header("set-cookie"), cleared);
    assert_eq!(whoami(&stage, &session.access_token).await.code(), Code::SignInNeeded, "by the access token");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_know_its_public_address_opens_no_browser_session() {
    let stage = Stage::with(|config| config.tls.behind_proxy = true).await;
    let code = stage.code_for(ALICE).await;
    let body = json!({ "email": ALICE, "code": code });
    let refused = send(own_page(&stage, paths::SESSION, &body)).await;
    assert_eq!(refused.code(), Code::NotOffered);
    assert!(refused.refusal().detail.contains("PUBLIC_URL"));
    stage.post(paths::SESSION, &body).await.json::<SessionReply>();
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_proxy_the_origin_is_the_one_that_the_operator_named() {
    let public = "https://wax.example";
    let stage = Stage::with(|config| {
        config.tls.behind_proxy = true;
        config.public.public_url = Some(public.parse().unwrap());
    })
    .await;
    let code = stage.code_for(ALICE).await;
    let body = json!({ "email": ALICE, "code": code });
    assert_eq!(send(own_page(&stage, paths::SESSION, &body)).await.code(), Code::CrossSite);
    let request = stage.request(Method::POST, paths::SESSION).header(headers::SESSION, headers::BROWSER);
    cookie(&send(request.header("origin", public).json(&body)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_other_site_is_given_leave_to_write_the_header() {
    let stage = Stage::new().await;
    for path in [paths::SESSION, paths::REFRESH, paths::LOGOUT] {
        let asking = stage.request(Method::OPTIONS, path).header("origin", "https://evil.example");
        let asking = asking.header("access-control-request-method", "POST");
        let reply = send(asking.header("access-control-request-headers", headers::SESSION)).await;
        assert_eq!(reply.code(), Code::MethodNotAllowed, "{path}");
        assert!(!reply.headers.keys().any(|name| name.as_str().starts_with("access-control")), "{path}");
    }
}
