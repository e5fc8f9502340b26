//! `waxd doctor`: looks a server over, from its configuration to whatever stands between it and the people who use it, and says
//! what to do about each thing that is wrong.
//!
//! It runs beside the server, on the same machine and with the same configuration. It makes nothing that stays, and what it asks
//! of the public address needs a token that only the server's own secret makes.

mod caller;
mod certificate;
mod clock;
mod data;
mod database;
mod forwarded;
mod letters;
mod public;
mod stores;
pub(crate) mod token;

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::time::timeout;

use crate::config::{Config, PublicUrl};
use crate::logging::chain;

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As it should be.
    Green,
    /// It works, but somebody should know.
    Yellow,
    /// Something does not work.
    Red,
}

/// What was found of one thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What it belongs to: a word.
    pub area: &'static str,
    /// What was looked at; stable, for programs.
    pub check: &'static str,
    /// How it is.
    pub verdict: Verdict,
    /// What was seen, for a person. It holds no secret.
    pub seen: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

/// What the doctor is told beside the server's configuration.
#[derive(Clone, Debug)]
pub struct Options {
    /// A further authority that the public address's certificate may come from.
    pub ca: Option<PathBuf>,
    /// Send a letter to this address.
    pub mail_to: Option<String>,
    /// Let a stream stand still for so many seconds.
    pub slow_seconds: Option<u64>,
    /// How long whatever is looked at may keep silent; then it is red, and the next is looked at.
    pub patience: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { ca: None, mail_to: None, slow_seconds: None, patience: Duration::from_secs(30) }
    }
}

/// Gathers findings and shows each at once.
pub(crate) struct Chart<'a> {
    area: &'static str,
    findings: Vec<Finding>,
    patience: Duration,
    show: &'a mut (dyn FnMut(&Finding) + Send),
}

impl<'a> Chart<'a> {
    fn new(patience: Duration, show: &'a mut (dyn FnMut(&Finding) + Send)) -> Self {
        Self { area: "configuration", findings: Vec::new(), patience, show }
    }
}

impl Chart<'_> {
    pub(crate) fn green(&mut self, check: &'static str, seen: impl Into<String>) {
        self.note(check, Verdict::Green, seen.into(), None);
    }

    pub(crate) fn yellow(&mut self, check: &'static str, seen: impl Into<String>, fix: impl Into<String>) {
        self.note(check, Verdict::Yellow, seen.into(), Some(fix.into()));
    }

    pub(crate) fn red(&mut self, check: &'static str, seen: impl Into<String>, fix: impl Into<String>) {
        self.note(check, Verdict::Red, seen.into(), Some(fix.into()));
    }

    /// What kept silent for as long as anything may.
    pub(crate) fn silent(&mut self, check: &'static str, fix: impl Into<String>) {
        self.red(check, format!("did not answer within {} seconds", self.patience.as_secs()), fix);
    }

    fn note(&mut self, check: &'static str, verdict: Verdict, seen: String, fix: Option<String>) {
        let finding = Finding { area: self.area, check, verdict, seen, fix };
        (self.show)(&finding);
        self.findings.push(finding);
    }

    fn about(&mut self, area: &'static str) -> &mut Self {
        self.area = area;
        self
    }
}

/// Looks at everything; each finding is shown as soon as it is made. `environment` tells where secrets were read from.
pub async fn examine(
    config: Config,
    options: &Options,
    environment: impl Fn(&str) -> Option<OsString>,
    show: &mut (dyn FnMut(&Finding) + Send),
) -> Vec<Finding> {
    // It holds the server's whole configuration and every connection that it tries: too much for callers to carry around.
    Box::pin(look_over(config, options, environment, show)).await
}

async fn look_over(
    config: Config,
    options: &Options,
    environment: impl Fn(&str) -> Option<OsString>,
    show: &mut (dyn FnMut(&Finding) + Send),
) -> Vec<Finding> {
    let mut chart = Chart::new(options.patience, show);
    let watch = clock::Watch::begin();
    // Most of what follows reads the folder, and would hang with its file system.
    if timeout(options.patience, tokio::fs::metadata(&config.storage.data)).await.is_err() {
        let fix = "see to the disk or the mount that the data folder is on; nothing else was looked at";
        chart.about("data").silent("there", fix);
        return chart.findings;
    }
    configuration(&config, &mut chart);
    data::folder(&config, chart.about("data"));
    let keys = data::secrets(&config, environment, chart.about("secrets"));
    let newest = database::look(&config, chart.about("database")).await;
    stores::blobs(&config, chart.about("storage")).await;
    stores::redis(&config, keys.as_ref(), chart.about("redis")).await;
    letters::relay(&config, options.mail_to.as_deref(), chart.about("mail")).await;
    let url = public_url(&config);
    certificate::own(&config, url.as_ref(), options, chart.about("certificate"));
    let others = match (&url, &keys) {
        (Some(url), Some(keys)) => {
            let visit = public::Visit { config: &config, url, options, keys };
            visit.look(chart.about("public address")).await
        }
        (None, _) => {
            chart.about("public address").yellow(
                "asked",
                "the server's public address is not known, so nobody asked whether it is reached",
                "give --public-url https://wax.example, as browsers show it",
            );
            clock::Others::default()
        }
        (_, None) => {
            chart.about("public address").yellow(
                "asked",
                "without the server's secrets it cannot be told from any other, so it was not asked",
                "see to the secrets first",
            );
            clock::Others::default()
        }
    };
    watch.end(newest, others, chart.about("clock"));
    chart.findings
}

fn configuration(config: &Config, chart: &mut Chart<'_>) {
    let relay = match config.relay() {
        Ok(relay) => relay,
        Err(error) => {
            return chart.red(
                "accepted",
                chain(&error),
                "change what it names; waxd serve refuses to start so",
            );
        }
    };
    match config.check(relay.is_none()) {
        Ok(()) => chart.green("accepted", "waxd serve would take it"),
        Err(error) => {
            chart.red("accepted", chain(&error), "change what it names; waxd serve refuses to start so")
        }
    }
}

/// The public address, by word, or the server's own where nothing stands before it.
fn public_url(config: &Config) -> Option<PublicUrl> {
    let own = || {
        let scheme = if config.tls.plain_http { "http" } else { "https" };
        let is_own =
            config.listen.is_loopback() && !config.tls.behind_proxy && config.listen.listen.port() != 0;
        is_own.then(|| format!("{scheme}://localhost:{}", config.listen.listen.port()).parse().ok()).flatten()
    };
    config.public.public_url.clone().or_else(own)
}

/// Who signs certificates that are believed: the system's authorities, those that were given, and the server's own
/// development authority where it uses that.
fn authorities(config: &Config, options: &Options) -> Result<Arc<rustls::RootCertStore>, String> {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject as _;

    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let own = config.storage.data.join("tls").join("ca.pem");
    let uses_own = config.tls.tls_cert.is_none() && !config.tls.plain_http && own.is_file();
    let files = options.ca.iter().cloned().chain(uses_own.then_some(own));
    for path in files {
        let unusable = || format!("{} holds no usable certificate (PEM)", path.display());
        let given = CertificateDer::pem_file_iter(&path).map_err(|_| unusable())?;
        let given: Vec<_> = given.collect::<Result<_, _>>().map_err(|_| unusable())?;
        if given.is_empty() || roots.add_parsable_certificates(given).1 > 0 {
            return Err(unusable());
        }
    }
    Ok(Arc::new(roots))
}

/// Octets as a person reads them.
fn size(octets: u64) -> String {
    const UNITS: [&str; 5] = ["bytes", "KiB", "MiB", "GiB", "TiB"];
    let (mut whole, mut rest, mut unit) = (octets, 0, 0);
    while whole >= 1024 && unit + 1 < UNITS.len() {
        (rest, whole, unit) = (whole % 1024, whole / 1024, unit + 1);
    }
    match (unit, whole) {
        (0, _) | (_, 10..) => format!("{whole} {}", UNITS[unit]),
        _ => format!("{whole}.{} {}", rest * 10 / 1024, UNITS[unit]),
    }
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes_are_read_at_a_glance() {
        for (octets, text) in [
            (0, "0 bytes"),
            (1_023, "1023 bytes"),
            (1_536, "1.5 KiB"),
            (17 << 20, "17 MiB"),
            ((3 << 40) + (1 << 39), "3.5 TiB"),
        ] {
            assert_eq!(size(octets), text);
        }
    }
}
