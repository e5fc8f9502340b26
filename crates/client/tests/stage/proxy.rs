//! A server in the middle whose operator is not honest: it sees every exchange and may change it.

use rcgen::{CertificateParams, KeyPair};
use reqwest::{Method, StatusCode};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// One request, and the honest server's reply once there is one.
pub struct Exchange {
    pub method: String,
    pub path: String,
    pub body: Vec<u8>,
    pub status: u16,
    pub reply: Vec<u8>,
    pub kind: String,
    pub headers: Vec<(String, String)>,
    extra: Vec<(String, String)>,
}

/// What the proxy does with a request before the honest server sees it.
pub enum Answer {
    /// Passes it on.
    Forward,
    /// Answers by itself.
    Reply(u16, &'static str, Vec<u8>),
    /// Points to another address.
    Redirect(String),
    /// Closes the connection.
    Drop,
    /// Passes it on and closes the connection instead of answering.
    Swallow,
    /// Passes it on and sends only half of the answer.
    Half,
}

impl Exchange {
    /// A header of the request.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

type Before = dyn Fn(&Exchange) -> Answer + Send + Sync;
type After = dyn Fn(&mut Exchange) + Send + Sync;

pub struct Proxy {
    url: String,
    ca: String,
    task: JoinHandle<()>,
    pub part_bytes: Arc<AtomicU64>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Proxy {
    pub async fn start(
        upstream: &super::Stage,
        before: impl Fn(&Exchange) -> Answer + Send + Sync + 'static,
        after: impl Fn(&mut Exchange) + Send + Sync + 'static,
    ) -> Self {
        let key = KeyPair::generate().unwrap();
        let certificate =
            CertificateParams::new(vec!["localhost".into()]).unwrap().self_signed(&key).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], private)
            .unwrap();
        let mut roots = rustls::RootCertStore::empty();
        use rustls::pki_types::pem::PemObject;
        roots
            .add(rustls::pki_types::CertificateDer::from_pem_slice(upstream.ca().as_bytes()).unwrap())
            .unwrap();
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let http = reqwest::Client::builder().tls_backend_preconfigured(tls).http1_only().build().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let part_bytes = Arc::new(AtomicU64::new(0));
        let shared = Arc::new(Shared {
            upstream: upstream.url().to_owned(),
            http,
            before: Box::new(before),
            after: Box::new(after),
            part_bytes: part_bytes.clone(),
        });
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let Ok((tcp, _)) = listener.accept().await else { continue };
                let (acceptor, shared) = (acceptor.clone(), shared.clone());
                connections.spawn(async move {
                    let Ok(tls) = acceptor.accept(tcp).await else { return };
                    let mut connection = BufReader::new(tls);
                    while shared.exchange(&mut connection).await.is_some() {}
                });
            }
        });
        Self { url, ca: certificate.pem(), task, part_bytes }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn ca(&self) -> &str {
        &self.ca
    }
}

struct Shared {
    upstream: String,
    http: reqwest::Client,
    before: Box<Before>,
    after: Box<After>,
    part_bytes: Arc<AtomicU64>,
}

impl Shared {
    /// One request and its reply; `None` when the connection has ended.
    async fn exchange<S>(&self, connection: &mut BufReader<S>) -> Option<()>
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    {
        let mut line = String::new();
        connection.read_line(&mut line).await.ok().filter(|read| *read > 0)?;
        let mut words = line.split(' ');
        let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
        let (mut headers, mut len) = (Vec::new(), 0);
        loop {
            let mut line = String::new();
            connection.read_line(&mut line).await.ok()?;
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            if name.eq_ignore_ascii_case("content-length") {
                len = value.parse().ok()?;
            } else if !name.eq_ignore_ascii_case("host") {
                headers.push((name.to_owned(), value.to_owned()));
            }
        }
        let mut body = vec![0; len];
        connection.read_exact(&mut body).await.ok()?;
        let mut exchange = Exchange {
            method,
            path,
            body,
            status: 0,
            reply: Vec::new(),
            kind: String::new(),
            headers,
            extra: Vec::new(),
        };
        let answer = (self.before)(&exchange);
        match answer {
            Answer::Drop => return None,
            Answer::Redirect(to) => {
                exchange.status = 307;
                exchange.extra.push(("location".to_owned(), to));
                return write(connection, &exchange, usize::MAX).await;
            }
            Answer::Reply(status, kind, reply) => {
                exchange.status = status;
                exchange.kind = kind.to_owned();
                exchange.reply = reply;
                return write(connection, &exchange, usize::MAX).await;
            }
            Answer::Forward | Answer::Swallow | Answer::Half => {}
        }
        if exchange.method == "PUT" && exchange.path.contains("/parts/") {
            self.part_bytes.fetch_add(len as u64, Ordering::SeqCst);
        }
        let method: Method = exchange.method.parse().ok()?;
        let mut request = self.http.request(method, format!("{}{}", self.upstream, exchange.path));
        for (name, value) in &exchange.headers {
            request = request.header(name, value);
        }
        let reply = request.header("content-length", len).body(exchange.body.clone()).send().await.ok()?;
        exchange.status = reply.status().as_u16();
        let text =
            |name: &str| reply.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        exchange.kind = text("content-type").unwrap_or_default();
        exchange.extra.extend(text("content-range").map(|range| ("content-range".to_owned(), range)));
        exchange.reply = reply.bytes().await.ok()?.to_vec();
        (self.after)(&mut exchange);
        match answer {
            Answer::Swallow => None,
            Answer::Half => {
                write(connection, &exchange, exchange.reply.len() / 2).await;
                None
            }
            _ => write(connection, &exchange, usize::MAX).await,
        }
    }
}

async fn write<S>(connection: &mut BufReader<S>, exchange: &Exchange, most: usize) -> Option<()>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let status = StatusCode::from_u16(exchange.status).ok()?;
    let mut head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n", exchange.reply.len());
    if !exchange.kind.is_empty() {
        head += &format!("content-type: {}\r\n", exchange.kind);
    }
    for (name, value) in &exchange.extra {
        head += &format!("{name}: {value}\r\n");
    }
    head += "\r\n";
    connection.write_all(head.as_bytes()).await.ok()?;
    connection.write_all(&exchange.reply[..exchange.reply.len().min(most)]).await.ok()?;
    connection.flush().await.ok()
}
