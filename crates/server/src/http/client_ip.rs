//! From which network address a request comes, for counted limits only.

use std::net::{IpAddr, SocketAddr};

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;

use crate::config::TrustedProxies;
use crate::error::Refusal;
use crate::state::App;

/// The other end of the connection, put into each request by the listener.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// The network of the client: an IPv4 address, or the /64 of an IPv6 address, as octets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClientIp(pub(crate) Vec<u8>);

impl ClientIp {
    fn of(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V4(four) => four.octets().to_vec(),
            IpAddr::V6(six) => six.octets()[..8].to_vec(),
        })
    }
}

impl FromRequestParts<App> for ClientIp {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refusal> {
        Ok(Self::of(client_of(parts, &app.trusted_proxies)))
    }
}

/// The address for which limits count a request.
pub(crate) fn client_of(parts: &Parts, trusted: &TrustedProxies) -> IpAddr {
    let peer = parts.extensions.get::<Peer>().map_or(IpAddr::from([0, 0, 0, 0]), |peer| peer.0.ip());
    client(peer, &parts.headers, trusted)
}

/// The client, as far as it is known by those who are believed.
///
/// Each proxy writes whom it heard from at the end of the list, so the list is read from its end, as long as a trusted
/// proxy wrote what is read. What stands before that is the client's own claim. Where a trusted proxy wrote something that
/// is no address, the connection is all that is known.
fn client(peer: IpAddr, headers: &HeaderMap, trusted: &TrustedProxies) -> IpAddr {
    let mut known = peer;
    for value in headers.get_all("x-forwarded-for").iter().rev() {
        let Ok(value) = value.to_str() else {
            return if trusted.contain(known) { peer } else { known };
        };
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
    bare.parse().ok().or_else(|| text.parse().ok().map(|socket: SocketAddr| socket.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_household_is_one_client() {
        let of = |text: &str| ClientIp::of(text.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:2"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
    }

    fn seen(peer: &str, headers: &[&str]) -> String {
        let mut map = HeaderMap::new();
        for value in headers {
            map.append("x-forwarded-for", axum::http::HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        client(peer.parse().unwrap(), &map, &"127.0.0.1, 10.0.0.0/8, fd00::/8".parse().unwrap()).to_string()
    }

    #[test]
    fn the_header_of_a_stranger_is_not_read() {
        assert_eq!(seen("203.0.113.9", &["198.51.100.1"]), "203.0.113.9");
        assert_eq!(seen("203.0.113.9", &["127.0.0.1"]), "203.0.113.9");
        assert_eq!(seen("203.0.113.9", &["10.0.0.1, 127.0.0.1"]), "203.0.113.9");
    }

    #[test]
    fn trusted_hops_are_skipped_from_the_right_and_no_claim_of_the_client_is_reached() {
        assert_eq!(seen("127.0.0.1", &["198.51.100.1"]), "198.51.100.1");
        assert_eq!(seen("127.0.0.1", &["192.0.2.66, 198.51.100.1"]), "198.51.100.1");
        assert_eq!(seen("127.0.0.1", &["192.0.2.66, 198.51.100.1, 10.1.2.3,fd00::7"]), "198.51.100.1");
        assert_eq!(seen("127.0.0.1", &["garbage, 198.51.100.1"]), "198.51.100.1");
        assert_eq!(
            seen("127.0.0.1", &["192.0.2.66", "198.51.100.1", "10.1.2.3"]),
            "198.51.100.1",
            "three lines"
        );
        assert_eq!(
            seen("::ffff:127.0.0.1", &["::ffff:198.51.100.1, ::ffff:10.0.0.1"]),
            "::ffff:198.51.100.1"
        );
        assert_eq!(
            seen("127.0.0.1", &["10.0.0.9, 10.0.0.1"]),
            "10.0.0.9",
            "a client within the trusted network"
        );
        assert_eq!(seen("127.0.0.1", &[]), "127.0.0.1");
    }

    #[test]
    fn ports_and_brackets_are_read() {
        assert_eq!(seen("127.0.0.1", &["198.51.100.1:4711"]), "198.51.100.1");
        assert_eq!(seen("127.0.0.1", &["[2001:db8::1]:4711"]), "2001:db8::1");
        assert_eq!(seen("127.0.0.1", &["[2001:db8::1]"]), "2001:db8::1");
    }

    #[test]
    fn garbage_of_a_trusted_proxy_leaves_the_connection() {
        for garbage in
            ["", "unknown", "198.51.100.1,", "198.51.100.1, x, 10.0.0.1", "198.51.100.1;10.0.0.1", "\u{fc}"]
        {
            assert_eq!(seen("127.0.0.1", &[garbage]), "127.0.0.1", "{garbage}");
        }
        assert_eq!(seen("127.0.0.1", &["198.51.100.1", "x"]), "127.0.0.1");
    }
}
