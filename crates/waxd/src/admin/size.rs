//! Sizes as people write them.

use std::str::FromStr;

/// A number of bytes: `500000000`, `500MB`, `20GiB`; no unit means bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size(pub(super) u64);

/// A text that is no size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BadSize;

impl std::fmt::Display for BadSize {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("write a size as a whole number with B, kB, MB, GB, TB, KiB, MiB, GiB or TiB behind it")
    }
}

impl std::error::Error for BadSize {}

impl FromStr for Size {
    type Err = BadSize;

    fn from_str(text: &str) -> Result<Self, BadSize> {
        let text = text.trim();
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let number: u64 = number.parse().map_err(|_| BadSize)?;
        let factor: u64 = match unit.trim_start().to_ascii_lowercase().as_str() {
            "" | "b" => 1,
            "kb" => 1_000,
            "mb" => 1_000_000,
            "gb" => 1_000_000_000,
            "tb" => 1_000_000_000_000,
            "kib" => 1 << 10,
            "mib" => 1 << 20,
            "gib" => 1 << 30,
            "tib" => 1 << 40,
            _ => return Err(BadSize),
        };
        // What the database can hold.
        let bytes = number.checked_mul(factor).filter(|bytes| i64::try_from(*bytes).is_ok());
        bytes.map(Self).ok_or(BadSize)
    }
}

/// Bytes as a person reads them: at least three digits that count, in powers of 1024.
pub(super) fn told(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["bytes", "KiB", "MiB", "GiB", "TiB"];
    let mut unit = 0;
    let mut shown = bytes;
    // Tenths, so that 1.5 GiB is not told as 1.
    let mut tenths = 0;
    while shown >= 1024 && unit + 1 < UNITS.len() {
        tenths = shown % 1024 * 10 / 1024;
        shown /= 1024;
        unit += 1;
    }
    if unit == 0 || tenths == 0 {
        format!("{shown} {}", UNITS[unit])
    } else {
        format!("{shown}.{tenths} {}", UNITS[unit])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (text, bytes) in [
            ("0", 0),
            ("500000000", 500_000_000),
            ("500MB", 500_000_000),
            ("20 GiB", 20 << 30),
            ("1tib", 1 << 40),
            ("7 b", 7),
        ] {
            assert_eq!(text.parse(), Ok(Size(bytes)), "{text}");
        }
        for text in
            ["", "GB", "-1", "1.5GB", "1 G", "99999999999999999999", "9223372036854775808", "9999999999TB"]
        {
            assert_eq!(text.parse::<Size>(), Err(BadSize), "{text}");
        }
    }

    #[test]
    fn sizes_are_told_in_the_largest_unit_that_fits() {
        for (bytes, text) in [(0, "0 bytes"), (1023, "1023 bytes"), (1536, "1.5 KiB"), (20 << 30, "20 GiB")] {
            assert_eq!(told(bytes), text);
        }
    }
}
