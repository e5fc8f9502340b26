//! What the doctor finds, at a server in order and at one with each fault.

mod clock;
mod machine;
mod proxy;
mod silent;

use std::ffi::OsString;

use server::doctor::{Finding, Options, Verdict, examine};
use server::{Clock as _, Config, SystemClock};

use crate::stage::Stage;

/// What the doctor finds of a running server.
async fn findings(stage: &Stage, change: impl FnOnce(&mut Config, &mut Options)) -> Vec<Finding> {
    findings_ahead(stage, 0, change).await
}

/// The same of a server whose clock is so many seconds ahead.
async fn findings_ahead(
    stage: &Stage,
    seconds: i64,
    change: impl FnOnce(&mut Config, &mut Options),
) -> Vec<Finding> {
    let mut config = Config::for_data(stage.data.path().join("data"));
    config.public.public_url = Some(stage.url.parse().unwrap());
    let mut options = Options::default();
    change(&mut config, &mut options);
    // The clock of the stage stands still, and the doctor lives by the system's.
    stage.later(SystemClock.now() + seconds - stage.now());
    let nothing = |_: &str| None::<OsString>;
    examine(config, &options, nothing, &mut |_| {}).await
}

/// `area/check` of everything that is not green, and how it is.
fn wrong(findings: &[Finding]) -> Vec<(String, Verdict)> {
    let bad = findings.iter().filter(|finding| finding.verdict != Verdict::Green);
    bad.map(|finding| (format!("{}/{}", finding.area, finding.check), finding.verdict)).collect()
}

/// The names of what is red; all of it has a fix.
fn red(findings: &[Finding]) -> Vec<String> {
    for finding in findings {
        assert_eq!(finding.fix.is_some(), finding.verdict != Verdict::Green, "{finding:?}");
    }
    wrong(findings)
        .into_iter()
        .filter(|(_, verdict)| *verdict == Verdict::Red)
        .map(|(name, _)| name)
        .collect()
}

#[track_caller]
fn of<'a>(findings: &'a [Finding], area: &str, check: &str) -> &'a Finding {
    let found = findings.iter().find(|finding| finding.area == area && finding.check == check);
    found.unwrap_or_else(|| panic!("no {area}/{check} in {findings:#?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_find_nothing_where_the_doctor_asks() {
    use proto::{Code, paths};
    use reqwest::Method;

    use crate::stage::Person;
    use crate::stage::server::send;

    let stage = Stage::new().await;
    let alice = Person::new(&stage, "alice@wax.example").await;
    for (method, what) in [
        (Method::PUT, "body"),
        (Method::GET, "drip?pause_ms=1000"),
        (Method::GET, "range"),
        (Method::GET, "fresh"),
        (Method::GET, "socket"),
    ] {
        let path = format!("{}/doctor/{what}", paths::PREFIX);
        for token in [None, Some("1.2.3".to_owned()), Some("9".repeat(200))] {
            let request = stage.request(method.clone(), &path).bearer_auth(&alice.token).body(vec![0; 100]);
            let request = match token {
                Some(token) => request.header("waxwing-doctor", token),
                None => request,
            };
            assert_eq!(send(request).await.code(), Code::NotFound, "{method} {path}");
        }
    }
}
