//! What a client calls itself, as its owner will read it in the list of sessions and in the log.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use proto::headers::CLIENT;
use proto::limits::CLIENT_MAX;

/// The header's printable characters, cut to a bound; empty without one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ClientName(pub(crate) String);

impl ClientName {
    fn of(text: &str) -> Self {
        let printable = text.chars().filter(|c| c.is_ascii_graphic() || *c == ' ');
        Self(printable.take(CLIENT_MAX).collect())
    }

    /// What it said, if it said anything.
    pub(crate) fn told(&self) -> Option<String> {
        (!self.0.is_empty()).then(|| self.0.clone())
    }
}

impl<S: Sync> FromRequestParts<S> for ClientName {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        let text = parts.headers.get(CLIENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        Ok(Self::of(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_and_printable() {
        assert_eq!(ClientName::of("wax/0.1.0 (Linux)").0, "wax/0.1.0 (Linux)");
        assert_eq!(ClientName::of("a\tb\u{1b}[31m").0, "ab[31m");
        assert_eq!(ClientName::of(&"x".repeat(500)).0.len(), CLIENT_MAX);
    }
}
