//! Where a server is: `https://HOST:PORT`, and nothing else.

use std::fmt;
use std::str::FromStr;

use rustls::pki_types::ServerName;
use url::{Host, Url};

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    host: String,
    port: u16,
}

/// Text that is not the address of a server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no address of a server: write https://HOST:PORT")]
pub struct BadTarget(String);

impl Target {
    /// The host: a name, or an address without brackets. A server's certificate must be for it.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The host as TLS wants it.
    pub(crate) fn server_name(&self) -> Option<ServerName<'static>> {
        ServerName::try_from(self.host.clone()).ok()
    }
}

impl fmt::Display for Target {
    /// `HOST:PORT`, as it stands in logs and metrics.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl FromStr for Target {
    type Err = BadTarget;

    fn from_str(text: &str) -> Result<Self, BadTarget> {
        let text = text.trim();
        let bad = || BadTarget(text.to_owned());
        let url = Url::parse(text).map_err(|_| bad())?;
        let is_bare = url.username().is_empty()
            && url.password().is_none()
            && url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none();
        if url.scheme() != "https" || !is_bare {
            return Err(bad());
        }
        let host = match url.host().ok_or_else(bad)? {
            Host::Domain(name) => name.to_owned(),
            Host::Ipv4(four) => four.to_string(),
            Host::Ipv6(six) => six.to_string(),
        };
        let target = Self { host, port: url.port_or_known_default().ok_or_else(bad)? };
        target.server_name().is_some().then_some(target).ok_or_else(bad)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_named_by_host_and_port() {
        for (text, shown) in [
            ("https://127.0.0.1:8443", "127.0.0.1:8443"),
            (" https://one.example/ ", "one.example:443"),
            ("https://[::1]:8444", "[::1]:8444"),
        ] {
            assert_eq!(text.parse::<Target>().unwrap().to_string(), shown);
        }
    }

    #[test]
    fn what_is_no_bare_https_address_is_refused() {
        for text in [
            "http://127.0.0.1:8443",
            "127.0.0.1:8443",
            "https://user@one.example",
            "https://one.example/path",
            "https://one.example/?q",
            "https://",
            "",
        ] {
            assert!(text.parse::<Target>().is_err(), "{text}");
        }
    }
}
