//! Drop boxes: whoever has the address sends for the owner alone, within what the owner has signed.

use envelope::grant::GrantHead;
use envelope::manifest::ManifestHead;
use envelope::{BoxDescription, BoxId, BoxTerms, Manifest, RootId, Suite};
use proto::{
    B64, Begin, BoxInfo, BoxList, BoxView, Code, Complete, Completed, FileInfo, FilePage, GrantTo, MakeBox,
    PartRecord, UploadStatus, headers, paths,
};
use reqwest::{Method, RequestBuilder, StatusCode};

use crate::stage::person::Root;
use crate::stage::sealed::{
    MIB, alice_and_bob, assert_gone, grant, grant_head, manifest, node_of, random, small_message,
};
use crate::stage::server::{Reply, send};
use crate::stage::{Parcel, Person, Stage};

const DAY: u64 = 86_400;

/// A box, and what a visitor shows for an upload into it.
pub(crate) struct Made {
    pub(crate) id: BoxId,
    key: Vec<u8>,
}

impl Made {
    pub(crate) fn new() -> Self {
        Self { id: BoxId::from_bytes(random(16).try_into().unwrap()), key: random(32) }
    }

    pub(crate) fn terms(&self, stage: &Stage, owner: &Person) -> BoxTerms {
        let created = stage.now().unsigned_abs();
        BoxTerms {
            box_id: self.id,
            owner: owner.root_id(),
            created,
            ends: created + 5 * DAY,
            max_files: 0,
            max_body: 0,
        }
    }

    pub(crate) fn request(&self, stage: &Stage, owner: &Person) -> MakeBox {
        signed(&self.terms(stage, owner), owner)
    }

    /// What begins or continues an upload is known by.
    pub(crate) fn keyed(&self, request: RequestBuilder) -> RequestBuilder {
        request.header(headers::UPLOAD_KEY, B64(self.key.clone()).to_text())
    }

    async fn view(&self, stage: &Stage) -> Reply {
        stage.get(&paths::fill(paths::BOX, &[&self.id])).await
    }

    pub(crate) async fn begin(&self, stage: &Stage, parcel: &Parcel) -> Reply {
        let path = paths::fill(paths::BOX_UPLOADS, &[&self.id]);
        send(self.keyed(stage.request(Method::POST, &path)).json(&parcel.begin_request())).await
    }

    pub(crate) async fn put(&self, stage: &Stage, parcel: &Parcel, n: u32) -> Reply {
        let path = paths::fill(paths::BOX_PART, &[&self.id, &parcel.file_id, &n]);
        let part = parcel.part(n).to_vec();
        let request = self.keyed(stage.request(Method::PUT, &path));
        send(request.header(headers::NODE, node_of(&part).to_string()).body(part)).await
    }

    async fn complete(&self, stage: &Stage, parcel: &Parcel, request: &Complete) -> Reply {
        let path = paths::fill(paths::BOX_COMPLETE, &[&self.id, &parcel.file_id]);
        send(self.keyed(stage.request(Method::POST, &path)).json(request)).await
    }

    async fn status(&self, stage: &Stage, parcel: &Parcel) -> Reply {
        let path = paths::fill(paths::BOX_UPLOAD, &[&self.id, &parcel.file_id]);
        send(self.keyed(stage.request(Method::GET, &path))).await
    }

    async fn send(&self, stage: &Stage, parcel: &Parcel, owner: &Person) -> Completed {
        self.begin(stage, parcel).await.json::<UploadStatus>();
        for n in 0..parcel.part_count() {
            self.put(stage, parcel, n).await.json::<PartRecord>();
        }
        self.complete(stage, parcel, &unsigned(parcel, owner)).await.json()
    }
}

fn signed(terms: &BoxTerms, by: &Person) -> MakeBox {
    let mut bytes = terms.encode(&small_message(106 + 512)).unwrap();
    let signature = by.root.sign(&[envelope::drop_box::SIGNATURE_CONTEXT, &bytes]);
    bytes.extend_from_slice(&signature);
    MakeBox { description: B64(bytes) }
}

/// What completes a visitor's upload: nobody signs, and the owner alone is given the file.
pub(crate) fn unsigned(parcel: &Parcel, owner: &Person) -> Complete {
    let head = ManifestHead { suite: Suite::Anonymous, author_root_id: RootId::ZERO, ..parcel.head(owner) };
    let manifest = manifest(&head, owner);
    let head = GrantHead { suite: Suite::Anonymous, ..grant_head(&manifest, owner) };
    Complete {
        manifest: B64(manifest.as_bytes().to_vec()),
        grants: vec![GrantTo { user_id: Some(owner.user), grant: B64(grant(&head, owner)) }],
        expires_in: 86_400,
        max_downloads: None,
        member: false,
        members: None,
    }
}

async fn made(stage: &Stage, owner: &Person, change: impl FnOnce(&mut BoxTerms)) -> Made {
    let made = Made::new();
    let mut terms = made.terms(stage, owner);
    change(&mut terms);
    let info: BoxInfo = owner.post(stage, paths::BOXES, &signed(&terms, owner)).await.json();
    assert_eq!((info.box_id, info.arrivals, info.closed), (made.id, 0, false));
    made
}

/// What a refusal says, without the id that each has of its own.
fn told(reply: &Reply) -> (StatusCode, String) {
    let body = String::from_utf8(reply.body.to_vec()).unwrap();
    (reply.status, body.replace(reply.header("x-request-id"), ""))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_visitor_sends_is_in_the_owners_list_under_its_box() {
    let (stage, alice, bob) = alice_and_bob().await;
    let into = made(&stage, &alice, |_| {}).await;
    let shown: BoxView = into.view(&stage).await.json();
    assert_eq!((shown.owner, shown.owner_chain.len()), (alice.user, 1));
    let description = BoxDescription::parse(shown.description.0).unwrap();
    assert!(description.verify(&alice.root.public()).is_ok());
    let parcel = Parcel::new(3 * MIB + 1_000);
    let completed = into.send(&stage, &parcel, &alice).await;
    assert_eq!((completed.file_id, completed.received_bytes), (parcel.file_id, 3 * MIB + 1_000));
    let page: FilePage = alice.get(&stage, &format!("{}?box={}", paths::FILES, into.id)).await.json();
    assert_eq!(page.files.len(), 1);
    assert_eq!((page.files[0].file_id, page.files[0].box_id), (parcel.file_id, Some(into.id)));
    let info: FileInfo = alice.get(&stage, &parcel.file_path()).await.json();
    assert_eq!(Manifest::parse(info.manifest.0).unwrap().suite(), Suite::Anonymous);
    let ticket = parcel.ticket(&stage, &alice).await;
    let path = paths::fill(paths::CONTENT, &[&parcel.file_id, &3]);
    assert_eq!(parcel.content(&stage, &ticket, &path, None).await.body.to_vec(), parcel.part(3));
    assert_eq!(bob.get(&stage, &parcel.file_path()).await.code(), Code::NotFound);
    let list: BoxList = alice.get(&stage, paths::BOXES).await.json();
    assert_eq!((list.boxes[0].arrivals, list.boxes[0].under_way), (1, 0));
    assert_eq!(bob.get(&stage, paths::BOXES).await.json::<BoxList>().boxes, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_of_a_visitor_is_opened_by_its_own_key_and_gives_nothing_else() {
    let (stage, alice, bob) = alice_and_bob().await;
    let into = made(&stage, &alice, |_| {}).await;
    let parcel = Parcel::new(MIB + 1_000);
    into.begin(&stage, &parcel).await.json::<UploadStatus>();
    into.put(&stage, &parcel, 0).await.json::<PartRecord>();
    let other = Made { id: into.id, key: random(32) };
    let elsewhere = Made { id: made(&stage, &alice, |_| {}).await.id, key: into.key.clone() };
    let complete = unsigned(&parcel, &alice);
    for thief in [&other, &elsewhere] {
        assert_eq!(thief.status(&stage, &parcel).await.code(), Code::NotFound);
        assert_eq!(thief.put(&stage, &parcel, 1).await.code(), Code::NotFound);
        assert_eq!(thief.complete(&stage, &parcel, &complete).await.code(), Code::NotFound);
        assert_eq!(thief.begin(&stage, &parcel).await.code(), Code::Conflict, "an id is used once");
    }
    for key in [None, Some(String::new()), Some(B64(vec![1; 31]).to_text())] {
        let path = paths::fill(paths::BOX_UPLOAD, &[&into.id, &parcel.file_id]);
        let request = stage.request(Method::GET, &path);
        let request =
            key.map_or(stage.request(Method::GET, &path), |key| request.header(headers::UPLOAD_KEY, key));
        assert_eq!(send(request).await.code(), Code::Malformed);
    }
    // The owner of the box, and everybody else with an account, reaches it by no other way.
    for person in [&alice, &bob] {
        assert_eq!(person.get(&stage, &parcel.upload_path()).await.code(), Code::NotFound);
        assert_eq!(parcel.put(&stage, person, 1).await.code(), Code::NotFound);
        assert_eq!(parcel.complete(&stage, person, &complete).await.code(), Code::NotFound);
    }
    let list: proto::UploadList = alice.get(&stage, paths::UPLOADS).await.json();
    assert!(list.uploads.is_empty());
    let status: UploadStatus = into.status(&stage, &parcel).await.json();
    assert_eq!(status.parts.len(), 1, "and it goes on where it was");
    into.put(&stage, &parcel, 1).await.json::<PartRecord>();
    for _ in 0..2 {
        into.complete(&stage, &parcel, &complete).await.json::<Completed>();
    }
    assert_eq!(into.put(&stage, &parcel, 1).await.code(), Code::Conflict, "it is over");
    let path = paths::fill(paths::FILE, &[&parcel.file_id]);
    let shown = send(into.keyed(stage.request(Method::GET, &path))).await;
    assert_eq!(shown.code(), Code::SignInNeeded, "the key opens no file");
}

#[tokio::test(flavor = "multi_thread")]
async fn closed_ended_and_unknown_boxes_and_those_of_the_suspended_are_one_answer() {
    let (stage, alice, bob) = alice_and_bob().await;
    let closed = made(&stage, &alice, |_| {}).await;
    assert_gone(&alice.delete(&stage, &paths::fill(paths::BOX, &[&closed.id])).await);
    let ended = made(&stage, &alice, |terms| terms.ends = terms.created + 60).await;
    let resting = made(&stage, &bob, |_| {}).await;
    let begun = Parcel::new(1_000);
    resting.begin(&stage, &begun).await.json::<UploadStatus>();
    stage.later(60);
    let now = db::UnixTime(stage.now());
    stage.database().await.suspend(bob.user, now, &[]).await.unwrap();
    let unknown = Made::new();
    let parcel = Parcel::new(1_000);
    let seen = told(&unknown.view(&stage).await);
    let refused = told(&unknown.begin(&stage, &parcel).await);
    assert_eq!(seen.0, StatusCode::NOT_FOUND);
    for (what, one) in [("closed", &closed), ("ended", &ended), ("suspended", &resting)] {
        assert_eq!(told(&one.view(&stage).await), seen, "{what}");
        assert_eq!(told(&one.begin(&stage, &parcel).await), refused, "{what}");
    }
    let nothing = told(&unknown.put(&stage, &begun, 0).await);
    assert_eq!(told(&resting.put(&stage, &begun, 0).await), nothing);
    let path = paths::fill(paths::BOX, &[&closed.id]);
    assert_eq!(alice.delete(&stage, &path).await.code(), Code::NotFound, "once");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_at_once_no_more_come_than_the_box_takes() {
    let (stage, alice, _) = alice_and_bob().await;
    let into = made(&stage, &alice, |terms| terms.max_files = 3).await;
    let visitors: Vec<(Made, Parcel)> =
        (0..40).map(|_| (Made { id: into.id, key: random(32) }, Parcel::new(1_000))).collect();
    let send_one = async |(visitor, parcel): &(Made, Parcel)| {
        let begun = visitor.begin(&stage, parcel).await;
        if !begun.status.is_success() {
            return Err(begun.code());
        }
        visitor.put(&stage, parcel, 0).await.json::<PartRecord>();
        visitor.complete(&stage, parcel, &unsigned(parcel, &alice)).await.json::<Completed>();
        Ok(())
    };
    let outcomes = futures::future::join_all(visitors.iter().map(send_one)).await;
    let came = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    let full = outcomes.iter().filter(|outcome| **outcome == Err(Code::BoxFull)).count();
    assert_eq!((came, full), (3, 37));
    let page: FilePage = alice.get(&stage, &format!("{}?box={}", paths::FILES, into.id)).await.json();
    assert_eq!(page.files.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_box_takes_no_longer_body_than_its_owner_signed() {
    let (stage, alice, _) = alice_and_bob().await;
    let into = made(&stage, &alice, |terms| terms.max_body = MIB + 500).await;
    assert_eq!(into.begin(&stage, &Parcel::new(MIB + 501)).await.code(), Code::TooLarge);
    // Whoever does not say how long it will be is stopped on the way.
    let untold = Parcel { body_len: None, ..Parcel::new(2 * MIB) };
    into.begin(&stage, &untold).await.json::<UploadStatus>();
    into.put(&stage, &untold, 0).await.json::<PartRecord>();
    assert_eq!(into.put(&stage, &untold, 1).await.code(), Code::TooLarge);
    into.send(&stage, &Parcel::new(MIB + 500), &alice).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_owners_quota_holds_and_is_not_told_to_strangers() {
    let (stage, alice, _) = {
        let stage = Stage::with(|config| config.limits.quota_bytes = 3 * MIB).await;
        let alice = Person::with_bundle(&stage, "alice@wax.example").await;
        (stage, alice, ())
    };
    let into = made(&stage, &alice, |_| {}).await;
    let first = Parcel::new(2 * MIB);
    into.begin(&stage, &first).await.json::<UploadStatus>();
    let refused = into.begin(&stage, &Parcel::new(2 * MIB)).await;
    assert_eq!(refused.code(), Code::BoxFull);
    let text = String::from_utf8(refused.body.to_vec()).unwrap();
    assert!(!text.contains("2097152") && !text.contains("3145728"), "{text}");
    let untold = Parcel { body_len: None, ..Parcel::new(2 * MIB) };
    into.begin(&stage, &untold).await.json::<UploadStatus>();
    into.put(&stage, &untold, 0).await.json::<PartRecord>();
    assert_eq!(into.put(&stage, &untold, 1).await.code(), Code::BoxFull, "unfinished ones count");
    // Abandoned by its visitor, it gives its room back.
    let path = paths::fill(paths::BOX_UPLOAD, &[&into.id, &first.file_id]);
    assert_gone(&send(into.keyed(stage.request(Method::DELETE, &path))).await);
    into.put(&stage, &untold, 1).await.json::<PartRecord>();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unfinished_upload_of_a_visitor_ends_with_its_box_or_after_two_days() {
    let (stage, alice, _) = alice_and_bob().await;
    let into = made(&stage, &alice, |_| {}).await;
    let parcel = Parcel::new(1_000);
    let status: UploadStatus = into.begin(&stage, &parcel).await.json();
    assert_eq!(status.expires_at, stage.now() + 2 * 86_400);
    let short = made(&stage, &alice, |terms| terms.ends = terms.created + 100).await;
    let status: UploadStatus = short.begin(&stage, &Parcel::new(1_000)).await.json();
    assert_eq!(status.expires_at, stage.now() + 100);
    stage.later(2 * 86_400);
    assert_eq!(into.put(&stage, &parcel, 0).await.code(), Code::NotFound);
    let report = stage.run_jobs().await;
    assert_eq!(report.expired_uploads, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_network_address_visits_so_often_and_no_more() {
    let stage = Stage::with(|config| config.limits.boxes_per_ip = 5).await;
    let alice = Person::with_bundle(&stage, "alice@wax.example").await;
    let into = made(&stage, &alice, |_| {}).await;
    for _ in 0..4 {
        into.view(&stage).await.json::<BoxView>();
    }
    into.begin(&stage, &Parcel::new(1_000)).await.json::<UploadStatus>();
    assert_eq!(into.view(&stage).await.code(), Code::TooMany);
    assert_eq!(Made::new().view(&stage).await.code(), Code::TooMany, "whether or not there is such a box");
    assert_eq!(into.begin(&stage, &Parcel::new(1_000)).await.code(), Code::TooMany);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_sealed_for_the_owner_alone_by_nobody_is_refused() {
    let (stage, alice, bob) = alice_and_bob().await;
    let into = made(&stage, &alice, |_| {}).await;
    let parcel = Parcel::new(1_000);
    into.begin(&stage, &parcel).await.json::<UploadStatus>();
    into.put(&stage, &parcel, 0).await.json::<PartRecord>();
    let good = unsigned(&parcel, &alice);
    let for_bob = unsigned(&parcel, &bob);
    let both = [good.grants.clone(), for_bob.grants.clone()].concat();
    let other = unsigned(&Parcel::new(1_000), &alice);
    for (what, wrong) in [
        ("for somebody else", for_bob.clone()),
        ("for the owner by the key of another", {
            let grant = for_bob.grants[0].grant.clone();
            let grants = vec![GrantTo { user_id: Some(alice.user), grant }];
            Complete { grants, ..for_bob }
        }),
        ("for two", Complete { grants: both, ..good.clone() }),
        ("for nobody", Complete { grants: Vec::new(), ..good.clone() }),
        ("signed", parcel.complete_request(&alice, &[])),
        ("another file", other.clone()),
        ("another grant", Complete { grants: other.grants, ..good.clone() }),
    ] {
        assert_eq!(into.complete(&stage, &parcel, &wrong).await.code(), Code::Rejected, "{what}");
    }
    for (what, wrong) in [
        ("as a member of a folder", Complete { member: true, grants: Vec::new(), ..good.clone() }),
        ("as a folder of files of the owner's", Complete { members: Some(B64(vec![7; 16])), ..good.clone() }),
    ] {
        assert_eq!(into.complete(&stage, &parcel, &wrong).await.code(), Code::Malformed, "{what}");
    }
    into.complete(&stage, &parcel, &good).await.json::<Completed>();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_file_into_a_box_counts_for_its_sender_and_goes_to_the_owner() {
    let (stage, alice, bob) = alice_and_bob().await;
    let into = made(&stage, &alice, |terms| terms.max_files = 1).await;
    let parcel = Parcel::new(1_000);
    let begin = Begin { box_id: Some(into.id), ..parcel.begin_request() };
    bob.post(&stage, paths::UPLOADS, &begin).await.json::<UploadStatus>();
    assert_eq!(into.begin(&stage, &Parcel::new(1_000)).await.code(), Code::BoxFull);
    parcel.put_all(&stage, &bob).await;
    let alone = parcel.complete_request(&bob, &[]);
    assert_eq!(parcel.complete(&stage, &bob, &alone).await.code(), Code::Rejected, "without the owner");
    let complete = parcel.complete_request(&bob, &[&alice]);
    parcel.complete(&stage, &bob, &complete).await.json::<Completed>();
    let page: FilePage = alice.get(&stage, &format!("{}?box={}", paths::FILES, into.id)).await.json();
    assert_eq!((page.files[0].author, page.files[0].box_id), (bob.user, Some(into.id)));
    let own: FileInfo = bob.get(&stage, &parcel.file_path()).await.json();
    assert_eq!(own.box_id, None, "whose box it is, is the owner's affair");
    let none = Begin { box_id: Some(Made::new().id), ..Parcel::new(1_000).begin_request() };
    assert_eq!(bob.post(&stage, paths::UPLOADS, &none).await.code(), Code::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_description_that_its_owner_did_not_sign_makes_no_box() {
    let (stage, alice, _) = alice_and_bob().await;
    let (one, stranger) = (Made::new(), Person { root: Root::generate(), ..alice.clone() });
    let terms = one.terms(&stage, &alice);
    let good = signed(&terms, &alice);
    let mut altered = good.clone();
    altered.description.0[70] ^= 1;
    let now = stage.now().unsigned_abs();
    for (request, code) in [
        (altered, Code::Rejected),
        (signed(&terms, &stranger), Code::Rejected),
        (signed(&one.terms(&stage, &stranger), &stranger), Code::Rejected),
        (MakeBox { description: B64(vec![1; 30]) }, Code::Malformed),
        (MakeBox { description: B64(vec![1; 5_000]) }, Code::Malformed),
        (signed(&BoxTerms { created: now - 10, ends: now, ..terms }, &alice), Code::Malformed),
        (signed(&BoxTerms { ends: now + 367 * DAY, ..terms }, &alice), Code::Malformed),
    ] {
        assert_eq!(alice.post(&stage, paths::BOXES, &request).await.code(), code, "{request:?}");
    }
    for _ in 0..2 {
        alice.post(&stage, paths::BOXES, &good).await.json::<BoxInfo>();
    }
    let other = signed(&BoxTerms { max_files: 9, ..terms }, &alice);
    assert_eq!(alice.post(&stage, paths::BOXES, &other).await.code(), Code::Conflict);
}
