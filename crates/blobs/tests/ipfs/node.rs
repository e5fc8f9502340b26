//! A stand-in for a node: the calls that the driver makes, answered in this process over HTTP on loopback.
//!
//! Its CIDs are computed as real nodes compute them (raw leaves of 1 MiB, SHA-256, one level of links above them). It
//! has no peers, no garbage collection and no disk. It was compared with the JavaScript implementation's answers, not with
//! Kubo's own.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE};
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

const CHUNK: usize = 1 << 20;

#[derive(Default)]
pub(crate) struct Held {
    files: HashMap<String, Bytes>,
    pub(crate) pins: BTreeSet<String>,
    folders: BTreeSet<String>,
    /// Paths in the node's own files and their CIDs.
    pub(crate) named: BTreeMap<String, String>,
    /// The next pin fails with these words.
    pub(crate) no_pin: Option<String>,
    /// The value that must stand behind `Authorization:`, if one must.
    pub(crate) authorization: Option<String>,
}

pub(crate) struct Node {
    address: SocketAddr,
    pub(crate) held: Arc<Mutex<Held>>,
    serving: Option<JoinHandle<()>>,
}

impl Node {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut node = Self { address, held: Arc::default(), serving: None };
        node.serve(listener);
        node
    }

    fn serve(&mut self, listener: TcpListener) {
        let held = self.held.clone();
        self.serving = Some(tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let Ok((socket, _)) = listener.accept().await else { continue };
                let held = held.clone();
                connections.spawn(async move {
                    let answer = service_fn(move |request| answer(held.clone(), request));
                    let _ = Builder::new(TokioExecutor::new())
                        .serve_connection(TokioIo::new(socket), answer)
                        .await;
                });
            }
        }));
    }

    pub(crate) async fn stop(&mut self) {
        if let Some(serving) = self.serving.take() {
            serving.abort();
            let _ = serving.await;
        }
    }

    pub(crate) async fn come_back(&mut self) {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(self.address).unwrap();
        self.serve(socket.listen(64).unwrap());
    }

    /// Where its RPC is.
    pub(crate) fn api(&self) -> String {
        format!("/ip4/127.0.0.1/tcp/{}", self.address.port())
    }
}

type Answer = Response<Full<Bytes>>;

fn ok(text: impl Into<Bytes>) -> Answer {
    Response::new(Full::new(text.into()))
}

fn refused(status: u16, message: &str) -> Answer {
    let body = format!("{{\"Message\":\"{message}\",\"Code\":0,\"Type\":\"error\"}}");
    Response::builder().status(status).body(Full::new(body.into())).unwrap()
}

async fn answer(held: Arc<Mutex<Held>>, request: Request<Incoming>) -> Result<Answer, hyper::Error> {
    if request.method() != Method::POST {
        return Ok(refused(405, "only POST"));
    }
    let asked = held.lock().unwrap().authorization.clone();
    let given = request.headers().get(AUTHORIZATION).map(|value| value.to_str().unwrap().to_owned());
    if asked.is_some() && asked != given {
        return Ok(refused(403, "forbidden"));
    }
    let query = request.uri().query().unwrap_or_default().to_owned();
    let pairs: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let call = request.uri().path().trim_start_matches("/api/v0/").to_owned();
    if call != "add" {
        return Ok(held.lock().unwrap().call(&call, &pairs));
    }
    let kind = request.headers()[CONTENT_TYPE].to_str().unwrap().to_owned();
    let body = request.into_body().collect().await?.to_bytes();
    let Some(file) = file_of(&kind, &body) else { return Ok(refused(400, "unexpected end of the form")) };
    let cid = cid(&file);
    let size = file.len();
    held.lock().unwrap().files.insert(cid.clone(), file);
    Ok(ok(format!("{{\"Name\":\"blob\",\"Hash\":\"{cid}\",\"Size\":\"{size}\"}}\n")))
}

/// The one file of a form; `None` if the form does not end as it must.
fn file_of(kind: &str, body: &Bytes) -> Option<Bytes> {
    let boundary = kind.split_once("boundary=").unwrap().1;
    let end = format!("\r\n--{boundary}--\r\n");
    let from = body.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let to = body.len().checked_sub(end.len())?;
    (body.starts_with(format!("--{boundary}\r\n").as_bytes()) && body[to..] == *end.as_bytes())
        .then(|| body.slice(from..to))
}

impl Held {
    fn call(&mut self, call: &str, pairs: &[(String, String)]) -> Answer {
        let arguments: Vec<&str> =
            pairs.iter().filter(|(key, _)| key == "arg").map(|(_, value)| value.as_str()).collect();
        let number = |key: &str| {
            pairs.iter().find(|(found, _)| found == key).and_then(|(_, value)| value.parse::<usize>().ok())
        };
        match (call, arguments.as_slice()) {
            ("version", []) => ok("{\"Version\":\"stand-in\"}"),
            ("cat", [path]) => match self.files.get(path.trim_start_matches("/ipfs/")) {
                Some(file) => {
                    let from = number("offset").unwrap_or(0).min(file.len());
                    let to = (from + number("length").unwrap_or(file.len())).min(file.len());
                    ok(file.slice(from..to))
                }
                None => refused(500, "block was not found locally"),
            },
            ("pin/add", [cid]) => match self.no_pin.take() {
                Some(words) => refused(500, &words),
                None => {
                    self.pins.insert((*cid).to_owned());
                    ok("{}")
                }
            },
            ("pin/rm", [cid]) if self.pins.remove(*cid) => ok("{}"),
            ("pin/ls", [cid]) if self.pins.contains(*cid) => ok("{}"),
            ("pin/rm" | "pin/ls", [_]) => refused(500, "not pinned or pinned indirectly"),
            ("files/mkdir", [path]) => {
                let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
                self.folders.extend(ends.filter(|end| *end > 0).map(|end| path[..end].to_owned()));
                ok("")
            }
            ("files/cp", [_, to]) if self.named.contains_key(*to) => {
                refused(500, "directory already has entry by that name")
            }
            ("files/cp", [from, to]) => {
                let cid = from.trim_start_matches("/ipfs/");
                if !self.files.contains_key(cid) {
                    return refused(500, "context deadline exceeded");
                }
                self.named.insert((*to).to_owned(), cid.to_owned());
                ok("")
            }
            ("files/ls", [path]) => self.ls(path),
            ("files/rm", [path]) if self.folders.remove(*path) => {
                self.named.retain(|named, _| !named.starts_with(&format!("{path}/")));
                ok("")
            }
            ("files/rm", [_]) => refused(500, "file does not exist"),
            _ => refused(404, "no such call"),
        }
    }

    fn ls(&self, path: &str) -> Answer {
        if !self.folders.contains(path) {
            return refused(500, "file does not exist");
        }
        let inside = |whole: &str| {
            let name = whole.strip_prefix(path)?.strip_prefix('/')?;
            (!name.contains('/')).then(|| name.to_owned())
        };
        let folders = self.folders.iter().filter_map(|folder| inside(folder));
        let mut lines: Vec<String> = folders
            .map(|name| format!("{{\"Name\":\"{name}\",\"Type\":1,\"Size\":0,\"Hash\":\"\"}}"))
            .collect();
        lines.extend(self.named.iter().filter_map(|(whole, cid)| {
            let (name, size) = (inside(whole)?, self.files[cid].len());
            Some(format!("{{\"Name\":\"{name}\",\"Type\":0,\"Size\":{size},\"Hash\":\"{cid}\"}}"))
        }));
        // As Kubo says that a folder is empty.
        if lines.is_empty() {
            return ok("{\"Entries\":null}");
        }
        ok(format!("{{\"Entries\":[{}]}}", lines.join(",")))
    }
}

/// The CID of a file, as nodes compute it; up to 174 chunks, above which a further level would be.
pub(crate) fn cid(file: &[u8]) -> String {
    let leaves: Vec<(Vec<u8>, usize)> = match file.is_empty() {
        true => vec![(cid_bytes(0x55, file), 0)],
        false => file.chunks(CHUNK).map(|chunk| (cid_bytes(0x55, chunk), chunk.len())).collect(),
    };
    assert!(leaves.len() <= 174);
    if let [(leaf, _)] = leaves.as_slice() {
        return base32(leaf);
    }
    let mut unixfs = vec![0x08, 0x02, 0x18];
    varint(&mut unixfs, file.len());
    let mut node = Vec::new();
    for (leaf, len) in &leaves {
        unixfs.push(0x20);
        varint(&mut unixfs, *len);
        let mut link = vec![0x0a];
        varint(&mut link, leaf.len());
        link.extend_from_slice(leaf);
        link.extend_from_slice(&[0x12, 0x00, 0x18]);
        varint(&mut link, *len);
        node.push(0x12);
        varint(&mut node, link.len());
        node.extend_from_slice(&link);
    }
    node.push(0x0a);
    varint(&mut node, unixfs.len());
    node.extend_from_slice(&unixfs);
    base32(&cid_bytes(0x70, &node))
}

fn cid_bytes(codec: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x01, codec, 0x12, 0x20];
    bytes.extend_from_slice(digest(&SHA256, content).as_ref());
    bytes
}

fn varint(bytes: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        bytes.push(u8::try_from(number & 0x7f).unwrap() | 0x80);
        number >>= 7;
    }
    bytes.push(u8::try_from(number).unwrap());
}

fn base32(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let bit = |at: usize| bytes.get(at / 8).map_or(0, |byte| byte >> (7 - at % 8) & 1);
    let digits = (0..bytes.len() * 8).step_by(5).map(|at| {
        let value = (0..5).fold(0, |value, n| value << 1 | bit(at + n));
        char::from(DIGITS[usize::from(value)])
    });
    std::iter::once('b').chain(digits).collect()
}
