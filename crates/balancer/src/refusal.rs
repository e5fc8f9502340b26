//! Answers of the balancer itself: problem details with stable codes, as the servers give them; never a page.

use bytes::Bytes;
use hyper::header;
use pingora::http::ResponseHeader;
use pingora::protocols::http::ServerSession;
use proto::{Code, Problem};

/// Longest time that a client, to whom an answer came before it had sent everything, is still listened to. Who closes while
/// octets arrive tears down the connection, and the answer with it.
const LINGER: std::time::Duration = std::time::Duration::from_secs(2);

/// Why a request is not passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// No server is ready.
    NoServer,
    /// As many requests are under way as may be.
    Full,
    /// A server broke off; whoever asked may ask again.
    ServerFailed,
    /// A server was silent for too long.
    ServerSilent,
    /// Head of the request: too many fields, or too long.
    HeadersTooLarge,
    /// Lengths that contradict each other, or the like.
    Malformed,
    /// The client was too slow.
    TooSlow,
    /// A fault of the balancer.
    Internal,
}

impl Refusal {
    pub(crate) fn code(self) -> Code {
        match self {
            Self::NoServer | Self::Full => Code::Unavailable,
            Self::ServerFailed => Code::BadGateway,
            Self::ServerSilent => Code::GatewayTimeout,
            Self::HeadersTooLarge => Code::HeadersTooLarge,
            Self::Malformed => Code::Malformed,
            Self::TooSlow => Code::Timeout,
            Self::Internal => Code::Internal,
        }
    }

    fn detail(self) -> &'static str {
        match self {
            Self::NoServer => "No server can be reached just now. Try again.",
            Self::Full => "Too many requests are under way. Try again.",
            Self::ServerFailed => "The server went away while it was asked. Try again.",
            Self::ServerSilent => "The server did not answer in time. Try again.",
            Self::HeadersTooLarge => "The headers of the request are too many or too long.",
            Self::Malformed => "The request could not be understood.",
            Self::TooSlow => "The request took too long. Try again.",
            Self::Internal => "The request was not passed on. Try again; if it stays, ask the operator.",
        }
    }

    fn retry_after(self) -> Option<u64> {
        matches!(self, Self::NoServer | Self::Full).then_some(2)
    }

    fn problem(self, request_id: &str) -> Problem {
        let mut problem = Problem::new(self.code(), self.detail());
        request_id.clone_into(&mut problem.request_id);
        problem.retry_after = self.retry_after();
        problem
    }

    fn header(self, request_id: &str, len: usize) -> pingora::Result<ResponseHeader> {
        let mut head = ResponseHeader::build(self.code().status(), Some(12))?;
        head.insert_header(header::CONTENT_TYPE, "application/problem+json")?;
        head.insert_header(header::CONTENT_LENGTH, len.to_string())?;
        head.insert_header(header::CACHE_CONTROL, "no-store")?;
        head.insert_header(header::X_CONTENT_TYPE_OPTIONS, "nosniff")?;
        head.insert_header(
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'; sandbox",
        )?;
        head.insert_header(header::REFERRER_POLICY, "no-referrer")?;
        head.insert_header("cross-origin-resource-policy", "same-origin")?;
        head.insert_header(proto::headers::REQUEST_ID, request_id)?;
        if let Some(seconds) = self.retry_after() {
            head.insert_header(header::RETRY_AFTER, seconds.to_string())?;
        }
        Ok(head)
    }

    /// Writes the answer, and hears the rest of what the client is still saying, for a bounded time.
    pub(crate) async fn write(self, session: &mut ServerSession, request_id: &str) -> pingora::Result<()> {
        let body = serde_json::to_vec(&self.problem(request_id)).unwrap_or_default();
        let head = self.header(request_id, body.len())?;
        session.write_error_response(head, Bytes::from(body)).await?;
        if !session.is_http2() && !session.is_body_done() {
            // How it ends does not matter: the connection is closed after it.
            let _ = tokio::time::timeout(LINGER, session.drain_request_body()).await;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_problems_with_the_codes_of_the_wire() {
        let problem = Refusal::NoServer.problem("id");
        assert_eq!((problem.status, problem.code, problem.retry_after), (503, Code::Unavailable, Some(2)));
        assert_eq!(problem.request_id, "id");
        let failed = Refusal::ServerFailed;
        assert_eq!(failed.code().status(), 502);
        assert!(failed.code().is_transient(), "a client sends again by itself");
        let head = failed.header("id", 2).unwrap();
        assert_eq!(head.headers["content-type"], "application/problem+json");
        assert_eq!(head.headers["x-request-id"], "id");
    }
}
