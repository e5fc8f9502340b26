//! The documented API: its clock, its limits, what is kept of it, and what it must not open. `spec/v0` plays its table.

use proto::{B64, Code, FileId, paths};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use server::Config;
use server::config::SecondFactorRule;

use crate::auth::factor;
use crate::logs::Kept;
use crate::stage::sealed::{MIB, alice_and_bob};
use crate::stage::server::send as asked;
use crate::stage::shared::{self, refused_after};
use crate::stage::{Parcel, Person, Reply, Stage};

/// A session of the documented API.
pub(crate) struct Session {
    pub(crate) token: String,
    pub(crate) refresh_token: String,
}

pub(crate) fn without_limits(config: &mut Config) {
    let v0 = &mut config.v0;
    let all = [
        &mut v0.v0_otp_per_ip,
        &mut v0.v0_logins_per_ip,
        &mut v0.v0_uploads_per_hour,
        &mut v0.v0_calls_per_hour,
        &mut v0.v0_calls_per_day,
    ];
    all.into_iter().for_each(|figure| *figure = 1_000_000);
}

/// Whether a path is one of the documented API, at the root or below its prefix.
pub(crate) fn is_path(path: &str) -> bool {
    path.starts_with(paths::V0_PREFIX)
        || ["/files", "/upload", "/stats", "/auth"].iter().any(|at| path.starts_with(at))
}

pub(crate) fn takes_no_body(path: &str) -> bool {
    is_path(path) && (path.ends_with("/logout") || path.ends_with("/presigned") || path.ends_with("/s3"))
}

/// A body of an upload.
pub(crate) fn upload(to: &[&str]) -> Value {
    json!({
        "filename": "canary-name.pdf", "nonce": "AAAAAAAAAAAAAAAA", "ciphertext": "QUJDREVGR0hJSktMTU5PUFFS",
        "wrapped_key": "QUJD", "metadata": "{}", "allowed_users": to,
    })
}

/// A file that a person sent; the id.
pub(crate) async fn send(stage: &Stage, from: &Person, to: &[&str]) -> FileId {
    from.post(stage, paths::V0_UPLOAD, &upload(to)).await.json::<proto::v0::Uploaded>().file_id
}

pub(crate) async fn sign_in(stage: &Stage, address: &str) -> Session {
    let otp = stage.code_for(address).await;
    let told: Value = stage.post(paths::V0_LOGIN, &json!({ "email": address, "otp": otp })).await.json();
    let text = |name: &str| told[name].as_str().unwrap().to_owned();
    Session { token: text("token"), refresh_token: text("refresh_token") }
}

impl Session {
    async fn call(&self, stage: &Stage, method: Method, path: &str) -> Reply {
        asked(stage.request(method, path).bearer_auth(&self.token)).await
    }

    async fn get(&self, stage: &Stage, path: &str) -> Reply {
        self.call(stage, Method::GET, path).await
    }

    async fn upload(&self, stage: &Stage, body: &Value) -> Reply {
        asked(stage.request(Method::POST, paths::V0_UPLOAD).bearer_auth(&self.token).json(body)).await
    }

    async fn renew(&self, stage: &Stage) -> Reply {
        stage.post(paths::V0_REFRESH, &json!({ "refresh_token": self.refresh_token })).await
    }
}

/// The description that is published, and those who write it anew set `WAXWING_WRITE_OPENAPI`.
#[tokio::test(flavor = "multi_thread")]
async fn the_published_description_is_that_of_the_code_and_names_every_route() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../spec/openapi.json");
    let now = server::openapi();
    if std::env::var_os("WAXWING_WRITE_OPENAPI").is_some() {
        std::fs::write(file, &now).unwrap();
    }
    assert_eq!(std::fs::read_to_string(file).unwrap(), now, "write it anew: WAXWING_WRITE_OPENAPI=1");
    let told: Value = serde_json::from_str(&now).unwrap();
    let stage = Stage::new().await;
    for (path, calls) in told["paths"].as_object().unwrap() {
        for prefix in ["", paths::V0_PREFIX] {
            let odd = Method::from_bytes(b"ODD").unwrap();
            let reply =
                asked(stage.request(odd, &format!("{prefix}{}", path.replace("{file_id}", "0")))).await;
            let mut served: Vec<String> = reply
                .header("allow")
                .split(',')
                .map(str::trim)
                .filter(|at| *at != "HEAD")
                .map(str::to_lowercase)
                .collect();
            served.sort();
            let mut named: Vec<String> = calls.as_object().unwrap().keys().cloned().collect();
            named.sort();
            assert_eq!(named, served, "{prefix}{path}");
        }
    }
    assert_eq!(told["paths"].as_object().unwrap().len(), 12);
}

fn of(path: &str, id: FileId) -> String {
    paths::fill(path, &[&id])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_lives_seven_days_on_one_refresh_token_and_ends_at_once_wherever_it_is_ended() {
    let stage = Stage::with(without_limits).await;
    let mut ann = sign_in(&stage, "ann@wax.example").await;
    stage.later(3_599);
    ann.get(&stage, paths::V0_STATS).await.json::<Value>();
    stage.later(1);
    assert_eq!(ann.get(&stage, paths::V0_STATS).await.code(), Code::SignInNeeded);
    for _ in 0..6 {
        stage.later(86_400);
        let told: Value = ann.renew(&stage).await.json();
        ann.token = told["token"].as_str().unwrap().to_owned();
        ann.get(&stage, paths::V0_STATS).await.json::<Value>();
    }
    stage.later(86_400);
    assert_eq!(ann.renew(&stage).await.code(), Code::SignInNeeded, "renewing does not prolong it");

    // It stands in the list of sessions, and is ended from there.
    let ann = sign_in(&stage, "ann@wax.example").await;
    let native = stage.sign_in("ann@wax.example").await;
    let native = Person {
        token: native.access_token.expose_secret().to_owned(),
        ..Person::new(&stage, "x@wax.example").await
    };
    let list: proto::SessionList = native.get(&stage, paths::SESSIONS).await.json();
    assert!(
        list.sessions.iter().any(|session| session.client.starts_with("v0 API") && !session.second_factor)
    );
    native.post(&stage, paths::OTHER_SESSIONS, &json!({})).await.json::<Value>();
    assert_eq!(ann.get(&stage, paths::V0_STATS).await.code(), Code::SignInNeeded);
    assert_eq!(ann.renew(&stage).await.code(), Code::SignInNeeded);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_this_api_opens_nothing_of_the_native_one() {
    let stage = Stage::with(without_limits).await;
    let ann = sign_in(&stage, "ann@wax.example").await;
    for path in
        [paths::WHOAMI, paths::FILES, paths::SESSIONS, paths::V0_NATIVE_LIST, paths::MY_BUNDLE, paths::LINKS]
    {
        assert_eq!(ann.get(&stage, path).await.code(), Code::SignInNeeded, "{path}");
    }
    for token in [&ann.token, &ann.refresh_token] {
        let native = stage.post(paths::REFRESH, &json!({ "refresh_token": token })).await;
        assert_eq!(native.code(), Code::SignInNeeded);
    }
    // And no refresh token of a native session renews this one.
    let native = stage.sign_in("ann@wax.example").await;
    let shown = json!({ "refresh_token": native.refresh_token.expose_secret() });
    assert_eq!(stage.post(paths::V0_REFRESH, &shown).await.code(), Code::SignInNeeded);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_a_second_factor_does_not_come_in_without_it() {
    let stage = Stage::with(without_limits).await;
    let alice = Person::with_bundle(&stage, "alice@wax.example").await;
    factor::enrol(&stage, &alice).await;
    let otp = stage.code_for("alice@wax.example").await;
    let refused = stage.post(paths::V0_LOGIN, &json!({ "email": "alice@wax.example", "otp": otp })).await;
    assert_eq!((refused.status, refused.code()), (StatusCode::UNAUTHORIZED, Code::SecondFactorRequired));
    let strict = stage
        .beside_with(|config| {
            without_limits(config);
            config.factor.second_factor = SecondFactorRule::Required;
        })
        .await;
    let otp = stage.code_for("bob@wax.example").await;
    let body = json!({ "email": "bob@wax.example", "otp": otp });
    let login = stage.http.post(format!("{}{}", strict.url(), paths::V0_LOGIN)).json(&body);
    assert_eq!(asked(login).await.code(), Code::SecondFactorRequired);
    strict.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documented_figures_hold_and_are_over_when_their_time_is() {
    let stage = Stage::new().await;
    let ann = sign_in(&stage, "ann@wax.example").await;
    let refused = refused_after(20, async || ann.upload(&stage, &upload(&[])).await).await;
    assert!(refused.retry_after.unwrap() <= 3_600);
    refused_after(50, async || ann.get(&stage, paths::V0_FILES).await).await;
    assert_eq!(ann.get(&stage, paths::V0_STATS_ROOT).await.code(), Code::TooMany);
    // Another caller has figures of their own, and the native API its own.
    let bob = sign_in(&stage, "bob@wax.example").await;
    bob.get(&stage, paths::V0_STATS).await.json::<Value>();
    let an_hour_later = async || {
        stage.later(3_600);
        let told: Value = ann.renew(&stage).await.json();
        Session { token: told["token"].as_str().unwrap().to_owned(), refresh_token: String::new() }
    };
    for _ in 1..=3 {
        let ann = an_hour_later().await;
        refused_after(50, async || ann.get(&stage, paths::V0_FILES).await).await;
    }
    let ann_again = an_hour_later().await;
    if !shared::is_dying() {
        let refused = refused_after(0, async || ann_again.get(&stage, paths::V0_FILES).await).await;
        assert!((3_600..86_400).contains(&refused.retry_after.unwrap()), "200 in a day");
    }
    let wrong = json!({ "email": "ann@wax.example", "otp": "000000" });
    for _ in 0..10 {
        assert_eq!(stage.post(paths::V0_LOGIN_ROOT, &wrong).await.code(), Code::CodeRejected);
    }
    assert_eq!(stage.post(paths::V0_LOGIN, &wrong).await.code(), Code::TooMany);
    for n in 0..5 {
        let email = json!({ "email": format!("n{n}@wax.example") });
        stage.post(paths::V0_OTP, &email).await.json::<Value>();
    }
    let sixth = json!({ "email": "n9@wax.example" });
    assert_eq!(stage.post(paths::V0_OTP_ROOT, &sixth).await.code(), Code::TooMany);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_leaves_nothing_behind() {
    let stage = Stage::with(|config| {
        without_limits(config);
        config.v0.max_content_length = 3 * MIB;
        config.limits.quota_bytes = MIB;
    })
    .await;
    let ann = sign_in(&stage, "ann@wax.example").await;
    let long = |octets: usize| {
        let mut body = upload(&[]);
        body["ciphertext"] = proto::v0::base64::encode_whole(&vec![7; octets]).into();
        body
    };
    // Broken at the very end, after parts of it were written.
    let mut broken = long(900_000).to_string();
    broken.pop();
    let send_text = |text: String| {
        let request = stage.request(Method::POST, paths::V0_UPLOAD).bearer_auth(&ann.token);
        asked(request.header("content-type", "application/json").body(text))
    };
    assert_eq!(send_text(broken.clone()).await.code(), Code::Malformed);
    assert_eq!(send_text(format!("{broken}}}x")).await.code(), Code::Malformed);
    assert_eq!(send_text(format!("{broken}, \"filename\": \"b\"}}")).await.code(), Code::Malformed);
    assert_eq!(ann.upload(&stage, &long(2_500_000)).await.code(), Code::TooLarge);
    assert_eq!(ann.upload(&stage, &long(1_200_000)).await.code(), Code::QuotaExceeded);
    let plain =
        stage.request(Method::POST, paths::V0_UPLOAD).bearer_auth(&ann.token).body(upload(&[]).to_string());
    assert_eq!(asked(plain).await.code(), Code::MediaType);
    assert_eq!(stage.stored_files(), 0);
    let id = ann.upload(&stage, &long(900_000)).await.json::<proto::v0::Uploaded>().file_id;
    assert_eq!(stage.stored_files(), 1);
    let told: Value = ann.get(&stage, &of(paths::V0_FILE, id)).await.json();
    assert_eq!(told["ciphertext"], long(900_000)["ciphertext"]);
    // The quota is free again once the file has ended.
    assert_eq!(ann.upload(&stage, &long(900_000)).await.code(), Code::QuotaExceeded);
    ann.call(&stage, Method::DELETE, &of(paths::V0_FILE, id)).await.json::<Value>();
    ann.upload(&stage, &long(900_000)).await.json::<Value>();
    assert_eq!(stage.run_jobs().await.deleted_blobs, 1);
    assert_eq!(stage.stored_files(), 1);
    stage.later(168 * 3_600);
    assert_eq!(stage.run_jobs().await.expired_files, 1);
    assert_eq!(stage.stored_files(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_kind_of_file_passes_as_the_other() {
    let (stage, alice, bob) = alice_and_bob().await;
    let parcel = Parcel::new(1_000);
    parcel.send(&stage, &alice, &[&bob]).await;
    for (path, what) in
        [(paths::V0_FILE, "file"), (paths::V0_METADATA, "metadata"), (paths::V0_FILE_ROOT, "root")]
    {
        let path = of(path, parcel.file_id);
        for entitled in [&alice, &bob] {
            let refused = entitled.get(&stage, &path).await;
            assert_eq!((refused.status.as_u16(), refused.code()), (415, Code::OpenWithWax), "{what}");
        }
        let carol = Person::with_bundle(&stage, &format!("carol-{what}@wax.example")).await;
        assert_eq!(carol.get(&stage, &path).await.code(), Code::NotFound, "{what}");
    }
    let id = send(&stage, &alice, &[&bob.address]).await;
    for person in [&alice, &bob] {
        for path in [paths::FILE, paths::UPLOAD] {
            assert_eq!(person.get(&stage, &of(path, id)).await.code(), Code::NotFound, "{path}");
        }
        let ticket = json!({ "download_id": FileId::from_bytes([4; 16]).to_string() });
        assert_eq!(person.post(&stage, &of(paths::TICKET, id), &ticket).await.code(), Code::NotFound);
        let list: proto::FilePage = person.get(&stage, paths::FILES).await.json();
        assert!(list.files.iter().all(|file| file.file_id != id));
        let listed: proto::v0::NativeList = person.get(&stage, paths::V0_NATIVE_LIST).await.json();
        let [only] = listed.files.as_slice() else { panic!("{listed:?}") };
        assert_eq!((only.file.file_id, only.owner), (id, person.user == alice.user));
    }
    let proof = B64(vec![0; 64]).to_text();
    let delete = stage.request(Method::DELETE, &of(paths::FILE, id)).bearer_auth(&alice.token);
    assert_eq!(asked(delete.header(proto::headers::PROOF, proof)).await.code(), Code::NotFound);
    let begin = json!({ "file_id": id, "part_len": MIB, "body_len": 1_000 });
    assert_eq!(alice.post(&stage, paths::UPLOADS, &begin).await.code(), Code::Conflict);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_counts_no_download_and_a_head_neither() {
    let (stage, alice, bob) = alice_and_bob().await;
    let id = send(&stage, &alice, &[&bob.address]).await;
    let path = of(paths::V0_FILE, id);
    let head = asked(stage.request(Method::HEAD, &path).bearer_auth(&bob.token)).await;
    assert_eq!(head.status, StatusCode::OK);
    let metadata = async || -> Value { alice.get(&stage, &of(paths::V0_METADATA, id)).await.json() };
    assert_eq!(metadata().await["downloads"], 0);
    let got = bob.get(&stage, &path).await;
    assert_eq!(got.header("content-length"), got.body.len().to_string());
    assert_eq!(head.header("content-length"), got.header("content-length"));
    assert_eq!(metadata().await["downloads"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erased_person_leaves_no_name_and_no_leave_to_fetch_behind() {
    let (stage, alice, bob) = alice_and_bob().await;
    let (by_alice, by_bob) = (send(&stage, &alice, &[&bob.address]).await, send(&stage, &bob, &[]).await);
    let erase = crate::account::proof(&stage, &bob, envelope::action::ERASE, 0);
    assert!(bob.post(&stage, paths::ERASE, &erase).await.status.is_success());
    let again = sign_in(&stage, &bob.address).await;
    assert_eq!(again.get(&stage, &of(paths::V0_FILE, by_alice)).await.code(), Code::Forbidden);
    assert_eq!(again.get(&stage, &of(paths::V0_FILE, by_bob)).await.code(), Code::Forbidden);
    assert_eq!(stage.run_jobs().await.expired_files, 1);
    assert_eq!(stage.stored_files(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_name_address_code_or_key_is_logged_and_none_rests_in_clear() {
    let kept = Kept::install();
    let stage = Stage::with(without_limits).await;
    let ann = sign_in(&stage, "ann-canary@wax.example").await;
    let mut body = upload(&["bob-canary@wax.example"]);
    body["metadata"] = json!("{\"note\": \"canary-note\"}");
    body["wrapped_key"] = json!("Y2FuYXJ5LWtleQ==");
    let id = ann.upload(&stage, &body).await.json::<proto::v0::Uploaded>().file_id;
    ann.get(&stage, &of(paths::V0_FILE, id)).await.json::<Value>();
    ann.renew(&stage).await.json::<Value>();
    assert!(kept.holds(paths::V0_UPLOAD.as_bytes()), "requests are logged by their route");
    let needles = ["canary", "Y2FuYXJ5LWtleQ", &ann.token, &ann.refresh_token];
    for needle in needles {
        assert!(!kept.holds(needle.as_bytes()), "{needle}");
    }
    for needle in ["canary", "Y2FuYXJ5LWtleQ"] {
        assert!(!stage.database_holds(needle.as_bytes()), "{needle}");
    }
}
