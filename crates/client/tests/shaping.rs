//! What is done to a file before it is sealed, if its sender asks for it: compression, and a preview.

use crate::stage::{Person, Stage, Told, noise};
use client::{Compress, Note, PREVIEW_LEN, Picture, SendMany, SendRequest, Sent};
use image::{DynamicImage, ImageFormat, RgbImage};
use std::io::Cursor;
use std::path::Path;
use std::time::Duration;

async fn two() -> (Stage, Person, Person) {
    let stage = Stage::new().await;
    let (alice, bob) = (stage.person("alice").await, stage.person("bob").await);
    (stage, alice, bob)
}

fn png(side: u32) -> Vec<u8> {
    let shade = |n: u32| u8::try_from(n % 256).unwrap();
    let image = RgbImage::from_fn(side, side / 2, |x, y| image::Rgb([shade(x), shade(y), shade(x + y)]));
    let mut out = Cursor::new(Vec::new());
    DynamicImage::from(image).write_to(&mut out, ImageFormat::Png).unwrap();
    out.into_inner()
}

async fn all_of(
    alice: &Person,
    bob: &Person,
    files: &[&Path],
    compress: Compress,
    preview: bool,
) -> Vec<Sent> {
    let request = SendMany {
        files: files.iter().map(|path| path.to_path_buf()).collect(),
        to: vec![bob.address.clone()],
        to_keys: Vec::new(),
        expires_in: Duration::from_secs(3_600),
        max_downloads: None,
        compress,
        padded: true,
        preview,
    };
    let (mut sent, told) = (Vec::new(), Told::default());
    let mut on_sent = |nth: usize, one: Sent| sent.push((nth, one));
    let cancel = client::Cancel::new();
    alice.client.send_many(&alice.keys, request, &told, &cancel, &mut on_sent).await.unwrap();
    sent.sort_by_key(|(nth, _)| *nth);
    sent.into_iter().map(|(_, one)| one).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_preview_goes_with_the_name_and_the_picture_stays_as_it_was() {
    let (_stage, alice, bob) = two().await;
    let content = png(900);
    let path = alice.file("harbour.dat", &content);
    let to = || vec![bob.address.clone()];
    let alone =
        alice.send_request(SendRequest { preview: true, ..SendRequest::file(&path, to()) }).await.unwrap();
    let small = alice.file("small.png", &png(40));
    let together = all_of(&alice, &bob, &[&small, &path], Compress::Never, true).await;
    for (id, size) in
        [(alone.file_id, (256, 128)), (together[0].file_id, (40, 20)), (together[1].file_id, (256, 128))]
    {
        let info = bob.client.info(&bob.keys, id).await.unwrap();
        let preview = info.preview.unwrap();
        assert_eq!((info.has_preview, preview.bytes.len()), (true, PREVIEW_LEN));
        let shown = Picture::of(&preview).unwrap();
        assert_eq!((shown.width, shown.height), size);
    }
    let got = bob.receive(alone.file_id).await.unwrap();
    assert_eq!(std::fs::read(got.path.unwrap()).unwrap(), content);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_preview_that_cannot_be_made_stops_no_send() {
    let (_stage, alice, bob) = two().await;
    let whole = png(300);
    for (name, content) in [
        ("notes.png", b"no picture at all".to_vec()),
        ("torn.png", whole[..whole.len() / 2].to_vec()),
        ("empty.png", Vec::new()),
    ] {
        let path = alice.file(name, &content);
        let request = SendRequest { preview: true, ..SendRequest::file(&path, vec![bob.address.clone()]) };
        let told = Told::default();
        let sent = alice.client.send(&alice.keys, request, &told, &client::Cancel::new()).await.unwrap();
        assert!(told.notes.lock().unwrap().contains(&Note::NoPreview), "{name}");
        let info = bob.client.info(&bob.keys, sent.file_id).await.unwrap();
        assert!(!info.has_preview && info.preview.is_none());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_compressed_and_no_preview_made_unless_it_is_asked_for() {
    let (_stage, alice, bob) = two().await;
    let text = alice.file("text.txt", &b"the same words again and again ".repeat(50_000));
    let picture = alice.file("picture.png", &png(300));
    for path in [&text, &picture] {
        let sent = alice.send(path, &bob).await.unwrap();
        assert_eq!(sent.stored, sent.bytes);
        let info = bob.client.info(&bob.keys, sent.file_id).await.unwrap();
        assert!(!info.compressed && !info.has_preview);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_padding_would_make_as_long_again_is_not_compressed() {
    let (_stage, alice, bob) = two().await;
    let short = alice.file("short.txt", &b"again ".repeat(300));
    let long = alice.file("long.txt", &b"again ".repeat(3_000));
    let sent = all_of(&alice, &bob, &[&short, &long], Compress::Auto, false).await;
    assert_eq!((sent[0].stored, sent[0].bytes), (1_800, 1_800), "4 KiB with and without");
    assert!(sent[1].stored < sent[1].bytes && sent[1].body_len < 5_000);
    let noise = alice.file("noise.txt", &noise(20_000, 3));
    let sent = all_of(&alice, &bob, &[&noise, &long], Compress::Auto, false).await;
    assert_eq!(sent[0].stored, sent[0].bytes);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_compressed_far_comes_back_as_it_went() {
    let (_stage, alice, bob) = two().await;
    let lines: Vec<String> =
        (0..300_000).map(|n| format!("{n},alice,opened the door number {}\n", n % 17)).collect();
    let path = alice.file("doors.csv", lines.concat().as_bytes());
    let request =
        SendRequest { compress: Compress::Auto, ..SendRequest::file(&path, vec![bob.address.clone()]) };
    let sent = alice.send_request(request).await.unwrap();
    assert!(sent.stored < sent.bytes / 5);
    let got = bob.receive(sent.file_id).await.unwrap();
    assert!(std::fs::read(got.path.unwrap()).unwrap() == lines.concat().as_bytes());
}
