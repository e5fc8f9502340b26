//! `waxd admin`: what an operator does beside the running server.

mod audit;
mod users;

use std::process::ExitCode;

/// What `waxd admin` can be told.
#[derive(clap::Args)]
pub(crate) struct AdminArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Check or export the audit log; the server may be running
    Audit(audit::AuditArgs),
    /// List accounts, and open the ways back in that only an operator can open; the server may be running
    Users(users::UsersArgs),
}

pub(crate) fn run(args: AdminArgs) -> ExitCode {
    match args.command {
        Command::Audit(args) => audit::run(args),
        Command::Users(args) => users::run(args),
    }
}
