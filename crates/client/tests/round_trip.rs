//! What goes in comes out.

use crate::stage::{Person, Stage, noise};
use client::{Compress, OnConflict, SendRequest, Target, Trust};
use std::io::Cursor;
use std::sync::{Arc, Mutex};

const PLAIN: usize = 262_112;

async fn two() -> (Stage, Person, Person) {
    let stage = Stage::new().await;
    let (alice, bob) = (stage.person("alice").await, stage.person("bob").await);
    (stage, alice, bob)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_of_every_edge_length_come_back_as_they_went() {
    let (_stage, alice, bob) = two().await;
    for len in [0, 1, 4_096, PLAIN - 1, PLAIN, PLAIN + 1, 4 * PLAIN, 4 * PLAIN + 1, 11 * PLAIN + 3] {
        for padded in [true, false] {
            let content = noise(len, len as u64);
            let path = alice.file("thing.bin", &content);
            let request = SendRequest { padded, ..SendRequest::file(&path, vec![bob.address.clone()]) };
            let sent = alice.send_request(request).await.unwrap();
            assert_eq!((sent.bytes, sent.stored, sent.resumed_parts), (len as u64, len as u64, 0));
            assert_eq!(sent.received_bytes, sent.body_len, "{len}");
            assert_eq!(sent.received_parts, sent.parts);
            let got = bob.receive(sent.file_id).await.unwrap();
            assert_eq!(std::fs::read(got.path.as_ref().unwrap()).unwrap(), content, "{len} {padded}");
            assert_eq!(got.bytes, len as u64);
            assert_eq!(got.sender.address, Some(alice.address.clone()));
            std::fs::remove_file(got.path.unwrap()).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_of_several_default_parts_keeps_name_and_time() {
    let stage = Stage::new().await;
    let default = client::ClientOptions::default();
    let alice = stage.person_with("alice", default.clone()).await;
    let bob = stage.person_with("bob", default).await;
    let content = noise(70 << 20, 1);
    let path = alice.file("Großes Archiv.tar", &content);
    let sent = alice.send(&path, &bob).await.unwrap();
    assert_eq!(sent.parts, sent.body_len.div_ceil(16 << 20));
    let got = bob.receive(sent.file_id).await.unwrap();
    let place = got.path.unwrap();
    assert!(std::fs::read(&place).unwrap() == content);
    assert_eq!(place.file_name().unwrap(), "Großes Archiv.tar");
    let time = |path| std::fs::metadata(path).unwrap().modified().unwrap();
    let off = time(&path).duration_since(time(&place)).unwrap_or_default();
    assert!(off.as_millis() < 1, "{off:?}");
    assert!(alice.client.uploads().unwrap().is_empty(), "no journal stays");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_goes_and_comes_in_order() {
    let (_stage, alice, bob) = two().await;
    for len in [0, 10, 9 * PLAIN + 5] {
        let content = noise(len, 7);
        let request =
            SendRequest::stream(Box::new(Cursor::new(content.clone())), "pipe", vec![bob.address.clone()]);
        let sent = alice.send_request(request).await.unwrap();
        assert_eq!((sent.bytes, sent.received_bytes), (len as u64, sent.body_len));
        let out = Shared::default();
        let got = bob.receive_into(sent.file_id, Target::Writer(Box::new(out.clone()))).await.unwrap();
        assert_eq!((got.path, got.name.as_str()), (None, "pipe"));
        assert!(*out.0.lock().unwrap() == content, "{len}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_compresses_is_sent_smaller_and_what_does_not_as_it_is() {
    let (_stage, alice, bob) = two().await;
    let text = b"the same words again and again, with a number ".repeat(200_000);
    let noise = noise(3 << 20, 5);
    for (content, smaller) in [(text, true), (noise, false)] {
        let path = alice.file("c.txt", &content);
        let request =
            SendRequest { compress: Compress::Auto, ..SendRequest::file(&path, vec![bob.address.clone()]) };
        let sent = alice.send_request(request).await.unwrap();
        assert_eq!(sent.stored < sent.bytes, smaller);
        let got = bob.receive(sent.file_id).await.unwrap();
        assert!(std::fs::read(got.path.as_ref().unwrap()).unwrap() == content);
        std::fs::remove_file(got.path.unwrap()).unwrap();
        let out = Shared::default();
        bob.receive_into(sent.file_id, Target::Writer(Box::new(out.clone()))).await.unwrap();
        assert!(*out.0.lock().unwrap() == content);
        assert_eq!(bob.client.info(&bob.keys, sent.file_id).await.unwrap().compressed, smaller);
        let stream = Box::new(Cursor::new(content.clone()));
        let request = SendRequest {
            compress: Compress::Auto,
            ..SendRequest::stream(stream, "s", vec![bob.address.clone()])
        };
        let sent = alice.send_request(request).await.unwrap();
        assert_eq!(sent.stored < sent.bytes, smaller);
        let got = bob.receive(sent.file_id).await.unwrap();
        assert!(std::fs::read(got.path.as_ref().unwrap()).unwrap() == content);
        std::fs::remove_file(got.path.unwrap()).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_recipients_and_the_author_open_the_same_file() {
    let (stage, alice, bob) = two().await;
    let carol = stage.person("carol").await;
    let path = alice.file("for-all", b"hello");
    let to = vec![bob.address.clone(), carol.address.clone(), alice.address.clone(), bob.address.clone()];
    let sent = alice.send_request(SendRequest::file(&path, to)).await.unwrap();
    for (person, trust) in [(&bob, Trust::FirstContact), (&carol, Trust::FirstContact), (&alice, Trust::Own)]
    {
        let target = Target::Directory { path: person.folder.clone(), on_conflict: OnConflict::KeepBoth };
        let got = person.receive_into(sent.file_id, target).await.unwrap();
        assert_eq!(std::fs::read(got.path.unwrap()).unwrap(), b"hello");
        assert_eq!(got.sender.trust, trust);
    }
    assert!(alice.names().contains(&"for-all (1)".to_owned()), "{:?}", alice.names());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parts_too_large_to_hold_are_sealed_again_while_they_are_sent() {
    let stage = Stage::new().await;
    let options = client::ClientOptions { part_len: Some(32 << 20), ..Stage::options() };
    let (alice, bob) =
        (stage.person_with("alice", options.clone()).await, stage.person_with("bob", options).await);
    let content = noise(50 << 20, 3);
    let sent = alice.send(&alice.file("huge", &content), &bob).await.unwrap();
    assert_eq!(sent.parts, 2);
    assert_eq!(sent.received_bytes, sent.body_len);
    let got = bob.receive(sent.file_id).await.unwrap();
    assert!(std::fs::read(got.path.unwrap()).unwrap() == content);
}

/// A writer that two hold.
#[derive(Clone, Default)]
pub struct Shared(pub Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
