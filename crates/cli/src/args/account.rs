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
    /// Remove the authenticator app and the backup codes
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
    /// Erase your account at the server, and with it every file that you sent
    Erase {
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
}
