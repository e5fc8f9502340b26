//! `POST /files/batch`.

use envelope::segment::SEGMENT_LEN;
use proto::{B64, Batch, BatchFile, BatchReply, Code, FileInfo, FilePage, paths};

use crate::stage::sealed::{alice_and_bob, file_id, framed, node_of, random};
use crate::stage::{Parcel, Person, Reply, Stage};

/// Small files of these lengths from Alice to Bob.
fn batch(lens: &[u64], author: &Person, to: &[&Person]) -> (Vec<Parcel>, Batch) {
    let parcels: Vec<Parcel> = lens.iter().map(|len| Parcel::new(*len)).collect();
    let files = parcels
        .iter()
        .map(|parcel| BatchFile {
            file_id: parcel.file_id,
            body: B64(parcel.body.clone()),
            complete: parcel.complete_request(author, to),
        })
        .collect();
    (parcels, Batch { files })
}

async fn post(stage: &Stage, person: &Person, batch: &Batch) -> Reply {
    person.post(stage, paths::BATCH, batch).await
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_a_batch_appear_together_and_are_fetched_like_any_other() {
    let (stage, alice, bob) = alice_and_bob().await;
    let (parcels, batch) = batch(&[32, 1_000, SEGMENT_LEN as u64], &alice, &[&bob]);
    let done: BatchReply = post(&stage, &alice, &batch).await.json();
    assert_eq!(done.files.len(), 3);
    for (parcel, completed) in parcels.iter().zip(&done.files) {
        assert_eq!((completed.file_id, completed.received_parts), (parcel.file_id, 1));
        assert_eq!(completed.received_bytes, parcel.body.len() as u64);
        let info: FileInfo = bob.get(&stage, &parcel.file_path()).await.json();
        assert_eq!(
            info.manifest,
            batch.files.iter().find(|f| f.file_id == parcel.file_id).unwrap().complete.manifest
        );
        let ticket = parcel.ticket(&stage, &bob).await;
        let leaf = node_of(&parcel.body);
        for path in
            [paths::fill(paths::TREE, &[&parcel.file_id]), paths::fill(paths::LEAVES, &[&parcel.file_id, &0])]
        {
            assert_eq!(
                parcel.content(&stage, &ticket, &path, None).await.body,
                leaf.as_bytes()[..],
                "{path}"
            );
        }
        let content = paths::fill(paths::CONTENT, &[&parcel.file_id, &0]);
        assert_eq!(parcel.content(&stage, &ticket, &content, None).await.body, parcel.body);
    }
    let listed: FilePage = bob.get(&stage, paths::FILES).await.json();
    assert_eq!(listed.files.len(), 3);
    // One blob a file: a single leaf is in the manifest.
    assert_eq!(stage.stored_files(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_batch_again_gives_the_same_answer_and_keeps_nothing_twice() {
    let (stage, alice, bob) = alice_and_bob().await;
    let (_, batch) = batch(&[100, 200], &alice, &[&bob]);
    let first: BatchReply = post(&stage, &alice, &batch).await.json();
    stage.later(50);
    let again: BatchReply = post(&stage, &alice, &batch).await.json();
    let ends = |reply: &BatchReply| reply.files.iter().map(|file| file.expires_at).collect::<Vec<_>>();
    assert_eq!(ends(&first), ends(&again));
    assert_eq!(stage.stored_files(), 2);
    let mut other = batch.clone();
    other.files[1].complete.expires_in += 1;
    assert_eq!(post(&stage, &alice, &other).await.code(), Code::Conflict);
    assert_eq!(post(&stage, &bob, &batch).await.code(), Code::Rejected, "it is not his");
    assert_eq!(stage.stored_files(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_file_that_cannot_be_refuses_the_whole_batch_and_says_which() {
    let (stage, alice, bob) = alice_and_bob().await;
    let good = || batch(&[100, 200], &alice, &[&bob]).1;
    let with = |change: &dyn Fn(&mut BatchFile)| {
        let mut batch = good();
        change(&mut batch.files[1]);
        batch
    };
    let not_the_body = with(&|file| file.body = B64(framed(200)));
    let not_the_length = with(&|file| file.body = B64(framed(201)));
    let not_framed = with(&|file| file.body = B64(random(200)));
    let nobodys = with(&|file| file.complete.grants[0].grant.0[200] ^= 1);
    let without_own = with(&|file| drop(file.complete.grants.remove(0)));
    let not_random = with(&|file| file.file_id = envelope::FileId::from_bytes([1; 16]));
    let other_file = with(&|file| file.file_id = file_id());
    let no_life = with(&|file| file.complete.expires_in = 0);
    let too_long = with(&|file| {
        let (_, two) = batch(&[SEGMENT_LEN as u64 + 33], &alice, &[&bob]);
        *file = two.files[0].clone();
    });
    for (name, batch, code) in [
        ("another body", not_the_body, Code::Rejected),
        ("another length", not_the_length, Code::Rejected),
        ("not framed", not_framed, Code::NotSealed),
        ("a broken grant", nobodys, Code::Rejected),
        ("no own grant", without_own, Code::Rejected),
        ("an id that is not random", not_random, Code::Malformed),
        ("another id", other_file, Code::Rejected),
        ("no life", no_life, Code::Malformed),
        ("two segments", too_long, Code::Malformed),
    ] {
        let reply = post(&stage, &alice, &batch).await;
        assert_eq!(reply.code(), code, "{name}: {}", reply.refusal().detail);
        assert!(reply.refusal().detail.starts_with("File 2 of the batch"), "{name}");
    }
    let twice = {
        let mut batch = good();
        batch.files[1] = batch.files[0].clone();
        batch
    };
    for batch in [twice, Batch { files: Vec::new() }, batch(&[40; 101], &alice, &[]).1] {
        assert_eq!(post(&stage, &alice, &batch).await.code(), Code::Malformed);
    }
    assert_eq!(stage.stored_files(), 0);
    let listed: FilePage = alice.get(&stage, paths::FILES).await.json();
    assert!(listed.files.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_beyond_the_quota_adds_nothing() {
    let stage = Stage::with(|config| config.limits.quota_bytes = 299).await;
    let alice = Person::with_bundle(&stage, "alice@wax.example").await;
    let (_, batch) = batch(&[100, 200], &alice, &[]);
    assert_eq!(post(&stage, &alice, &batch).await.code(), Code::QuotaExceeded);
    assert_eq!(stage.stored_files(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_needs_a_session_and_a_bundle() {
    let stage = Stage::new().await;
    let carol = Person::new(&stage, "carol@wax.example").await;
    let (_, batch) = batch(&[100], &carol, &[]);
    assert_eq!(post(&stage, &carol, &batch).await.code(), Code::Rejected);
    let mut stranger = Person::new(&stage, "dave@wax.example").await;
    stranger.token = "no".to_owned();
    assert_eq!(post(&stage, &stranger, &batch).await.code(), Code::SignInNeeded);
}
