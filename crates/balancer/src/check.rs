//! Whether a server is ready: `GET /health/ready` over a fresh connection, as a client would make it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::dialer::{Dialer, ServerStream};
use crate::upstream::{News, Upstream};

/// How long a check may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// Most octets of an answer that are read: the status line is at its beginning.
const ANSWER_MAX: usize = 64;

/// Asks servers whether they are ready. `look` is called again and again, by one task for each server.
pub(crate) struct Checker {
    dialer: Dialer,
}

impl Checker {
    pub(crate) fn new(dialer: Dialer) -> Self {
        Self { dialer }
    }

    /// Looks once and lets the server learn what was seen.
    pub(crate) async fn look(&self, upstream: &Upstream) {
        let news = match tokio::time::timeout(PATIENCE, self.ask(upstream)).await {
            Ok(Ok(200)) => News::Ready,
            Ok(Ok(503)) => News::NotReady,
            Ok(Ok(status)) => {
                tracing::debug!(upstream = upstream.name, status, "a check got an answer that means nothing");
                News::CheckFailed
            }
            Ok(Err(error)) => {
                tracing::debug!(upstream = upstream.name, cause = %error, "a check failed");
                News::CheckFailed
            }
            Err(_) => News::CheckFailed,
        };
        upstream.learn(news);
    }

    /// Looks again and again, at once where a request failed, until the list no longer names the server.
    pub(crate) async fn keep_looking(&self, upstream: Arc<Upstream>, pause: Duration) {
        loop {
            tokio::select! {
                () = upstream.gone.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
                () = upstream.look.notified() => {}
            }
            self.look(&upstream).await;
        }
    }

    /// Connects to the first address of the server that answers; requests then go there.
    async fn reach(&self, upstream: &Upstream) -> io::Result<ServerStream> {
        let host = (upstream.target.host(), upstream.target.port());
        let found: Vec<SocketAddr> = tokio::net::lookup_host(host).await?.collect();
        self.reach_one_of(found, upstream).await
    }

    /// An address that swallows everything takes a share of the check's time, not all of it.
    async fn reach_one_of(
        &self,
        mut found: Vec<SocketAddr>,
        upstream: &Upstream,
    ) -> io::Result<ServerStream> {
        let name = upstream.target.server_name().ok_or(io::ErrorKind::InvalidInput)?;
        let answered = upstream.address();
        found.sort_by_key(|address| Some(*address) != answered);
        let share = PATIENCE / u32::try_from(found.len()).unwrap_or(u32::MAX).saturating_add(1);
        let mut fault = io::ErrorKind::NotFound.into();
        for (n, address) in found.iter().enumerate() {
            let patience = if n + 1 == found.len() { PATIENCE } else { share };
            let dialled = tokio::time::timeout(patience, self.dialer.dial(*address, name.clone())).await;
            match dialled.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
                Ok(stream) => {
                    upstream.set_address(*address);
                    return Ok(stream);
                }
                Err(error) => fault = error,
            }
        }
        Err(fault)
    }

    async fn ask(&self, upstream: &Upstream) -> io::Result<u16> {
        let mut stream = self.reach(upstream).await?;
        let request = format!(
            "GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: waxwing-balancer\r\nConnection: close\r\n\r\n",
            proto::paths::READY,
            upstream.name
        );
        stream.write_all(request.as_bytes()).await?;
        stream.flush().await?;
        let mut answer = Vec::with_capacity(ANSWER_MAX);
        while answer.len() < 12 {
            if stream.read_buf(&mut answer).await? == 0 {
                break;
            }
        }
        status_of(&answer).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }
}

/// The status in the first line of an answer of HTTP/1.
fn status_of(answer: &[u8]) -> Option<u16> {
    let rest = answer.strip_prefix(b"HTTP/1.")?;
    let digits = rest.get(2..5).filter(|digits| digits.iter().all(u8::is_ascii_digit))?;
    let version_ends = rest.get(1) == Some(&b' ');
    version_ends.then(|| digits.iter().fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::sync::Arc;
    use std::time::Duration;

    use rustls::ServerConfig;
    use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
    use tokio::net::TcpListener;

    use super::{Checker, status_of};
    use crate::dialer::Dialer;
    use crate::tls::client_config;
    use crate::upstream::Upstream;

    /// A server with a certificate for this name, its address, and what dials it.
    async fn server() -> (SocketAddr, Dialer) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let ca = dir.path().join("ca.pem");
        std::fs::write(&ca, made.cert.pem()).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(tls));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                drop(acceptor.accept(tcp).await);
            }
        });
        let dialer = Dialer::new(Arc::new(client_config(&ca).unwrap()), Duration::from_secs(3));
        (address, dialer)
    }

    #[tokio::test]
    async fn an_address_that_swallows_everything_leaves_time_for_the_next_one() {
        let (address, dialer) = server().await;
        // Takes connections and never says a word.
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addresses = vec![silent.local_addr().unwrap(), address];
        let upstream = Upstream::new("https://localhost:1".parse().unwrap());
        let checker = Checker::new(dialer);
        let reached =
            tokio::time::timeout(super::PATIENCE, checker.reach_one_of(addresses.clone(), &upstream));
        reached.await.expect("all the time went to the first").unwrap();
        assert_eq!(upstream.address(), Some(address));
        // From now on it has the first turn; nobody comes to the silent one any more.
        drop(silent.accept().await.unwrap());
        checker.reach_one_of(addresses, &upstream).await.unwrap();
        let nobody = futures::FutureExt::now_or_never(silent.accept());
        assert!(nobody.is_none(), "the one that answered was not asked first");
    }

    #[test]
    fn a_status_is_read_from_the_first_line_alone() {
        assert_eq!(status_of(b"HTTP/1.1 200 OK\r\n"), Some(200));
        assert_eq!(status_of(b"HTTP/1.0 503 "), Some(503));
        for odd in [&b"HTTP/2 200"[..], b"HTTP/1.1 20", b"HTTP/1.1 2x0 OK", b"<html>", b""] {
            assert_eq!(status_of(odd), None);
        }
    }
}
