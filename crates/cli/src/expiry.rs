//! Times as a person writes them (`7d`) and reads them (`7 days`): when a file ends, since when events are asked for.

use std::str::FromStr;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
const WEEK: u64 = 7 * DAY;
/// Longest life of a file, in days.
const MAX_DAYS: u64 = 366;

/// Seconds a file lives: at least a minute, at most 366 days.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Expiry(u64);

/// Why a text is not a time that a file can live.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum ExpiryError {
    /// Not a number and a unit.
    #[error("write a number with m, h, d or w, such as 12h or 7d")]
    Shape,
    /// Somebody asked for a file without an end.
    #[error("every file ends; the longest time is 366d")]
    Never,
    /// Below a minute.
    #[error("the shortest time is 1m")]
    TooShort,
    /// Above 366 days.
    #[error("the longest time is 366d")]
    TooLong,
}

impl Expiry {
    /// Whole seconds.
    pub(crate) fn seconds(self) -> u64 {
        self.0
    }

    /// In words: `7 days`, `12 hours`.
    pub(crate) fn in_words(self) -> String {
        span_in_words(self.0)
    }
}

/// Since when events are asked for, in unix seconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Since(pub(crate) i64);

/// When a file ends, in unix seconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Ends(pub(crate) i64);

/// A text that is no day and no time of one.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("write a day such as 2026-12-24, or a day and a time such as 2026-12-24T18:00")]
pub(crate) struct EndsError;

impl FromStr for Ends {
    type Err = EndsError;

    /// A time with an offset counts as it is; without one, by this machine's clock face. A day is its first moment.
    fn from_str(text: &str) -> Result<Self, EndsError> {
        if let Ok(moment) = text.parse::<jiff::Timestamp>() {
            return Ok(Self(moment.as_second()));
        }
        let at: jiff::civil::DateTime = text.parse().map_err(|_| EndsError)?;
        let at = at.to_zoned(jiff::tz::TimeZone::system()).map_err(|_| EndsError)?;
        Ok(Self(at.timestamp().as_second()))
    }
}

/// A text that is no such time.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("write a number with m, h, d or w, such as 7d, or a day such as 2026-11-22")]
pub(crate) struct SinceError;

impl FromStr for Since {
    type Err = SinceError;

    fn from_str(text: &str) -> Result<Self, SinceError> {
        if let Ok(span) = text.parse::<Expiry>() {
            let span = i64::try_from(span.seconds()).map_err(|_| SinceError)?;
            return Ok(Self(jiff::Timestamp::now().as_second().saturating_sub(span)));
        }
        let day: jiff::civil::Date = text.parse().map_err(|_| SinceError)?;
        let begin = day.to_zoned(jiff::tz::TimeZone::system()).map_err(|_| SinceError)?;
        Ok(Self(begin.timestamp().as_second()))
    }
}

impl FromStr for Expiry {
    type Err = ExpiryError;

    fn from_str(text: &str) -> Result<Self, ExpiryError> {
        if matches!(text.to_ascii_lowercase().as_str(), "never" | "none" | "forever") {
            return Err(ExpiryError::Never);
        }
        let unit = text.chars().next_back().ok_or(ExpiryError::Shape)?;
        let scale = match unit {
            'm' => MINUTE,
            'h' => HOUR,
            'd' => DAY,
            'w' => WEEK,
            _ => return Err(ExpiryError::Shape),
        };
        let digits = &text[..text.len() - 1];
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(ExpiryError::Shape);
        }
        let seconds =
            digits.parse::<u64>().ok().and_then(|n| n.checked_mul(scale)).ok_or(ExpiryError::TooLong)?;
        match seconds {
            0..MINUTE => Err(ExpiryError::TooShort),
            s if s > MAX_DAYS * DAY => Err(ExpiryError::TooLong),
            s => Ok(Self(s)),
        }
    }
}

/// A length of time in its one or two largest units: `6 days 3 hours`, `1 minute`.
pub(crate) fn span_in_words(seconds: u64) -> String {
    let units = [(DAY, "day"), (HOUR, "hour"), (MINUTE, "minute"), (1, "second")];
    let Some(first) = units.iter().position(|(scale, _)| seconds >= *scale) else {
        return "0 seconds".to_owned();
    };
    let (scale, name) = units[first];
    let mut words = count(seconds / scale, name);
    if let Some((small, small_name)) = units.get(first + 1) {
        let rest = seconds % scale / small;
        if rest > 0 {
            words.push(' ');
            words.push_str(&count(rest, small_name));
        }
    }
    words
}

/// A length of time in its largest unit only: `6 days`.
pub(crate) fn largest_unit_in_words(seconds: u64) -> String {
    span_in_words(seconds).split(' ').take(2).collect::<Vec<_>>().join(" ")
}

/// `1 download`, `3 downloads`.
pub(crate) fn count(n: u64, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
}

/// The sentence about a file's end: `expires after 1 download or 7 days`.
pub(crate) fn limits_in_words(life: &str, downloads: Option<u32>) -> String {
    match downloads {
        Some(n) => format!("expires after {} or {life}", count(n.into(), "download")),
        None => format!("expires after {life}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_every_unit() {
        for (text, seconds, words) in [
            ("1m", 60, "1 minute"),
            ("90m", 5_400, "1 hour 30 minutes"),
            ("12h", 43_200, "12 hours"),
            ("7d", 604_800, "7 days"),
            ("2w", 1_209_600, "14 days"),
            ("366d", 31_622_400, "366 days"),
        ] {
            let expiry: Expiry = text.parse().unwrap();
            assert_eq!((expiry.seconds(), expiry.in_words().as_str()), (seconds, words), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_time_is_refused_by_its_fault() {
        for (text, fault) in [
            ("", ExpiryError::Shape),
            ("7", ExpiryError::Shape),
            ("d", ExpiryError::Shape),
            ("-1d", ExpiryError::Shape),
            ("1.5h", ExpiryError::Shape),
            ("7\u{e9}", ExpiryError::Shape),
            ("0d", ExpiryError::TooShort),
            ("367d", ExpiryError::TooLong),
            ("99999999999999999999w", ExpiryError::TooLong),
            ("never", ExpiryError::Never),
        ] {
            assert_eq!(text.parse::<Expiry>(), Err(fault), "{text:?}");
        }
    }

    #[test]
    fn the_end_is_told_in_words() {
        assert_eq!(limits_in_words("7 days", Some(1)), "expires after 1 download or 7 days");
        assert_eq!(largest_unit_in_words(6 * DAY + 23 * HOUR), "6 days");
        assert_eq!(limits_in_words("12 hours", None), "expires after 12 hours");
    }

    #[test]
    fn since_is_a_span_or_a_day() {
        let now = jiff::Timestamp::now().as_second();
        let Since(week) = "7d".parse().expect("a span");
        assert!((now - 604_800..=now).contains(&week));
        assert!("2026-11-22".parse::<Since>().is_ok());
        for text in ["", "7", "yesterday", "2026-13-01", "-7d"] {
            assert_eq!(text.parse::<Since>(), Err(SinceError), "{text}");
        }
    }
}
