//! Single calls of the node's RPC, and what its refusals mean.

use std::io;

use reqwest::header::AUTHORIZATION;
use reqwest::{RequestBuilder, Response};
use serde::Deserialize;

use super::Node;
use crate::{BlobError, http};

/// The longest short answer that is read.
const ANSWER_MAX: usize = 64 << 10;

/// Why a call brought nothing.
#[derive(Debug)]
pub(super) enum CallError {
    /// The node said no, in words.
    Refused { status: u16, message: String },
    /// The node was not reached, or not in time.
    Failed(BlobError),
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Refusal {
    message: String,
}

impl Node {
    /// A call, not sent yet: the RPC wants every one to be a POST.
    pub(super) fn request(&self, call: &str, arguments: &[(&str, &str)]) -> RequestBuilder {
        let mut url = self.base.clone();
        url.set_path(&format!("{}/api/v0/{call}", self.base.path().trim_end_matches('/')));
        if !arguments.is_empty() {
            url.query_pairs_mut().extend_pairs(arguments);
        }
        let request = self.client.post(url);
        match &self.authorization {
            Some(authorization) => request.header(AUTHORIZATION, authorization.header()),
            None => request,
        }
    }

    /// Calls, and waits for the head of a good answer.
    pub(super) async fn call(&self, call: &str, arguments: &[(&str, &str)]) -> Result<Response, CallError> {
        let response =
            http::send(self.request(call, arguments), self.silence).await.map_err(CallError::Failed)?;
        self.accept(response).await
    }

    /// Calls, and reads the answer to its end.
    pub(super) async fn text(&self, call: &str, arguments: &[(&str, &str)]) -> Result<String, CallError> {
        let response = self.call(call, arguments).await?;
        http::text(response, self.silence, ANSWER_MAX).await.map_err(CallError::Failed)
    }

    /// A good answer as it is, a refusal as an error.
    pub(super) async fn accept(&self, response: Response) -> Result<Response, CallError> {
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status().as_u16();
        // A refusal that cannot be read to its end is still a refusal.
        let body = http::text(response, self.silence, ANSWER_MAX).await.unwrap_or_default();
        let message = serde_json::from_str(&body).map_or_else(|_| body, |refusal: Refusal| refusal.message);
        Err(CallError::Refused { status, message })
    }
}

impl CallError {
    fn says(&self, words: &[&str]) -> bool {
        match self {
            Self::Refused { message, .. } => words.iter().any(|word| message.contains(word)),
            Self::Failed(_) => false,
        }
    }

    /// There is nothing at that path of the node's files.
    pub(super) fn is_absence(&self) -> bool {
        self.says(&["does not exist"])
    }

    /// There is something at that path already.
    pub(super) fn is_taken(&self) -> bool {
        self.says(&["already has entry", "already exists"])
    }

    /// That CID is not pinned by itself.
    pub(super) fn is_no_pin(&self) -> bool {
        self.says(&["not pinned", "pinned indirectly"])
    }
}

impl From<CallError> for BlobError {
    fn from(error: CallError) -> Self {
        if error.says(&["no space left", "quota exceeded"]) {
            return Self::StorageFull;
        }
        let passes = error.says(&["deadline exceeded", "timed out", "timeout", "too many open files"]);
        let (status, message) = match error {
            CallError::Failed(error) => return error,
            CallError::Refused { status, message } => (status, message),
        };
        let message: String = message.chars().filter(|c| !c.is_control()).take(120).collect();
        let said = format!("the IPFS node answered {status}: {message}");
        match status {
            408 | 429 | 502 | 503 | 504 => http::unavailable(said),
            401 | 403 => Self::Io(io::Error::new(io::ErrorKind::PermissionDenied, said)),
            _ if passes => http::unavailable(said),
            _ => http::odd(said),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, message: &str) -> CallError {
        CallError::Refused { status, message: message.to_owned() }
    }

    #[test]
    fn the_words_of_both_kinds_of_nodes_are_understood() {
        assert!(refused(500, "file does not exist").is_absence());
        assert!(refused(404, "/waxwing/ab does not exist").is_absence());
        assert!(refused(500, "not pinned or pinned indirectly").is_no_pin());
        assert!(refused(500, "bafy is not pinned").is_no_pin());
        assert!(refused(500, "cannot put node: directory already has entry by that name").is_taken());
        assert!(
            !refused(500, "block was not found locally").is_absence(),
            "a block that is lost is no absence"
        );
    }

    #[test]
    fn refusals_are_told_apart() {
        assert!(matches!(refused(500, "write: no space left on device").into(), BlobError::StorageFull));
        assert!(BlobError::from(refused(503, "")).is_transient());
        assert!(BlobError::from(refused(500, "context deadline exceeded")).is_transient());
        assert!(!BlobError::from(refused(403, "")).is_transient());
        assert!(!BlobError::from(refused(500, "merkledag: bad")).is_transient());
    }
}
