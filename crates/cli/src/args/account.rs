//! The command line of `wax sessions`, `wax 2fa` and `wax account`.

use clap::{Args, Subcommand, ValueHint};
use std::path::PathBuf;

/// `wax sessions`.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Sessions {
    #[command(subcommand)]
    pub(crate) action: Option<SessionsAction>,
}

/// What to do with sessions.
#[derive(Subcommand)]
pub(crate) enum SessionsAction {
    /// List your sessions, the last used first
    #[command(visible_alias = "list")]
    Ls,
    /// End sessions at once, wherever they are
    End {
        /// Ids, or their beginnings, as `wax sessions` shows them
        #[arg(value_name = "ID", required_unless_present = "others", conflicts_with = "others")]
        ids: Vec<String>,
        /// All but the one on this device
        #[arg(long)]
        others: bool,
    },
}

/// What to do with passkeys.
#[derive(Subcommand)]
pub(crate) enum PasskeysAction {
    /// List your passkeys, the oldest first
    #[command(visible_alias = "list")]
    Ls,
    /// Give one another name
    Rename {
        /// Its id, or the beginning of it, as `wax 2fa passkeys` shows it
        #[arg(value_name = "ID")]
        id: String,
        /// The new name, at most 64 characters
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Remove one; backup codes go with the last second factor
    #[command(visible_alias = "rm")]
    Remove {
        /// Its id, or the beginning of it, as `wax 2fa passkeys` shows it
        #[arg(value_name = "ID")]
        id: String,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
}

/// `wax 2fa`.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct TwoFactor {
    #[command(subcommand)]
    pub(crate) action: Option<TwoFactorAction>,
}

/// What to do with the second factor.
#[derive(Subcommand)]
pub(crate) enum TwoFactorAction {
    /// Show whether signing in needs a second factor
    Status,
    /// Add an authenticator app, and get backup codes
    Enable {
        /// The code that the app shows, after an `enable` that showed its secret
        #[arg(long, value_name = "CODE")]
        code: Option<String>,
    },
    /// List, rename or remove passkeys; one is added in a browser
    Passkeys {
        #[command(subcommand)]
        action: Option<PasskeysAction>,
    },
    /// Remove the authenticator app, and the backup codes with the last second factor
    Disable {
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
    /// Make new backup codes; the old ones are void
    BackupCodes,
}

/// `wax account`.
#[derive(Args)]
pub(crate) struct Account {
    #[command(subcommand)]
    pub(crate) action: AccountAction,
}

/// What to do with the account.
#[derive(Subcommand)]
pub(crate) enum AccountAction {
    /// Write everything that the server knows of you, with the names of your files, to a JSON file
    Export {
        /// A new file
        #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
        file: PathBuf,
    },
    /// Show or choose whether mail tells you of files that others share with you
    Notify {
        /// on or off; without it, show what holds
        #[arg(value_name = "on|off", value_parser = ["on", "off"])]
        wish: Option<String>,
    },
    /// Erase your account at the server, and with it every file that you sent
    Erase {
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
}
