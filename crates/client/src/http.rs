//! The wire to one server: TLS, one origin, no redirects but of parts, refusals as errors, retries with growing pauses.

use crate::store::Store;
use crate::{Cancel, ClientOptions, Error, Note, Progress, Result};
use base64::Engine;
use proto::{Problem, headers};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde::de::DeserializeOwned;
use std::error::Error as _;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Longest JSON reply that is read, bytes: a page of 200 files with the longest manifests fits.
const REPLY_MAX: usize = 24 << 20;

/// One origin and the connections to it.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    origin: String,
    host: String,
    http: reqwest::Client,
    /// The way to the object store behind it.
    pub(crate) store: Store,
    /// How long an answer to a small request may take, and how long a transfer may stand still.
    pub(crate) silence: Duration,
}

/// `https://host[:port]` in its normal form, or an error.
pub(crate) fn parse_origin(url: &str) -> Result<String> {
    let bad = || Error::ServerAddress(url.chars().filter(|c| !c.is_control()).take(200).collect());
    let parsed = reqwest::Url::parse(url.trim()).map_err(|_| bad())?;
    let plain = parsed.scheme() == "https"
        && parsed.host_str().is_some()
        && parsed.username().is_empty()
        && parsed.password().is_none()
        && matches!(parsed.path(), "" | "/")
        && parsed.query().is_none()
        && parsed.fragment().is_none();
    if plain { Ok(parsed.origin().ascii_serialization()) } else { Err(bad()) }
}

impl Server {
    pub(crate) fn new(origin: &str, ca_pem: Option<&str>, options: &ClientOptions) -> Result<Self> {
        let tls = tls_config(ca_pem)?;
        let mut sent_always = reqwest::header::HeaderMap::new();
        let agent =
            options.agent.parse().map_err(|_| Error::Internal("the client's name is not a header value"))?;
        sent_always.insert(headers::CLIENT, agent);
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            // One request per connection at a time: parts saturate HTTP/1.1, and flow-control windows halve HTTP/2.
            .http1_only()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .https_only(true)
            .default_headers(sent_always)
            .connect_timeout(options.connect_timeout)
            .pool_idle_timeout(Duration::from_secs(20))
            .tcp_nodelay(true)
            .build()
            .map_err(|_| Error::Internal("the HTTP client could not be made"))?;
        let host = origin.trim_start_matches("https://").to_owned();
        let store = Store::new(origin, store_tls(ca_pem)?, options)?;
        Ok(Self { origin: origin.to_owned(), host, http, store, silence: options.silence_timeout })
    }

    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }

    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// A request to a path of this origin.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.origin))
    }

    /// Sends a small request and waits for the head of a good answer.
    pub(crate) async fn send(&self, request: RequestBuilder) -> Result<Response> {
        let response = request.timeout(self.silence).send().await.map_err(|error| self.failed(&error))?;
        self.accept(response).await
    }

    /// Sends a request whose answer may be long: only its head must come in time.
    pub(crate) async fn send_long(&self, request: RequestBuilder) -> Result<Response> {
        let response = tokio::time::timeout(self.silence, request.send()).await;
        let response = response.map_err(|_| self.timed_out())?.map_err(|error| self.failed(&error))?;
        self.accept(response).await
    }

    /// The same of a request for a part that may be answered by a redirect to the object store. Whether that is followed is for the
    /// caller to judge.
    pub(crate) async fn send_for_part(&self, request: RequestBuilder) -> Result<Response> {
        let response = tokio::time::timeout(self.silence, request.send()).await;
        let response = response.map_err(|_| self.timed_out())?.map_err(|error| self.failed(&error))?;
        if response.status() == StatusCode::TEMPORARY_REDIRECT {
            Ok(response)
        } else {
            self.accept(response).await
        }
    }

    /// A good answer as it is, a refusal as the error it stands for.
    pub(crate) async fn accept(&self, response: Response) -> Result<Response> {
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        if status.is_redirection() {
            return Err(self.odd("it points somewhere else"));
        }
        let is_problem = response
            .headers()
            .get(reqwest::header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| value.starts_with("application/problem+json"));
        let body = self.body(response, 64 << 10).await.unwrap_or_default();
        match serde_json::from_slice::<Problem>(&body) {
            Ok(problem) if is_problem => Err(Error::from_problem(problem)),
            _ => Err(self.foreign(status)),
        }
    }

    /// A refusal that is not in Waxwing's words: something between the client and the server speaks.
    fn foreign(&self, status: StatusCode) -> Error {
        match status.as_u16() {
            413 => Error::TooLarge,
            408 | 504 => Error::TimedOut { host: self.host.clone() },
            502 | 503 => Error::Unreachable {
                host: self.host.clone(),
                why: "a proxy answers that the server is away".into(),
            },
            _ => self.odd("an answer without a problem document"),
        }
    }

    pub(crate) async fn json<T: DeserializeOwned>(&self, response: Response) -> Result<T> {
        let body = self.body(response, REPLY_MAX).await?;
        serde_json::from_slice(&body).map_err(|_| self.odd("an answer that cannot be read"))
    }

    /// The body, at most `max` bytes.
    pub(crate) async fn body(&self, mut response: Response, max: usize) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.failed(&error))? {
            if bytes.len() + chunk.len() > max {
                return Err(self.odd("an answer that is too long"));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }

    pub(crate) fn odd(&self, what: &'static str) -> Error {
        Error::NotAServer { host: self.host.clone(), what }
    }

    pub(crate) fn timed_out(&self) -> Error {
        Error::TimedOut { host: self.host.clone() }
    }

    /// Puts a transport failure into one of the classes that a person can act on.
    pub(crate) fn failed(&self, error: &reqwest::Error) -> Error {
        let host = self.host.clone();
        if let Some(why) = certificate_fault(error) {
            return Error::CertificateNotTrusted { host, why };
        }
        if error.is_timeout() {
            return Error::TimedOut { host };
        }
        let why = innermost(error);
        if error.is_connect() { Error::Unreachable { host, why } } else { Error::Broken { host, why } }
    }
}

pub(crate) fn tls_config(ca_pem: Option<&str>) -> Result<rustls::ClientConfig> {
    tls_over(rustls::RootCertStore::empty(), ca_pem)
}

/// For the object store: the authorities of the system, and the server's own.
fn store_tls(ca_pem: Option<&str>) -> Result<rustls::ClientConfig> {
    let mut roots = rustls::RootCertStore::empty();
    if ca_pem.is_some() {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    tls_over(roots, ca_pem)
}

fn tls_over(mut roots: rustls::RootCertStore, ca_pem: Option<&str>) -> Result<rustls::ClientConfig> {
    match ca_pem {
        Some(pem) => {
            for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
                let certificate = certificate.map_err(|_| Error::CertificateFile)?;
                roots.add(certificate).map_err(|_| Error::CertificateFile)?;
            }
            if roots.is_empty() {
                return Err(Error::CertificateFile);
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| Error::Internal("the TLS versions do not fit the provider"))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}

/// What is wrong with the server's certificate, if that is what went wrong.
fn certificate_fault(error: &reqwest::Error) -> Option<String> {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = error.source();
    while let Some(current) = cause {
        if let Some(rustls::Error::InvalidCertificate(fault)) = current.downcast_ref::<rustls::Error>() {
            return Some(certificate_words(fault));
        }
        // An I/O error names as its source what lies below the error that it wraps, so that one is looked at first.
        let wrapped = current.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        cause = match wrapped {
            Some(wrapped) => Some(wrapped as &(dyn std::error::Error + 'static)),
            None => current.source(),
        };
    }
    None
}

fn certificate_words(fault: &rustls::CertificateError) -> String {
    use rustls::CertificateError as C;
    match fault {
        C::Expired | C::ExpiredContext { .. } => "it has expired (or this machine's clock is wrong)",
        C::NotValidYet | C::NotValidYetContext { .. } => {
            "it is not valid yet (or this machine's clock is wrong)"
        }
        C::UnknownIssuer => "nobody that this machine trusts has signed it",
        C::NotValidForName | C::NotValidForNameContext { .. } => "it was made for another name",
        C::Revoked => "it was revoked",
        C::BadSignature => "its signature is wrong",
        _ => "it is not usable",
    }
    .to_owned()
}

fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &(dyn std::error::Error + 'static) = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    let text = cause.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    text.chars().filter(|c| !c.is_control()).take(200).collect::<String>().to_lowercase()
}

/// A proof by the root key as a header value.
pub(crate) fn proof_text(signature: &[u8]) -> String {
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(signature)
}

/// Pauses between tries: doubling from a quarter of a second to fifteen, each shortened by up to a half at random,
/// given up when nothing has worked for `patience`.
#[derive(Debug)]
pub(crate) struct Backoff {
    patience: Duration,
    failing_since: Option<Instant>,
    pause: Duration,
}

const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

impl Backoff {
    pub(crate) fn new(patience: Duration) -> Self {
        Self { patience, failing_since: None, pause: FIRST_PAUSE }
    }

    /// Something moved: the patience starts anew.
    pub(crate) fn moved(&mut self) {
        self.failing_since = None;
        self.pause = FIRST_PAUSE;
    }

    /// How long to wait before the next try and what to say of it, or the error when it is not worth another or patience
    /// has ended.
    pub(crate) fn next(&mut self, error: Error) -> Result<Pause> {
        if !error.is_transient() {
            return Err(error);
        }
        let since = *self.failing_since.get_or_insert_with(Instant::now);
        let asked = match &error {
            Error::Refused(problem) => problem.retry_after.map(Duration::from_secs),
            _ => None,
        };
        let pause = asked.unwrap_or_else(|| self.pause.mul_f64(jitter())).min(Duration::from_secs(120));
        if since.elapsed() + pause > self.patience {
            return Err(error);
        }
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        Ok(Pause { time: pause, answered: matches!(error, Error::Refused(_)) })
    }
}

/// The time between two tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pause {
    pub(crate) time: Duration,
    /// Whether the server said so; else it was not to be reached.
    answered: bool,
}

impl Pause {
    /// What to tell whoever waits; nothing of a pause that nobody notices.
    pub(crate) fn note(self) -> Option<Note> {
        let seconds = self.time.as_secs();
        match self.answered {
            _ if self.time <= Duration::from_secs(1) => None,
            true => Some(Note::AskedToWait { seconds }),
            false => Some(Note::Waiting { seconds }),
        }
    }
}

/// Between a half and one, so that many clients do not come back in step.
fn jitter() -> f64 {
    let mut byte = [0_u8; 1];
    // Without randomness the pause is simply whole.
    if aws_lc_rs::rand::fill(&mut byte).is_err() {
        return 1.0;
    }
    0.5 + f64::from(byte[0]) / 510.0
}

/// Repeats `attempt` while it fails for reasons that pass, until patience ends or stopping is asked for.
pub(crate) async fn retrying<T, F>(
    patience: Duration,
    progress: &dyn Progress,
    cancel: &Cancel,
    mut attempt: impl FnMut() -> F,
) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    let mut backoff = Backoff::new(patience);
    loop {
        let error = tokio::select! {
            biased;
            () = cancel.cancelled() => return Err(Error::Interrupted),
            outcome = attempt() => match outcome {
                Ok(value) => return Ok(value),
                Err(error) => error,
            },
        };
        let pause = backoff.next(error)?;
        if let Some(note) = pause.note() {
            progress.note(&note);
        }
        tokio::select! {
            () = cancel.cancelled() => return Err(Error::Interrupted),
            () = tokio::time::sleep(pause.time) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::Code;

    #[test]
    fn only_https_origins_are_servers() {
        assert_eq!(parse_origin("https://files.example").unwrap(), "https://files.example");
        assert_eq!(parse_origin("https://files.example:8443/").unwrap(), "https://files.example:8443");
        for url in [
            "http://files.example",
            "files.example",
            "https://a:b@files.example",
            "https://files.example/x",
            "https://",
            "ftp://x",
        ] {
            assert!(parse_origin(url).is_err(), "{url}");
        }
    }

    #[test]
    fn a_file_without_certificates_is_refused() {
        assert!(matches!(tls_config(Some("nothing")), Err(Error::CertificateFile)));
    }

    #[test]
    fn only_faults_that_pass_are_tried_again() {
        let mut backoff = Backoff::new(Duration::from_secs(60));
        assert!(backoff.next(Error::TimedOut { host: "h".into() }).is_ok());
        assert!(backoff.next(Error::from_problem(Problem::new(Code::Unavailable, ""))).is_ok());
        assert!(backoff.next(Error::NotFound).is_err());
        assert!(backoff.next(Error::CertificateNotTrusted { host: "h".into(), why: String::new() }).is_err());
    }

    #[test]
    fn patience_ends() {
        let mut backoff = Backoff::new(Duration::from_millis(1));
        assert!(backoff.next(Error::TimedOut { host: "h".into() }).is_err());
    }

    #[test]
    fn the_server_may_ask_for_a_longer_pause() {
        let mut problem = Problem::new(Code::TooMany, "");
        problem.retry_after = Some(7);
        let mut backoff = Backoff::new(Duration::from_secs(60));
        let pause = backoff.next(Error::from_problem(problem)).unwrap();
        assert_eq!(pause.time, Duration::from_secs(7));
        assert_eq!(
            pause.note(),
            Some(Note::AskedToWait { seconds: 7 }),
            "nobody is told that the network is away"
        );
    }
}
