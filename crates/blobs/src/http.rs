//! Calls to stores behind a network: bounded in time and memory, and their errors name neither address nor key.

use std::error::Error as _;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, stream};
use reqwest::{RequestBuilder, Response};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio::time::timeout;

use crate::{BlobError, BlobStream};

/// The longest piece of a stream.
const PIECE_LEN: usize = 1 << 20;

/// A short answer that trickles is given up after so many times the wait for its next octets.
const MOST_WAITS: u32 = 10;

/// Certificates that are none, or a client that cannot be made of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the certificates of the storage's authority cannot be read")]
pub struct BadAuthority;

/// A client for one store. It believes the system's authorities, or only those of `ca_pem`.
pub(crate) fn client(ca_pem: Option<&str>, connect: Duration) -> Result<reqwest::Client, BadAuthority> {
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls(ca_pem)?)
        .http1_only()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .referer(false)
        .connect_timeout(connect)
        .pool_idle_timeout(Duration::from_secs(20))
        .tcp_nodelay(true)
        .build()
        .map_err(|_| BadAuthority)
}

fn tls(ca_pem: Option<&str>) -> Result<rustls::ClientConfig, BadAuthority> {
    let mut roots = rustls::RootCertStore::empty();
    match ca_pem {
        Some(pem) => {
            for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
                roots.add(certificate.map_err(|_| BadAuthority)?).map_err(|_| BadAuthority)?;
            }
            if roots.is_empty() {
                return Err(BadAuthority);
            }
        }
        None => drop(roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs)),
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let versions =
        rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    Ok(versions.map_err(|_| BadAuthority)?.with_root_certificates(roots).with_no_client_auth())
}

/// Sends a request whose body is at hand; the head of the answer must come `within` a time.
pub(crate) async fn send(request: RequestBuilder, within: Duration) -> Result<Response, BlobError> {
    timeout(within, request.send()).await.map_err(|_| silent())?.map_err(failed)
}

/// The body of an answer that is to be short. Each piece must come `within` a time, and all of it
/// within [`MOST_WAITS`] times as long.
pub(crate) async fn text(response: Response, within: Duration, max: usize) -> Result<String, BlobError> {
    let all = within.saturating_mul(MOST_WAITS);
    timeout(all, whole(response, within, max)).await.map_err(|_| silent())?
}

async fn whole(mut response: Response, within: Duration, max: usize) -> Result<String, BlobError> {
    let mut body = Vec::new();
    while let Some(piece) = timeout(within, response.chunk()).await.map_err(|_| silent())?.map_err(failed)? {
        if body.len() + piece.len() > max {
            return Err(odd("an answer that is too long"));
        }
        body.extend_from_slice(&piece);
    }
    String::from_utf8(body).map_err(|_| odd("an answer that is no text"))
}

/// The body of an answer, which must hold exactly `len` octets. Each piece must come `within` a time.
pub(crate) fn pieces(response: Response, within: Duration, len: u64) -> BlobStream {
    let state = Some((response, Bytes::new(), len));
    stream::unfold(state, move |state| async move {
        let (mut response, mut ready, mut left) = state?;
        while ready.is_empty() {
            let next = match timeout(within, response.chunk()).await {
                Ok(Ok(next)) => next,
                Ok(Err(error)) => return Some((Err(failed(error)), None)),
                Err(_) => return Some((Err(silent()), None)),
            };
            match next {
                Some(piece) if piece.len() as u64 > left => {
                    return Some((Err(odd("more octets than were asked for")), None));
                }
                Some(piece) => ready = piece,
                None if left == 0 => return None,
                None => return Some((Err(unavailable("the answer ended early")), None)),
            }
        }
        let piece = ready.split_to(PIECE_LEN.min(ready.len()));
        left -= piece.len() as u64;
        // Whoever has all octets does not wait for the end of the answer.
        let rest = (left > 0).then_some((response, ready, left));
        Some((Ok(piece), rest))
    })
    .boxed()
}

/// A call that did not come to an answer. The address, which may hold a signature, is taken out of it.
pub(crate) fn failed(error: reqwest::Error) -> BlobError {
    let error = error.without_url();
    let mut cause = error.source();
    while let Some(current) = cause {
        if let Some(rustls::Error::InvalidCertificate(_)) = current.downcast_ref::<rustls::Error>() {
            return BlobError::Io(io::Error::other(error));
        }
        // An I/O error names as its source what lies below the error that it wraps, so that one is looked at first.
        let wrapped = current.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        cause = match wrapped {
            Some(wrapped) => Some(wrapped),
            None => current.source(),
        };
    }
    if error.is_builder() {
        BlobError::Io(io::Error::other(error))
    } else {
        BlobError::Unavailable(io::Error::other(error))
    }
}

/// No answer in time.
pub(crate) fn silent() -> BlobError {
    BlobError::Unavailable(io::ErrorKind::TimedOut.into())
}

/// Something that may pass.
pub(crate) fn unavailable(what: impl Into<String>) -> BlobError {
    BlobError::Unavailable(io::Error::other(what.into()))
}

/// An answer that makes no sense.
pub(crate) fn odd(what: impl Into<String>) -> BlobError {
    BlobError::Io(io::Error::new(io::ErrorKind::InvalidData, what.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_short_answer_that_trickles_is_given_up() {
        let within = Duration::from_secs(30);
        let trickle = stream::unfold((), move |()| async move {
            tokio::time::sleep(within / 2).await;
            Some((Ok::<_, io::Error>(Bytes::from_static(b" ")), ()))
        });
        let response = hyper::Response::new(reqwest::Body::wrap_stream(trickle));
        let answer = text(response.into(), within, 1 << 10).await;
        assert!(matches!(answer, Err(BlobError::Unavailable(_))), "{answer:?}");
    }
}
