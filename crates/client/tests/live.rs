//! Watching a real server, and one behind something that lets no WebSocket through.

use crate::stage::{Answer, Person, Proxy, Stage, Told, noise};
use client::{Error, Happened, Happening, Note, Quiet, Watch};
use std::sync::{Arc, Mutex};

async fn next(watch: &mut Watch) -> Happened {
    watch.next(&Quiet).await.unwrap()
}

/// Another address is another session.
async fn came_through(stage: &Stage, person: &Person, proxy: &Proxy) {
    person.through(proxy);
    let code = stage.code(&person.client, &person.address).await;
    person.client.sign_in(&person.address, &code).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_watches_is_told_of_a_file_that_comes_and_of_the_end_of_the_session() {
    let stage = Stage::new().await;
    let (alice, bob) = (stage.person("alice").await, stage.person("bob").await);
    let mut watch = bob.client.watch();
    assert_eq!(next(&mut watch).await.kind, Happening::Begun);
    let sent = alice.send(&alice.file("plan.pdf", &noise(5_000, 1)), &bob).await.unwrap();
    let told = next(&mut watch).await;
    assert_eq!((told.kind, told.file_id), (Happening::FileArrived, Some(sent.file_id)));
    let mut hers = alice.client.watch();
    assert_eq!(next(&mut hers).await.kind, Happening::Begun);
    bob.receive(sent.file_id).await.unwrap();
    loop {
        let told = next(&mut hers).await;
        if told.kind == Happening::Activity("file_fetched".to_owned()) {
            assert_eq!(told.file_id, Some(sent.file_id));
            break;
        }
    }
    bob.client.sign_out().await.unwrap();
    let end = loop {
        if let Err(error) = watch.next(&Quiet).await {
            break error;
        }
    };
    assert!(matches!(end, Error::NotSignedIn | Error::SessionEnded), "{end}");
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_proxy_without_sockets_lines_are_read_and_a_lost_connection_goes_on_at_its_cursor() {
    let stage = Stage::new().await;
    let bob = stage.person("bob").await;
    let asked = Arc::new(Mutex::new(Vec::new()));
    let noted = asked.clone();
    let event = |n: u32, kind: &str| format!("id: {n}\ndata: {{\"cursor\":\"{n}\",\"kind\":\"{kind}\"}}\n\n");
    let proxy = Proxy::start(
        &stage,
        move |exchange| {
            if !exchange.path.starts_with("/api/v1/events") {
                return Answer::Forward;
            }
            let mut asked = noted.lock().unwrap();
            asked.push(exchange.path.clone());
            let lines = match asked.len() {
                1 => return Answer::Reply(403, "text/html", b"no sockets here".to_vec()),
                2 => event(7, "begun") + ":\n\n" + &event(9, "file_arrived"),
                3 => event(9, "begun") + &event(12, "of_a_newer_server"),
                _ => event(90, "restarted"),
            };
            Answer::Reply(200, "text/event-stream", lines.into_bytes())
        },
        |_| {},
    )
    .await;
    came_through(&stage, &bob, &proxy).await;
    let mut watch = bob.client.watch();
    for kind in [Happening::Begun, Happening::FileArrived, Happening::Other, Happening::Missed] {
        assert_eq!(next(&mut watch).await.kind, kind);
    }
    let path = "/api/v1/events".to_owned();
    let after = |n: u32| format!("{path}?after={n}");
    assert_eq!(*asked.lock().unwrap(), [path.clone(), path.clone(), after(9), after(12)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_event_ends_the_watch() {
    let stage = Stage::new().await;
    let bob = stage.person("bob").await;
    for lines in ["data: {}\n\n".to_owned(), format!("data: {}\n", "x".repeat(100_000)), "x".repeat(100_000)]
    {
        let proxy = Proxy::start(
            &stage,
            move |exchange| match exchange.path.starts_with("/api/v1/events") {
                true => Answer::Reply(200, "text/event-stream", lines.clone().into_bytes()),
                false => Answer::Forward,
            },
            |_| {},
        )
        .await;
        came_through(&stage, &bob, &proxy).await;
        let error = bob.client.watch().next(&Quiet).await.unwrap_err();
        assert!(matches!(error, Error::NotAServer { .. }), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_are_wanted_until_somebody_says_otherwise() {
    let stage = Stage::new().await;
    let bob = stage.person("bob").await;
    assert!(bob.client.notified_by_mail().await.unwrap());
    for wish in [false, true] {
        bob.client.notify_by_mail(wish).await.unwrap();
        assert_eq!(bob.client.notified_by_mail().await.unwrap(), wish);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_absence_is_told_once_and_so_is_its_end() {
    let stage = Stage::new().await;
    let bob = stage.person("bob").await;
    let asked = Arc::new(Mutex::new(0_u32));
    let proxy = Proxy::start(
        &stage,
        move |exchange| {
            if !exchange.path.starts_with("/api/v1/events") {
                return Answer::Forward;
            }
            let mut asked = asked.lock().unwrap();
            *asked += 1;
            // Away for longer than anybody fails to notice, and then there again.
            match *asked {
                1 => Answer::Reply(403, "text/html", b"no sockets here".to_vec()),
                2 => Answer::Reply(
                    200,
                    "text/event-stream",
                    b"id: 7\ndata: {\"cursor\":\"7\",\"kind\":\"begun\"}\n\n".to_vec(),
                ),
                3..=7 => Answer::Reply(503, "text/html", b"away".to_vec()),
                _ => Answer::Reply(
                    200,
                    "text/event-stream",
                    b"id: 9\ndata: {\"cursor\":\"9\",\"kind\":\"file_arrived\"}\n\n".to_vec(),
                ),
            }
        },
        |_| {},
    )
    .await;
    came_through(&stage, &bob, &proxy).await;
    let (mut watch, told) = (bob.client.watch(), Told::default());
    assert_eq!(watch.next(&told).await.unwrap().kind, Happening::Begun);
    assert_eq!(watch.next(&told).await.unwrap().kind, Happening::FileArrived);
    assert_eq!(*told.notes.lock().unwrap(), [Note::Away, Note::Back]);
}
