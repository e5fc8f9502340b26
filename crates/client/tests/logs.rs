//! Nothing of a person's is in any log at any level; the search first finds a planted copy.

use crate::stage::{PASSPHRASE, Stage, noise};
use client::{FilePaging, Target};
use std::io;
use std::sync::{Arc, Mutex};
use tracing_subscriber::fmt::MakeWriter;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;
    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

fn holds(log: &[u8], needle: &[u8]) -> bool {
    log.windows(needle.len()).any(|window| window == needle)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_name_or_address_is_logged_at_the_finest_level() {
    let log = Log::default();
    tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_writer(log.clone())
        .init();
    let stage = Stage::new().await;
    let (alice, bob) = (stage.person("alice-canary").await, stage.person("bob-canary").await);
    let mut content = noise(3 << 20, 1);
    content[..24].copy_from_slice(b"canary of the plain text");
    let path = alice.file("canary-name.bin", &content);
    let sent = alice.send(&path, &bob).await.unwrap();
    bob.receive(sent.file_id).await.unwrap();
    bob.client.list(&bob.keys, FilePaging::default()).await.unwrap();
    bob.client.unlock(&crate::stage::passphrase()).await.unwrap();
    drop(bob.receive_into(sent.file_id, Target::file(&bob.folder)).await.unwrap_err());
    alice.client.remove(&alice.keys, sent.file_id).await.unwrap();

    let session = |person: &crate::stage::Person| {
        let text = std::fs::read(person.client.home().path().join("session.json")).unwrap();
        let session: serde_json::Value = serde_json::from_slice(&text).unwrap();
        ["access", "refresh"].map(|field| session[field].as_str().unwrap().as_bytes().to_vec())
    };
    let mut secrets: Vec<Vec<u8>> = vec![
        b"canary".to_vec(),
        b"people.example".to_vec(),
        PASSPHRASE.into(),
        alice.folder.as_os_str().as_encoded_bytes().to_vec(),
    ];
    secrets.extend(session(&alice));
    secrets.extend(session(&bob));
    let text = log.0.lock().unwrap().clone();
    assert!(holds(&text, b"signed in"), "the log was written");
    for secret in &secrets {
        let planted = [text.as_slice(), secret, b"\n"].concat();
        assert!(holds(&planted, secret), "the search works");
        let at = text.windows(secret.len()).position(|window| window == secret);
        if let Some(at) = at {
            let around = &text[at.saturating_sub(300)..(at + 100).min(text.len())];
            panic!("{:?} is logged: …{}…", String::from_utf8_lossy(secret), String::from_utf8_lossy(around));
        }
    }
}
