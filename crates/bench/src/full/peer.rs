//! The peer of a listing: the same SQL, the same JSON, the same TLS, and nobody is asked who they are.

use super::unexpected;
use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use db::{DbError, Directory as _, Files as _, Sqlite, UnixTime};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use proto::{B64, FileInfo, FilePage, Role, UserId};
use rcgen::{CertificateParams, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use stage::{Doing, StageError};
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// A handler that runs until this goes away.
pub(super) struct Peer {
    url: String,
    ca: tempfile::NamedTempFile,
    task: JoinHandle<()>,
}

#[derive(Clone)]
struct Shelf {
    db: Arc<Sqlite>,
    user: UserId,
}

impl Peer {
    pub(super) async fn start(database: &Path, user: UserId) -> Result<Self, StageError> {
        let shelf = Shelf { db: Arc::new(Sqlite::open(database).await.map_err(unexpected)?), user };
        let router = Router::new().route("/api/v1/files", get(list)).with_state(shelf);
        let (acceptor, ca) = acceptor()?;
        let listener = TcpListener::bind("127.0.0.1:0").await.doing("listening")?;
        let url = format!("https://localhost:{}", listener.local_addr().doing("listening")?.port());
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, router) = (acceptor.clone(), router.clone());
                tokio::spawn(async move {
                    // Whoever hangs up has had what they wanted.
                    let _ = stream.set_nodelay(true);
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let service = TowerToHyperService::new(router);
                    let http = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                    let _ = http.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Ok(Self { url, ca, task })
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn ca(&self) -> &Path {
        self.ca.path()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn acceptor() -> Result<(TlsAcceptor, tempfile::NamedTempFile), StageError> {
    let key = KeyPair::generate().map_err(unexpected)?;
    let certificate = CertificateParams::new(vec!["localhost".into()])
        .and_then(|params| params.self_signed(&key))
        .map_err(unexpected)?;
    let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], private)
        .map_err(unexpected)?;
    let ca = tempfile::NamedTempFile::new().doing("making a file")?;
    std::fs::write(ca.path(), certificate.pem()).doing("writing a certificate")?;
    Ok((TlsAcceptor::from(Arc::new(config)), ca))
}

async fn list(State(shelf): State<Shelf>) -> Json<FilePage> {
    // A page that is not one is found by whoever asked: it has no rows.
    Json(page(&shelf).await.unwrap_or(FilePage { files: Vec::new(), next: None }))
}

async fn page(shelf: &Shelf) -> Result<FilePage, DbError> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs().cast_signed());
    let views = shelf.db.list_files(shelf.user, None, 50, UnixTime(now)).await?;
    let mut authors: Vec<_> = views.iter().map(|view| view.author).collect();
    authors.sort_unstable();
    authors.dedup();
    let bundles = shelf.db.newest_bundles(&authors).await?;
    let files = views
        .into_iter()
        .filter_map(|view| {
            let bundle = bundles.iter().find(|bundle| bundle.user == view.author)?;
            Some(FileInfo {
                file_id: view.file_id,
                role: Role::Recipient,
                manifest: B64(view.manifest),
                grant: B64(view.grant?),
                author: view.author,
                author_bundle: B64(bundle.bundle.clone()),
                part_len: view.part_len,
                created: view.created_at.0,
                expires_at: view.expires_at.0,
                downloads: view.downloads,
                max_downloads: view.max_downloads,
                box_id: None,
                passed_by: None,
                recipients: Vec::new(),
                keys: Vec::new(),
                receipts: Vec::new(),
            })
        })
        .collect();
    Ok(FilePage { files, next: None })
}
