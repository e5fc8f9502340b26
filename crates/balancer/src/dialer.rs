//! Connections to servers: TCP, then TLS against the operator's authority. Pingora keeps them for further requests.

use std::os::fd::AsRawFd as _;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pingora::connectors::http::custom::{Connection, Connector};
use pingora::protocols::ALPN;
use pingora::protocols::l4::socket::SocketAddr;
use pingora::protocols::tls::CustomALPN;
use pingora::upstreams::peer::{HttpPeer, Peer};
use pingora::{Error, ErrorType, OrErr as _, Result};
use rustix::io::Errno;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::BufReader;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::wire::Wire;

/// How long an idle connection to a server is kept: shorter than servers keep theirs, so that it is seldom the server that
/// hangs up while a request is on its way.
const IDLE: Duration = Duration::from_secs(15);
/// What is read of a connection at once: TLS by itself asks the system for a quarter of a record at a time.
const READ: usize = 64 << 10;
/// By this Pingora asks us, not itself, for a connection; it never leaves the process.
const OURS: &[u8] = b"waxwing-tls";

/// A connection to a server.
pub(crate) type ServerStream = TlsStream<BufReader<TcpStream>>;

/// Makes connections to servers.
#[derive(Clone)]
pub(crate) struct Dialer {
    tls: TlsConnector,
    patience: Duration,
}

impl Dialer {
    pub(crate) fn new(config: Arc<ClientConfig>, patience: Duration) -> Self {
        Self { tls: TlsConnector::from(config), patience }
    }

    /// A new connection to a server, in bounded time.
    pub(crate) async fn dial(
        &self,
        address: std::net::SocketAddr,
        name: ServerName<'static>,
    ) -> std::io::Result<ServerStream> {
        let connect = async {
            let tcp = TcpStream::connect(address).await?;
            tcp.set_nodelay(true)?;
            self.tls.connect(name, BufReader::with_capacity(READ, tcp)).await
        };
        tokio::time::timeout(self.patience, connect)
            .await
            .unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()))
    }
}

/// Whether a connection failed for want of something of this machine, which says nothing of the server.
pub(crate) fn is_ours(error: &Error) -> bool {
    let cause = error.root_cause().downcast_ref::<std::io::Error>().and_then(std::io::Error::raw_os_error);
    let wanting = [Errno::MFILE, Errno::NFILE, Errno::ADDRNOTAVAIL, Errno::NOBUFS, Errno::NOMEM];
    cause.is_some_and(|cause| wanting.iter().any(|errno| errno.raw_os_error() == cause))
}

/// A server as Pingora knows it.
pub(crate) fn peer(address: std::net::SocketAddr, host: &str, silence: Duration) -> HttpPeer {
    let mut peer = HttpPeer::new(address, false, host.to_owned());
    peer.options.alpn = ALPN::Custom(CustomALPN::new(OURS.to_vec()));
    peer.options.idle_timeout = Some(IDLE);
    peer.options.read_timeout = Some(silence);
    peer.options.write_timeout = Some(silence);
    peer
}

#[async_trait]
impl Connector for Dialer {
    type Session = ();

    async fn get_http_session<P: Peer + Send + Sync + 'static>(
        &self,
        peer: &P,
    ) -> Result<(Connection<()>, bool)> {
        let SocketAddr::Inet(address) = peer.address() else {
            return Err(Error::explain(ErrorType::InternalError, "a server without an address"));
        };
        let name = ServerName::try_from(peer.sni().to_owned())
            .or_err(ErrorType::InternalError, "a server without a name")?;
        let stream =
            self.dial(*address, name).await.or_err(ErrorType::ConnectError, "a server was not reached")?;
        let fd = stream.get_ref().0.get_ref().as_raw_fd();
        Ok((Connection::Stream(Box::new(Wire::new(stream, fd, Some(*address)))), false))
    }

    async fn reused_http_session<P: Peer + Send + Sync + 'static>(&self, _: &P) -> Option<()> {
        None
    }

    async fn release_http_session<P: Peer + Send + Sync + 'static>(
        &self,
        (): (),
        _: &P,
        _: Option<Duration>,
    ) {
    }
}
