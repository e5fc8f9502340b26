//! Who the balancer is to clients, and whom it believes to be a server.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

use crate::discovery::Mark;

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file that holds no usable PEM.
    #[error("{} cannot be read, or holds no usable certificate or key", path.display())]
    Pem {
        /// Which.
        path: PathBuf,
    },
    /// Certificate and key do not belong together, or the key is of an unsupported kind.
    #[error("certificate and key do not fit together")]
    Mismatch(#[source] rustls::Error),
    /// TLS itself.
    #[error("TLS cannot be set up")]
    Setup(#[source] rustls::Error),
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// What clients are shown, HTTP/2 preferred.
pub(crate) fn server_config(identity: Arc<dyn ResolvesServerCert>) -> Result<ServerConfig, TlsError> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(TlsError::Setup)?
        .with_no_client_auth()
        .with_cert_resolver(identity);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    // Sessions are taken up again without keeping anything for each of them.
    config.ticketer = aws_lc_rs::Ticketer::new().map_err(TlsError::Setup)?;
    Ok(config)
}

/// How servers are spoken to: HTTP/1.1 over TLS, trusted by one file of authorities, sessions taken up again.
pub(crate) fn client_config(ca: &Path) -> Result<ClientConfig, TlsError> {
    let pem = || TlsError::Pem { path: ca.to_owned() };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(ca).map_err(|_| pem())? {
        roots.add(certificate.map_err(|_| pem())?).map_err(|_| pem())?;
    }
    if roots.is_empty() {
        return Err(pem());
    }
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(TlsError::Setup)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// A certificate and its key in two files, which are read again when they change.
pub(crate) struct FileIdentity {
    cert: PathBuf,
    key: PathBuf,
    seen: Mutex<[Option<Mark>; 2]>,
    current: RwLock<Arc<CertifiedKey>>,
}

impl FileIdentity {
    pub(crate) fn open(cert: &Path, key: &Path) -> Result<Self, TlsError> {
        let seen = [Mark::of(cert), Mark::of(key)];
        let current = read_identity(cert, key)?;
        Ok(Self {
            cert: cert.to_owned(),
            key: key.to_owned(),
            seen: Mutex::new(seen),
            current: RwLock::new(Arc::new(current)),
        })
    }

    /// Takes a new certificate up; connections that there are keep the old one. `false` when nothing changed. Files that do
    /// not fit (yet) leave the old one in force.
    pub(crate) fn renew(&self) -> Result<bool, TlsError> {
        let now = [Mark::of(&self.cert), Mark::of(&self.key)];
        {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            if *seen == now {
                return Ok(false);
            }
            *seen = now;
        }
        let fresh = Arc::new(read_identity(&self.cert, &self.key)?);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(true)
    }
}

impl fmt::Debug for FileIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileIdentity").field("cert", &self.cert).finish_non_exhaustive()
    }
}

impl ResolvesServerCert for FileIdentity {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.read().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

fn read_identity(cert: &Path, key: &Path) -> Result<CertifiedKey, TlsError> {
    let pem = |path: &Path| TlsError::Pem { path: path.to_owned() };
    let chain: Vec<_> = CertificateDer::pem_file_iter(cert)
        .map_err(|_| pem(cert))?
        .collect::<Result<_, _>>()
        .map_err(|_| pem(cert))?;
    if chain.is_empty() {
        return Err(pem(cert));
    }
    let key = PrivateKeyDer::from_pem_file(key).map_err(|_| pem(key))?;
    CertifiedKey::from_der(chain, key, &provider()).map_err(TlsError::Mismatch)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(dir: &Path) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        std::fs::write(dir.join("cert.pem"), made.cert.pem()).unwrap();
        std::fs::write(dir.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    }

    #[test]
    fn a_new_certificate_is_taken_up_and_a_broken_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path());
        let (cert, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
        let identity = FileIdentity::open(&cert, &key).unwrap();
        let first = identity.current.read().unwrap().cert[0].clone();
        assert!(!identity.renew().unwrap());
        // Another length, so that the change is seen whatever the clock of the file system.
        write(dir.path());
        let mut text = std::fs::read_to_string(&cert).unwrap();
        text.push('\n');
        std::fs::write(&cert, text).unwrap();
        assert!(identity.renew().unwrap());
        let second = identity.current.read().unwrap().cert[0].clone();
        assert_ne!(first, second);
        std::fs::write(&cert, "nothing").unwrap();
        assert!(matches!(identity.renew(), Err(TlsError::Pem { .. })));
        assert_eq!(identity.current.read().unwrap().cert[0], second);
    }

    #[test]
    fn a_file_without_an_authority_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ca.pem");
        std::fs::write(&path, "").unwrap();
        assert!(matches!(client_config(&path), Err(TlsError::Pem { .. })));
    }
}
