//! A server of one test: real TLS, real database, a mailer that is read, a clock that stands still.

use std::path::Path;
use std::sync::{Arc, Mutex};

use ::stage::postgres;
use async_trait::async_trait;
use proto::{Code, Problem, SessionReply, paths};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use server::config::GivenSecret;
use server::{
    Clock as _, CodeLetter, Config, MailError, Mailer, Notice, NoticeLetter, Running, Seams, Server,
    SettableClock,
};

use super::shared;

/// Letters that were sent, oldest first.
#[derive(Clone, Default)]
pub(crate) struct Mailbox(Arc<Mutex<Vec<(String, String)>>>, Arc<Mutex<Vec<(String, Notice)>>>);

#[async_trait]
impl Mailer for Mailbox {
    async fn send_code(&self, letter: CodeLetter) -> Result<(), MailError> {
        self.0.lock().unwrap().push((letter.to.as_str().to_owned(), letter.code.to_string()));
        Ok(())
    }

    async fn send_notice(&self, letter: NoticeLetter) -> Result<(), MailError> {
        self.1.lock().unwrap().push((letter.to.as_str().to_owned(), letter.notice));
        Ok(())
    }
}

impl Mailbox {
    pub(crate) fn notices(&self) -> Vec<(String, Notice)> {
        self.1.lock().unwrap().clone()
    }

    pub(crate) fn codes_for(&self, address: &str) -> Vec<String> {
        let letters = self.0.lock().unwrap();
        letters.iter().filter(|(to, _)| to == address).map(|(_, code)| code.clone()).collect()
    }
}

/// The configuration of a folder below a test's own; on PostgreSQL, in a database of the folder's own, where the environment
/// names a server of it.
pub(crate) fn configured(root: &Path, folder: &str) -> Config {
    let mut config = Config::for_data(root.join(folder));
    let noted = root.join(format!("{folder}.url"));
    if !noted.exists()
        && let Some(databases) = postgres::Databases::named()
    {
        std::fs::write(&noted, databases.database().unwrap()).unwrap();
    }
    if let Ok(url) = std::fs::read_to_string(&noted) {
        config.secrets.database_url = Some(GivenSecret::new(url));
    }
    config
}

pub(crate) struct Stage {
    pub(crate) running: Option<Running>,
    pub(crate) url: String,
    pub(crate) port: u16,
    pub(crate) ca_pem: Vec<u8>,
    pub(crate) http: reqwest::Client,
    pub(crate) clock: Arc<SettableClock>,
    pub(crate) mail: Mailbox,
    pub(crate) data: tempfile::TempDir,
}

/// A reply that was read whole.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: bytes::Bytes,
}

impl Reply {
    #[track_caller]
    pub(crate) fn json<T: DeserializeOwned>(&self) -> T {
        assert!(self.status.is_success(), "{}: {}", self.status, String::from_utf8_lossy(&self.body));
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The refusal: a whole problem document whose parts agree.
    #[track_caller]
    pub(crate) fn refusal(&self) -> Problem {
        assert_eq!(
            self.header("content-type"),
            "application/problem+json",
            "{}: {}",
            self.status,
            String::from_utf8_lossy(&self.body)
        );
        let problem: Problem = serde_json::from_slice(&self.body).unwrap();
        assert_eq!(problem.status, self.status.as_u16());
        assert_eq!(problem.code.status(), problem.status);
        assert_eq!(problem.request_id, self.header("x-request-id"));
        assert!(!problem.detail.is_empty());
        if let Some(seconds) = problem.retry_after {
            assert_eq!(self.header("retry-after"), seconds.to_string());
        }
        problem
    }

    #[track_caller]
    pub(crate) fn code(&self) -> Code {
        self.refusal().code
    }

    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no header {name}")).to_str().unwrap()
    }
}

impl Stage {
    /// The database behind the server, for what nobody can ask it for.
    pub(crate) async fn database(&self) -> Box<dyn db::Database> {
        match self.database_url() {
            Some(url) => Box::new(db::Postgres::open(&url).await.unwrap()),
            None => Box::new(db::Sqlite::open(self.data.path().join("data/waxwing.db")).await.unwrap()),
        }
    }

    /// Whether octets rest in clear in the database.
    pub(crate) fn database_holds(&self, needle: &[u8]) -> bool {
        if let Some(url) = self.database_url() {
            return postgres::holds(&url, needle).unwrap();
        }
        ["waxwing.db", "waxwing.db-wal"].iter().any(|file| {
            let bytes = std::fs::read(self.data.path().join("data").join(file)).unwrap_or_default();
            bytes.windows(needle.len()).any(|found| found == needle)
        })
    }

    /// Where the database is, if it is PostgreSQL.
    pub(crate) fn database_url(&self) -> Option<String> {
        std::fs::read_to_string(self.data.path().join("data.url")).ok()
    }

    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        Self::with_seams(change, |seams| seams).await
    }

    pub(crate) async fn with_seams(
        change: impl FnOnce(&mut Config),
        seams: impl FnOnce(Seams) -> Seams,
    ) -> Self {
        // Only the first of a process succeeds, which is all that is needed.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let data = tempfile::tempdir().unwrap();
        let mut config = configured(data.path(), "data");
        shared::by_environment(&mut config);
        change(&mut config);
        let clock = Arc::new(SettableClock::starting_now());
        let mail = Mailbox::default();
        let seams = seams(Seams {
            clock: Some(clock.clone()),
            mailer: Some(Arc::new(mail.clone())),
            ..Seams::default()
        });
        let running = Server::start_with(config, seams).await.unwrap();
        let ca_pem = running.ca_file().map(|path| std::fs::read(path).unwrap()).unwrap_or_default();
        let mut stage = Self {
            url: running.url(),
            port: running.address().port(),
            running: Some(running),
            http: reqwest::Client::new(),
            ca_pem,
            clock,
            mail,
            data,
        };
        stage.http = stage.client();
        stage
    }

    /// A server over another folder beside this one's, with the same clock and mailbox.
    pub(crate) async fn over(other: &Self, folder: &str) -> Self {
        let seams = Seams {
            clock: Some(other.clock.clone()),
            mailer: Some(Arc::new(other.mail.clone())),
            ..Seams::default()
        };
        let running = Server::start_with(configured(other.data.path(), folder), seams).await.unwrap();
        let mut stage = Self {
            url: running.url(),
            port: running.address().port(),
            ca_pem: std::fs::read(running.ca_file().unwrap()).unwrap(),
            running: Some(running),
            http: reqwest::Client::new(),
            clock: other.clock.clone(),
            mail: other.mail.clone(),
            data: tempfile::tempdir().unwrap(),
        };
        stage.http = stage.client();
        stage
    }

    /// Another server over the same folder.
    pub(crate) async fn beside(&self) -> Running {
        self.beside_with(|_| {}).await
    }

    /// Another server over the same folder, told something else.
    pub(crate) async fn beside_with(&self, change: impl FnOnce(&mut Config)) -> Running {
        let mailer = Some(Arc::new(self.mail.clone()) as Arc<dyn Mailer>);
        let seams = Seams { clock: Some(self.clock.clone()), mailer, ..Seams::default() };
        let mut config = configured(self.data.path(), "data");
        shared::by_environment(&mut config);
        change(&mut config);
        Server::start_with(config, seams).await.unwrap()
    }

    /// Another server over the same database, and a store of blobs that it is given.
    pub(crate) async fn beside_over(&self, blobs: Arc<dyn blobs::Blobs>) -> Running {
        let mailer = Some(Arc::new(self.mail.clone()) as Arc<dyn Mailer>);
        let stores = vec![(server::StoreName::Local, blobs)];
        let seams = Seams { clock: Some(self.clock.clone()), mailer, stores, backoff: None };
        let mut config = configured(self.data.path(), "data");
        crate::metrics::with_admin(&mut config);
        Server::start_with(config, seams).await.unwrap()
    }

    /// A client with connections of its own, HTTP/1.1 as for parts.
    pub(crate) fn client(&self) -> reqwest::Client {
        let ca = reqwest::Certificate::from_pem_bundle(&self.ca_pem).unwrap();
        reqwest::Client::builder().tls_certs_only(ca).http1_only().build().unwrap()
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url))
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        send(self.request(Method::GET, path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &impl Serialize) -> Reply {
        send(self.request(Method::POST, path).json(body)).await
    }

    /// Asks for a code and reads the letter.
    pub(crate) async fn code_for(&self, typed: &str) -> String {
        let address = envelope::Address::parse(typed).unwrap();
        let address = address.as_str();
        let before = self.mail.codes_for(address).len();
        let reply = self.post(paths::CODE, &serde_json::json!({ "email": typed })).await;
        assert_eq!(reply.status, StatusCode::NO_CONTENT, "{:?}", reply.body);
        loop {
            let codes = self.mail.codes_for(address);
            if let Some(code) = codes.get(before) {
                return code.clone();
            }
            tokio::task::yield_now().await;
        }
    }

    pub(crate) async fn redeem(&self, address: &str, code: &str) -> Reply {
        self.post(paths::SESSION, &serde_json::json!({ "email": address, "code": code })).await
    }

    pub(crate) async fn sign_in(&self, address: &str) -> SessionReply {
        let code = self.code_for(address).await;
        self.redeem(address, &code).await.json()
    }

    pub(crate) fn now(&self) -> i64 {
        self.clock.now()
    }

    pub(crate) fn later(&self, seconds: i64) {
        self.clock.advance(seconds);
    }

    pub(crate) async fn run_jobs(&self) -> server::JobReport {
        self.running.as_ref().unwrap().run_jobs().await.unwrap()
    }

    /// Files below the folder of blobs, temporary ones included.
    pub(crate) fn stored_files(&self) -> usize {
        files_below(&self.data.path().join("data/blobs"))
    }
}

pub(crate) async fn send(request: RequestBuilder) -> Reply {
    let mut response = request.send().await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    let endless = headers.get("content-type").is_some_and(|kind| kind == "text/event-stream");
    let body = match endless {
        true => response.chunk().await.unwrap().unwrap_or_default(),
        false => response.bytes().await.unwrap(),
    };
    Reply { status, headers, body }
}

pub(crate) fn files_below(dir: &Path) -> usize {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
    entries.map(|entry| if entry.path().is_dir() { files_below(&entry.path()) } else { 1 }).sum()
}
