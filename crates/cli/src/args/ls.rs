//! The arguments of `wax ls`.

use crate::amount::Amount;
use crate::expiry::{Expiry, Since};
use clap::{Args, ValueEnum, ValueHint};

/// `wax ls`.
#[derive(Args)]
pub(crate) struct Ls {
    /// Only files with each of these in their name or their sender's address; the case of letters does not matter
    #[arg(value_name = "TEXT")]
    pub(crate) words: Vec<String>,

    /// Only files you sent
    #[arg(long, conflicts_with = "received")]
    pub(crate) sent: bool,

    /// Only files you were sent
    #[arg(long)]
    pub(crate) received: bool,

    /// Only files from this person; a part of the address is enough
    #[arg(long, value_name = "ADDRESS", value_hint = ValueHint::EmailAddress)]
    pub(crate) from: Option<String>,

    /// Only files of this kind: a media type such as image or image/png, or the end of a name such as pdf
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) kind: Option<String>,

    /// Only files of at least this size, such as 10MB
    #[arg(long, value_name = "SIZE")]
    pub(crate) larger: Option<Amount>,

    /// Only files of at most this size
    #[arg(long, value_name = "SIZE")]
    pub(crate) smaller: Option<Amount>,

    /// Only what was sent since then: a number with m, h, d or w, or a day such as 2026-11-22
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<Since>,

    /// Only what was sent before then
    #[arg(long, value_name = "TIME")]
    pub(crate) before: Option<Since>,

    /// Only what ends within this time: a number with m, h, d or w
    #[arg(long, value_name = "TIME")]
    pub(crate) ending: Option<Expiry>,

    /// Only files from people whose safety number you have not compared
    #[arg(long)]
    pub(crate) unverified: bool,

    /// In which order: newest, A to Z, largest, by sender, or ending soonest first
    #[arg(long, short, value_name = "BY", default_value = "date")]
    pub(crate) sort: Order,

    /// The other way round
    #[arg(long, short)]
    pub(crate) reverse: bool,

    /// Show at most this many [default: 50]
    #[arg(long, short = 'n', value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) limit: Option<u32>,

    /// Show all
    #[arg(long, conflicts_with = "limit")]
    pub(crate) all: bool,

    /// Show ids in full
    #[arg(long, short)]
    pub(crate) long: bool,
}

/// By what a list is ordered.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Order {
    Date,
    Name,
    Size,
    Sender,
    End,
}
