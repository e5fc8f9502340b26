//! Whose word counts about where a request comes from.

use std::net::IpAddr;
use std::str::FromStr;

/// Whose word counts about where a request comes from.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Proxies {
    /// Proxies whose X-Forwarded-For is believed: addresses and networks, separated by commas
    /// [default: loopback with --behind-proxy, else none]
    #[arg(long, env = "TRUSTED_PROXIES", value_name = "ADDRESSES")]
    pub trusted_proxies: Option<TrustedProxies>,
}

/// The proxies themselves: a header of anybody else is what a stranger wrote.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<Network>);

/// Text that is not a list of proxies.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no address and no network: write them as 192.0.2.7, 10.0.0.0/8 or 2001:db8::/32, separated by commas"
)]
pub struct BadProxies(String);

/// All addresses that begin with the same bits. IPv4 is never written as IPv6 here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Network {
    first: IpAddr,
    bits: u8,
}

impl TrustedProxies {
    /// This machine alone.
    pub(crate) fn loopback() -> Self {
        let four = Network { first: IpAddr::from([127, 0, 0, 0]), bits: 8 };
        let six = Network { first: IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]), bits: 128 };
        Self(vec![four, six])
    }

    /// Whether an address is one of them.
    pub(crate) fn contain(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.first == beginning(address, network.bits))
    }
}

impl FromStr for TrustedProxies {
    type Err = BadProxies;

    /// An empty text trusts nobody.
    fn from_str(text: &str) -> Result<Self, BadProxies> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        let network = |piece: &str| {
            let piece = piece.trim();
            Network::parse(piece).ok_or_else(|| BadProxies(piece.to_owned()))
        };
        text.split(',').map(network).collect::<Result<_, _>>().map(Self)
    }
}

impl Network {
    /// `None` also where bits of a host are set behind the network's: whoever wrote that meant something else.
    fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            None => (text, None),
            Some((address, bits)) => {
                let is_number = !bits.is_empty() && bits.bytes().all(|byte| byte.is_ascii_digit());
                (address, Some(bits.parse::<u8>().ok().filter(|_| is_number)?))
            }
        };
        let written: IpAddr = address.parse().ok()?;
        let first = written.to_canonical();
        let most = if first.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            None => most,
            // ::ffff:10.0.0.0/104 is 10.0.0.0/8.
            Some(bits) if first != written => bits.checked_sub(96)?,
            Some(bits) => bits,
        };
        (bits <= most && beginning(first, bits) == first).then_some(Self { first, bits })
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn trusted(list: &str, address: &str) -> bool {
        list.parse::<TrustedProxies>().unwrap().contain(address.parse().unwrap())
    }

    #[test]
    fn a_network_holds_its_addresses_and_not_their_neighbours() {
        assert!(trusted("10.0.0.0/8", "10.255.255.255"));
        assert!(!trusted("10.0.0.0/8", "11.0.0.0"));
        assert!(trusted("192.0.2.7", "192.0.2.7"));
        assert!(!trusted("192.0.2.7", "192.0.2.6"));
        assert!(trusted("192.0.2.128/25", "192.0.2.128"));
        assert!(!trusted("192.0.2.128/25", "192.0.2.127"));
        assert!(trusted("2001:db8::/32", "2001:db8:ffff::1"));
        assert!(!trusted("2001:db8::/32", "2001:db9::1"));
        assert!(trusted(" 192.0.2.7 , 2001:db8::1 ", "2001:db8::1"));
        assert!(trusted("0.0.0.0/0", "203.0.113.9"));
        assert!(!trusted("0.0.0.0/0", "2001:db8::1"), "one family is not the other");
        assert!(trusted("::/0", "2001:db8::1"));
        assert!(!trusted("", "127.0.0.1"));
    }

    #[test]
    fn an_ipv4_address_is_one_however_it_is_written() {
        assert!(trusted("10.0.0.0/8", "::ffff:10.1.2.3"));
        assert!(trusted("::ffff:10.0.0.0/104", "10.1.2.3"));
        assert!(trusted("::ffff:192.0.2.7", "192.0.2.7"));
        assert!(!trusted("::ffff:10.0.0.0/104", "11.1.2.3"));
    }

    #[test]
    fn loopback_is_this_machine_in_both_families() {
        let own = TrustedProxies::loopback();
        for address in ["127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1"] {
            assert!(own.contain(address.parse().unwrap()), "{address}");
        }
        for address in ["128.0.0.1", "::2", "10.0.0.1"] {
            assert!(!own.contain(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn what_is_no_list_of_proxies_is_refused_and_named() {
        for (text, named) in [
            ("proxy.example", "proxy.example"),
            ("10.0.0.0/33", "10.0.0.0/33"),
            ("10.0.0.0/", "10.0.0.0/"),
            ("10.0.0.0/+8", "10.0.0.0/+8"),
            ("10.0.0.1/8", "10.0.0.1/8"),
            ("2001:db8::/129", "2001:db8::/129"),
            ("::ffff:10.0.0.0/8", "::ffff:10.0.0.0/8"),
            ("127.0.0.1,,::1", "\"\""),
            ("127.0.0.1 ::1", "127.0.0.1 ::1"),
            ("127.0.0.1:80", "127.0.0.1:80"),
        ] {
            let said = text.parse::<TrustedProxies>().unwrap_err().to_string();
            assert!(said.contains(named), "{text}: {said}");
        }
    }
}
