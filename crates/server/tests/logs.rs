//! What the log says, at its most talkative level.

use std::io;
use std::sync::{Arc, Mutex, OnceLock};

use proto::{B64, paths};
use serde_json::json;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer as _;
use tracing_subscriber::layer::SubscriberExt as _;

use crate::auth::browser::{cookie, own_page};
use crate::stage::sealed::{alice_and_bob, framed};
use crate::stage::server::send;
use crate::stage::{Parcel, Person};

/// What the process logged, at every level.
#[derive(Clone, Default)]
pub(crate) struct Kept(Arc<Mutex<Vec<u8>>>);

impl io::Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Kept {
    /// The log of this process, kept from the first call on.
    pub(crate) fn install() -> Self {
        static KEPT: OnceLock<Kept> = OnceLock::new();
        KEPT.get_or_init(|| {
            let kept = Self::default();
            let writer = kept.clone();
            let lines = tracing_subscriber::fmt::layer().with_writer(move || writer.clone()).with_ansi(false);
            let filter = server::logging::filter(LevelFilter::TRACE);
            let subscriber = tracing_subscriber::registry().with(lines.with_filter(filter));
            tracing::subscriber::set_global_default(subscriber).unwrap();
            kept
        })
        .clone()
    }

    /// Whether a run of digits stands by itself: ids and times of the log hold such runs inside.
    pub(crate) fn holds_digits(&self, digits: &str) -> bool {
        let log = self.0.lock().unwrap().clone();
        let log = String::from_utf8_lossy(&log);
        log.split(|c: char| !c.is_ascii_alphanumeric() && c != '.').any(|word| word == digits)
    }

    pub(crate) fn holds(&self, needle: &[u8]) -> bool {
        self.0.lock().unwrap().windows(needle.len()).any(|window| window == needle)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_address_code_token_or_body_is_logged_at_any_level() {
    let kept = Kept::install();
    let (stage, alice, bob) = alice_and_bob().await;
    let mut parcel = Parcel::new(600_000);
    parcel.body = framed(600_000);
    let canary = b"canary-in-the-body";
    parcel.body[1_000..1_000 + canary.len()].copy_from_slice(canary);
    let request = parcel.complete_request(&alice, &[&bob]);
    parcel.send_as(&stage, &alice, &request).await;
    let ticket = parcel.ticket(&stage, &bob).await;
    let path = paths::fill(paths::CONTENT, &[&parcel.file_id, &0]);
    parcel.content(&stage, &ticket, &path, None).await;
    stage.get(&format!("{path}?ticket={ticket}")).await;
    alice.post(&stage, paths::LOOKUP, &json!({ "addresses": ["bob@wing.example"] })).await;
    let code = stage.code_for("carol@wax.example").await;
    stage.redeem("carol@wax.example", "999999").await;
    let session = stage.sign_in("dave@wax.example").await;
    stage.post(paths::REFRESH, &json!({ "refresh_token": session.refresh_token.expose_secret() })).await;
    stage.post(paths::REFRESH, &json!({ "refresh_token": session.refresh_token.expose_secret() })).await;
    let code_of_browser = stage.code_for("dave@wax.example").await;
    let body = json!({ "email": "dave@wax.example", "code": code_of_browser });
    let in_browser = send(own_page(&stage, paths::SESSION, &body)).await;
    let in_cookie = cookie(&in_browser);
    let renew = own_page(&stage, paths::REFRESH, &json!({}));
    let renew = renew.header("cookie", format!("{}={in_cookie}", proto::headers::REFRESH_COOKIE));
    let renewed = cookie(&send(renew).await);
    let begun: proto::CeremonyBegun = stage.post(paths::PASSKEY, &json!({})).await.json();
    let challenge = begun.options["publicKey"]["challenge"].as_str().unwrap().to_owned();
    let wrong = json!({ "ceremony": begun.ceremony.expose_secret(), "credential": {
        "id": "AAAA", "rawId": "AAAA", "type": "public-key", "response": {
            "clientDataJSON": B64(b"canary-in-client-data".to_vec()).to_text(), "authenticatorData": "AAAA",
            "signature": "AAAA", "userHandle": B64(vec![1; 16]).to_text() } } });
    stage.post(paths::PASSKEY_SESSION, &wrong).await;
    stage.get("/canary-in-a-path?canary-in-a-query").await;
    let forged =
        Person { token: "canary-in-a-token".to_owned(), ..Person::new(&stage, "e@wax.example").await };
    forged.get(&stage, paths::FILES).await;
    stage.run_jobs().await;

    let secrets = stage.data.path().join("data/secrets");
    let mut needles: Vec<Vec<u8>> = vec![
        canary.to_vec(),
        b"canary-in".to_vec(),
        b"wax.example".to_vec(),
        b"wing.example".to_vec(),
        ticket.into_bytes(),
        alice.token.clone().into_bytes(),
        bob.token.clone().into_bytes(),
        session.access_token.expose_secret().into(),
        session.refresh_token.expose_secret().into(),
        in_cookie.into_bytes(),
        renewed.into_bytes(),
        in_browser.json::<proto::BrowserSession>().access_token.expose_secret().into(),
        begun.ceremony.expose_secret().into(),
        challenge.into_bytes(),
        std::fs::read(secrets.join("secret_key")).unwrap(),
        std::fs::read(secrets.join("jwt_secret")).unwrap(),
        request.manifest.to_text()[..64].into(),
        B64(alice.newest.as_ref().unwrap().as_bytes().to_vec()).to_text()[..64].into(),
    ];
    needles.extend(request.grants.iter().map(|to| to.grant.to_text()[400..500].into()));
    // The search finds what is there: ids and routes are logged.
    tracing::info!(target: "server", "a planted canary-in-the-log");
    assert!(kept.holds(b"a planted canary-in-the-log"));
    assert!(kept.holds(paths::PART.as_bytes()), "requests are logged by their route");
    let log = kept.0.lock().unwrap().clone();
    let log = String::from_utf8_lossy(&log).replace("a planted canary-in-the-log", "");
    assert!(!kept.holds_digits(&code), "the log holds a code");
    for needle in needles {
        let text = String::from_utf8_lossy(&needle).into_owned();
        assert!(!log.contains(&text), "the log holds {text}");
    }
}
