//! What every test stands on: a server with a clock that is moved, people with homes, a proxy that can lie.

mod proxy;

pub use proxy::{Answer, Exchange, Proxy};

use async_trait::async_trait;
use client::{
    Address, Cancel, Client, ClientOptions, FileId, Home, Passphrase, Phase, Progress, Received, SendRequest,
    Sent, Target, Unlocked,
};
use server::{CodeLetter, Config, MailError, Mailer, NoticeLetter, Running, Seams, Server, SettableClock};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::mpsc;

/// Good enough for the score that vaults ask for.
pub const PASSPHRASE: &str = "seven quiet herons paint the harbour";

pub struct Stage {
    pub folder: TempDir,
    pub clock: Arc<SettableClock>,
    letters: tokio::sync::Mutex<mpsc::UnboundedReceiver<(String, String)>>,
    server: Option<Running>,
    url: String,
    ca: String,
}

struct Letters(mpsc::UnboundedSender<(String, String)>);

#[async_trait]
impl Mailer for Letters {
    async fn send_code(&self, letter: CodeLetter) -> Result<(), MailError> {
        let _ = self.0.send((letter.to.as_str().to_owned(), letter.code.to_string()));
        Ok(())
    }

    async fn send_notice(&self, _: NoticeLetter) -> Result<(), MailError> {
        Ok(())
    }
}

impl Stage {
    pub async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::for_data(folder.path().join("server"));
        config.limits.codes_per_address = 100;
        config.limits.sign_ins_per_ip = 10_000;
        config.limits.lookups = 100_000;
        change(&mut config);
        let clock = Arc::new(SettableClock::starting_now());
        let (sender, letters) = mpsc::unbounded_channel();
        let seams =
            Seams { clock: Some(clock.clone()), mailer: Some(Arc::new(Letters(sender))), ..Seams::default() };
        let server = Box::pin(Server::start_with(config, seams)).await.unwrap();
        let (url, ca) = (server.url(), std::fs::read_to_string(server.ca_file().unwrap()).unwrap());
        Self { folder, clock, letters: tokio::sync::Mutex::new(letters), server: Some(server), url, ca }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn ca(&self) -> &str {
        &self.ca
    }

    /// Ends the server; nothing answers at its address afterwards.
    pub async fn stop(&mut self) {
        if let Some(server) = self.server.take() {
            server.shutdown().await;
        }
    }

    pub async fn run_jobs(&self) {
        self.server.as_ref().unwrap().run_jobs().await.unwrap();
    }

    /// The folder of blobs.
    pub fn blobs(&self) -> PathBuf {
        self.folder.path().join("server/blobs")
    }

    pub fn options() -> ClientOptions {
        ClientOptions {
            part_len: Some(1 << 20),
            retry_for: Duration::from_secs(20),
            ..ClientOptions::default()
        }
    }

    /// A client that has never signed in, with a home of its own.
    pub fn stranger(&self, home: &str, options: ClientOptions) -> Client {
        let home = Home::open(self.folder.path().join(home)).unwrap();
        let client = Client::open(home, options).unwrap();
        client.configure_server(&self.url, Some(&self.ca)).unwrap();
        client
    }

    pub async fn code(&self, client: &Client, address: &Address) -> String {
        client.request_code(address).await.unwrap();
        let (to, code) = self.letters.lock().await.recv().await.unwrap();
        assert_eq!(to, address.as_str());
        code
    }

    /// Somebody who is signed in and has keys.
    pub async fn person(&self, name: &str) -> Person {
        self.person_with(name, Self::options()).await
    }

    pub async fn person_with(&self, name: &str, options: ClientOptions) -> Person {
        let client = self.stranger(&format!("home-{name}"), options);
        let address = address(name);
        let code = self.code(&client, &address).await;
        client.sign_in(&address, &code).await.unwrap();
        let keys = client.create_keys(&passphrase(), None).await.unwrap();
        Person { client, keys, address, folder: self.folder.path().join(format!("files-{name}")) }.prepared()
    }

    /// The same person's next process: state from disk alone.
    pub async fn again(&self, person: &Person, options: ClientOptions) -> Person {
        let client = Client::open(Home::open(person.client.home().path()).unwrap(), options).unwrap();
        let keys = client.unlock_with_key(person.keys.vault_key()).await.unwrap();
        Person { client, keys, address: person.address.clone(), folder: person.folder.clone() }
    }
}

pub fn address(name: &str) -> Address {
    Address::parse(&format!("{name}@people.example")).unwrap()
}

pub fn passphrase() -> Passphrase {
    Passphrase::parse(PASSPHRASE.to_owned()).unwrap()
}

pub struct Person {
    pub client: Client,
    pub keys: Unlocked,
    pub address: Address,
    /// Where this person's own files are.
    pub folder: PathBuf,
}

impl Person {
    fn prepared(self) -> Self {
        std::fs::create_dir_all(&self.folder).unwrap();
        self
    }

    /// A file with that content.
    pub fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.folder.join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    pub async fn send(&self, path: &Path, to: &Person) -> client::Result<Sent> {
        self.send_request(SendRequest::file(path, vec![to.address.clone()])).await
    }

    pub async fn send_request(&self, request: SendRequest) -> client::Result<Sent> {
        self.client.send(&self.keys, request, &Told::default(), &Cancel::new()).await
    }

    pub async fn receive(&self, file_id: FileId) -> client::Result<Received> {
        self.receive_into(file_id, Target::directory(&self.folder)).await
    }

    pub async fn receive_into(&self, file_id: FileId, target: Target) -> client::Result<Received> {
        self.client.receive(&self.keys, file_id, target, &Told::default(), &Cancel::new()).await
    }

    /// Goes through a proxy from now on.
    pub fn through(&self, proxy: &Proxy) {
        self.client.configure_server(proxy.url(), Some(proxy.ca())).unwrap();
    }

    /// Names of the person's own files.
    pub fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.folder).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

/// Bytes that neither compress nor repeat, the same for the same seed.
pub fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut out = Vec::with_capacity(len + 8);
    while out.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        out.extend_from_slice(&state.to_le_bytes());
    }
    out.truncate(len);
    out
}

/// Remembers what a transfer said.
#[derive(Default)]
pub struct Told {
    pub notes: Mutex<Vec<client::Note>>,
    pub highest: AtomicU64,
}

impl Progress for Told {
    fn progress(&self, phase: Phase, done: u64, total: Option<u64>) {
        assert!(total.is_none_or(|total| done <= total), "{phase:?}: {done} of {total:?}");
        if phase == Phase::Uploading {
            let before = self.highest.swap(done, Ordering::Relaxed);
            assert!(done >= before, "progress fell from {before} to {done}");
        }
    }

    fn note(&self, note: &client::Note) {
        if matches!(note, client::Note::SmallerParts { .. }) {
            self.highest.store(0, Ordering::Relaxed);
        }
        self.notes.lock().unwrap().push(note.clone());
    }
}
