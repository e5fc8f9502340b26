//! Where people reach a server: what their browsers must show for its pages and passkeys.

use std::str::FromStr;

use url::{Host, Url};

/// Where people reach a server.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Public {
    /// Address of this server as browsers show it, such as https://wax.example; browser sessions and passkeys need it
    /// [default: its own, where it listens on a loopback address and no proxy stands in front]
    #[arg(long, env = "PUBLIC_URL", value_name = "URL")]
    pub public_url: Option<PublicUrl>,
}

/// Scheme, host and port, and nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl {
    url: Url,
    origin: String,
}

/// Why an address cannot be a server's public one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadPublicUrl {
    /// Not an absolute URL.
    #[error("that is not an address such as https://wax.example")]
    NotAUrl,
    /// Browsers keep cookies and passkeys of secure pages only.
    #[error("browsers keep sessions and passkeys for https:// only (http:// works for localhost)")]
    NotSecure,
    /// More than an origin.
    #[error("the address ends after host and port: no path, no user, no question mark")]
    NotAnOrigin,
}

impl PublicUrl {
    /// As browsers write it in `Origin`: scheme, host, and the port unless it is the usual one.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The address itself.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The host, if it is a name: passkeys belong to names, and numbers have none.
    #[must_use]
    pub fn domain(&self) -> Option<&str> {
        self.url.domain()
    }
}

impl FromStr for PublicUrl {
    type Err = BadPublicUrl;

    fn from_str(text: &str) -> Result<Self, BadPublicUrl> {
        let url = Url::parse(text.trim()).map_err(|_| BadPublicUrl::NotAUrl)?;
        let host = url.host().ok_or(BadPublicUrl::NotAUrl)?;
        let is_local = match host {
            Host::Domain(name) => name == "localhost",
            Host::Ipv4(four) => four.is_loopback(),
            Host::Ipv6(six) => six.is_loopback(),
        };
        match url.scheme() {
            "https" => {}
            "http" if is_local => {}
            _ => return Err(BadPublicUrl::NotSecure),
        }
        let is_bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        if !is_bare || !url.username().is_empty() || url.password().is_some() {
            return Err(BadPublicUrl::NotAnOrigin);
        }
        let origin = url.origin().ascii_serialization();
        Ok(Self { url, origin })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_written_as_browsers_write_it() {
        let of = |text: &str| text.parse::<PublicUrl>().unwrap();
        for text in ["https://wax.example", "https://WAX.example/", " https://wax.example:443 "] {
            assert_eq!(of(text).origin(), "https://wax.example", "{text}");
        }
        assert_eq!(of("https://wax.example:8443").origin(), "https://wax.example:8443");
        assert_eq!(of("http://localhost:8080").origin(), "http://localhost:8080");
        assert_eq!(of("https://b\u{fc}cher.example").origin(), "https://xn--bcher-kva.example");
    }

    #[test]
    fn only_a_name_can_have_passkeys() {
        assert_eq!("https://wax.example:8443".parse::<PublicUrl>().unwrap().domain(), Some("wax.example"));
        assert_eq!("https://192.0.2.1".parse::<PublicUrl>().unwrap().domain(), None);
        assert_eq!("https://[2001:db8::1]".parse::<PublicUrl>().unwrap().domain(), None);
    }

    #[test]
    fn what_is_more_or_less_than_a_secure_origin_is_refused() {
        let why = |text: &str| text.parse::<PublicUrl>().unwrap_err();
        assert_eq!(why("wax.example"), BadPublicUrl::NotAUrl);
        assert_eq!(why("data:text/plain,x"), BadPublicUrl::NotAUrl);
        assert_eq!(why("http://wax.example"), BadPublicUrl::NotSecure);
        assert_eq!(why("ftp://wax.example"), BadPublicUrl::NotSecure);
        for text in [
            "https://wax.example/x",
            "https://u@wax.example",
            "https://wax.example/?",
            "https://wax.example/#x",
        ] {
            assert_eq!(why(text), BadPublicUrl::NotAnOrigin, "{text}");
        }
    }
}
