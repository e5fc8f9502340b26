//! Arguments of what is done to a file after it was sent.

use crate::expiry::{Ends, Expiry};
use clap::{ArgGroup, Args, ValueHint};
use std::path::PathBuf;

/// `wax share`.
#[derive(Args)]
#[command(group = ArgGroup::new("with").required(true).multiple(true).args(["to", "to_key"]))]
pub(crate) struct Share {
    /// The file's id, or its first 8 or more characters
    #[arg(value_name = "ID")]
    pub(crate) id: String,

    /// Who else may open it; repeat for several people
    #[arg(long, short, value_name = "ADDRESS", value_hint = ValueHint::EmailAddress)]
    pub(crate) to: Vec<String>,

    /// An RSA public key (PEM) whose holder may open it as well; repeat for several. For files you sent
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) to_key: Vec<PathBuf>,
}

/// `wax stop`.
#[derive(Args)]
pub(crate) struct Stop {
    /// The file's id, or its first 8 or more characters
    #[arg(value_name = "ID")]
    pub(crate) id: String,

    /// Do not ask
    #[arg(long, short)]
    pub(crate) yes: bool,
}

/// `wax rename`.
#[derive(Args)]
pub(crate) struct Rename {
    /// The file's id, or its first 8 or more characters
    #[arg(value_name = "ID")]
    pub(crate) id: String,

    /// The name that everybody with access sees from now on
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
}

/// `wax change`.
#[derive(Args)]
#[command(group = ArgGroup::new("what").required(true).multiple(true).args(["expires", "expires_at", "downloads", "no_limit"]))]
pub(crate) struct Change {
    /// The file's id, or its first 8 or more characters
    #[arg(value_name = "ID")]
    pub(crate) id: String,

    /// When it ends, from now on: a number with m, h, d or w
    #[arg(long, short, value_name = "TIME")]
    pub(crate) expires: Option<Expiry>,

    /// When it ends: a day, or a day and a time, such as 2026-12-24 or 2026-12-24T18:00
    #[arg(long, value_name = "TIME", conflicts_with = "expires")]
    pub(crate) expires_at: Option<Ends>,

    /// How often others may download it in all before it closes
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) downloads: Option<u32>,

    /// Let others download it any number of times
    #[arg(long, conflicts_with = "downloads")]
    pub(crate) no_limit: bool,
}
