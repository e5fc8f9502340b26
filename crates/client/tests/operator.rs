//! A backup that is taken while people send and files expire: whatever its restored server shows, opens.

use crate::stage::{Person, Stage, noise};
use async_trait::async_trait;
use client::{Client, FilePaging, SendRequest, Target};
use server::admin::{Backup, BackupOptions, Restore};
use server::{CodeLetter, Config, MailError, Mailer, Seams, Server};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;

struct Letters(mpsc::UnboundedSender<String>);

#[async_trait]
impl Mailer for Letters {
    async fn send_code(&self, letter: CodeLetter) -> Result<(), MailError> {
        let _ = self.0.send(letter.code.to_string());
        Ok(())
    }

    async fn send_notice(&self, _: server::NoticeLetter) -> Result<(), MailError> {
        Ok(())
    }
}

fn config(stage: &Stage) -> Config {
    Config::for_data(stage.folder.path().join("server"))
}

/// Small files of one segment, and some of two parts; every second one soon expires.
async fn send_many(stage: &Stage, from: &Person, to: &Person) {
    for n in 0..24_u64 {
        let len = if n % 3 == 0 { (1 << 20) + 70_000 } else { 3_000 };
        let path = from.file(&format!("file {n}"), &noise(len, n));
        let mut request = SendRequest::file(path, vec![to.address.clone()]);
        request.expires_in = Duration::from_secs(if n % 2 == 0 { 3 } else { 7 * 86_400 });
        from.send_request(request).await.unwrap();
        stage.clock.advance(1);
    }
}

/// The server that a backup becomes, and what Bob sees and opens there.
async fn open_everything(stage: &Stage, bob: &Person, backup: &Path, name: &str) -> usize {
    let restored = stage.folder.path().join(name);
    let mut config = Config::for_data(restored);
    let restore = Restore { from: backup.to_owned(), secrets: None, accept_damage: false };
    restore.run(&config, |damaged| panic!("{damaged:?}")).await.unwrap();
    config.limits.codes_per_address = 100;
    let (sender, mut letters) = mpsc::unbounded_channel();
    let seams = Seams {
        clock: Some(stage.clock.clone()),
        mailer: Some(Arc::new(Letters(sender))),
        ..Seams::default()
    };
    let server = Server::start_with(config, seams).await.unwrap();
    let ca = std::fs::read_to_string(server.ca_file().unwrap()).unwrap();
    let client: &Client = &bob.client;
    client.configure_server(&server.url(), Some(&ca)).unwrap();
    client.request_code(&bob.address).await.unwrap();
    let code = letters.recv().await.unwrap();
    client.sign_in(&bob.address, &code).await.unwrap();
    let mut opened = 0;
    let mut paging = FilePaging { limit: Some(200), ..FilePaging::default() };
    loop {
        let page = client.list(&bob.keys, paging).await.unwrap();
        assert!(page.refused.is_empty(), "{:?}", page.refused);
        for file in &page.files {
            let folder = bob.folder.join(name);
            std::fs::create_dir_all(&folder).unwrap();
            let got = bob.receive_into(file.file_id, Target::directory(&folder)).await.unwrap();
            let path = got.path.unwrap();
            let named = path.file_name().unwrap().to_str().unwrap().to_owned();
            let n: u64 = named.strip_prefix("file ").unwrap().parse().unwrap();
            let bytes = std::fs::read(&path).unwrap();
            assert_eq!(bytes, noise(bytes.len(), n), "{named}");
            opened += 1;
        }
        if page.next.is_none() {
            break;
        }
        paging = FilePaging { after: page.next, limit: Some(200), into_box: None };
    }
    server.shutdown().await;
    client.configure_server(stage.url(), Some(stage.ca())).unwrap();
    opened
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_backup_taken_while_files_come_and_expire_restores_to_a_whole_of_which_everything_opens() {
    let stage = Stage::new().await;
    let (alice, bob) = (stage.person("alice").await, stage.person("bob").await);
    let (first, second) = (stage.folder.path().join("backup 1"), stage.folder.path().join("backup 2"));
    let is_over = AtomicBool::new(false);
    let sending = async {
        send_many(&stage, &alice, &bob).await;
        is_over.store(true, Ordering::Release);
    };
    let expiring = async {
        while !is_over.load(Ordering::Acquire) {
            stage.run_jobs().await;
            tokio::task::yield_now().await;
        }
    };
    let copying = async {
        let backup = Backup::open(&config(&stage)).await.unwrap().with_clock(stage.clock.clone());
        let mut runs = 0;
        // One folder again and again, and another at the very beginning.
        let run = async |to: &Path| {
            let options = BackupOptions { to: to.to_owned(), with_secrets: true, reread: false };
            backup.run(&options, |damaged| panic!("{damaged:?}")).await.unwrap()
        };
        run(&first).await;
        while !is_over.load(Ordering::Acquire) {
            run(&second).await;
            runs += 1;
        }
        backup.close().await;
        runs
    };
    let ((), (), runs) = tokio::join!(sending, expiring, copying);
    assert!(runs > 1, "the second backup grew while files came");
    open_everything(&stage, &bob, &first, "restored 1").await;
    // What has not expired is all there by the last run; what has expired meanwhile is not shown.
    let options = BackupOptions { to: second.clone(), with_secrets: true, reread: true };
    let backup = Backup::open(&config(&stage)).await.unwrap().with_clock(stage.clock.clone());
    backup.run(&options, |damaged| panic!("{damaged:?}")).await.unwrap();
    backup.close().await;
    assert!(open_everything(&stage, &bob, &second, "restored 2").await >= 12);
}
