//! Arguments of drop boxes.

use crate::expiry::Expiry;
use clap::{Args, Subcommand, ValueHint};
use std::path::PathBuf;
use std::str::FromStr;

/// A size as a person writes it: `500M`, `2G`, or plain bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Size(pub(crate) u64);

/// A text that is no size.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("write a number of bytes, or one with k, M, G or T, such as 500M")]
pub(crate) struct SizeError;

impl FromStr for Size {
    type Err = SizeError;

    fn from_str(text: &str) -> Result<Self, SizeError> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let number: u64 = number.parse().map_err(|_| SizeError)?;
        let times: u64 = match unit.trim_end_matches(['B', 'b']) {
            "" => 1,
            "k" | "K" => 1_000,
            "m" | "M" => 1_000_000,
            "g" | "G" => 1_000_000_000,
            "t" | "T" => 1_000_000_000_000,
            _ => return Err(SizeError),
        };
        number.checked_mul(times).filter(|bytes| *bytes > 0).map(Self).ok_or(SizeError)
    }
}

/// `wax drop`.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Drop {
    #[command(subcommand)]
    pub(crate) action: Option<DropAction>,
}

/// What to do with drop boxes.
#[derive(Subcommand)]
pub(crate) enum DropAction {
    /// List your drop boxes
    #[command(visible_alias = "list")]
    Ls {
        /// Show their addresses as well
        #[arg(long, short)]
        long: bool,
    },
    /// Make a drop box; whoever has its address sends you files, without an account
    Create {
        /// What visitors see first; the server does not
        #[arg(value_name = "TITLE")]
        title: String,
        /// What else visitors see; the server does not
        #[arg(long, value_name = "TEXT")]
        note: Option<String>,
        /// How many files it takes in all
        #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
        max_files: u32,
        /// The longest file that it takes, such as 500M; without it, what the server takes
        #[arg(long, value_name = "SIZE")]
        max_size: Option<Size>,
        /// How long it is open: a number with m, h, d or w
        #[arg(long, short, value_name = "TIME", default_value = "7d")]
        expires: Expiry,
        /// Show its address as a QR code as well
        #[arg(long)]
        qr: bool,
        /// Write the QR code of its address into this file, as a PNG image
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        qr_png: Option<PathBuf>,
        /// Write the QR code of its address into this file, as an SVG image
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        qr_svg: Option<PathBuf>,
    },
    /// Show what comes into a drop box, as it comes, until Ctrl-C
    Watch {
        /// The box's id, or its first 8 or more characters
        #[arg(value_name = "BOX")]
        id: String,
        /// Show what is there, and do not wait for more
        #[arg(long)]
        once: bool,
    },
    /// Close drop boxes: they take nothing more; what came stays
    Close {
        /// Ids of boxes, or their first 8 or more characters
        #[arg(required = true, value_name = "BOX")]
        ids: Vec<String>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (text, bytes) in
            [("1", 1), ("500M", 500_000_000), ("500MB", 500_000_000), ("2g", 2_000_000_000), ("3kB", 3_000)]
        {
            assert_eq!(text.parse(), Ok(Size(bytes)), "{text}");
        }
        for text in ["", "0", "M", "-1", "1.5G", "5x", "5 M", "99999999999999999999", "99999999999T"] {
            assert_eq!(text.parse::<Size>(), Err(SizeError), "{text}");
        }
    }
}
