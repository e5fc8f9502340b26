//! Where a node is and how it is reached.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use reqwest::header::HeaderValue;
use url::Url;

use crate::http::BadAuthority;

/// Where a node is and how it is reached.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct IpfsOptions {
    /// The RPC, as a multiaddr (`/ip4/127.0.0.1/tcp/5001`, also `/dns/node.example/tcp/443/https`) or an address
    /// (`http://127.0.0.1:5001`, without `/api/v0`).
    pub api: String,
    /// The folder in the node's own files, from its root.
    pub folder: String,
    /// What the node or a proxy before it asks for.
    pub authorization: Option<IpfsAuthorization>,
    /// Authorities for TLS in place of the system's.
    pub ca_pem: Option<String>,
    /// Longest wait for a connection.
    pub connect_timeout: Duration,
    /// Longest wait for the head of an answer, for the next octets of one, or for a piece to be taken over.
    pub silence: Duration,
    /// Longest time for the last octets of a blob to be stored.
    pub commit_time: Duration,
}

impl IpfsOptions {
    /// A node, with the folder `/waxwing` and the usual time-outs (5, 30 and 120 seconds).
    pub fn new(api: impl Into<String>) -> Self {
        Self {
            api: api.into(),
            folder: "/waxwing".into(),
            authorization: None,
            ca_pem: None,
            connect_timeout: Duration::from_secs(5),
            silence: Duration::from_secs(30),
            commit_time: Duration::from_secs(120),
        }
    }

    pub(super) fn base(&self) -> Result<Url, BadIpfs> {
        let text = if self.api.starts_with('/') { from_multiaddr(&self.api)? } else { self.api.clone() };
        let url: Url = text.parse().map_err(|_| BadIpfs::Api)?;
        let is_base = matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        if is_base { Ok(url) } else { Err(BadIpfs::Api) }
    }

    pub(super) fn folder(&self) -> Result<String, BadIpfs> {
        let is_segment = |text: &str| {
            !matches!(text, "" | "." | "..")
                && text.bytes().all(|c| c.is_ascii_alphanumeric() || b"-_.".contains(&c))
        };
        let path = self.folder.trim_end_matches('/');
        match path.strip_prefix('/') {
            Some(rest) if rest.split('/').all(is_segment) => Ok(path.to_owned()),
            _ => Err(BadIpfs::Folder),
        }
    }
}

/// `/ip4|ip6|dns|dns4|dns6/HOST/tcp/PORT`, then nothing, `/http`, `/https` or `/tls/http`.
fn from_multiaddr(text: &str) -> Result<String, BadIpfs> {
    let parts: Vec<&str> = text.trim_matches('/').split('/').collect();
    let [kind, host, "tcp", port, rest @ ..] = parts.as_slice() else { return Err(BadIpfs::Api) };
    let host = match *kind {
        "ip4" => host.parse::<Ipv4Addr>().map_err(|_| BadIpfs::Api)?.to_string(),
        "ip6" => format!("[{}]", host.parse::<Ipv6Addr>().map_err(|_| BadIpfs::Api)?),
        "dns" | "dns4" | "dns6" => (*host).to_owned(),
        _ => return Err(BadIpfs::Api),
    };
    let port: u16 = port.parse().map_err(|_| BadIpfs::Api)?;
    let scheme = match rest {
        [] | ["http"] => "http",
        ["https"] | ["tls", "http"] => "https",
        _ => return Err(BadIpfs::Api),
    };
    Ok(format!("{scheme}://{host}:{port}"))
}

/// What stands behind `Authorization:`. It neither prints nor serialises.
#[derive(Clone)]
pub struct IpfsAuthorization(HeaderValue);

impl IpfsAuthorization {
    /// The whole value, such as `Bearer …` or `Basic …`; `None` if it cannot stand in a header.
    pub fn new(value: &str) -> Option<Self> {
        let mut value = HeaderValue::from_str(value).ok()?;
        value.set_sensitive(true);
        Some(Self(value))
    }

    pub(super) fn header(&self) -> HeaderValue {
        self.0.clone()
    }
}

impl fmt::Debug for IpfsAuthorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IpfsAuthorization(…)")
    }
}

/// Options that name no node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadIpfs {
    /// Neither a multiaddr over TCP nor an address without name, password or query.
    #[error("the node's RPC is named by a multiaddr such as /ip4/127.0.0.1/tcp/5001 or an http(s) address")]
    Api,
    /// Not an absolute path of plain names.
    #[error("the node's folder is a path such as /waxwing")]
    Folder,
    /// The authority's certificates.
    #[error(transparent)]
    Authority(#[from] BadAuthority),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_named_by_a_multiaddr_or_an_address() {
        for (api, expected) in [
            ("/ip4/127.0.0.1/tcp/5001", "http://127.0.0.1:5001/"),
            ("/ip4/127.0.0.1/tcp/5001/http", "http://127.0.0.1:5001/"),
            ("/ip6/::1/tcp/5001", "http://[::1]:5001/"),
            ("/dns/node.example/tcp/443/https", "https://node.example/"),
            ("/dns4/node.example/tcp/8443/tls/http", "https://node.example:8443/"),
            ("http://127.0.0.1:5001", "http://127.0.0.1:5001/"),
            ("https://node.example/behind", "https://node.example/behind"),
        ] {
            assert_eq!(IpfsOptions::new(api).base().unwrap().as_str(), expected, "{api}");
        }
    }

    #[test]
    fn what_names_no_node_is_refused() {
        for api in [
            "",
            "127.0.0.1:5001",
            "/ip4/127.0.0.1",
            "/ip4/node.example/tcp/5001",
            "/ip4/127.0.0.1/udp/5001",
            "/ip4/127.0.0.1/tcp/70000",
            "/ip4/127.0.0.1/tcp/5001/ws",
            "/unix/run/ipfs.sock",
            "/dns/a b/tcp/5001",
            "ftp://node.example",
            "http://user:word@node.example",
        ] {
            assert_eq!(IpfsOptions::new(api).base(), Err(BadIpfs::Api), "{api}");
        }
        for folder in ["", "/", "waxwing", "/a//b", "/a/../b"] {
            let mut options = IpfsOptions::new("/ip4/127.0.0.1/tcp/5001");
            options.folder = folder.into();
            assert_eq!(options.folder(), Err(BadIpfs::Folder), "{folder}");
        }
    }

    #[test]
    fn an_authorization_does_not_print() {
        let value = IpfsAuthorization::new("Bearer word").unwrap();
        assert!(!format!("{value:?}").contains("word"));
        assert!(IpfsAuthorization::new("two\nlines").is_none());
    }
}
