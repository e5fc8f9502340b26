//! A real S3 server in this process, on loopback; it checks signatures, can go away and come back, be busy and lose answers.

#![expect(clippy::unwrap_used, reason = "a test: what cannot go on ends it")]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use blobs::{S3, S3Keys, S3Options};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use rustls::pki_types::PrivateKeyDer;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

pub(crate) const BUCKET: &str = "sealed";
pub(crate) const ID: &str = "GK0123456789";
pub(crate) const SECRET: &str = "a secret that nobody else has";

/// Uploads in chunks that were begun: key and id. The server itself cannot list them.
type Begun = Arc<Mutex<Vec<(String, String)>>>;

/// What goes wrong next.
#[derive(Default)]
pub(crate) struct Faults {
    /// So many writes are refused, because the store is busy.
    pub(crate) busy: AtomicU32,
    /// So many writes that make an object visible are done, and their answers lost.
    pub(crate) lost: AtomicU32,
    /// Conditional writes are refused as unknown.
    pub(crate) no_conditions: AtomicBool,
}

impl Faults {
    fn take(count: &AtomicU32) -> bool {
        count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
    }
}

pub(crate) struct Store {
    folder: tempfile::TempDir,
    address: SocketAddr,
    service: S3Service,
    pub(crate) begun: Begun,
    pub(crate) faults: Arc<Faults>,
    /// With which it speaks TLS, and by which clients trust it.
    tls: Option<(TlsAcceptor, String)>,
    serving: Option<JoinHandle<()>>,
}

impl Store {
    pub(crate) async fn start() -> Self {
        Self::start_with(None).await
    }

    /// Over TLS, with an authority of its own.
    pub(crate) async fn start_with_tls() -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        Self::start_with(Some((TlsAcceptor::from(Arc::new(config)), made.cert.pem()))).await
    }

    async fn start_with(tls: Option<(TlsAcceptor, String)>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join(BUCKET)).unwrap();
        let mut builder = S3ServiceBuilder::new(s3s_fs::FileSystem::new(folder.path()).unwrap());
        builder.set_auth(SimpleAuth::from_single(ID, SECRET));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = builder.build();
        let (begun, faults) = (Begun::default(), Arc::default());
        let mut store = Self { folder, address, service, begun, faults, tls, serving: None };
        store.serve(listener);
        store
    }

    fn serve(&mut self, listener: TcpListener) {
        let (service, begun, faults) = (self.service.clone(), self.begun.clone(), self.faults.clone());
        let tls = self.tls.as_ref().map(|(acceptor, _)| acceptor.clone());
        self.serving = Some(tokio::spawn(async move {
            // Ends with this task, and with it every connection.
            let mut connections = JoinSet::new();
            loop {
                let Ok((socket, _)) = listener.accept().await else { continue };
                let (service, begun, faults) = (service.clone(), begun.clone(), faults.clone());
                let tls = tls.clone();
                connections.spawn(async move {
                    let answer = service_fn(move |request| {
                        answer(service.clone(), begun.clone(), faults.clone(), request)
                    });
                    let http = Builder::new(TokioExecutor::new());
                    match tls {
                        None => drop(http.serve_connection(TokioIo::new(socket), answer).await),
                        Some(tls) => {
                            let Ok(socket) = tls.accept(socket).await else { return };
                            drop(http.serve_connection(TokioIo::new(socket), answer).await);
                        }
                    }
                });
            }
        }));
    }

    /// Goes away, with all connections.
    pub(crate) async fn stop(&mut self) {
        if let Some(serving) = self.serving.take() {
            serving.abort();
            let _ = serving.await;
        }
    }

    /// Comes back at the same address.
    pub(crate) async fn come_back(&mut self) {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(self.address).unwrap();
        self.serve(socket.listen(64).unwrap());
    }

    pub(crate) fn options(&self) -> S3Options {
        let endpoint = match self.tls {
            None => format!("http://{}", self.address),
            Some(_) => format!("https://localhost:{}", self.address.port()),
        };
        S3Options::new(endpoint, "us-east-1", BUCKET)
    }

    pub(crate) fn open(&self) -> S3 {
        S3::new(&self.options(), keys()).unwrap()
    }

    /// The certificate by which it is to be trusted.
    pub(crate) fn ca_pem(&self) -> Option<String> {
        self.tls.as_ref().map(|(_, pem)| pem.clone())
    }

    /// The file in which the server keeps an object.
    pub(crate) fn file(&self, key: &str) -> PathBuf {
        self.folder.path().join(BUCKET).join(key)
    }
}

pub(crate) fn keys() -> S3Keys {
    S3Keys::new(ID, SECRET, None)
}

/// As the server answers; lists of uploads, which it does not know, are added.
async fn answer(
    service: S3Service,
    begun: Begun,
    faults: Arc<Faults>,
    request: Request<Incoming>,
) -> Result<Response<s3s::Body>, s3s::HttpError> {
    let query = request.uri().query().unwrap_or_default().to_owned();
    let path = request.uri().path().trim_start_matches(&format!("/{BUCKET}/")).to_owned();
    let is_about_uploads = query.split('&').any(|pair| pair == "uploads" || pair.starts_with("uploads="));
    if is_about_uploads && request.method() == Method::GET {
        return Ok(Response::new(s3s::Body::from(listed(&begun.lock().unwrap()))));
    }
    let begins = is_about_uploads && request.method() == Method::POST;
    let ends = request.method() == Method::DELETE;
    let is_write = matches!(*request.method(), Method::PUT | Method::POST);
    if is_write && Faults::take(&faults.busy) {
        let busy = Response::builder().status(503).body(s3s::Body::from("<Code>SlowDown</Code>".to_owned()));
        return Ok(busy.unwrap());
    }
    if faults.no_conditions.load(Ordering::Relaxed) && request.headers().contains_key("if-none-match") {
        let body = s3s::Body::from("<Code>NotImplemented</Code>".to_owned());
        return Ok(Response::builder().status(501).body(body).unwrap());
    }
    let makes_visible = is_write && !begins && !query.contains("partNumber");
    let answer = service.call(request.map(s3s::Body::from)).await?;
    if makes_visible && Faults::take(&faults.lost) {
        // The connection ends without an answer, after everything was done.
        let _ = answer.into_body().collect().await;
        return Err(s3s::HttpError::new("the answer is lost".into()));
    }
    if ends && answer.status().is_success() {
        begun.lock().unwrap().retain(|(_, id)| !query.contains(id.as_str()));
    }
    if !begins {
        return Ok(answer);
    }
    let (head, body) = answer.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let text = String::from_utf8(body.to_vec()).unwrap();
    let id = text.split_once("<UploadId>").unwrap().1.split_once('<').unwrap().0;
    begun.lock().unwrap().push((path, id.to_owned()));
    Ok(Response::from_parts(head, s3s::Body::from(body)))
}

fn listed(begun: &[(String, String)]) -> String {
    let uploads: String = begun
        .iter()
        .map(|(key, id)| {
            format!(
                "<Upload><Key>{key}</Key><UploadId>{id}</UploadId><Initiated>2026-01-02T03:04:05.000Z</Initiated></Upload>"
            )
        })
        .collect();
    format!(
        "<ListMultipartUploadsResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><IsTruncated>false</IsTruncated>{uploads}</ListMultipartUploadsResult>"
    )
}
