//! Links: who proves the secret is shown the file, and everybody else nothing.

use envelope::ed25519::Signature;
use envelope::grant::GrantHead;
use envelope::link::{AUTH_CONTEXT, LinkId};
use envelope::{Grant, Manifest, Wrap};
use proto::{B64, ChangeLink, Code, LinkInfo, LinkList, LinkNonce, MakeLink, OpenLink, OpenedLink, paths};
use reqwest::{Method, StatusCode};

use crate::stage::person::Root;
use crate::stage::sealed::{alice_and_bob, assert_gone, file_id, grant, grant_head, random};
use crate::stage::server::{Reply, send};
use crate::stage::{Parcel, Person, Stage};

/// A link, and the key that its secret gives.
pub(crate) struct Made {
    pub(crate) id: LinkId,
    pub(crate) root: Root,
}

impl Made {
    pub(crate) fn new() -> Self {
        Self { id: LinkId::from_bytes(random(16).try_into().unwrap()), root: Root::generate() }
    }

    pub(crate) fn request(&self, manifest: &Manifest, owner: &Person) -> MakeLink {
        let head = GrantHead {
            wrap: Wrap::Link,
            recipient_id: self.id.recipient_id(),
            grantor_root_id: owner.root_id(),
            ..grant_head(manifest, owner)
        };
        MakeLink {
            link_id: self.id,
            file_id: manifest.file_id(),
            public_key: B64(self.root.public().as_bytes().to_vec()),
            grant: B64(grant(&head, owner)),
            expires_in: None,
            max_downloads: None,
        }
    }

    pub(crate) async fn nonce(&self, stage: &Stage) -> B64 {
        let path = paths::fill(paths::LINK_NONCE, &[&self.id]);
        send(stage.request(Method::POST, &path)).await.json::<LinkNonce>().nonce
    }

    pub(crate) fn proof(&self, nonce: &B64) -> OpenLink {
        let signature = self.root.sign(&[AUTH_CONTEXT, self.id.as_bytes(), &nonce.0]);
        OpenLink {
            nonce: nonce.clone(),
            signature: B64(signature.to_vec()),
            download_id: file_id().to_string(),
            look: false,
        }
    }

    async fn show(&self, stage: &Stage, proof: &OpenLink) -> Reply {
        stage.post(&paths::fill(paths::LINK_OPEN, &[&self.id]), proof).await
    }

    async fn open(&self, stage: &Stage) -> Reply {
        let proof = self.proof(&self.nonce(stage).await);
        self.show(stage, &proof).await
    }

    /// A try with a wrong password: a proof by another key.
    async fn guess(&self, stage: &Stage) -> Reply {
        let other = Self { id: self.id, root: Root::generate() };
        other.open(stage).await
    }
}

/// A file of Alice's, and a link to it.
async fn linked(stage: &Stage, alice: &Person, change: impl FnOnce(&mut MakeLink)) -> (Parcel, Made) {
    let parcel = Parcel::new(1_000);
    let request = parcel.complete_request(alice, &[]);
    parcel.send_as(stage, alice, &request).await;
    let manifest = Manifest::parse(request.manifest.0).unwrap();
    let made = Made::new();
    let mut request = made.request(&manifest, alice);
    change(&mut request);
    let info: LinkInfo = alice.post(stage, paths::LINKS, &request).await.json();
    assert_eq!((info.link_id, info.downloads), (made.id, 0));
    (parcel, made)
}

/// What a refusal says, without the id that each has of its own.
fn told(reply: &Reply) -> (StatusCode, String) {
    let body = String::from_utf8(reply.body.to_vec()).unwrap();
    (reply.status, body.replace(reply.header("x-request-id"), ""))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_proof_gives_file_and_ticket_and_the_ticket_the_content() {
    let (stage, alice, _) = alice_and_bob().await;
    let (parcel, link) = linked(&stage, &alice, |_| {}).await;
    let opened: OpenedLink = link.open(&stage).await.json();
    assert_eq!(
        (opened.file.file_id, opened.file.author, opened.file.downloads),
        (parcel.file_id, alice.user, 1)
    );
    assert_eq!(opened.file.author_chain, [B64(alice.newest.as_ref().unwrap().as_bytes().to_vec())]);
    assert_eq!(Grant::parse(opened.file.grant.0).unwrap().recipient_id(), link.id.recipient_id());
    let ticket = opened.leave.unwrap().ticket;
    let path = paths::fill(paths::CONTENT, &[&parcel.file_id, &0]);
    let content = parcel.content(&stage, ticket.expose_secret(), &path, None).await;
    assert_eq!(content.body.to_vec(), parcel.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn before_the_proof_nothing_tells_whether_there_is_a_link() {
    let (stage, alice, _) = alice_and_bob().await;
    let (_, link) = linked(&stage, &alice, |_| {}).await;
    let none = Made::new();
    for link in [&link, &none] {
        let path = paths::fill(paths::LINK_NONCE, &[&link.id]);
        let reply = send(stage.request(Method::POST, &path)).await;
        let body: serde_json::Value = reply.json();
        assert_eq!(body.as_object().unwrap().keys().collect::<Vec<_>>(), ["nonce"]);
        assert_eq!(reply.json::<LinkNonce>().nonce.0.len(), 32);
    }
    let (wrong, unknown) = (link.guess(&stage).await, none.open(&stage).await);
    assert_eq!(told(&wrong), told(&unknown));
    assert_eq!(wrong.code(), Code::NotFound);
    // Guesses are put off for links that there are not as well.
    for link in [&link, &none] {
        for _ in 0..3 {
            link.guess(&stage).await;
        }
        assert_eq!(link.open(&stage).await.code(), Code::TooMany);
    }
    assert_gone(&alice.delete(&stage, &paths::fill(paths::LINK, &[&link.id])).await);
    stage.later(2);
    assert_eq!(told(&link.open(&stage).await), told(&unknown), "taken back is as if it had never been");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nonce_is_good_for_one_proof_of_one_link_for_a_minute() {
    let (stage, alice, _) = alice_and_bob().await;
    let (_, link) = linked(&stage, &alice, |_| {}).await;
    let (_, other) = linked(&stage, &alice, |_| {}).await;
    let nonce = link.nonce(&stage).await;
    let proof = link.proof(&nonce);
    link.show(&stage, &proof).await.json::<OpenedLink>();
    assert_eq!(link.show(&stage, &proof).await.code(), Code::NotFound, "twice");
    assert_eq!(other.show(&stage, &other.proof(&link.nonce(&stage).await)).await.code(), Code::NotFound);
    assert_eq!(link.show(&stage, &link.proof(&B64(vec![7; 32]))).await.code(), Code::NotFound, "made up");
    let old = link.nonce(&stage).await;
    stage.later(60);
    assert_eq!(link.show(&stage, &link.proof(&old)).await.code(), Code::NotFound, "too old");
    link.open(&stage).await.json::<OpenedLink>();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_altered_proof_opens_nothing() {
    let (stage, alice, _) = alice_and_bob().await;
    let (_, link) = linked(&stage, &alice, |_| {}).await;
    let mut proof = link.proof(&link.nonce(&stage).await);
    proof.signature.0[5] ^= 1;
    assert_eq!(link.show(&stage, &proof).await.code(), Code::NotFound);
    // The neutral point as R and S = 0, which a loose verifier takes for some keys.
    let mut loose = [0; 64];
    loose[0] = 1;
    let nonce = link.nonce(&stage).await;
    let signature = B64(Signature::from_bytes(loose).as_bytes().to_vec());
    let proof = OpenLink { signature, ..link.proof(&nonce) };
    assert_eq!(link.show(&stage, &proof).await.code(), Code::NotFound);
    for short in [0, 31, 33] {
        let proof = OpenLink { nonce: B64(vec![0; short]), ..link.proof(&nonce) };
        assert_eq!(link.show(&stage, &proof).await.code(), Code::Malformed);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_previews_heads_looks_and_nonces_use_nothing_up() {
    let (stage, alice, _) = alice_and_bob().await;
    let (_, link) = linked(&stage, &alice, |request| request.max_downloads = Some(1)).await;
    let page = paths::fill(paths::LINK_PAGE, &[&link.id]);
    for method in [Method::GET, Method::HEAD] {
        assert_eq!(send(stage.request(method, &page)).await.status, StatusCode::OK);
    }
    for method in [Method::HEAD, Method::GET] {
        let path = paths::fill(paths::LINK_OPEN, &[&link.id]);
        assert_eq!(send(stage.request(method, &path)).await.status, StatusCode::METHOD_NOT_ALLOWED);
    }
    for _ in 0..3 {
        let proof = OpenLink { look: true, ..link.proof(&link.nonce(&stage).await) };
        let looked: OpenedLink = link.show(&stage, &proof).await.json();
        assert!(looked.leave.is_none() && looked.file.downloads == 0);
    }
    link.open(&stage).await.json::<OpenedLink>();
    assert_eq!(link.open(&stage).await.code(), Code::DownloadsUsed);
    assert_eq!(link.guess(&stage).await.code(), Code::NotFound, "only to who proved");
}

#[tokio::test(flavor = "multi_thread")]
async fn going_on_under_the_same_download_id_counts_nothing() {
    let (stage, alice, _) = alice_and_bob().await;
    let (_, link) = linked(&stage, &alice, |request| request.max_downloads = Some(1)).await;
    let first = link.proof(&link.nonce(&stage).await);
    link.show(&stage, &first).await.json::<OpenedLink>();
    let again = OpenLink { download_id: first.download_id.clone(), ..link.proof(&link.nonce(&stage).await) };
    let opened: OpenedLink = link.show(&stage, &again).await.json();
    assert!(opened.leave.is_some() && opened.file.downloads == 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_opens_at_once_a_limit_of_one_admits_one() {
    let (stage, alice, _) = alice_and_bob().await;
    let (_, link) = linked(&stage, &alice, |request| request.max_downloads = Some(1)).await;
    let replies = futures::future::join_all((0..60).map(|_| link.open(&stage))).await;
    let opened = replies.iter().filter(|reply| reply.status.is_success()).count();
    let used = replies.iter().filter(|reply| !reply.status.is_success()).map(Reply::code);
    assert_eq!((opened, used.filter(|code| *code == Code::DownloadsUsed).count()), (1, 59));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_link_says_so_to_who_proved_alone() {
    let (stage, alice, _) = alice_and_bob().await;
    let (_, link) = linked(&stage, &alice, |request| request.expires_in = Some(100)).await;
    stage.later(100);
    assert_eq!(link.open(&stage).await.code(), Code::Expired);
    assert_eq!(link.guess(&stage).await.code(), Code::NotFound);
    let path = paths::fill(paths::LINK, &[&link.id]);
    let change = ChangeLink { expires_at: Some(stage.now() + 500), max_downloads: Some(4) };
    let request = stage.request(Method::PUT, &path).bearer_auth(&alice.token).json(&change);
    let changed: LinkInfo = send(request).await.json();
    assert_eq!((changed.expires_at, changed.max_downloads), (change.expires_at, Some(4)));
    link.open(&stage).await.json::<OpenedLink>();
    for change in [
        ChangeLink { expires_at: Some(stage.now()), max_downloads: None },
        ChangeLink { expires_at: None, max_downloads: Some(0) },
    ] {
        let request = stage.request(Method::PUT, &path).bearer_auth(&alice.token).json(&change);
        assert_eq!(send(request).await.code(), Code::Malformed);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn links_are_listed_to_their_owner_without_key_and_grant() {
    let (stage, alice, bob) = alice_and_bob().await;
    let (parcel, link) = linked(&stage, &alice, |_| {}).await;
    let reply = alice.get(&stage, paths::LINKS).await;
    let list: LinkList = reply.json();
    assert_eq!((list.links.len(), list.links[0].link_id), (1, link.id));
    let text = String::from_utf8(reply.body.to_vec()).unwrap();
    assert!(!text.contains("grant") && !text.contains("key"), "{text}");
    assert_eq!(bob.get(&stage, paths::LINKS).await.json::<LinkList>().links, []);
    let file = alice.get(&stage, &parcel.file_path()).await;
    assert!(!String::from_utf8(file.body.to_vec()).unwrap().contains(&link.id.to_string()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_that_is_not_the_links_makes_no_link() {
    let (stage, alice, _) = alice_and_bob().await;
    let parcel = Parcel::new(1_000);
    let complete = parcel.complete_request(&alice, &[]);
    parcel.send_as(&stage, &alice, &complete).await;
    let manifest = Manifest::parse(complete.manifest.0).unwrap();
    let (link, other) = (Made::new(), Made::new());
    let good = link.request(&manifest, &alice);
    let stranger = Person { root: Root::generate(), ..alice.clone() };
    let wrap = GrantHead { ..grant_head(&manifest, &alice) };
    for (request, code) in [
        (MakeLink { link_id: other.id, ..good.clone() }, Code::Rejected),
        (MakeLink { grant: B64(grant(&wrap, &alice)), ..good.clone() }, Code::Rejected),
        (link.request(&manifest, &stranger), Code::Rejected),
        (MakeLink { public_key: B64(vec![1; 31]), ..good.clone() }, Code::Malformed),
        (MakeLink { grant: B64(vec![1; 31]), ..good.clone() }, Code::Malformed),
        (MakeLink { max_downloads: Some(0), ..good.clone() }, Code::Malformed),
        (MakeLink { expires_in: Some(0), ..good.clone() }, Code::Malformed),
        (MakeLink { file_id: file_id(), ..good.clone() }, Code::NotFound),
    ] {
        assert_eq!(alice.post(&stage, paths::LINKS, &request).await.code(), code, "{request:?}");
    }
    for _ in 0..2 {
        alice.post(&stage, paths::LINKS, &good).await.json::<LinkInfo>();
    }
    let conflict = MakeLink { public_key: B64(vec![1; 32]), ..good };
    assert_eq!(alice.post(&stage, paths::LINKS, &conflict).await.code(), Code::Conflict);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_hold_no_id_run_no_script_and_load_nothing() {
    let stage = Stage::new().await;
    for page in ["/s/", "/d/", "/i/"] {
        let reply = stage.get(&format!("{page}AAAAAAAAAAAAAAAAAAAAAA")).await;
        let other = stage.get(&format!("{page}BBBB")).await;
        assert_eq!((reply.status, &reply.body), (StatusCode::OK, &other.body), "the same for every id");
        let policy = reply.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none';") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(reply.header("referrer-policy"), "no-referrer");
        assert_eq!(reply.header("cache-control"), "no-store");
        let text = String::from_utf8(reply.body.to_vec()).unwrap();
        for word in ["<script", "src=", "href=", "AAAA", "<form"] {
            assert!(!text.contains(word), "{page} {word}");
        }
        assert!(text.contains("wax "), "{text}");
    }
}
