//! Sizes as people type them: `10MB`, `1.5 GB`, `800`.

use std::str::FromStr;

/// Bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Amount(pub(crate) u64);

/// A text that is no size.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("write a number of bytes, or one with kB, MB, GB or TB, such as 10MB")]
pub(crate) struct AmountError;

impl FromStr for Amount {
    type Err = AmountError;

    /// Units are powers of ten, as `wax` shows them; at most three digits behind the point.
    fn from_str(text: &str) -> Result<Self, AmountError> {
        let text = text.trim().to_ascii_lowercase();
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, unit) = (&text[..end], text[end..].trim());
        let scale: u64 = match unit {
            "" | "b" => 1,
            "k" | "kb" => 1_000,
            "m" | "mb" => 1_000_000,
            "g" | "gb" => 1_000_000_000,
            "t" | "tb" => 1_000_000_000_000,
            _ => return Err(AmountError),
        };
        let (whole, part) = number.split_once('.').unwrap_or((number, ""));
        let is_odd =
            whole.is_empty() || part.len() > 3 || number.ends_with('.') || (scale == 1 && !part.is_empty());
        if is_odd {
            return Err(AmountError);
        }
        let thousandths: u64 = format!("{part:0<3}").parse().map_err(|_| AmountError)?;
        let whole: u64 = whole.parse().map_err(|_| AmountError)?;
        let bytes =
            whole.checked_mul(scale).and_then(|bytes| bytes.checked_add(thousandths * (scale / 1_000)));
        bytes.map(Self).ok_or(AmountError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_they_are_shown() {
        for (text, bytes) in [
            ("0", 0),
            ("800", 800),
            ("800 B", 800),
            ("10MB", 10_000_000),
            ("1.5 gb", 1_500_000_000),
            ("0.125k", 125),
            ("2T", 2_000_000_000_000),
        ] {
            assert_eq!(text.parse(), Ok(Amount(bytes)), "{text}");
        }
        for text in ["", "MB", "-1", "1.5", "1.", ".5MB", "1.2345MB", "1,5MB", "10 MiB", "99999999999999TB"] {
            assert_eq!(text.parse::<Amount>(), Err(AmountError), "{text}");
        }
    }
}
