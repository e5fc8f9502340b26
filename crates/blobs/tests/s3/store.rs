//! A real S3 server in this process, over HTTP on loopback; it checks signatures, and it can go away and come back.

#![expect(clippy::unwrap_used, reason = "a test: what cannot go on ends it")]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use blobs::{S3, S3Keys, S3Options};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

pub(crate) const BUCKET: &str = "sealed";
pub(crate) const ID: &str = "GK0123456789";
pub(crate) const SECRET: &str = "a secret that nobody else has";

/// Uploads in chunks that were begun: key and id. The server itself cannot list them.
type Begun = Arc<Mutex<Vec<(String, String)>>>;

pub(crate) struct Store {
    folder: tempfile::TempDir,
    address: SocketAddr,
    service: S3Service,
    pub(crate) begun: Begun,
    serving: Option<JoinHandle<()>>,
}

impl Store {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join(BUCKET)).unwrap();
        let mut builder = S3ServiceBuilder::new(s3s_fs::FileSystem::new(folder.path()).unwrap());
        builder.set_auth(SimpleAuth::from_single(ID, SECRET));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut store =
            Self { folder, address, service: builder.build(), begun: Begun::default(), serving: None };
        store.serve(listener);
        store
    }

    fn serve(&mut self, listener: TcpListener) {
        let (service, begun) = (self.service.clone(), self.begun.clone());
        self.serving = Some(tokio::spawn(async move {
            // Ends with this task, and with it every connection.
            let mut connections = JoinSet::new();
            loop {
                let Ok((socket, _)) = listener.accept().await else { continue };
                let (service, begun) = (service.clone(), begun.clone());
                connections.spawn(async move {
                    let answer = service_fn(move |request| answer(service.clone(), begun.clone(), request));
                    let _ = Builder::new(TokioExecutor::new())
                        .serve_connection(TokioIo::new(socket), answer)
                        .await;
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
        S3Options::new(format!("http://{}", self.address), "us-east-1", BUCKET)
    }

    pub(crate) fn open(&self) -> S3 {
        S3::new(&self.options(), keys()).unwrap()
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
    let answer = service.call(request.map(s3s::Body::from)).await?;
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
