//! The one error of strict parsing.

/// Why bytes or text are not a canonical value of the format.
///
/// The variants name layout faults only; they carry no data from the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseError {
    /// The input ends before the named field does.
    #[error("truncated before {field}")]
    Truncated {
        /// The field that could not be read.
        field: &'static str,
    },
    /// Bytes follow where the value must end.
    #[error("trailing bytes")]
    TrailingBytes,
    /// The first eight bytes are not the magic of this kind of value.
    #[error("wrong magic")]
    Magic,
    /// A code point (suite, wrap, algorithm, usage, slot kind, parameters) is not known.
    #[error("unknown code in {field}")]
    UnknownCode {
        /// The field that holds the code.
        field: &'static str,
    },
    /// A number or length is outside what the format allows.
    #[error("{field} is out of range")]
    OutOfRange {
        /// The field that is out of range.
        field: &'static str,
    },
    /// Two fields, each legal, contradict each other.
    #[error("{field} contradicts another field")]
    Contradiction {
        /// The field that contradicts an earlier one.
        field: &'static str,
    },
    /// Text is not in its one canonical spelling.
    #[error("{field} is not in canonical spelling")]
    Spelling {
        /// The field or kind of text.
        field: &'static str,
    },
}
