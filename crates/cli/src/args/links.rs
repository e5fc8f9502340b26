//! Arguments of links.

use crate::expiry::Expiry;
use clap::{Args, Subcommand, ValueHint};
use std::path::PathBuf;

/// How a link is made and shown.
#[derive(Args)]
pub(crate) struct LinkShape {
    /// With a link: ask for a password that it opens with only
    #[arg(long)]
    pub(crate) password: bool,

    /// With a link: read its password from this open file descriptor
    #[arg(long, value_name = "N", conflicts_with = "password")]
    pub(crate) password_fd: Option<u32>,

    /// With a link: show it as a QR code as well
    #[arg(long)]
    pub(crate) qr: bool,

    /// With a link: write its QR code into this file, as a PNG image
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) qr_png: Option<PathBuf>,

    /// With a link: write its QR code into this file, as an SVG image
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) qr_svg: Option<PathBuf>,
}

impl LinkShape {
    /// Whether anything is asked of a link.
    pub(crate) fn is_asked_for(&self) -> bool {
        self.password
            || self.password_fd.is_some()
            || self.qr
            || self.qr_png.is_some()
            || self.qr_svg.is_some()
    }
}

/// `wax links`.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Links {
    #[command(subcommand)]
    pub(crate) action: Option<LinksAction>,
}

/// What to do with links.
#[derive(Subcommand)]
pub(crate) enum LinksAction {
    /// List the links to your files
    #[command(visible_alias = "list")]
    Ls,
    /// Make a link to a file you sent; whoever has it opens the file, without an account
    Create {
        /// The file's id, or its first 8 or more characters
        #[arg(value_name = "ID")]
        id: String,
        /// When the link ends, if before the file: a number with m, h, d or w
        #[arg(long, short, value_name = "TIME")]
        expires: Option<Expiry>,
        /// How often it may be used before it closes
        #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        downloads: Option<u32>,
        #[command(flatten)]
        shape: LinkShape,
    },
    /// Change how long or how often a link opens
    Change {
        /// The link's id, or its first 8 or more characters
        #[arg(value_name = "LINK-ID")]
        id: String,
        /// When it ends, from now on: a number with m, h, d or w
        #[arg(long, short, value_name = "TIME")]
        expires: Option<Expiry>,
        /// Let it open as long as the file is there
        #[arg(long, conflicts_with = "expires")]
        no_expiry: bool,
        /// How often it may be used in all before it closes
        #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        downloads: Option<u32>,
        /// Let it be used any number of times
        #[arg(long, conflicts_with = "downloads")]
        no_limit: bool,
    },
    /// Take links back: nobody opens them from now on
    Rm {
        /// Ids of links, or their first 8 or more characters
        #[arg(required = true, value_name = "LINK-ID")]
        ids: Vec<String>,
    },
}
