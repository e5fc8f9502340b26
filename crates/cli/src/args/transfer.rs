//! Options of `wax send` and `wax get`, and of what both write.

use super::LinkShape;
use crate::expiry::Expiry;
use clap::{ArgGroup, Args, ValueHint};
use std::path::{Path, PathBuf};

/// `wax send`.
#[derive(Args)]
#[command(group = ArgGroup::new("whom").required(true).multiple(true).args(["to", "to_key", "link", "to_box"]))]
pub(crate) struct Send {
    /// Files to send, each as a file of its own, or a folder with all that is in it; `-` is standard input
    #[arg(required = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) files: Vec<PathBuf>,

    /// Who may open it; repeat for several people
    #[arg(long, short, value_name = "ADDRESS", value_hint = ValueHint::EmailAddress)]
    pub(crate) to: Vec<String>,

    /// An RSA public key (PEM) whose holder may open it, with or without an address; repeat for several
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) to_key: Vec<PathBuf>,

    /// Make a link, with or without an address: whoever has it opens the file, without an account. Several files go under one
    /// link, as one folder
    #[arg(long)]
    pub(crate) link: bool,

    /// Send several files, or files and folders, as one folder
    #[arg(long)]
    pub(crate) together: bool,

    #[command(flatten)]
    pub(crate) shape: LinkShape,

    /// Into somebody's drop box, by its address between quotes; needs no account
    #[arg(long, value_name = "ADDRESS", conflicts_with_all = ["to", "to_key", "link", "downloads"])]
    pub(crate) to_box: Option<String>,

    /// Into a drop box: do not sign, even if you could
    #[arg(long)]
    pub(crate) anonymous: bool,

    /// For a drop box: trust this certificate authority (PEM) for its server, and no other
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) ca: Option<PathBuf>,

    /// When it ends: a number with m, h, d or w
    #[arg(long, short, value_name = "TIME", default_value = "7d")]
    pub(crate) expires: Expiry,

    /// How often others may download it before it closes
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) downloads: Option<u32>,

    /// The name the recipients see, instead of the file's or folder's own; one file or folder only
    #[arg(long, short, value_name = "NAME")]
    pub(crate) name: Option<String>,

    /// Compress each file of which a sample gets smaller. The compressed size may tell something about the contents
    #[arg(long, overrides_with = "no_compress")]
    pub(crate) compress: bool,

    /// Do not compress (this is the default, unless WAX_COMPRESS is on)
    #[arg(long, overrides_with = "compress")]
    pub(crate) no_compress: bool,

    /// Encrypt a small picture of a PNG, JPEG, GIF or WebP picture with its name, for the recipients to see before they fetch it
    #[arg(long, overrides_with = "no_preview")]
    pub(crate) preview: bool,

    /// Make no preview (this is the default, unless WAX_PREVIEW is on)
    #[arg(long, overrides_with = "preview")]
    pub(crate) no_preview: bool,

    /// Do not hide the exact size
    #[arg(long)]
    pub(crate) no_padding: bool,

    /// Do not ask before sending to a server that publishes what it is sent on IPFS, which cannot be taken back
    #[arg(long)]
    pub(crate) publish: bool,

    /// For clients of the documented API (v0) alone: not signed, and the server is told the name and the size
    #[arg(long, conflicts_with_all = ["link", "downloads", "compress", "no_compress", "no_padding"])]
    pub(crate) compat: bool,
}

/// Where a file that is decrypted here goes.
#[derive(Args)]
pub(crate) struct Output {
    /// Where to write: a file, a folder, or `-` for standard output; without it, here under its own name
    #[arg(id = "output", long, short = 'o', value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub(crate) path: Option<PathBuf>,

    /// Replace a file that exists, or write to a terminal
    #[arg(long, short)]
    pub(crate) force: bool,

    /// If the name is taken, keep both: `name (1)`
    #[arg(long, conflicts_with = "force")]
    pub(crate) keep_both: bool,
}

impl Output {
    /// Whether it goes to standard output.
    pub(crate) fn is_stdout(&self) -> bool {
        self.path.as_deref() == Some(Path::new("-"))
    }
}

/// `wax get`.
#[derive(Args)]
pub(crate) struct Get {
    /// Ids of files, each whole or its first 8 or more characters; or links, between quotes
    #[arg(value_name = "ID|LINK", required_unless_present = "all")]
    pub(crate) ids: Vec<String>,

    /// Everything that others sent you and that is not in the folder yet
    #[arg(long, conflicts_with_all = ["ids", "key"])]
    pub(crate) all: bool,

    /// With --all: only what this person sent
    #[arg(long, requires = "all", value_name = "ADDRESS", value_hint = ValueHint::EmailAddress)]
    pub(crate) from: Option<String>,

    /// Open it with this RSA private key (PEM) instead of your own keys
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) key: Option<PathBuf>,

    /// Read the password of a link from this open file descriptor
    #[arg(long, value_name = "N", conflicts_with_all = ["all", "key"])]
    pub(crate) password_fd: Option<u32>,

    /// For a link: trust this certificate authority (PEM) for its server, and no other
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with_all = ["all", "key"])]
    pub(crate) ca: Option<PathBuf>,

    /// Of a folder: only what matches, such as '*.jpg' or a folder in it; repeat for more
    #[arg(long, value_name = "PATTERN", conflicts_with_all = ["all", "list"])]
    pub(crate) only: Vec<String>,

    /// Of a folder: show what is in it, and fetch nothing else
    #[arg(long, conflicts_with = "all")]
    pub(crate) list: bool,

    /// Do not tell the senders that you opened their files
    #[arg(long)]
    pub(crate) no_receipt: bool,

    /// Write only what stands before the parts in a container: with the parts behind it, fetched by their CIDs, `wax open` opens it
    /// without the server
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    #[arg(conflicts_with_all = ["all", "key", "password_fd", "ca", "only", "list", "output", "keep_both"])]
    pub(crate) save_head: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) output: Output,
}
