//! Leave to fetch: tickets, and the requests that carry them.

use crate::client::Inner;
use crate::http::Server;
use crate::links::Visit;
use crate::{Error, FileId, RecipientId, Result};
use proto::{Code, MemberList, MembersRequest, TicketRequest, Token, headers, paths};
use reqwest::header::RANGE;
use reqwest::{Method, Response, StatusCode};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// A ticket is renewed when it is this old, well before its ten minutes end.
const TICKET_AGE: Duration = Duration::from_secs(300);

/// By what one is given leave.
#[derive(Clone, Debug)]
pub(super) enum Leave {
    /// A grant of one's own, or that of a bare key.
    Grant(Option<RecipientId>),
    /// A link.
    Link(Arc<Visit>),
}

/// Leave to fetch, renewed under one download id so that the download counts once.
#[derive(Debug)]
pub(super) struct Tickets {
    inner: Arc<Inner>,
    server: Server,
    file_id: FileId,
    leave: Leave,
    download_id: String,
    current: Mutex<Option<(Token, Instant)>>,
}

impl Tickets {
    pub(super) fn new(
        inner: Arc<Inner>,
        server: Server,
        file_id: FileId,
        leave: Leave,
        download_id: String,
    ) -> Self {
        Self { inner, server, file_id, leave, download_id, current: Mutex::default() }
    }

    /// Where the content comes from.
    pub(super) fn server(&self) -> &Server {
        &self.server
    }

    /// Takes leave now, whether or not anything is to be fetched: it counts.
    pub(super) async fn take(&self) -> Result<()> {
        self.ticket(None).await.map(drop)
    }

    /// How long requests for content are repeated.
    pub(super) fn patience(&self) -> Duration {
        self.inner.options.retry_for
    }

    async fn ask(&self) -> Result<proto::Ticket> {
        match &self.leave {
            Leave::Grant(recipient) => {
                let path = paths::fill(paths::TICKET, &[&self.file_id]);
                let body = TicketRequest { download_id: self.download_id.clone(), recipient: *recipient };
                self.inner.call(|server| server.request(Method::POST, &path).json(&body)).await
            }
            Leave::Link(visit) => {
                let opened = visit.open(&self.download_id, false).await?;
                opened.leave.ok_or(self.server.odd("a link that opens without leave to fetch"))
            }
        }
    }

    async fn ticket(&self, rejected: Option<&Token>) -> Result<Token> {
        let mut current = self.current.lock().await;
        if let Some((token, since)) = current.as_ref()
            && since.elapsed() < TICKET_AGE
            && rejected != Some(token)
        {
            return Ok(token.clone());
        }
        let ticket = self.ask().await?;
        *current = Some((ticket.ticket.clone(), Instant::now()));
        Ok(ticket.ticket)
    }

    /// A part from byte `from` on: out of the object store where that can be reached, and whether it comes from there.
    pub(super) async fn part(&self, server: &Server, path: &str, from: u64) -> Result<(Response, bool)> {
        if server.store.is_tried() {
            let response = self.content(server, path, from, Some(headers::DIRECT)).await?;
            if response.status() != StatusCode::TEMPORARY_REDIRECT {
                return Ok((response, false));
            }
            if let Some(stored) = server.store.fetch(&response, from, server.silence).await {
                return Ok((stored, true));
            }
        }
        Ok((self.content(server, path, from, None).await?, false))
    }

    /// The same out of a copy that the server has compared with what it recorded. Asked for once, when what came did not
    /// authenticate: where the server keeps copies, another one may be sound.
    pub(super) async fn checked(&self, server: &Server, path: &str, from: u64) -> Result<Response> {
        self.content(server, path, from, Some(headers::CHECKED)).await
    }

    /// A content request from byte `from` on. A refused ticket is renewed once.
    async fn content(
        &self,
        server: &Server,
        path: &str,
        from: u64,
        way: Option<&'static str>,
    ) -> Result<Response> {
        let mut rejected = None;
        loop {
            let ticket = self.ticket(rejected.as_ref()).await?;
            let mut request =
                server.request(Method::GET, path).header(headers::TICKET, ticket.expose_secret());
            if from > 0 {
                request = request.header(RANGE, format!("bytes={from}-"));
            }
            if let Some(way) = way {
                request = request.header(headers::WAY, way);
            }
            let sent = match way {
                Some(headers::DIRECT) => server.send_for_part(request).await,
                _ => server.send_long(request).await,
            };
            match sent {
                Err(error)
                    if rejected.is_none()
                        && matches!(error.code(), Some(Code::Forbidden | Code::SignInNeeded)) =>
                {
                    rejected = Some(ticket);
                }
                outcome => return outcome,
            }
        }
    }

    /// What the server shows of members of the folder that the ticket is for. A refused ticket is renewed once.
    pub(super) async fn members(&self, ids: &[FileId]) -> Result<MemberList> {
        let server = &self.server;
        let path = paths::fill(paths::MEMBERS, &[&self.file_id]);
        let body = MembersRequest { ids: ids.to_vec() };
        let mut rejected = None;
        loop {
            let ticket = self.ticket(rejected.as_ref()).await?;
            let request = server
                .request(Method::POST, &path)
                .header(headers::TICKET, ticket.expose_secret())
                .json(&body);
            match server.send(request).await {
                Err(error)
                    if rejected.is_none()
                        && matches!(error.code(), Some(Code::Forbidden | Code::SignInNeeded)) =>
                {
                    rejected = Some(ticket);
                }
                outcome => return server.json(outcome?).await,
            }
        }
    }

    /// A small reply whole. One that is too long cannot be what was signed.
    pub(super) async fn small(&self, path: &str, max: usize, way: Option<&'static str>) -> Result<Vec<u8>> {
        let server = &self.server;
        let response = self.content(server, path, 0, way).await?;
        let body = tokio::time::timeout(server.silence, server.body(response, max)).await;
        body.map_err(|_| server.timed_out())?.map_err(|error| match error {
            Error::NotAServer { .. } => Error::NotAuthentic,
            error => error,
        })
    }
}
