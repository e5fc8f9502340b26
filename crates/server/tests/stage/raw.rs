//! A TLS connection whose bytes the test writes itself, for requests that no client library makes.

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::server::Stage;

pub(crate) struct Raw(TlsStream<TcpStream>);

impl Raw {
    pub(crate) async fn connect(stage: &Stage) -> Self {
        let mut roots = RootCertStore::empty();
        for cert in CertificateDer::pem_slice_iter(&stage.ca_pem) {
            roots.add(cert.unwrap()).unwrap();
        }
        let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let tcp = TcpStream::connect(("127.0.0.1", stage.port)).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        Self(TlsConnector::from(Arc::new(config)).connect(name, tcp).await.unwrap())
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.unwrap();
        self.0.flush().await.unwrap();
    }

    /// Everything until the head of a reply and as much of its body as came with it.
    pub(crate) async fn read_reply(&mut self) -> String {
        let mut seen = Vec::new();
        let mut chunk = [0; 4096];
        loop {
            let read = self.0.read(&mut chunk).await.unwrap_or(0);
            seen.extend_from_slice(&chunk[..read]);
            let text = String::from_utf8_lossy(&seen).into_owned();
            let is_whole = text.split_once("\r\n\r\n").is_some_and(|(head, body)| {
                let announced = head
                    .lines()
                    .find_map(|line| line.to_lowercase().strip_prefix("content-length: ").map(str::to_owned))
                    .and_then(|len| len.parse::<usize>().ok());
                announced.is_none_or(|len| body.len() >= len)
            });
            if read == 0 || is_whole {
                return text;
            }
        }
    }

    /// Whether the other end still takes something.
    pub(crate) async fn try_write(&mut self, bytes: &[u8]) -> bool {
        self.0.write_all(bytes).await.is_ok() && self.0.flush().await.is_ok()
    }

    /// What comes within `patience`: nothing, mostly.
    pub(crate) async fn wait_for_a_reply(&mut self, patience: Duration) -> String {
        tokio::time::timeout(patience, self.read_reply()).await.unwrap_or_default()
    }

    /// Everything until the other end closes.
    pub(crate) async fn read_to_end(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        // How it closes does not matter.
        let _ = self.0.read_to_end(&mut all).await;
        all
    }
}
