//! The certificate that the server itself shows: whether it fits its key and its name, who signed it, and for how long.

use std::os::unix::fs::MetadataExt as _;
use std::sync::Arc;
use std::time::Duration;

use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};

use super::{Chart, Options, authorities, data};
use crate::clock::SystemClock;
use crate::config::{Config, PublicUrl};
use crate::logging::chain;
use crate::tls::Identity;

const DAY: u64 = 86_400;
const RED_DAYS: u64 = 3;
const YELLOW_DAYS: u64 = 20;
/// No authority signs for longer.
const LONGEST_DAYS: u64 = 20 * 366;

pub(super) fn own(config: &Config, url: Option<&PublicUrl>, options: &Options, chart: &mut Chart<'_>) {
    if config.tls.plain_http {
        let who =
            if config.tls.behind_proxy { "a proxy does TLS" } else { "plain HTTP, on this machine alone" };
        return chart.green("used", format!("none: {who}"));
    }
    let (Some(cert), Some(key)) = (&config.tls.tls_cert, &config.tls.tls_key) else {
        let is_local = url.is_none_or(|url| url.url().host_str() == Some("localhost"));
        return if is_local || config.tls.behind_proxy {
            chart.green("used", "one of the server's own development authority, renewed by itself")
        } else {
            chart.yellow(
                "used",
                "one of the server's own development authority, which no browser knows",
                "give --tls-cert and --tls-key, or let a proxy do TLS",
            )
        };
    };
    // The development authority is not touched: there is a certificate.
    if let Err(error) = Identity::open(&config.tls, &config.storage.data.join("tls"), &SystemClock) {
        return chart.red("used", chain(&error), "give a certificate chain and its own key, both as PEM");
    }
    chart.green("used", cert.display().to_string());
    match std::fs::metadata(key) {
        Ok(found) if found.mode() & 0o007 != 0 => {
            let is_mounted = data::is_mounted_read_only(key);
            data::exposed("key", key, "everybody", found.mode(), is_mounted, chart);
        }
        _ => chart.green("key", "fits the certificate, and is not for everybody to read"),
    }
    let Some(host) = url.and_then(|url| url.url().host_str()) else { return };
    let chain = CertificateDer::pem_file_iter(cert).map(|all| all.collect::<Result<Vec<_>, _>>());
    let Ok(Ok(chain)) = chain else { return };
    match authorities(config, options) {
        Ok(roots) => judge(&chain, host, &roots, chart),
        Err(why) => chart.red("chain", why, "give a file of PEM certificates to --ca"),
    }
}

/// Whether a certificate is good for a name, and for how long.
pub(super) fn judge(
    chain: &[CertificateDer<'static>],
    host: &str,
    roots: &Arc<RootCertStore>,
    chart: &mut Chart<'_>,
) {
    let now = UnixTime::now();
    match verify(chain, host, roots, now) {
        Ok(()) => chart.green("chain", format!("good for {host}, from a known authority")),
        Err(why) => {
            let (seen, fix) = in_words(&why, host);
            return chart.red("chain", seen, fix);
        }
    }
    let days = last_day(|day| {
        let then = UnixTime::since_unix_epoch(Duration::from_secs(now.as_secs().saturating_add(day * DAY)));
        verify(chain, host, roots, then).is_ok()
    });
    let (seen, fix) =
        (format!("it ends in {days} days"), "renew it, and see why it was not renewed by itself");
    match days {
        0..RED_DAYS => chart.red("ends", seen, fix),
        RED_DAYS..YELLOW_DAYS => chart.yellow("ends", seen, fix),
        _ => chart.green("ends", seen),
    }
}

fn verify(
    chain: &[CertificateDer<'static>],
    host: &str,
    roots: &Arc<RootCertStore>,
    at: UnixTime,
) -> Result<(), rustls::Error> {
    let (leaf, above) = chain.split_first().ok_or(rustls::Error::NoCertificatesPresented)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(roots.clone(), provider)
        .build()
        .map_err(|error| rustls::Error::General(error.to_string()))?;
    let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let name = ServerName::try_from(bare).map_err(|error| rustls::Error::General(error.to_string()))?;
    verifier.verify_server_cert(leaf, above, &name, &[], at).map(drop)
}

/// The last day on which something that ends once still holds.
fn last_day(holds: impl Fn(u64) -> bool) -> u64 {
    let (mut from, mut to) = (0, LONGEST_DAYS);
    while to - from > 1 {
        let middle = from.midpoint(to);
        if holds(middle) { from = middle } else { to = middle }
    }
    from
}

/// What is wrong with a certificate, and what to do about it.
pub(super) fn in_words(error: &rustls::Error, host: &str) -> (String, String) {
    use rustls::CertificateError as Bad;
    let rustls::Error::InvalidCertificate(bad) = error else {
        return (error.to_string(), "see to the certificate".to_owned());
    };
    match bad {
        Bad::NotValidForName | Bad::NotValidForNameContext { .. } => (
            format!("the certificate is not for {host}"),
            format!("get a certificate for {host}, or give the name it is for to --public-url"),
        ),
        Bad::Expired | Bad::ExpiredContext { .. } => {
            ("the certificate has ended".to_owned(), "renew it, and see why it was not renewed by itself".to_owned())
        }
        Bad::NotValidYet | Bad::NotValidYetContext { .. } => {
            ("the certificate is not good yet".to_owned(), "see to the clock of this machine".to_owned())
        }
        Bad::UnknownIssuer => (
            "the certificate comes from an authority that is not known here, or its chain is not whole".to_owned(),
            "give the whole chain (often called fullchain.pem); for an authority of your own, name it with --ca".to_owned(),
        ),
        other => (format!("the certificate is not good: {other}"), "get another one".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::last_day;

    #[test]
    fn the_last_day_is_found() {
        for end in [0, 1, 2, 89, 364, 7_000] {
            assert_eq!(last_day(|day| day <= end), end);
        }
        assert_eq!(last_day(|_| false), 0);
    }
}
