//! An object store behind the server: redirects, parts and files that are put there, and what happens while it is away.

use proto::v0::{Presigned, Uploaded};
use proto::{AskDirect, Code, ConfirmDirect, DirectPlace, Health, PartRecord, Token, headers, paths};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use server::config::GivenSecret;

use super::store::{BUCKET, ID, SECRET, Store};
use super::*;
use crate::stage::sealed::node_of;
use crate::stage::server::Reply;

struct Over {
    store: Store,
    stage: Stage,
    alice: Person,
    bob: Person,
}

impl Over {
    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let store = Store::start().await;
        let endpoint = store.options().endpoint;
        let stage = Stage::with(|config| {
            crate::v0::without_limits(config);
            let parts = &mut config.storage.parts;
            parts.store = StoreName::S3;
            parts.s3.s3_bucket = Some(BUCKET.into());
            parts.s3.s3_endpoint = Some(endpoint.parse().unwrap());
            parts.s3.s3_access_key_id = Some(ID.into());
            parts.s3.s3_prefix = Some("wax".into());
            config.secrets.aws_secret_access_key = Some(GivenSecret::new(SECRET.into()));
            change(config);
        })
        .await;
        let (alice, bob) = alice_and_bob_at(&stage).await;
        Self { store, stage, alice, bob }
    }

    async fn sent(&self, len: u64) -> Parcel {
        let parcel = Parcel::new(len);
        parcel.send(&self.stage, &self.alice, &[&self.bob]).await;
        parcel
    }

    /// A part as a client asks for it that can follow a redirect.
    async fn directly(&self, parcel: &Parcel, method: Method, range: Option<&str>) -> Reply {
        let ticket = parcel.ticket(&self.stage, &self.bob).await;
        let path = paths::fill(paths::CONTENT, &[&parcel.file_id, &0]);
        let mut request = self.stage.request(method, &path).header(headers::TICKET, ticket);
        request = request.header(headers::WAY, headers::DIRECT);
        if let Some(range) = range {
            request = request.header("range", range);
        }
        // This client follows by itself where it is not told otherwise; the server's own answer is what is looked at.
        let http = reqwest::Client::builder()
            .tls_certs_only(reqwest::Certificate::from_pem_bundle(&self.stage.ca_pem).unwrap())
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        let response = http.execute(request.build().unwrap()).await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        Reply { status, headers, body: response.bytes().await.unwrap() }
    }

    async fn ask(&self, parcel: &Parcel, n: u32) -> Reply {
        let part = parcel.part(n);
        let path = paths::fill(paths::PART_DIRECT, &[&parcel.file_id, &n]);
        let ask = AskDirect { len: part.len() as u64, node: node_of(part) };
        self.alice.post(&self.stage, &path, &ask).await
    }

    async fn confirm(&self, parcel: &Parcel, n: u32, leave: Token) -> Reply {
        let part = parcel.part(n);
        let path = paths::fill(paths::PART_DIRECT, &[&parcel.file_id, &n]);
        let confirm = ConfirmDirect { len: part.len() as u64, node: node_of(part), leave };
        send(self.stage.request(Method::PUT, &path).bearer_auth(&self.alice.token).json(&confirm)).await
    }

    fn objects(&self) -> usize {
        let folder = self.store.file("wax");
        if folder.exists() { crate::stage::server::files_below(&folder) } else { 0 }
    }
}

async fn put(url: &str, body: Vec<u8>) -> StatusCode {
    reqwest::Client::new().put(url).body(body).send().await.unwrap().status()
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_kept_in_the_bucket_and_go_with_it() {
    let over = Over::new().await;
    let parcel = over.sent(LARGE).await;
    opens(&over.stage, &over.bob, &parcel).await;
    assert_eq!((over.objects(), over.stage.stored_files()), (4, 0));
    let health: Health = over.stage.get(paths::HEALTH).await.json();
    assert!(health.s3_available);
    deleted(&over.stage, &over.alice, &parcel).await;
    assert_eq!(over.stage.run_jobs().await.deleted_blobs, 4);
    assert_eq!(over.objects(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_is_redirected_to_the_bucket_for_who_asks_for_that_and_for_nobody_else() {
    let over = Over::new().await;
    let parcel = over.sent(SMALL).await;
    let redirect = over.directly(&parcel, Method::GET, None).await;
    assert_eq!(redirect.status, StatusCode::TEMPORARY_REDIRECT);
    assert_eq!(redirect.header("cache-control"), "no-store");
    let url = redirect.header("location").to_owned();
    let whole = reqwest::get(&url).await.unwrap();
    assert_eq!(whole.bytes().await.unwrap(), parcel.body);
    let piece = reqwest::Client::new().get(&url).header("range", "bytes=10-19").send().await.unwrap();
    assert_eq!(
        (piece.status(), piece.bytes().await.unwrap().as_ref()),
        (StatusCode::PARTIAL_CONTENT, &parcel.body[10..20])
    );
    // The address is for this object, and for reading it.
    let other = over.sent(SMALL).await;
    let elsewhere = over.directly(&other, Method::GET, None).await.header("location").to_owned();
    let (path, query) = (elsewhere.split('?').next().unwrap(), url.split('?').nth(1).unwrap());
    assert_eq!(reqwest::get(format!("{path}?{query}")).await.unwrap().status(), StatusCode::FORBIDDEN);
    assert_eq!(put(&url, b"something else".to_vec()).await, StatusCode::FORBIDDEN);
    // Everybody else, and whoever asks for the head alone, is served.
    opens(&over.stage, &over.bob, &parcel).await;
    assert_eq!(over.directly(&parcel, Method::HEAD, None).await.status, StatusCode::OK);
    let off = Over::with(|config| config.storage.parts.s3.s3_direct = Some(false)).await;
    let parcel = off.sent(SMALL).await;
    assert_eq!(
        off.directly(&parcel, Method::GET, Some("bytes=0-9")).await.status,
        StatusCode::PARTIAL_CONTENT
    );
    assert_eq!(off.ask(&parcel, 0).await.code(), Code::NotOffered);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_that_was_put_into_the_bucket_is_read_back_before_it_counts() {
    let over = Over::new().await;
    let parcel = Parcel::new(LARGE);
    assert!(parcel.begin(&over.stage, &over.alice).await.direct);
    let place: DirectPlace = over.ask(&parcel, 0).await.json();
    // Nothing is there yet.
    assert_eq!(over.confirm(&parcel, 0, place.leave.clone()).await.code(), Code::Conflict);
    assert_eq!(put(&place.url, parcel.part(0).to_vec()).await, StatusCode::OK);
    let record: PartRecord = over.confirm(&parcel, 0, place.leave.clone()).await.json();
    assert_eq!(record.node, node_of(parcel.part(0)));
    assert_eq!(over.objects(), 1, "what was put there is gone; what was read out of it is kept");
    // Whoever still has the address changes nothing.
    put(&place.url, parcel.part(1).to_vec()).await;
    assert_eq!(parcel.put(&over.stage, &over.alice, 1).await.status, StatusCode::OK);
    let place: DirectPlace = over.ask(&parcel, 2).await.json();
    put(&place.url, parcel.part(2).to_vec()).await;
    over.confirm(&parcel, 2, place.leave).await.json::<PartRecord>();
    let request = parcel.complete_request(&over.alice, &[&over.bob]);
    assert_eq!(parcel.complete(&over.stage, &over.alice, &request).await.status, StatusCode::OK);
    opens(&over.stage, &over.bob, &parcel).await;
    over.stage.later(2 * 86_400);
    over.stage.run_jobs().await;
    assert_eq!(over.objects(), 4, "of what nothing names nothing is left");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_put_there_and_is_not_the_part_is_refused_and_goes_away() {
    let over = Over::new().await;
    let parcel = Parcel::new(LARGE);
    parcel.begin(&over.stage, &over.alice).await;
    let part = parcel.part(0).to_vec();
    let mut altered = part.clone();
    altered[5_000] ^= 1;
    let mut unframed = part.clone();
    unframed[0] ^= 1;
    for (bytes, code) in [(altered, Code::NodeMismatch), (unframed, Code::NotSealed)] {
        let place: DirectPlace = over.ask(&parcel, 0).await.json();
        assert_eq!(put(&place.url, bytes).await, StatusCode::OK);
        assert_eq!(over.confirm(&parcel, 0, place.leave).await.code(), code);
        assert_eq!(over.objects(), 0);
    }
    // The address takes the part's own length and no other.
    let place: DirectPlace = over.ask(&parcel, 0).await.json();
    assert_eq!(put(&place.url, part[..999].to_vec()).await, StatusCode::FORBIDDEN);
    // Leave is for one part of one upload of one person.
    put(&place.url, part).await;
    assert_eq!(over.confirm(&parcel, 1, place.leave.clone()).await.code(), Code::Forbidden);
    assert_eq!(over.confirm(&parcel, 0, Token::new("AAAA".into())).await.code(), Code::Forbidden);
    over.stage.later(3_601);
    let alice =
        Person { token: Person::new(&over.stage, "alice@wax.example").await.token, ..over.alice.clone() };
    let over = Over { alice, ..over };
    assert_eq!(over.confirm(&parcel, 0, place.leave).await.code(), Code::Forbidden, "it has ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_the_documented_api_is_put_into_the_bucket_by_its_owner_and_taken_from_there() {
    let over = Over::new().await;
    let presigned: Presigned = over.alice.post(&over.stage, paths::V0_PRESIGNED, &json!({})).await.json();
    assert_eq!(presigned.bucket, BUCKET);
    let body = |presigned: &Presigned| json!({ "s3_key": presigned.s3_key, "bucket": presigned.bucket, "wrapped_key": "QUJD", "metadata": "{}" });
    let asked = |person: &Person, body: Value| {
        let request = over.stage.request(Method::POST, paths::V0_S3_ROOT).bearer_auth(&person.token);
        send(request.json(&body))
    };
    assert_eq!(asked(&over.alice, body(&presigned)).await.code(), Code::NotFound, "nothing is there yet");
    assert_eq!(put(&presigned.upload_url, b"sealed by an old client".to_vec()).await, StatusCode::OK);
    assert_eq!(asked(&over.bob, body(&presigned)).await.code(), Code::Forbidden, "not his object");
    let mut elsewhere = body(&presigned);
    elsewhere["bucket"] = "another".into();
    assert_eq!(asked(&over.alice, elsewhere).await.code(), Code::Forbidden);
    let mut foreign = body(&presigned);
    foreign["s3_key"] = "../../etc/passwd".into();
    assert_eq!(asked(&over.alice, foreign).await.code(), Code::Forbidden);
    let mut named = body(&presigned);
    (named["filename"], named["nonce"]) = ("report.pdf".into(), "AAAAAAAAAAAAAAAA".into());
    named["allowed_users"] = json!([over.bob.address]);
    let uploaded: Uploaded = asked(&over.alice, named).await.json();
    let path = paths::fill(paths::V0_FILE, &[&uploaded.file_id]);
    let file: Value = over.bob.get(&over.stage, &path).await.json();
    assert_eq!(file["ciphertext"], proto::v0::base64::encode_whole(b"sealed by an old client"));
    assert_eq!(
        (file["filename"].as_str(), file["nonce"].as_str()),
        (Some("report.pdf"), Some("AAAAAAAAAAAAAAAA"))
    );
    // It is taken once: the object that was put there is gone, and the address changes nothing of the file.
    assert_eq!(asked(&over.alice, body(&presigned)).await.code(), Code::NotFound);
    put(&presigned.upload_url, b"exchanged".to_vec()).await;
    let again: Value = over.bob.get(&over.stage, &path).await.json();
    assert_eq!(again["ciphertext"], file["ciphertext"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_bucket_is_away_readiness_is_red_and_requests_are_asked_to_come_again() {
    let mut over = Over::new().await;
    let parcel = over.sent(LARGE).await;
    let open = Parcel::new(LARGE);
    open.begin(&over.stage, &over.alice).await;
    over.store.stop().await;
    assert_eq!(over.stage.get(paths::READY).await.status, StatusCode::SERVICE_UNAVAILABLE);
    let health: Health = over.stage.get(paths::HEALTH).await.json();
    assert_eq!((health.status.as_str(), health.s3_available), ("degraded", false));
    let ticket = parcel.ticket(&over.stage, &over.bob).await;
    let path = paths::fill(paths::CONTENT, &[&parcel.file_id, &0]);
    let read = parcel.content(&over.stage, &ticket, &path, None).await;
    let written = open.put(&over.stage, &over.alice, 0).await;
    for reply in [read, written] {
        assert_eq!((reply.status, reply.code()), (StatusCode::SERVICE_UNAVAILABLE, Code::Unavailable));
        assert!(!reply.header("retry-after").is_empty());
    }
    deleted(&over.stage, &over.alice, &parcel).await;
    over.stage.running.as_ref().unwrap().run_jobs().await.unwrap_err();
    over.store.come_back().await;
    assert_eq!(over.stage.get(paths::READY).await.status, StatusCode::OK);
    open.put_all(&over.stage, &over.alice).await;
    let request = open.complete_request(&over.alice, &[&over.bob]);
    assert_eq!(open.complete(&over.stage, &over.alice, &request).await.status, StatusCode::OK);
    opens(&over.stage, &over.bob, &open).await;
    over.stage.later(300);
    assert_eq!(over.stage.run_jobs().await.deleted_blobs, 4, "what had to wait is done");
    assert_eq!(over.objects(), 4);
}
