//! Refusals: RFC 9457 problem details with stable codes.

use serde::{Deserialize, Serialize};

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $status:literal, $title:literal;)*) => {
        /// Why a request was refused; the text form never changes once released.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Code { $($(#[$doc])* $name,)* }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The stable text.
            #[must_use]
            pub const fn as_str(self) -> &'static str { match self { $(Self::$name => $text,)* } }

            /// The HTTP status that goes with it.
            #[must_use]
            pub const fn status(self) -> u16 { match self { $(Self::$name => $status,)* } }

            /// What it means, in one short sentence.
            #[must_use]
            pub const fn title(self) -> &'static str { match self { $(Self::$name => $title,)* } }
        }
    };
}

codes! {
    /// The request cannot be read.
    Malformed = "malformed", 400, "The request could not be understood";
    /// The code is wrong, used, or too old.
    CodeRejected = "code_rejected", 401, "The code is wrong or has expired";
    /// What an authenticator gave is not accepted; why is not told.
    PasskeyRejected = "passkey_rejected", 401, "The passkey was not accepted";
    /// No session, or one that has ended.
    SignInNeeded = "sign_in_needed", 401, "Sign in first";
    /// The account, or the server, has a second factor, which this way in cannot show.
    SecondFactorRequired = "second_factor_required", 401, "Sign in with a second factor";
    /// Sign-up is closed to this address.
    SignupClosed = "signup_closed", 403, "This server does not accept new accounts for this address";
    /// The action needs a signature by the account's root key.
    ProofNeeded = "proof_needed", 403, "This needs a signature by your root key";
    /// The server's policy demands a second factor, and this session has shown none.
    SecondFactorNeeded = "second_factor_needed", 403, "This server demands a second factor";
    /// The operator suspended the account.
    Suspended = "suspended", 403, "This account is suspended";
    /// A web page of another site is behind the request, or it could be.
    CrossSite = "cross_site", 403, "This did not come from a page of this server";
    /// Known to the caller, but not allowed.
    Forbidden = "forbidden", 403, "Not allowed";
    /// The drop box holds as much as it may, or its owner has no room.
    BoxFull = "box_full", 403, "The drop box takes nothing more";
    /// Nothing here for this caller.
    NotFound = "not_found", 404, "Nothing here for you";
    /// The method does not exist on this path.
    MethodNotAllowed = "method_not_allowed", 405, "That cannot be done here";
    /// Differs from what was said before under the same id.
    Conflict = "conflict", 409, "This differs from what was said before";
    /// The file has expired.
    Expired = "expired", 410, "The file has expired";
    /// All allowed downloads are used.
    DownloadsUsed = "downloads_used", 410, "All allowed downloads are used";
    /// The upload has ended or was abandoned.
    UploadEnded = "upload_ended", 410, "The upload has ended";
    /// The length must be told.
    LengthNeeded = "length_needed", 411, "The length of the body must be told";
    /// Larger than this server takes.
    TooLarge = "too_large", 413, "Larger than this server accepts";
    /// The account's quota does not hold it.
    QuotaExceeded = "quota_exceeded", 413, "Your quota does not hold this";
    /// A media type that this path does not take.
    MediaType = "media_type", 415, "That kind of content is not taken here";
    /// A sealed file was asked for where only files of the older kind are.
    OpenWithWax = "open_with_wax", 415, "Open it with wax";
    /// The range lies outside.
    Range = "range", 416, "The range lies outside the content";
    /// The content is not framed as sealed segments.
    NotSealed = "not_sealed", 422, "The content is not sealed";
    /// The bytes that arrived are not those that were announced.
    NodeMismatch = "node_mismatch", 422, "The part arrived damaged";
    /// Parts are missing.
    PartsMissing = "parts_missing", 422, "Parts are missing";
    /// Members of a folder are missing, or are in a folder already.
    MembersMissing = "members_missing", 422, "Files of the folder are missing";
    /// Manifest, grant or bundle do not fit together.
    Rejected = "rejected", 422, "The signed parts do not fit together";
    /// The client is too old.
    UpgradeNeeded = "upgrade_needed", 426, "This client is too old for the server";
    /// Too much, too fast.
    TooMany = "too_many", 429, "Too many requests";
    /// Too many headers or too long.
    HeadersTooLarge = "headers_too_large", 431, "The headers are too large";
    /// A fault of the server.
    Internal = "internal", 500, "The server made a mistake";
    /// The operator has not set up what this needs.
    NotOffered = "not_offered", 501, "This server does not offer that";
    /// A server behind a balancer went away while it was asked.
    BadGateway = "bad_gateway", 502, "The server went away while it was asked";
    /// Starting, stopping, or waiting for a part of itself.
    Unavailable = "unavailable", 503, "The server cannot answer just now";
    /// A server behind a balancer was silent for too long.
    GatewayTimeout = "gateway_timeout", 504, "The server did not answer in time";
    /// The request took too long.
    Timeout = "timeout", 408, "The request took too long";
    /// The server's disk is full.
    StorageFull = "storage_full", 507, "The server has no room left";
}

impl Code {
    /// Whether the same request may succeed later without a change.
    #[must_use]
    pub const fn is_transient(self) -> bool {
        matches!(
            self,
            Self::TooMany
                | Self::Internal
                | Self::BadGateway
                | Self::Unavailable
                | Self::GatewayTimeout
                | Self::Timeout
                | Self::NodeMismatch
        )
    }
}

impl Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Code {
    /// A code of a newer server reads as the class that it belongs to.
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Ok(Self::ALL.iter().copied().find(|code| code.as_str() == text).unwrap_or(Self::Internal))
    }
}

/// The body of every refusal, `application/problem+json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Problem {
    /// `https://waxwing.example/problems/CODE`: an identifier, not a place.
    #[serde(rename = "type")]
    pub kind: String,
    /// The code's short sentence.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// Stable code.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub code: Code,
    /// What happened and what to do, for a person.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// To name when asking the operator.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub request_id: String,
    /// Seconds to wait, with 429 and 503.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
}

impl Problem {
    /// A problem with a code and a sentence for a person.
    #[must_use]
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("https://waxwing.example/problems/{}", code.as_str()),
            title: code.title().to_owned(),
            status: code.status(),
            code,
            detail: detail.into(),
            request_id: String::new(),
            retry_after: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_distinct_and_come_back_from_their_text() {
        let mut seen = std::collections::BTreeSet::new();
        for code in Code::ALL {
            assert!(seen.insert(code.as_str()), "{code:?}");
            let text = serde_json::to_string(code).unwrap();
            assert_eq!(serde_json::from_str::<Code>(&text).unwrap(), *code);
            assert!((400..600).contains(&code.status()));
        }
    }

    #[test]
    fn a_code_of_a_newer_server_does_not_break_an_older_client() {
        assert_eq!(serde_json::from_str::<Code>("\"from_the_future\"").unwrap(), Code::Internal);
    }
}
