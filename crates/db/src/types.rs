//! Small values that rows are made of.

use std::fmt;

/// A moment in seconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixTime(pub i64);

impl UnixTime {
    /// The moment `seconds` later, or the last one there is.
    pub const fn plus(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds))
    }

    /// Seconds from `self` until `later`; 0 if that is not in the future.
    pub fn seconds_until(self, later: Self) -> u32 {
        u32::try_from(later.0.saturating_sub(self.0).max(0)).unwrap_or(u32::MAX)
    }
}

macro_rules! octets {
    ($(#[$doc:meta])* $name:ident, $len:literal, $debug:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; $len]);

        impl $name {
            /// The value of given octets.
            pub const fn from_bytes(bytes: [u8; $len]) -> Self {
                Self(bytes)
            }

            /// Its octets.
            pub const fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }
        }

        impl From<[u8; $len]> for $name {
            fn from(bytes: [u8; $len]) -> Self {
                Self(bytes)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                if $debug {
                    self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
                } else {
                    f.write_str(concat!(stringify!($name), "([redacted])"))
                }
            }
        }
    };
}

octets! {
    /// The hash of a token that continues a sign-in.
    HalfHash, 32, false
}
octets! {
    /// The hash of a token that ends a ceremony.
    CeremonyHash, 32, false
}
octets! {
    /// The keyed hash by which the credential of a passkey is found again.
    CredentialMac, 32, false
}
octets! {
    /// The id of a passkey.
    PasskeyId, 16, true
}
octets! {
    /// The keyed hash by which an address is found again (HMAC under a key of the server).
    Lookup, 32, false
}
octets! {
    /// The keyed hash of a one-time code together with what it is for.
    CodeMac, 32, false
}
octets! {
    /// The hash of a refresh token.
    RefreshHash, 32, false
}
octets! {
    /// A SHA-256 value that is no secret: a node of a tree, the digest of a manifest or of a request.
    Digest, 32, true
}
octets! {
    /// The id of a session.
    SessionId, 16, true
}
octets! {
    /// The id that a client gives to one download, so that its retries are not counted again.
    DownloadId, 16, true
}

/// The name of a blob, as the blob store wrote it. Never read or made here.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobRef(String);

impl BlobRef {
    /// The reference of a given text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for BlobRef {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Display for BlobRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_do_not_print() {
        let printed =
            format!("{:?} {:?} {:?}", Lookup([0xAB; 32]), CodeMac([0xAB; 32]), RefreshHash([0xAB; 32]));
        assert!(!printed.contains("ab") && !printed.contains("171"), "{printed}");
    }

    #[test]
    fn waiting_times_are_never_negative() {
        assert_eq!(UnixTime(10).seconds_until(UnixTime(15)), 5);
        assert_eq!(UnixTime(15).seconds_until(UnixTime(10)), 0);
        assert_eq!(UnixTime(i64::MIN).seconds_until(UnixTime(i64::MAX)), u32::MAX);
    }
}
