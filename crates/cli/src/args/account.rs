//! The command line of `wax sessions` and `wax 2fa`.

use clap::{Args, Subcommand};

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
