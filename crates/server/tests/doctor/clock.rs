//! Clocks that are wrong: the doctor comes in all the same, or says at least what the clocks show.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use server::doctor::Verdict;

use super::{findings, findings_ahead, of, red};
use crate::stage::Stage;

#[tokio::test(flavor = "multi_thread")]
async fn a_server_whose_clock_is_minutes_ahead_or_behind_is_looked_at_and_its_clock_is_red() {
    let stage = Stage::new().await;
    for (seconds, word) in [(300, "ahead"), (-300, "behind")] {
        let found = findings_ahead(&stage, seconds, |_, _| {}).await;
        assert_eq!(red(&found), ["clock/server"], "{found:#?}");
        let seen = &of(&found, "clock", "server").seen;
        assert!(seen.contains(word), "{seen}");
        // What HTTP says is the time of the machine, which is right: it alone would tell nothing.
        assert_eq!(of(&found, "clock", "agrees").verdict, Verdict::Green);
        assert_eq!(of(&found, "public address", "websocket").verdict, Verdict::Green);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_know_its_doctor_is_red_with_every_cause_and_its_clock_is_judged() {
    let stage = Stage::new().await;
    let found = findings_ahead(&stage, -3_600, |_, _| {}).await;
    assert_eq!(red(&found), ["public address/this_server"], "{found:#?}");
    let fix = of(&found, "public address", "this_server").fix.as_ref().unwrap();
    for cause in ["SECRET_KEY", "/api/v1/", "waxwing-doctor", "clocks"] {
        assert!(fix.contains(cause), "{cause}: {fix}");
    }
    assert_eq!(of(&found, "clock", "agrees").verdict, Verdict::Green);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_with_another_time_is_red_in_its_clock_and_the_clocks_are_the_first_cause() {
    let stage = Stage::new().await;
    let reply = "HTTP/1.1 404 Not Found\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\nContent-Length: 0\r\n\r\n";
    let url = format!("http://localhost:{}", answering(reply));
    let found = findings(&stage, |config, _| config.public.public_url = Some(url.parse().unwrap())).await;
    assert_eq!(red(&found), ["public address/this_server", "clock/agrees"], "{found:#?}");
    let fix = of(&found, "public address", "this_server").fix.as_ref().unwrap();
    assert!(fix.starts_with("set the clocks"), "{fix}");
    assert!(of(&found, "clock", "agrees").seen.contains("behind"));
}

/// A port where every request gets the same answer.
fn answering(reply: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut tcp in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || {
                let mut request = [0; 4_096];
                if tcp.read(&mut request).is_ok_and(|read| read > 0)
                    && tcp.write_all(reply.as_bytes()).is_ok()
                {
                    // Until the other end has had enough: to close before would throw the answer away.
                    drop(std::io::copy(&mut tcp, &mut std::io::sink()));
                }
            });
        }
    });
    port
}
