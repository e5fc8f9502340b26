//! Things that look sealed from outside: framed segments, manifests and grants around random bytes.

use envelope::grant::GrantHead;
use envelope::manifest::ManifestHead;
use envelope::merkle::{self, Node};
use envelope::segment::SEGMENT_LEN;
use envelope::{BodyShape, FileId, Manifest, PartShape, RecipientId, Suite, Wrap};
use proto::{B64, Begin, Complete, Completed, GrantTo, PartRecord, Ticket, UploadStatus, paths};
use reqwest::{Method, StatusCode};

use super::person::Person;
use super::server::{Reply, Stage, send};

pub(crate) const MIB: u64 = 1 << 20;

pub(crate) fn random(len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    aws_lc_rs::rand::fill(&mut bytes).unwrap();
    bytes
}

pub(crate) fn file_id() -> FileId {
    let bytes = random(16).try_into().unwrap();
    FileId::from_bytes(uuid::Builder::from_random_bytes(bytes).into_uuid().into_bytes())
}

/// A body of random bytes with the length words of a sealed one.
pub(crate) fn framed(len: u64) -> Vec<u8> {
    let mut body = random(usize::try_from(len).unwrap());
    let shape = BodyShape::from_body_len(len).unwrap();
    for (i, segment) in body.chunks_mut(SEGMENT_LEN).enumerate() {
        let word = if shape.is_final(i as u64) { u32::try_from(segment.len()).unwrap() } else { u32::MAX };
        segment[..4].copy_from_slice(&word.to_be_bytes());
    }
    body
}

/// The node over a run of segments.
/// A small message as far as its outside goes.
pub(crate) fn small_message(len: usize) -> Vec<u8> {
    let header = envelope::small::HEADER_LEN;
    let mut bytes = envelope::small::PARAMETERS.to_vec();
    bytes.resize(header, 7);
    bytes.extend_from_slice(&framed((len - header) as u64));
    bytes
}

pub(crate) fn node_of(part: &[u8]) -> Node {
    let leaves: Vec<_> = part.chunks(SEGMENT_LEN).map(merkle::leaf).collect();
    merkle::root(&leaves).unwrap()
}

fn small(plain_len: usize) -> Vec<u8> {
    let mut bytes = random(envelope::small::SMALL_OVERHEAD + plain_len);
    let segment_len = u32::try_from(plain_len + 32).unwrap();
    bytes[..10].copy_from_slice(&envelope::small::PARAMETERS);
    bytes[74..78].copy_from_slice(&segment_len.to_be_bytes());
    bytes
}

/// One file on its way.
pub(crate) struct Parcel {
    pub(crate) file_id: FileId,
    pub(crate) body: Vec<u8>,
    pub(crate) parts: PartShape,
    pub(crate) body_len: Option<u64>,
}

impl Parcel {
    /// A body of so many bytes, in parts of 1 MiB.
    pub(crate) fn new(len: u64) -> Self {
        Self { file_id: file_id(), body: framed(len), parts: PartShape::SMALLEST, body_len: Some(len) }
    }

    pub(crate) fn begin_request(&self) -> Begin {
        Begin {
            file_id: self.file_id,
            part_len: self.parts.part_bytes(),
            body_len: self.body_len,
            box_id: None,
        }
    }

    pub(crate) async fn begin(&self, stage: &Stage, sender: &Person) -> UploadStatus {
        sender.post(stage, paths::UPLOADS, &self.begin_request()).await.json()
    }

    pub(crate) fn part(&self, n: u32) -> &[u8] {
        let size = usize::try_from(self.parts.part_bytes()).unwrap();
        self.body.chunks(size).nth(n as usize).unwrap()
    }

    pub(crate) fn part_count(&self) -> u32 {
        self.parts.parts(BodyShape::from_body_len(self.body.len() as u64).unwrap())
    }

    pub(crate) fn part_path(&self, n: u32) -> String {
        paths::fill(paths::PART, &[&self.file_id, &n])
    }

    pub(crate) fn upload_path(&self) -> String {
        paths::fill(paths::UPLOAD, &[&self.file_id])
    }

    pub(crate) fn file_path(&self) -> String {
        paths::fill(paths::FILE, &[&self.file_id])
    }

    pub(crate) async fn put(&self, stage: &Stage, sender: &Person, n: u32) -> Reply {
        put(stage, sender, &self.part_path(n), self.part(n).to_vec(), &node_of(self.part(n)).to_string())
            .await
    }

    pub(crate) async fn put_all(&self, stage: &Stage, sender: &Person) {
        for n in 0..self.part_count() {
            let record: PartRecord = self.put(stage, sender, n).await.json();
            assert_eq!(record, PartRecord { n, len: self.part(n).len() as u64, node: node_of(self.part(n)) });
        }
    }

    pub(crate) fn head(&self, author: &Person) -> ManifestHead {
        let mut payload_header: [u8; 74] = random(74).try_into().unwrap();
        payload_header[..10].copy_from_slice(&envelope::small::PARAMETERS);
        ManifestHead {
            suite: Suite::Signed,
            file_id: self.file_id,
            revision: 1,
            author_root_id: author.root_id(),
            payload_header,
            body: BodyShape::from_body_len(self.body.len() as u64).unwrap(),
            body_root: node_of(&self.body),
        }
    }

    /// What an honest client would complete with.
    pub(crate) fn complete_request(&self, author: &Person, to: &[&Person]) -> Complete {
        let manifest = manifest(&self.head(author), author);
        let grants = std::iter::once(author)
            .chain(to.iter().copied())
            .map(|person| GrantTo {
                user_id: Some(person.user),
                grant: B64(grant(&grant_head(&manifest, person), author)),
            })
            .collect();
        Complete {
            manifest: B64(manifest.as_bytes().to_vec()),
            grants,
            expires_in: 7 * 86_400,
            max_downloads: None,
            member: false,
            members: None,
        }
    }

    pub(crate) async fn complete(&self, stage: &Stage, sender: &Person, request: &Complete) -> Reply {
        sender.post(stage, &paths::fill(paths::COMPLETE, &[&self.file_id]), request).await
    }

    /// Begin, all parts, complete.
    pub(crate) async fn send(&self, stage: &Stage, author: &Person, to: &[&Person]) -> Completed {
        self.send_as(stage, author, &self.complete_request(author, to)).await
    }

    pub(crate) async fn send_as(&self, stage: &Stage, author: &Person, request: &Complete) -> Completed {
        self.begin(stage, author).await;
        self.put_all(stage, author).await;
        self.complete(stage, author, request).await.json()
    }

    pub(crate) async fn ask_ticket(&self, stage: &Stage, person: &Person, download: &str) -> Reply {
        self.ask_ticket_by(stage, person, download, None).await
    }

    pub(crate) async fn ask_ticket_by(
        &self,
        stage: &Stage,
        person: &Person,
        download: &str,
        recipient: Option<RecipientId>,
    ) -> Reply {
        let request = proto::TicketRequest { download_id: download.to_owned(), recipient };
        person.post(stage, &paths::fill(paths::TICKET, &[&self.file_id]), &request).await
    }

    pub(crate) async fn ticket(&self, stage: &Stage, person: &Person) -> String {
        let download = file_id().to_string();
        let ticket: Ticket = self.ask_ticket(stage, person, &download).await.json();
        ticket.ticket.expose_secret().to_owned()
    }

    pub(crate) async fn content(
        &self,
        stage: &Stage,
        ticket: &str,
        path: &str,
        range: Option<&str>,
    ) -> Reply {
        let mut request = stage.request(Method::GET, path).header(proto::headers::TICKET, ticket);
        if let Some(range) = range {
            request = request.header("range", range);
        }
        send(request).await
    }
}

pub(crate) async fn put(stage: &Stage, sender: &Person, path: &str, body: Vec<u8>, node: &str) -> Reply {
    let request = stage.request(Method::PUT, path).bearer_auth(&sender.token);
    send(request.header(proto::headers::NODE, node).body(body)).await
}

/// A manifest of these fields, signed by `signer`.
pub(crate) fn manifest(head: &ManifestHead, signer: &Person) -> Manifest {
    let mut bytes = head.encode(&small(512)).unwrap();
    bytes.extend_from_slice(&random(32));
    if head.suite == Suite::Signed {
        let signature = signer.root.sign(&[envelope::manifest::SIGNATURE_CONTEXT, &bytes]);
        bytes.extend_from_slice(&signature);
    }
    Manifest::parse(bytes).unwrap()
}

pub(crate) fn grant_head(manifest: &Manifest, recipient: &Person) -> GrantHead {
    GrantHead {
        wrap: Wrap::XWing,
        suite: Suite::Signed,
        file_id: manifest.file_id(),
        content_id: manifest.content_id(),
        recipient_id: recipient.recipient_id(),
        grantor_root_id: manifest.author_root_id(),
        min_revision: 1,
        not_after: 0,
    }
}

/// A grant of these fields, signed by `signer`.
pub(crate) fn grant(head: &GrantHead, signer: &Person) -> Vec<u8> {
    let (encapsulated, wrapped) = match head.wrap {
        Wrap::RsaOaep => (Vec::new(), random(256)),
        Wrap::XWing => (random(1120), random(48)),
        Wrap::Link => (Vec::new(), small(32)),
    };
    let mut bytes = head.encode(&encapsulated, &wrapped).unwrap();
    if head.suite == Suite::Signed {
        let signature = signer.root.sign(&[envelope::grant::SIGNATURE_CONTEXT, &bytes]);
        bytes.extend_from_slice(&signature);
    }
    bytes
}

/// Alice and Bob with bundles, and a stage.
pub(crate) async fn alice_and_bob() -> (Stage, Person, Person) {
    let stage = Stage::new().await;
    let (alice, bob) = alice_and_bob_at(&stage).await;
    (stage, alice, bob)
}

pub(crate) async fn alice_and_bob_at(stage: &Stage) -> (Person, Person) {
    let alice = Person::with_bundle(stage, "alice@wax.example").await;
    let bob = Person::with_bundle(stage, "bob@wing.example").await;
    (alice, bob)
}

#[track_caller]
pub(crate) fn assert_gone(reply: &Reply) {
    assert_eq!(reply.status, StatusCode::NO_CONTENT, "{:?}", reply.body);
}
