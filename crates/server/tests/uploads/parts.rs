//! `PUT /uploads/{id}/parts/{n}`.

use envelope::segment::SEGMENT_LEN;
use proto::{Code, PartRecord, UploadStatus};

use crate::stage::raw::Raw;
use crate::stage::sealed::{MIB, alice_and_bob, framed, node_of, put, random};
use crate::stage::{Parcel, Person, Stage};

async fn status(stage: &Stage, person: &Person, parcel: &Parcel) -> UploadStatus {
    person.get(stage, &parcel.upload_path()).await.json()
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_come_in_any_order_and_are_listed_with_their_nodes() {
    let (stage, alice, _) = alice_and_bob().await;
    let parcel = Parcel::new(2 * MIB + 300_000);
    parcel.begin(&stage, &alice).await;
    for n in [2, 0, 1] {
        parcel.put(&stage, &alice, n).await.json::<PartRecord>();
    }
    let seen = status(&stage, &alice, &parcel).await;
    let expected: Vec<_> = (0..3)
        .map(|n| PartRecord { n, len: parcel.part(n).len() as u64, node: node_of(parcel.part(n)) })
        .collect();
    assert_eq!(seen.parts, expected);
    assert_eq!((seen.received_parts, seen.received_bytes), (3, 2 * MIB + 300_000));
    assert_eq!(stage.stored_files(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_part_is_counted_and_changes_nothing() {
    let (stage, alice, _) = alice_and_bob().await;
    let parcel = Parcel::new(2 * MIB);
    parcel.begin(&stage, &alice).await;
    let first: PartRecord = parcel.put(&stage, &alice, 0).await.json();
    let again: PartRecord = parcel.put(&stage, &alice, 0).await.json();
    assert_eq!(first, again);
    let mut other = framed(2 * MIB);
    other.truncate(usize::try_from(MIB).unwrap());
    let node = node_of(&other).to_string();
    let differing = put(&stage, &alice, &parcel.part_path(0), other, &node).await;
    assert_eq!(differing.code(), Code::Conflict);
    let seen = status(&stage, &alice, &parcel).await;
    assert_eq!(seen.parts, [first]);
    assert_eq!((seen.received_parts, seen.received_bytes), (3, 3 * MIB));
    assert_eq!(stage.stored_files(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_part_sent_at_once_is_kept_once() {
    let (stage, alice, _) = alice_and_bob().await;
    let parcel = Parcel::new(2 * MIB);
    parcel.begin(&stage, &alice).await;
    let sent = futures::future::join_all((0..4).map(|_| parcel.put(&stage, &alice, 0))).await;
    for reply in sent {
        assert_eq!(reply.json::<PartRecord>().node, node_of(parcel.part(0)));
    }
    assert_eq!(status(&stage, &alice, &parcel).await.parts.len(), 1);
    assert_eq!(stage.stored_files(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn content_that_is_not_framed_is_refused_and_leaves_nothing() {
    let (stage, alice, _) = alice_and_bob().await;
    let parcel = Parcel::new(2 * MIB);
    parcel.begin(&stage, &alice).await;
    let size = usize::try_from(MIB).unwrap();
    let good = parcel.part(0).to_vec();
    let mut cases = vec![("plain text", b"a plain letter ".repeat(size).split_off(14 * size))];
    cases[0].1.truncate(size);
    for segment in 0..4 {
        let mut broken = good.clone();
        broken[segment * SEGMENT_LEN] ^= 1;
        cases.push(("one wrong length word", broken));
    }
    // An inner part whose last segment says that it is the end.
    let mut early = good.clone();
    let word = u32::try_from(SEGMENT_LEN).unwrap().to_be_bytes();
    early[3 * SEGMENT_LEN..3 * SEGMENT_LEN + 4].copy_from_slice(&word);
    cases.push(("an early end", early));
    for (name, body) in cases {
        let node = node_of(&body).to_string();
        let reply = put(&stage, &alice, &parcel.part_path(0), body, &node).await;
        assert_eq!(reply.code(), Code::NotSealed, "{name}");
    }
    // The last part must end the body.
    let mut open = parcel.part(1).to_vec();
    open[3 * SEGMENT_LEN..3 * SEGMENT_LEN + 4].fill(0xff);
    let node = node_of(&open).to_string();
    assert_eq!(put(&stage, &alice, &parcel.part_path(1), open, &node).await.code(), Code::NotSealed);
    assert!(status(&stage, &alice, &parcel).await.parts.is_empty());
    assert_eq!(stage.stored_files(), 0);
    // The honest twin.
    put(&stage, &alice, &parcel.part_path(0), good.clone(), &node_of(&good).to_string())
        .await
        .json::<PartRecord>();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_that_differs_from_its_node_is_refused_and_leaves_nothing() {
    let (stage, alice, _) = alice_and_bob().await;
    let parcel = Parcel::new(2 * MIB);
    parcel.begin(&stage, &alice).await;
    let mut damaged = parcel.part(0).to_vec();
    damaged[SEGMENT_LEN + 1_000] ^= 1;
    let node = node_of(parcel.part(0)).to_string();
    let reply = put(&stage, &alice, &parcel.part_path(0), damaged, &node).await;
    assert_eq!(reply.code(), Code::NodeMismatch);
    assert_eq!(stage.stored_files(), 0);
    assert_eq!(status(&stage, &alice, &parcel).await.received_parts, 0);
    parcel.put(&stage, &alice, 0).await.json::<PartRecord>();
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_of_wrong_length_or_number_are_refused() {
    let (stage, alice, _) = alice_and_bob().await;
    let parcel = Parcel::new(MIB + 1_000);
    parcel.begin(&stage, &alice).await;
    let node = node_of(b"x").to_string();
    for (n, len) in [(0, MIB - 1), (0, MIB + 1), (1, 999), (1, MIB), (2, 1_000), (10_000, 1_000)] {
        let body = random(usize::try_from(len).unwrap());
        let reply = put(&stage, &alice, &parcel.part_path(n), body, &node).await;
        assert_eq!(reply.code(), Code::Malformed, "{n} {len}");
    }
    for path in ["x", "-1", "4294967296"] {
        let path = format!("{}/parts/{path}", parcel.upload_path());
        assert_eq!(put(&stage, &alice, &path, vec![], &node).await.code(), Code::NotFound);
    }
    for node in ["", "00", &node.to_uppercase()] {
        let reply = put(&stage, &alice, &parcel.part_path(1), parcel.part(1).to_vec(), node).await;
        assert_eq!(reply.code(), Code::Malformed, "{node}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_untold_length_ends_with_the_part_whose_last_segment_is_final() {
    let (stage, alice, _) = alice_and_bob().await;
    for len in [2 * MIB + 5_000, 2 * MIB] {
        let mut parcel = Parcel::new(len);
        parcel.body_len = None;
        let request = parcel.complete_request(&alice, &[]);
        parcel.begin(&stage, &alice).await;
        parcel.put_all(&stage, &alice).await;
        let done: proto::Completed = parcel.complete(&stage, &alice, &request).await.json();
        assert_eq!(done.received_bytes, len);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_untold_length_is_charged_part_by_part() {
    let stage = Stage::with(|config| config.limits.quota_bytes = 2 * MIB).await;
    let alice = Person::with_bundle(&stage, "alice@wax.example").await;
    let mut parcel = Parcel::new(4 * MIB);
    parcel.body_len = None;
    parcel.begin(&stage, &alice).await;
    parcel.put(&stage, &alice, 0).await.json::<PartRecord>();
    parcel.put(&stage, &alice, 1).await.json::<PartRecord>();
    assert_eq!(parcel.put(&stage, &alice, 2).await.code(), Code::QuotaExceeded);
    assert_eq!(stage.stored_files(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_length_must_be_told() {
    let (stage, alice, _) = alice_and_bob().await;
    let parcel = Parcel::new(1_000);
    parcel.begin(&stage, &alice).await;
    let mut raw = Raw::connect(&stage).await;
    let head = format!(
        "PUT {} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\nwaxwing-node: {}\r\n",
        parcel.part_path(0),
        alice.token,
        node_of(parcel.part(0))
    );
    raw.write(format!("{head}transfer-encoding: chunked\r\n\r\n0\r\n\r\n").as_bytes()).await;
    let reply = raw.read_reply().await;
    assert!(reply.starts_with("HTTP/1.1 411 ") && reply.contains("length_needed"), "{reply}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_breaks_off_leaves_nothing() {
    let (stage, alice, _) = alice_and_bob().await;
    let parcel = Parcel::new(2 * MIB);
    parcel.begin(&stage, &alice).await;
    let mut raw = Raw::connect(&stage).await;
    let head = format!(
        "PUT {} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\nwaxwing-node: {}\r\ncontent-length: {MIB}\r\n\r\n",
        parcel.part_path(0),
        alice.token,
        node_of(parcel.part(0))
    );
    raw.write(head.as_bytes()).await;
    raw.write(&parcel.part(0)[..700_000]).await;
    drop(raw);
    while stage.stored_files() > 0 {
        tokio::task::yield_now().await;
    }
    assert!(status(&stage, &alice, &parcel).await.parts.is_empty());
    parcel.put(&stage, &alice, 0).await.json::<PartRecord>();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_pauses_too_long_is_given_up() {
    let stage = Stage::with(|config| config.limits.idle_seconds = 1).await;
    let alice = Person::with_bundle(&stage, "alice@wax.example").await;
    let parcel = Parcel::new(2 * MIB);
    parcel.begin(&stage, &alice).await;
    let mut raw = Raw::connect(&stage).await;
    let head = format!(
        "PUT {} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\nwaxwing-node: {}\r\ncontent-length: {MIB}\r\n\r\n",
        parcel.part_path(0),
        alice.token,
        node_of(parcel.part(0))
    );
    raw.write(head.as_bytes()).await;
    raw.write(&parcel.part(0)[..300_000]).await;
    let reply = raw.read_reply().await;
    assert!(reply.starts_with("HTTP/1.1 408 ") && reply.contains("\"timeout\""), "{reply}");
    assert_eq!(stage.stored_files(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_store_is_said_and_nothing_is_lost() {
    let store = blobs::MemoryBlobs::with_capacity(MIB + 1_000);
    let local = (server::StoreName::Local, std::sync::Arc::new(store) as _);
    let stage = Stage::with_seams(|_| {}, |seams| server::Seams { stores: vec![local], ..seams }).await;
    let alice = Person::with_bundle(&stage, "alice@wax.example").await;
    let parcel = Parcel::new(2 * MIB);
    parcel.begin(&stage, &alice).await;
    parcel.put(&stage, &alice, 0).await.json::<PartRecord>();
    assert_eq!(parcel.put(&stage, &alice, 1).await.code(), Code::StorageFull);
    assert_eq!(status(&stage, &alice, &parcel).await.parts.len(), 1);
}
