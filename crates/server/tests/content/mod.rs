//! Ciphertext, leaves and tree.

use envelope::merkle::{PAGE_LEVEL, leaf, nodes_at_level, nodes_to_bytes};
use envelope::segment::SEGMENT_LEN;
use envelope::{PartShape, merkle};
use proto::{Code, paths};
use reqwest::{Method, StatusCode};

use crate::stage::Parcel;
use crate::stage::sealed::{MIB, alice_and_bob, file_id, node_of};
use crate::stage::server::send;

fn content_path(parcel: &Parcel, n: u32) -> String {
    paths::fill(paths::CONTENT, &[&parcel.file_id, &n])
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_come_back_as_they_were_sent() {
    let (stage, alice, bob) = alice_and_bob().await;
    let parcel = Parcel::new(2 * MIB + 70_000);
    parcel.send(&stage, &alice, &[&bob]).await;
    let ticket = parcel.ticket(&stage, &bob).await;
    for n in 0..3 {
        let reply = parcel.content(&stage, &ticket, &content_path(&parcel, n), None).await;
        assert_eq!(reply.status, StatusCode::OK);
        assert_eq!(reply.body, parcel.part(n));
        assert_eq!(reply.header("content-type"), "application/octet-stream");
        assert_eq!(reply.header("x-content-type-options"), "nosniff");
        assert!(reply.header("content-security-policy").starts_with("default-src 'none'"));
        assert_eq!(reply.header("cache-control"), "private, max-age=31536000, immutable");
        assert_eq!(reply.header("etag"), format!("\"{}\"", node_of(parcel.part(n))));
        assert_eq!(reply.header("accept-ranges"), "bytes");
        assert_eq!(reply.header("content-length"), parcel.part(n).len().to_string());
    }
    assert_eq!(parcel.content(&stage, &ticket, &content_path(&parcel, 3), None).await.code(), Code::NotFound);
    // The query field serves where no header can be set.
    let path = format!("{}?ticket={ticket}", content_path(&parcel, 0));
    assert_eq!(stage.get(&path).await.body, parcel.part(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn ranges_give_exactly_what_was_asked() {
    let (stage, alice, _) = alice_and_bob().await;
    let parcel = Parcel::new(MIB + 1_000);
    parcel.send(&stage, &alice, &[]).await;
    let ticket = parcel.ticket(&stage, &alice).await;
    let path = content_path(&parcel, 0);
    let part = parcel.part(0);
    let segment = SEGMENT_LEN;
    for (range, from, to) in [
        ("bytes=0-0".to_owned(), 0, 1),
        (format!("bytes={segment}-{}", 2 * segment - 1), segment, 2 * segment),
        ("bytes=1000000-".to_owned(), 1_000_000, part.len()),
        ("bytes=-5".to_owned(), part.len() - 5, part.len()),
        ("bytes=1048575-9999999999".to_owned(), part.len() - 1, part.len()),
    ] {
        let reply = parcel.content(&stage, &ticket, &path, Some(&range)).await;
        assert_eq!(reply.status, StatusCode::PARTIAL_CONTENT, "{range}");
        assert_eq!(reply.body, part[from..to], "{range}");
        assert_eq!(reply.header("content-range"), format!("bytes {from}-{}/{}", to - 1, part.len()));
    }
    for range in ["bytes=1048576-", "bytes=-0"] {
        let reply = parcel.content(&stage, &ticket, &path, Some(range)).await;
        assert_eq!(reply.code(), Code::Range, "{range}");
        assert_eq!(reply.header("content-range"), format!("bytes */{}", part.len()));
    }
    let whole = parcel.content(&stage, &ticket, &path, Some("bytes=0-1,3-4")).await;
    assert_eq!((whole.status, whole.body.len()), (StatusCode::OK, part.len()));
    // Conditions.
    let etag = format!("\"{}\"", node_of(part));
    let ask = |name: &'static str, value: String| {
        stage.request(Method::GET, &path).header(proto::headers::TICKET, &ticket).header(name, value)
    };
    assert_eq!(send(ask("if-none-match", etag.clone())).await.status, StatusCode::NOT_MODIFIED);
    let resumed = send(ask("if-range", etag).header("range", "bytes=0-9")).await;
    assert_eq!(resumed.status, StatusCode::PARTIAL_CONTENT);
    let changed = send(ask("if-range", "\"another\"".to_owned()).header("range", "bytes=0-9")).await;
    assert_eq!((changed.status, changed.body.len()), (StatusCode::OK, part.len()));
}

#[tokio::test(flavor = "multi_thread")]
async fn leaves_and_tree_prove_the_body() {
    let (stage, alice, _) = alice_and_bob().await;
    let parcel = Parcel::new(3 * MIB + 100);
    parcel.send(&stage, &alice, &[]).await;
    let ticket = parcel.ticket(&stage, &alice).await;
    let leaves: Vec<_> = parcel.body.chunks(SEGMENT_LEN).map(leaf).collect();
    let page = |n: u32| paths::fill(paths::LEAVES, &[&parcel.file_id, &n]);
    let reply = parcel.content(&stage, &ticket, &page(0), None).await;
    assert_eq!(reply.body, nodes_to_bytes(&leaves));
    assert_eq!(merkle::root(&merkle::parse_nodes(&reply.body).unwrap()), Some(node_of(&parcel.body)));
    assert_eq!(parcel.content(&stage, &ticket, &page(1), None).await.code(), Code::NotFound);
    let tree = parcel.content(&stage, &ticket, &paths::fill(paths::TREE, &[&parcel.file_id]), None).await;
    assert_eq!(tree.body, nodes_to_bytes(&nodes_at_level(&leaves, PAGE_LEVEL)));
    assert_eq!(tree.header("cache-control"), "private, max-age=31536000, immutable");
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_one_page_of_leaves_is_cut_at_1024() {
    let (stage, alice, _) = alice_and_bob().await;
    let mut parcel = Parcel::new(257 * MIB);
    parcel.parts = PartShape::DEFAULT;
    parcel.send(&stage, &alice, &[]).await;
    let ticket = parcel.ticket(&stage, &alice).await;
    let leaves: Vec<_> = parcel.body.chunks(SEGMENT_LEN).map(leaf).collect();
    for (n, expected) in leaves.chunks(1_024).enumerate() {
        let path = paths::fill(paths::LEAVES, &[&parcel.file_id, &n]);
        assert_eq!(parcel.content(&stage, &ticket, &path, None).await.body, nodes_to_bytes(expected));
    }
    let tree = parcel.content(&stage, &ticket, &paths::fill(paths::TREE, &[&parcel.file_id]), None).await;
    assert_eq!(tree.body, nodes_to_bytes(&nodes_at_level(&leaves, PAGE_LEVEL)));
    assert_eq!(tree.body.len(), 64);
}

#[tokio::test(flavor = "multi_thread")]
async fn content_is_given_for_a_good_ticket_only() {
    let (stage, alice, bob) = alice_and_bob().await;
    let (parcel, other) = (Parcel::new(1_000), Parcel::new(1_000));
    parcel.send(&stage, &alice, &[&bob]).await;
    other.send(&stage, &alice, &[]).await;
    let path = content_path(&parcel, 0);
    assert_eq!(stage.get(&path).await.code(), Code::Forbidden);
    assert_eq!(bob.get(&stage, &path).await.code(), Code::Forbidden);
    let foreign = other.ticket(&stage, &alice).await;
    assert_eq!(parcel.content(&stage, &foreign, &path, None).await.code(), Code::Forbidden);
    // Nothing tells a file that exists from one that does not.
    let absent = paths::fill(paths::CONTENT, &[&file_id(), &0]);
    assert_eq!(parcel.content(&stage, &foreign, &absent, None).await.code(), Code::Forbidden);
    let ticket = parcel.ticket(&stage, &bob).await;
    let mut forged = ticket.clone();
    let last = if forged.pop() == Some('A') { 'B' } else { 'A' };
    forged.push(last);
    assert_eq!(parcel.content(&stage, &forged, &path, None).await.code(), Code::Forbidden);
    assert_eq!(parcel.content(&stage, &ticket, &path, None).await.status, StatusCode::OK);
    stage.later(600);
    assert_eq!(parcel.content(&stage, &ticket, &path, None).await.code(), Code::Forbidden);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_does_not_outlive_its_file() {
    let (stage, alice, _) = alice_and_bob().await;
    let parcel = Parcel::new(1_000);
    let mut request = parcel.complete_request(&alice, &[]);
    request.expires_in = 60;
    parcel.send_as(&stage, &alice, &request).await;
    let ticket = parcel.ticket(&stage, &alice).await;
    stage.later(60);
    let reply = parcel.content(&stage, &ticket, &content_path(&parcel, 0), None).await;
    assert_eq!(reply.code(), Code::Expired);
}
