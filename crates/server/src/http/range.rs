//! The `Range` header of one range of octets, RFC 9110 section 14.

use std::ops::Range;

/// What a client wants of `len` octets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// All of it: no range, or one that is to be ignored.
    Whole,
    /// This range, end exclusive, not empty.
    Part(Range<u64>),
    /// Nothing that exists.
    Outside,
}

/// Reads a `Range` header for content of `len` octets (at least 1). Several ranges are answered whole.
pub(crate) fn wanted(header: Option<&str>, len: u64) -> Wanted {
    let Some(spec) = header.and_then(|header| header.strip_prefix("bytes=")) else { return Wanted::Whole };
    if spec.contains(',') {
        return Wanted::Whole;
    }
    let Some((first, last)) = spec.trim().split_once('-') else { return Wanted::Whole };
    match (number(first), number(last)) {
        (Some(first), _) if last.is_empty() => between(first, len - 1, len),
        (Some(first), Some(last)) if first <= last => between(first, last, len),
        (None, Some(suffix)) if first.is_empty() => {
            if suffix == 0 {
                Wanted::Outside
            } else {
                Wanted::Part(len.saturating_sub(suffix)..len)
            }
        }
        _ => Wanted::Whole,
    }
}

fn between(first: u64, last: u64, len: u64) -> Wanted {
    if first >= len { Wanted::Outside } else { Wanted::Part(first..last.min(len - 1) + 1) }
}

/// Digits only; a number too large for any content is as good as the largest.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_the_standard_says() {
        let cases = [
            (None, Wanted::Whole),
            (Some("bytes=0-0"), Wanted::Part(0..1)),
            (Some("bytes=10-"), Wanted::Part(10..100)),
            (Some("bytes=-10"), Wanted::Part(90..100)),
            (Some("bytes=-1000"), Wanted::Part(0..100)),
            (Some("bytes=50-1000"), Wanted::Part(50..100)),
            (Some("bytes=50-99999999999999999999999"), Wanted::Part(50..100)),
            (Some("bytes=100-"), Wanted::Outside),
            (Some("bytes=100-200"), Wanted::Outside),
            (Some("bytes=-0"), Wanted::Outside),
            (Some("bytes=5-4"), Wanted::Whole),
            (Some("bytes=0-1,5-6"), Wanted::Whole),
            (Some("bytes=a-b"), Wanted::Whole),
            (Some("bytes=+1-2"), Wanted::Whole),
            (Some("pages=0-1"), Wanted::Whole),
            (Some("bytes=-"), Wanted::Whole),
        ];
        for (header, expected) in cases {
            assert_eq!(wanted(header, 100), expected, "{header:?}");
        }
    }
}
