//! An S3 server for tests, a process that can be killed and started again over its folder. It checks signatures.
//!
//! `s3-store store --listen 127.0.0.1:PORT FOLDER` says `ready http://…` when it answers. The one bucket, the key id and the
//! secret are those of `e2e::store`. Everything else is the crate `s3s-fs`, save the list of uploads that were begun, which
//! that does not know: it stands in a file beside the bucket.
#![allow(clippy::unwrap_used, reason = "a process of tests: what cannot go on ends it")]

use e2e::store::{BUCKET, ID, SECRET};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use std::io::Read as _;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpSocket};

struct Store {
    service: S3Service,
    begun: PathBuf,
}

#[tokio::main]
async fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [verb, flag, address, folder] = words.as_slice() else {
        panic!("store --listen ADDRESS:PORT FOLDER")
    };
    assert_eq!((verb.as_str(), flag.as_str()), ("store", "--listen"));
    let folder = PathBuf::from(folder);
    std::fs::create_dir_all(folder.join(BUCKET)).unwrap();
    let mut builder = S3ServiceBuilder::new(s3s_fs::FileSystem::new(&folder).unwrap());
    builder.set_auth(SimpleAuth::from_single(ID, SECRET));
    let store = Arc::new(Store { service: builder.build(), begun: folder.join("begun") });
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind(address.parse().unwrap()).unwrap();
    let listener = socket.listen(64).unwrap();
    println!("ready http://{}", listener.local_addr().unwrap());
    // Whoever started this is gone when standard input ends.
    std::thread::spawn(|| {
        let (mut stdin, mut piece) = (std::io::stdin().lock(), [0; 64]);
        while matches!(stdin.read(&mut piece), Ok(1..)) {}
        std::process::exit(0);
    });
    serve(&listener, store).await;
}

async fn serve(listener: &TcpListener, store: Arc<Store>) {
    loop {
        let Ok((socket, _)) = listener.accept().await else { continue };
        let store = store.clone();
        tokio::spawn(async move {
            let answer = service_fn(move |request| answer(store.clone(), request));
            // A client that breaks off is no matter of this process.
            drop(Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(socket), answer).await);
        });
    }
}

/// As the crate answers; lists of uploads, which it does not know, are added.
async fn answer(
    store: Arc<Store>,
    request: Request<Incoming>,
) -> Result<Response<s3s::Body>, s3s::HttpError> {
    let query = request.uri().query().unwrap_or_default().to_owned();
    let key = request.uri().path().trim_start_matches(&format!("/{BUCKET}/")).to_owned();
    let is_about_uploads = query.split('&').any(|pair| pair == "uploads=" || pair == "uploads");
    if is_about_uploads && request.method() == Method::GET {
        return Ok(Response::new(s3s::Body::from(listed(&store.begun()))));
    }
    let begins = is_about_uploads && request.method() == Method::POST;
    let ends = request.method() == Method::DELETE;
    let answer = store.service.call(request.map(s3s::Body::from)).await?;
    if ends && answer.status().is_success() {
        store.forget(&query);
    }
    if !begins {
        return Ok(answer);
    }
    let (head, body) = answer.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let text = String::from_utf8(body.to_vec()).unwrap();
    if let Some(id) = text.split_once("<UploadId>").and_then(|(_, rest)| Some(rest.split_once('<')?.0)) {
        store.remember(&key, id);
    }
    Ok(Response::from_parts(head, s3s::Body::from(body)))
}

impl Store {
    /// Key and id of each upload that was begun.
    fn begun(&self) -> Vec<(String, String)> {
        let text = std::fs::read_to_string(&self.begun).unwrap_or_default();
        let line = |line: &str| line.split_once(' ').map(|(key, id)| (key.to_owned(), id.to_owned()));
        text.lines().filter_map(line).collect()
    }

    fn remember(&self, key: &str, id: &str) {
        use std::io::Write as _;
        let file = std::fs::OpenOptions::new().create(true).append(true).open(&self.begun);
        file.unwrap().write_all(format!("{key} {id}\n").as_bytes()).unwrap();
    }

    fn forget(&self, query: &str) {
        let left = self.begun().into_iter().filter(|(_, id)| !query.contains(id.as_str()));
        let text: String = left.map(|(key, id)| format!("{key} {id}\n")).collect();
        std::fs::write(&self.begun, text).unwrap();
    }
}

fn listed(begun: &[(String, String)]) -> String {
    let upload = |(key, id): &(String, String)| {
        format!(
            "<Upload><Key>{key}</Key><UploadId>{id}</UploadId><Initiated>2026-01-02T03:04:05.000Z</Initiated></Upload>"
        )
    };
    let uploads: String = begun.iter().map(upload).collect();
    format!(
        "<ListMultipartUploadsResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><IsTruncated>false</IsTruncated>{uploads}</ListMultipartUploadsResult>"
    )
}
