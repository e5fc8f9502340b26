//! A server that holds much: a page of a long list, the price of a request, a crowd of transfers, starts.

mod crowd;
mod fill;
mod pages;
mod peer;
mod start;

use crate::beside;
use crate::table::Sheet;
use fill::Stock;
use proto::{CodeRequest, SessionReply, SessionRequest, UserId};
use reqwest::{Certificate, Client};
use stage::{Doing, Person, Server, ServerOptions, StageError};
use std::path::{Path, PathBuf};

/// How much there is.
pub(crate) struct Scale {
    /// Files in one person's list.
    pub(crate) listed: u64,
    /// Accounts there are.
    pub(crate) accounts: u64,
    /// Transfers at once.
    pub(crate) transfers: usize,
}

/// What is measured of a full server.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    Listing,
    Capacity,
    Start,
}

/// Fills a server and measures what is wanted.
pub(crate) fn measure(root: &Path, scale: &Scale, wanted: &[Wanted]) -> Result<Vec<Sheet>, StageError> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().doing("starting threads")?;
    let mut sheets = Vec::new();
    if wanted.contains(&Wanted::Start) {
        sheets.push(start::measure(root)?);
    }
    if wanted.iter().all(|wanted| *wanted == Wanted::Start) {
        return Ok(sheets);
    }
    let house = House::new(root)?;
    let mut server = house.serve()?;
    let (stock, carol) = runtime.block_on(house.furnish(&server))?;
    if wanted.contains(&Wanted::Listing) {
        let few = 1_000.min(scale.listed);
        server = house.refill(server, || runtime.block_on(stock.list(few)))?;
        let short = runtime.block_on(pages::times(&carol.at(&server)?, few))?;
        server = house.refill(server, || runtime.block_on(stock.list(scale.listed - few)))?;
        let long = runtime.block_on(pages::times(&carol.at(&server)?, scale.listed))?;
        sheets.push(pages::sheet(&[short, long]));
        sheets.push(runtime.block_on(pages::rates(&carol.at(&server)?, &house.database()))?);
    }
    if wanted.contains(&Wanted::Capacity) {
        server = house.refill(server, || {
            runtime.block_on(async {
                stock.people(scale.accounts).await?;
                stock.list(100_000_u64.saturating_sub(stock.listed().await?)).await
            })
        })?;
        let held = runtime.block_on(stock.held())?;
        sheets.push(runtime.block_on(crowd::measure(root, &server, scale.transfers, held))?);
    }
    drop(server);
    Ok(sheets)
}

/// A data folder, and whoever lives at its server.
struct House {
    data: PathBuf,
    logs: PathBuf,
    root: PathBuf,
}

impl House {
    fn new(root: &Path) -> Result<Self, StageError> {
        let root = root.join("full");
        std::fs::create_dir(&root).doing("making a folder")?;
        Ok(Self { data: root.join("data"), logs: root.join("logs"), root })
    }

    fn database(&self) -> PathBuf {
        self.data.join("waxwing.db")
    }

    fn serve(&self) -> Result<Server, StageError> {
        let waxd = beside("waxd")?;
        // Bounds on guessing and on lookups are not what is measured: everybody comes from one address.
        let more = ["--sign-ins-per-ip", "100000", "--lookups", "1000000", "--uploads", "100000"];
        Server::start(&ServerOptions {
            waxd: &waxd,
            data: &self.data,
            logs: &self.logs,
            port: 0,
            quiet: true,
            more: &more,
        })
    }

    /// Ends the server, changes what it finds, and starts it again.
    fn refill(
        &self,
        server: Server,
        change: impl FnOnce() -> Result<(), StageError>,
    ) -> Result<Server, StageError> {
        drop(server);
        change()?;
        self.serve()
    }

    /// Alice sends Bob a small file, which everything else is a copy of; Carol, whose list will be long, signs in.
    async fn furnish(&self, server: &Server) -> Result<(Stock, Caller), StageError> {
        let wax = beside("wax")?;
        let mut alice = Person::new("Alice", "alice@lindenhof-law.example", &wax, &self.root)?;
        let mut bob = Person::new("Bob", "bob@seaside-clinic.example", &wax, &self.root)?;
        for person in [&mut alice, &mut bob] {
            person.quiet = true;
            person.sign_up(server)?;
        }
        let letter = self.root.join("a letter.txt");
        std::fs::write(&letter, b"Two lines,\nno more.\n").doing("writing a letter")?;
        let file_id = alice.wax(&["send", &crate::text(&letter), "--to", &bob.address])?.sent_id()?;
        let carol = Caller::sign_in(server, "carol@hillside-school.example").await?;
        Ok((Stock::new(self.database(), &file_id, carol.user)?, carol))
    }
}

/// Somebody who talks to the server without `wax`.
#[derive(Clone)]
struct Caller {
    http: Client,
    url: String,
    token: String,
    user: UserId,
}

impl Caller {
    async fn sign_in(server: &Server, address: &str) -> Result<Self, StageError> {
        let http = client_for(&server.ca)?;
        let post = |path: &str| http.post(format!("{}/api/v1/auth/{path}", server.url));
        let asked = post("code").json(&CodeRequest { email: address.to_owned() }).send().await;
        good(asked)?;
        let code = tokio::task::block_in_place(|| server.code_for(address))?;
        let reply = post("session").json(&SessionRequest { email: address.to_owned(), code }).send().await;
        let session: SessionReply = good(reply)?.json().await.map_err(unexpected)?;
        Ok(Self {
            http,
            url: server.url.clone(),
            token: session.access_token.expose_secret().to_owned(),
            user: session.user_id,
        })
    }

    /// The same person at the same server after it was started again.
    fn at(&self, server: &Server) -> Result<Self, StageError> {
        Ok(Self { http: client_for(&server.ca)?, url: server.url.clone(), ..self.clone() })
    }
}

fn client_for(ca: &Path) -> Result<Client, StageError> {
    let pem = std::fs::read(ca).doing("reading the certificate")?;
    let ca = Certificate::from_pem(&pem).map_err(unexpected)?;
    // HTTP/1.1, so that each of several callers has a connection of its own, there and at the peer.
    Client::builder().tls_certs_only([ca]).http1_only().build().map_err(unexpected)
}

fn good(reply: reqwest::Result<reqwest::Response>) -> Result<reqwest::Response, StageError> {
    reply.and_then(reqwest::Response::error_for_status).map_err(unexpected)
}

fn unexpected(error: impl std::error::Error) -> StageError {
    StageError::Unexpected(error.to_string())
}
