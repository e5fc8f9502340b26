//! TLS: the operator's certificate, or a development authority that the server makes for itself.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use time::OffsetDateTime;

use crate::clock::{Clock, SystemClock};
use crate::config::Tls;
use crate::private_file;

/// Names that the development certificate always has.
const OWN_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];
const DAY: i64 = 86_400;
const LEAF_DAYS: i64 = 90;
const RENEW_DAYS: i64 = 30;
const AUTHORITY_DAYS: i64 = 20 * 365;

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file that cannot be read or written.
    #[error("{} cannot be read or written", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file that holds no usable PEM.
    #[error("{} holds no usable certificate or key", path.display())]
    Pem {
        /// Which.
        path: PathBuf,
    },
    /// Certificate and key do not belong together, or the key is of an unsupported kind.
    #[error("certificate and key do not fit together")]
    Mismatch(#[source] rustls::Error),
    /// A certificate could not be made.
    #[error("a certificate could not be made")]
    Make(#[source] rcgen::Error),
    /// A configured name is not a host name or address.
    #[error("a configured TLS name is not a host name or an address")]
    Name(#[source] rcgen::Error),
}

/// What the listener needs, and what the operator is told.
pub(crate) struct Identity {
    /// For the acceptor.
    pub(crate) config: Arc<ServerConfig>,
    /// The development authority, if there is one.
    pub(crate) authority: Option<Arc<Authority>>,
}

impl Identity {
    /// The operator's certificate, or the development authority in `dir`.
    pub(crate) fn open(tls: &Tls, dir: &Path, clock: &dyn Clock) -> Result<Self, TlsError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .expect("the provider knows TLS 1.2 and 1.3")
            .with_no_client_auth();
        let (mut config, authority) = match (&tls.tls_cert, &tls.tls_key) {
            (Some(cert), Some(key)) => {
                let chain = read_chain(cert)?;
                let key =
                    PrivateKeyDer::from_pem_file(key).map_err(|_| TlsError::Pem { path: key.clone() })?;
                (builder.with_single_cert(chain, key).map_err(TlsError::Mismatch)?, None)
            }
            _ => {
                let authority = Arc::new(Authority::open(dir, &tls.tls_names, clock)?);
                (builder.with_cert_resolver(authority.clone()), Some(authority))
            }
        };
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { config: Arc::new(config), authority })
    }
}

/// An authority for one's own machine, kept in the data folder, and the certificate that it signed last.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    names: Vec<String>,
    /// Where clients find the certificate of the authority.
    pub(crate) ca_file: PathBuf,
    leaf: RwLock<Leaf>,
}

struct Leaf {
    key: Arc<CertifiedKey>,
    not_after: i64,
}

impl Authority {
    fn open(dir: &Path, names: &[String], clock: &dyn Clock) -> Result<Self, TlsError> {
        let (ca_file, key_file) = (dir.join("ca.pem"), dir.join("ca.key"));
        let file = |path: &Path| {
            let path = path.to_owned();
            move |source| TlsError::File { path, source }
        };
        let key_pem = private_file::read_or_make(&key_file, || {
            let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(io::Error::other)?;
            Ok(key.serialize_pem().into_bytes())
        })
        .map_err(file(&key_file))?;
        let pem = || TlsError::Pem { path: key_file.clone() };
        let key_pem = zeroize::Zeroizing::new(String::from_utf8(key_pem).map_err(|_| pem())?);
        let key = KeyPair::from_pem(&key_pem).map_err(|_| pem())?;
        let params = authority_params(&key, clock.now());
        private_file::read_or_make(&ca_file, || {
            Ok(params.self_signed(&key).map_err(io::Error::other)?.pem().into_bytes())
        })
        .map_err(file(&ca_file))?;
        let issuer = Issuer::new(params, key);
        let names: Vec<_> = OWN_NAMES.iter().map(|name| (*name).to_owned()).chain(names.to_vec()).collect();
        let leaf = RwLock::new(make_leaf(&issuer, &names, clock.now())?);
        Ok(Self { issuer, names, ca_file, leaf })
    }

    /// Makes a new certificate if the present one nears its end.
    pub(crate) fn renew(&self, now: i64) -> Result<bool, TlsError> {
        let not_after = self.leaf.read().unwrap_or_else(|poison| poison.into_inner()).not_after;
        if not_after - now > RENEW_DAYS * DAY {
            return Ok(false);
        }
        let fresh = make_leaf(&self.issuer, &self.names, now)?;
        *self.leaf.write().unwrap_or_else(|poison| poison.into_inner()) = fresh;
        Ok(true)
    }
}

/// The development authority of a data folder, for another program on this machine that clients shall trust as they trust the
/// servers. Its certificate rests in memory alone.
#[derive(Debug)]
pub struct DevelopmentAuthority(Arc<Authority>);

impl DevelopmentAuthority {
    /// Opens the authority that the servers of this data folder use; it is made where there is none yet.
    ///
    /// # Errors
    /// A folder that cannot be used, or a name that is none.
    pub fn open(data: &Path, names: &[String]) -> Result<Self, TlsError> {
        Ok(Self(Arc::new(Authority::open(&data.join("tls"), names, &SystemClock)?)))
    }

    /// Where clients find the certificate of the authority.
    #[must_use]
    pub fn ca_file(&self) -> &Path {
        &self.0.ca_file
    }

    /// What TLS shows to clients.
    #[must_use]
    pub fn identity(&self) -> Arc<dyn ResolvesServerCert> {
        self.0.clone()
    }

    /// Makes a new certificate if the present one nears its end; to be called about once a day.
    ///
    /// # Errors
    /// A certificate could not be made; the present one stays.
    pub fn renew(&self) -> Result<bool, TlsError> {
        self.0.renew(SystemClock.now())
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").finish_non_exhaustive()
    }
}

impl ResolvesServerCert for Authority {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.leaf.read().unwrap_or_else(|poison| poison.into_inner()).key.clone())
    }
}

/// The parameters follow from the key alone, so that a kept authority can sign again without parsing itself.
fn authority_params(key: &KeyPair, now: i64) -> CertificateParams {
    let mark = crate::secrets::sha256(&[key.public_key_raw()]);
    let mark: String = mark[..4].iter().map(|byte| format!("{byte:02x}")).collect();
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, format!("Waxwing development authority {mark}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.not_before = moment(now - DAY);
    params.not_after = moment(now + AUTHORITY_DAYS * DAY);
    params
}

fn make_leaf(issuer: &Issuer<'static, KeyPair>, names: &[String], now: i64) -> Result<Leaf, TlsError> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(TlsError::Make)?;
    let not_after = now + LEAF_DAYS * DAY;
    let mut params = CertificateParams::new(names.to_vec()).map_err(TlsError::Name)?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "Waxwing server");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    params.not_before = moment(now - DAY);
    params.not_after = moment(not_after);
    let cert = params.signed_by(&key, issuer).map_err(TlsError::Make)?;
    let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let signing = rustls::crypto::aws_lc_rs::sign::any_supported_type(&der).map_err(TlsError::Mismatch)?;
    Ok(Leaf { key: Arc::new(CertifiedKey::new(vec![cert.der().clone()], signing)), not_after })
}

fn moment(unix: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(unix).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let pem = || TlsError::Pem { path: path.to_owned() };
    let chain: Vec<_> = CertificateDer::pem_file_iter(path)
        .map_err(|_| pem())?
        .collect::<Result<_, _>>()
        .map_err(|_| pem())?;
    if chain.is_empty() { Err(pem()) } else { Ok(chain) }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::clock::SettableClock;

    #[test]
    fn the_authority_is_kept_and_its_key_private() {
        let dir = tempfile::tempdir().unwrap();
        let clock = SettableClock::starting_now();
        let tls = Tls::default();
        Identity::open(&tls, dir.path(), &clock).unwrap();
        let first = std::fs::read(dir.path().join("ca.pem")).unwrap();
        Identity::open(&tls, dir.path(), &clock).unwrap();
        assert_eq!(std::fs::read(dir.path().join("ca.pem")).unwrap(), first);
        let mode = std::fs::metadata(dir.path().join("ca.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn the_certificate_is_renewed_only_near_its_end() {
        let dir = tempfile::tempdir().unwrap();
        let clock = SettableClock::starting_now();
        let authority = Identity::open(&Tls::default(), dir.path(), &clock).unwrap().authority.unwrap();
        assert!(!authority.renew(clock.now()).unwrap());
        assert!(authority.renew(clock.now() + 61 * DAY).unwrap());
        assert!(!authority.renew(clock.now() + 61 * DAY).unwrap());
    }

    #[test]
    fn a_file_without_a_certificate_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cert.pem");
        std::fs::write(&path, "nothing").unwrap();
        let tls = Tls { tls_cert: Some(path.clone()), tls_key: Some(path), ..Tls::default() };
        let refused = Identity::open(&tls, dir.path(), &SettableClock::starting_now());
        assert!(matches!(refused, Err(TlsError::Pem { .. })));
    }
}
