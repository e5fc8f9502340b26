//! What a server is told about the client: made here, never taken over from whoever asked.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use hyper::HeaderMap;
use hyper::header::HeaderName;

/// Headers that claim something about the client or the way, beside all that begin with `x-forwarded-`.
const CLAIMS: [&str; 9] = [
    "forwarded",
    "x-real-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "true-client-ip",
    "cf-connecting-ip",
    "x-original-url",
    "x-rewrite-url",
    proto::headers::REQUEST_ID,
];
const FORWARDED_FOR: &str = "x-forwarded-for";

/// Proxies before the balancer whose word counts; nobody, as a rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trusted(Vec<(IpAddr, u8)>);

/// Text that is not a list of proxies.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no address and no network: write them as 192.0.2.7 or 10.0.0.0/8, separated by commas")]
pub struct BadProxies(String);

impl Trusted {
    pub(crate) fn contain(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|(first, bits)| *first == beginning(address, *bits))
    }
}

impl FromStr for Trusted {
    type Err = BadProxies;

    /// An empty text trusts nobody.
    fn from_str(text: &str) -> Result<Self, BadProxies> {
        let pieces = text.split(',').map(str::trim).filter(|piece| !piece.is_empty());
        pieces
            .map(|piece| network(piece).ok_or_else(|| BadProxies(piece.to_owned())))
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

impl fmt::Display for Trusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (first, bits)) in self.0.iter().enumerate() {
            write!(f, "{}{first}/{bits}", if index == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

/// `None` also where bits of a host are set behind the network's: whoever wrote that meant something else.
fn network(text: &str) -> Option<(IpAddr, u8)> {
    let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
    let first = address.parse::<IpAddr>().ok()?;
    let most = if first.is_ipv4() { 32 } else { 128 };
    let bits = match bits {
        None => most,
        Some(bits) if bits.bytes().all(|byte| byte.is_ascii_digit()) => bits.parse().ok()?,
        Some(_) => return None,
    };
    (bits <= most && beginning(first, bits) == first).then_some((first, bits))
}

/// An address with nothing left behind its first bits.
fn beginning(address: IpAddr, bits: u8) -> IpAddr {
    match address {
        IpAddr::V4(four) => {
            let behind = u32::MAX.checked_shr(bits.into()).unwrap_or(0);
            IpAddr::from((four.to_bits() & !behind).to_be_bytes())
        }
        IpAddr::V6(six) => {
            let behind = u128::MAX.checked_shr(bits.into()).unwrap_or(0);
            IpAddr::from((six.to_bits() & !behind).to_be_bytes())
        }
    }
}

/// The client: the other end of the connection, or, behind trusted proxies, whom the first of them heard from.
pub(crate) fn client(peer: IpAddr, headers: &HeaderMap, trusted: &Trusted) -> IpAddr {
    let peer = peer.to_canonical();
    let mut known = peer;
    for value in headers.get_all(FORWARDED_FOR).iter().rev() {
        let Ok(value) = value.to_str() else { return if trusted.contain(known) { peer } else { known } };
        for hop in value.rsplit(',') {
            if !trusted.contain(known) {
                return known;
            }
            match address(hop.trim()) {
                Some(address) => known = address,
                None => return peer,
            }
        }
    }
    known
}

/// An address as proxies write it: some add the port.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let parsed = bare.parse().ok().or_else(|| text.parse().ok().map(|socket: SocketAddr| socket.ip()));
    parsed.map(|address: IpAddr| address.to_canonical())
}

/// Names of the headers that claim something, to be taken away.
pub(crate) fn claims(headers: &HeaderMap) -> Vec<HeaderName> {
    let is_claim =
        |name: &&HeaderName| name.as_str().starts_with("x-forwarded-") || CLAIMS.contains(&name.as_str());
    headers.keys().filter(is_claim).cloned().collect()
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        map
    }

    fn client_of(peer: &str, forwarded: &[&'static str], trusted: &str) -> String {
        let pairs: Vec<_> = forwarded.iter().map(|value| (FORWARDED_FOR, *value)).collect();
        client(peer.parse().unwrap(), &headers(&pairs), &trusted.parse().unwrap()).to_string()
    }

    #[test]
    fn what_a_client_claims_of_itself_counts_nothing() {
        assert_eq!(client_of("192.0.2.7", &["203.0.113.1"], ""), "192.0.2.7");
        assert_eq!(client_of("192.0.2.7", &["203.0.113.1"], "10.0.0.0/8"), "192.0.2.7");
    }

    #[test]
    fn a_trusted_proxy_says_whom_it_heard_from_and_no_more() {
        assert_eq!(client_of("10.0.0.1", &["203.0.113.1"], "10.0.0.0/8"), "203.0.113.1");
        assert_eq!(client_of("10.0.0.1", &["6.6.6.6, 203.0.113.1"], "10.0.0.0/8"), "203.0.113.1");
        assert_eq!(client_of("10.0.0.1", &["6.6.6.6", "203.0.113.1:5000"], "10.0.0.0/8"), "203.0.113.1");
        assert_eq!(client_of("10.0.0.1", &["203.0.113.1, 10.0.0.2"], "10.0.0.0/8"), "203.0.113.1");
        assert_eq!(client_of("10.0.0.1", &["nonsense"], "10.0.0.0/8"), "10.0.0.1");
        assert_eq!(client_of("::ffff:10.0.0.1", &["203.0.113.1"], "10.0.0.0/8"), "203.0.113.1");
    }

    #[test]
    fn every_claim_is_found_and_nothing_else() {
        let map = headers(&[
            ("x-forwarded-for", "1.1.1.1"),
            ("x-forwarded-host", "evil.example"),
            ("x-forwarded-anything", "x"),
            ("forwarded", "for=1.1.1.1"),
            ("x-real-ip", "1.1.1.1"),
            ("authorization", "Bearer x"),
            ("range", "bytes=0-1"),
        ]);
        let mut found: Vec<String> = claims(&map).iter().map(|name| name.as_str().to_owned()).collect();
        found.sort();
        assert_eq!(
            found,
            ["forwarded", "x-forwarded-anything", "x-forwarded-for", "x-forwarded-host", "x-real-ip"]
        );
    }

    #[test]
    fn what_is_no_list_of_proxies_is_refused() {
        for text in ["proxy.example", "10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/+8", "127.0.0.1 ::1"] {
            assert!(text.parse::<Trusted>().is_err(), "{text}");
        }
        assert_eq!("10.0.0.0/8, ::1".parse::<Trusted>().unwrap().to_string(), "10.0.0.0/8,::1/128");
    }
}
