//! How a server proves who it is.

use std::path::PathBuf;

use super::ConfigError;

/// How a server proves who it is.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Tls {
    /// Certificate chain (PEM); without it the server makes a development authority of its own
    #[arg(long, env = "TLS_CERT", value_name = "FILE")]
    pub tls_cert: Option<PathBuf>,
    /// Key of the certificate (PEM)
    #[arg(long, env = "TLS_KEY", value_name = "FILE")]
    pub tls_key: Option<PathBuf>,
    /// Further names for the development certificate, separated by commas
    #[arg(long, env = "WAXD_TLS_NAMES", value_name = "NAMES", value_delimiter = ',')]
    pub tls_names: Vec<String>,
    /// Speak plain HTTP, for a proxy that does TLS
    #[arg(long, env = "WAXD_PLAIN_HTTP")]
    pub plain_http: bool,
    /// A proxy that does TLS stands before the server, and nobody else can connect
    #[arg(long, env = "WAXD_BEHIND_PROXY")]
    pub behind_proxy: bool,
}

impl Tls {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        if self.tls_cert.is_some() != self.tls_key.is_some() {
            return Err(ConfigError::HalfCertificate);
        }
        Ok(())
    }
}
