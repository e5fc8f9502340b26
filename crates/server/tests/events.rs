//! `GET /events`: told at once, to whom it concerns, over several servers, and for no longer than the session lives.

use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use proto::live::{PROTOCOL, PROTOCOL_TOKEN, SESSION_ENDED, STOPPING, TOKEN_ENDED};
use proto::{Code, LiveEvent, LiveKind, paths};
use reqwest::{Method, RequestBuilder, Response, StatusCode, Upgraded};
use serde_json::json;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::stage::sealed::alice_and_bob;
use crate::stage::server::send;
use crate::stage::{Parcel, Person, Stage};

/// What never comes fails the test, and does not hold it for ever.
async fn soon<T>(coming: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), coming).await.expect("neither an event nor the end came")
}

/// Somebody who watches over lines.
pub(crate) struct Lines {
    response: Response,
    buffer: String,
}

impl Lines {
    async fn of(request: RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["cache-control"], "no-store");
        Self { response, buffer: String::new() }
    }

    pub(crate) async fn at(stage: &Stage, url: &str, who: &Person, after: Option<&str>) -> Self {
        let query = after.map(|after| format!("?after={after}")).unwrap_or_default();
        Self::of(stage.http.get(format!("{url}{}{query}", paths::EVENTS)).bearer_auth(&who.token)).await
    }

    /// The next event; `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<LiveEvent> {
        soon(self.read()).await
    }

    async fn read(&mut self) -> Option<LiveEvent> {
        loop {
            if let Some((message, rest)) = self.buffer.split_once("\n\n") {
                let data = message.lines().find_map(|line| line.strip_prefix("data: ").map(str::to_owned));
                let id = message.lines().find_map(|line| line.strip_prefix("id: ").map(str::to_owned));
                self.buffer = rest.to_owned();
                if let Some(data) = data {
                    let event: LiveEvent = serde_json::from_str(&data).unwrap();
                    assert_eq!(id.as_deref(), Some(event.cursor.as_str()));
                    return Some(event);
                }
                continue;
            }
            let chunk = self.response.chunk().await.ok().flatten()?;
            self.buffer.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    pub(crate) async fn begun(&mut self) -> String {
        let event = self.next().await.unwrap();
        assert_eq!(event.kind, LiveKind::Begun);
        event.cursor
    }

    /// Everything up to the last message, which is given apart.
    async fn until_ended(&mut self) -> (Vec<LiveEvent>, String) {
        let mut before = Vec::new();
        loop {
            let event = self.next().await.unwrap();
            if event.kind == LiveKind::Ended {
                assert_eq!(self.next().await, None, "the connection ends with it");
                return (before, event.what.unwrap());
            }
            before.push(event);
        }
    }
}

/// Somebody who watches over a WebSocket.
struct Socket(WebSocketStream<Upgraded>);

fn wish(request: RequestBuilder) -> RequestBuilder {
    request
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
}

impl Socket {
    async fn of(request: RequestBuilder) -> Self {
        let response = wish(request).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
        assert_eq!(response.headers()["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        Self(WebSocketStream::from_raw_socket(response.upgrade().await.unwrap(), Role::Client, None).await)
    }

    async fn next(&mut self) -> Option<LiveEvent> {
        soon(self.read()).await
    }

    async fn read(&mut self) -> Option<LiveEvent> {
        loop {
            match self.0.next().await {
                Some(Ok(Message::Text(text))) => return Some(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                _ => return None,
            }
        }
    }
}

fn events(stage: &Stage, who: &Person) -> RequestBuilder {
    stage.request(Method::GET, paths::EVENTS).bearer_auth(&who.token)
}

fn arrived(event: &LiveEvent) -> bool {
    event.kind == LiveKind::FileArrived
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_is_told_over_both_ways_by_ids_alone() {
    let (stage, alice, bob) = alice_and_bob().await;
    let mut lines = Lines::of(events(&stage, &bob)).await;
    lines.begun().await;
    let mut socket = Socket::of(events(&stage, &bob)).await;
    assert_eq!(socket.next().await.unwrap().kind, LiveKind::Begun);
    let parcel = Parcel::new(5_000);
    parcel.send(&stage, &alice, &[&bob]).await;
    for event in [lines.next().await.unwrap(), socket.next().await.unwrap()] {
        assert_eq!((event.kind, event.file_id), (LiveKind::FileArrived, Some(parcel.file_id)));
        let text = serde_json::to_string(&event).unwrap();
        assert!(!text.contains('@') && !text.contains(&alice.user.to_string()), "{text}");
    }
    let gone = alice.delete(&stage, &format!("{}/grants/{}", parcel.file_path(), bob.user)).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    for event in [lines.next().await.unwrap(), socket.next().await.unwrap()] {
        assert_eq!((event.kind, event.file_id), (LiveKind::FileGone, Some(parcel.file_id)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_told_what_concerns_others() {
    let (stage, alice, bob) = alice_and_bob().await;
    let carol = Person::with_bundle(&stage, "carol@wax.example").await;
    let mut lines = Lines::of(events(&stage, &carol)).await;
    lines.begun().await;
    Parcel::new(5_000).send(&stage, &alice, &[&bob]).await;
    let hers = Parcel::new(5_000);
    hers.send(&stage, &alice, &[&carol]).await;
    let first = lines.next().await.unwrap();
    assert_eq!((first.kind, first.file_id), (LiveKind::FileArrived, Some(hers.file_id)));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_server_tells_it_and_a_cursor_goes_on_there() {
    let (stage, alice, bob) = alice_and_bob().await;
    let (second, third) = (stage.beside().await, stage.beside().await);
    let mut lines = Lines::at(&stage, &second.url(), &bob, None).await;
    lines.begun().await;
    let sent = [Parcel::new(5_000), Parcel::new(5_000), Parcel::new(5_000)];
    sent[0].send(&stage, &alice, &[&bob]).await;
    let event = lines.next().await.unwrap();
    assert_eq!((arrived(&event), event.file_id), (true, Some(sent[0].file_id)), "sent by another server");
    // The server goes away; what happens meanwhile is told by the next one, once.
    second.shutdown().await;
    assert_eq!(lines.until_ended().await, (vec![], STOPPING.to_owned()));
    sent[1].send(&stage, &alice, &[&bob]).await;
    let mut lines = Lines::at(&stage, &third.url(), &bob, Some(&event.cursor)).await;
    assert_eq!(lines.begun().await, event.cursor);
    sent[2].send(&stage, &alice, &[&bob]).await;
    for parcel in &sent[1..] {
        let event = lines.next().await.unwrap();
        assert_eq!((arrived(&event), event.file_id), (true, Some(parcel.file_id)));
    }
    third.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_ends_anywhere_is_told_nothing_more() {
    let (stage, alice, bob) = alice_and_bob().await;
    let other = stage.beside().await;
    let watched = stage.sign_in(&bob.address).await;
    let watcher = Person { token: watched.access_token.expose_secret().to_owned(), ..bob.clone() };
    let mut here = Lines::of(events(&stage, &watcher)).await;
    let mut socket = Socket::of(events(&stage, &watcher)).await;
    let mut there = Lines::at(&stage, &other.url(), &watcher, None).await;
    let mut stays = Lines::of(events(&stage, &bob)).await;
    for lines in [&mut here, &mut there, &mut stays] {
        lines.begun().await;
    }
    assert_eq!(socket.next().await.unwrap().kind, LiveKind::Begun);
    let out =
        send(stage.request(Method::POST, paths::LOGOUT).bearer_auth(&watcher.token).json(&json!({}))).await;
    assert_eq!(out.status, StatusCode::NO_CONTENT);
    for lines in [&mut here, &mut there] {
        assert_eq!(lines.until_ended().await.1, SESSION_ENDED);
    }
    while let Some(event) = socket.next().await {
        assert!(matches!(event.kind, LiveKind::Activity | LiveKind::Ended));
    }
    Parcel::new(5_000).send(&stage, &alice, &[&bob]).await;
    while !arrived(&stays.next().await.unwrap()) {}
    // An operator beside the servers suspends the account: no server is told, the database is.
    stage.database().await.suspend(bob.user, db::UnixTime(stage.now()), &[]).await.unwrap();
    assert_eq!(stays.until_ended().await.1, SESSION_ENDED);
    let refused = send(events(&stage, &bob)).await;
    assert_eq!(refused.code(), Code::Suspended);
    other.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_too_old_ends_its_connection() {
    let (stage, alice, bob) = alice_and_bob().await;
    let mut lines = Lines::of(events(&stage, &bob)).await;
    lines.begun().await;
    let alice_later = Person { token: alice.token.clone(), ..alice };
    stage.later(3_600);
    // Whatever happens next is not told any more.
    let session = stage.sign_in(&alice_later.address).await;
    let alice = Person { token: session.access_token.expose_secret().to_owned(), ..alice_later };
    Parcel::new(5_000).send(&stage, &alice, &[&bob]).await;
    assert_eq!(lines.until_ended().await, (vec![], TOKEN_ENDED.to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_site_gets_nothing() {
    let (stage, _, bob) = alice_and_bob().await;
    let own = stage.url.clone();
    let cookie = |request: RequestBuilder| request.header("cookie", "__Host-waxwing-refresh=abc");
    for (what, request) in [
        ("another site", events(&stage, &bob).header("origin", "https://evil.example")),
        ("a hidden origin", events(&stage, &bob).header("origin", "null")),
        ("a longer name", events(&stage, &bob).header("origin", format!("{own}.evil.example"))),
        ("the site's sister", events(&stage, &bob).header("sec-fetch-site", "same-site")),
        ("with the cookie", cookie(events(&stage, &bob).header("origin", "https://evil.example"))),
    ] {
        for request in [request.try_clone().unwrap(), wish(request)] {
            assert_eq!(send(request).await.code(), Code::CrossSite, "{what}");
        }
    }
    // The cookie alone is nobody: it is sent by whatever page asks.
    let alone = cookie(stage.request(Method::GET, paths::EVENTS).header("origin", &own));
    assert_eq!(send(wish(alone)).await.code(), Code::SignInNeeded);
    let protocols = format!("{PROTOCOL}, {PROTOCOL_TOKEN}{}", bob.token);
    let page = |origin: &str| {
        let request = stage.request(Method::GET, paths::EVENTS).header("origin", origin);
        request.header("sec-websocket-protocol", &protocols)
    };
    let mut socket = Socket::of(page(&own)).await;
    assert_eq!(socket.next().await.unwrap().kind, LiveKind::Begun);
    assert_eq!(send(wish(page("https://evil.example"))).await.code(), Code::CrossSite);
    let program = stage.request(Method::GET, paths::EVENTS).header("sec-websocket-protocol", &protocols);
    assert_eq!(send(wish(program)).await.code(), Code::SignInNeeded, "only pages need that place");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_and_a_server_have_so_many_places_and_get_them_back() {
    let stage = Stage::with(|config| {
        config.limits.watchers_per_account = 2;
        config.limits.watchers = 3;
    })
    .await;
    let alice = Person::new(&stage, "alice@wax.example").await;
    let bob = Person::new(&stage, "bob@wing.example").await;
    let mut lines = Lines::of(events(&stage, &alice)).await;
    let mut socket = Socket::of(events(&stage, &alice)).await;
    lines.begun().await;
    socket.next().await.unwrap();
    let full = send(events(&stage, &alice)).await;
    assert_eq!((full.code(), full.header("retry-after")), (Code::TooMany, "30"));
    let mut other = Lines::of(events(&stage, &bob)).await;
    other.begun().await;
    assert_eq!(send(events(&stage, &bob)).await.code(), Code::Unavailable);
    drop(lines);
    socket.0.close(None).await.unwrap();
    // Both are given back as soon as the server sees that they are gone.
    for _ in 0..2 {
        loop {
            let response = events(&stage, &bob).send().await.unwrap();
            if response.status() == StatusCode::OK {
                break;
            }
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_says_what_nobody_asked_for_is_left() {
    let (stage, _, bob) = alice_and_bob().await;
    for said in [Message::text("hello"), Message::text("x".repeat(100_000)), Message::binary(vec![1])] {
        let mut socket = Socket::of(events(&stage, &bob)).await;
        socket.next().await.unwrap();
        // It may be cut off before everything is written.
        let _ = socket.0.send(said).await;
        assert_eq!(socket.next().await, None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_that_does_not_hold_begins_again_and_one_that_is_none_is_refused() {
    let (stage, alice, bob) = alice_and_bob().await;
    let mut lines = Lines::at(&stage, &stage.url, &bob, Some("4000000")).await;
    let first = lines.next().await.unwrap();
    assert_eq!(first.kind, LiveKind::Restarted);
    Parcel::new(5_000).send(&stage, &alice, &[&bob]).await;
    assert!(arrived(&lines.next().await.unwrap()));
    // Three days away: what happened meanwhile is forgotten, and that is said.
    let seen = first.cursor;
    for _ in 0..2 {
        stage.later(3 * 86_400);
        stage.run_jobs().await;
    }
    let session = stage.sign_in(&bob.address).await;
    let bob = Person { token: session.access_token.expose_secret().to_owned(), ..bob };
    let mut lines = Lines::at(&stage, &stage.url, &bob, Some(&seen)).await;
    assert_eq!(lines.next().await.unwrap().kind, LiveKind::Restarted);
    for text in ["x", "-1", "01", "+1", "18446744073709551616", "%20"] {
        let reply = bob.get(&stage, &format!("{}?after={text}", paths::EVENTS)).await;
        assert_eq!(reply.code(), Code::Malformed, "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_wish_for_a_socket_is_refused() {
    let (stage, _, bob) = alice_and_bob().await;
    let half = events(&stage, &bob).header("connection", "upgrade").header("upgrade", "websocket");
    assert_eq!(send(half).await.code(), Code::Malformed);
}
