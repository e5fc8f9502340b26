//! The way to the object store behind a server: one request to an address that the server gave, without anything that says who asks.
//!
//! What comes from there is held against the signed tree as everything else is. Where that way does not work, it is given up for as long as
//! this process lives, and everything goes through the server.

use crate::{ClientOptions, Error, Result};
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, LOCATION, RANGE};
use reqwest::{Body, Response, StatusCode, Url};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Longest address that is followed, bytes.
const ADDRESS_MAX: usize = 4096;
/// How long connecting to the store may take: longer, and the way through the server is the better one.
const CONNECT: Duration = Duration::from_secs(5);

/// Connections to the store. Clones share whether it is still tried.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    http: reqwest::Client,
    /// Whether the server itself is on this machine; only then its store may be.
    is_local: bool,
    is_tried: Arc<AtomicBool>,
}

impl Store {
    pub(crate) fn new(origin: &str, tls: rustls::ClientConfig, options: &ClientOptions) -> Result<Self> {
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .http1_only()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .connect_timeout(options.connect_timeout.min(CONNECT))
            .pool_idle_timeout(Duration::from_secs(20))
            .tcp_nodelay(true)
            .build()
            .map_err(|_| Error::Internal("the HTTP client could not be made"))?;
        let is_local = Url::parse(origin).is_ok_and(|url| is_loopback(&url));
        Ok(Self { http, is_local, is_tried: Arc::new(AtomicBool::new(options.direct)) })
    }

    /// Whether that way is to be tried.
    pub(crate) fn is_tried(&self) -> bool {
        self.is_tried.load(Ordering::Relaxed)
    }

    /// It does not work.
    pub(crate) fn give_up(&self) {
        if self.is_tried.swap(false, Ordering::Relaxed) {
            tracing::info!(
                "the object store cannot be reached from here; everything goes through the server"
            );
        }
    }

    /// What the store gives from byte `from` on, at the address that `redirect` names; `None` gives the way up.
    pub(crate) async fn fetch(&self, redirect: &Response, from: u64, silence: Duration) -> Option<Response> {
        let address = redirect.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        let fetched = match address.and_then(|address| self.judged(address)) {
            None => None,
            Some(address) => {
                let mut request = self.http.get(address);
                if from > 0 {
                    request = request.header(RANGE, format!("bytes={from}-"));
                }
                let response =
                    tokio::time::timeout(silence, request.send()).await.ok().and_then(|sent| sent.ok());
                response.filter(|response| match response.status() {
                    StatusCode::OK => true,
                    StatusCode::PARTIAL_CONTENT => from > 0,
                    _ => false,
                })
            }
        };
        if fetched.is_none() {
            self.give_up();
        }
        fetched
    }

    /// Puts a part to an address that the server gave; whether the store took it.
    pub(crate) async fn put(&self, address: &str, len: u64, body: Body) -> bool {
        let Some(address) = self.judged(address) else { return false };
        let request = self.http.put(address).header(CONTENT_LENGTH, len).body(body);
        let request = request.header(CONTENT_TYPE, "application/octet-stream");
        request.send().await.is_ok_and(|response| response.status().is_success())
    }

    /// An address that may be called: HTTPS, without a name and password, and not on this machine unless the server is there too.
    fn judged(&self, address: &str) -> Option<Url> {
        let url = Url::parse(address).ok().filter(|_| address.len() <= ADDRESS_MAX)?;
        let local = is_loopback(&url);
        let fits = match url.scheme() {
            "https" => !local || self.is_local,
            "http" => local && self.is_local,
            _ => false,
        };
        let is_plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
        (fits && is_plain).then_some(url)
    }
}

/// Whether an address is one of this machine.
fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let ip = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    match ip {
        Ok(IpAddr::V4(four)) => four.is_loopback() || four.is_unspecified(),
        Ok(IpAddr::V6(six)) => {
            six.is_loopback()
                || six.is_unspecified()
                || six.to_ipv4_mapped().is_some_and(|four| four.is_loopback())
        }
        Err(_) => host == "localhost" || host.ends_with(".localhost"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(origin: &str) -> Store {
        let tls = crate::http::tls_config(None).unwrap();
        Store::new(origin, tls, &ClientOptions::default()).unwrap()
    }

    #[test]
    fn only_https_is_called_and_this_machine_only_by_a_server_on_it() {
        let (far, near) = (of("https://files.example"), of("https://localhost:8443"));
        for good in ["https://bucket.store.example/a?X-Amz-Signature=1", "https://cdn.example:8443/x"] {
            assert!(far.judged(good).is_some() && near.judged(good).is_some(), "{good}");
        }
        for local in [
            "http://127.0.0.1:9000/b/x",
            "http://localhost:9000/b/x",
            "https://[::1]/x",
            "https://127.9.9.9/x",
            "https://0.0.0.0/x",
            "https://[::ffff:127.0.0.1]/x",
            "https://a.localhost/x",
        ] {
            assert!(far.judged(local).is_none() && near.judged(local).is_some(), "{local}");
        }
        for bad in [
            "http://store.example/x",
            "https://me:secret@store.example/x",
            "https://store.example/x#y",
            "file:///etc/passwd",
            "ftp://store.example/x",
            "/only/a/path",
            "",
            &format!("https://store.example/{}", "x".repeat(ADDRESS_MAX)),
        ] {
            assert!(far.judged(bad).is_none() && near.judged(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn what_was_given_up_is_given_up_for_every_transfer() {
        let store = of("https://files.example");
        let clone = store.clone();
        assert!(clone.is_tried());
        store.give_up();
        assert!(!clone.is_tried());
        let off = ClientOptions { direct: false, ..ClientOptions::default() };
        let tls = crate::http::tls_config(None).unwrap();
        assert!(!Store::new("https://files.example", tls, &off).unwrap().is_tried());
    }
}
