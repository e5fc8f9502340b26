//! What may stand on the command line: commands, options and their help.

use crate::expiry::Since;
use clap::builder::PossibleValuesParser;
use clap::builder::styling::{AnsiColor, Effects, Styles};
use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::Shell;
use client::EventKind;
use std::path::PathBuf;

mod account;
mod boxes;
mod links;
mod ls;
mod people;
#[cfg(test)]
mod reference;
mod sharing;
mod transfer;

pub(crate) use account::{
    Account, AccountAction, PasskeysAction, Sessions, SessionsAction, TwoFactor, TwoFactorAction,
};
pub(crate) use boxes::{Drop, DropAction};
pub(crate) use links::{LinkShape, Links, LinksAction};
pub(crate) use ls::{Ls, Order};
pub(crate) use people::{Bits, Contacts, ContactsAction, Keys, KeysAction};
pub(crate) use sharing::{Change, Rename, Share, Stop};
pub(crate) use transfer::{Get, Output, Send};

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().effects(Effects::BOLD))
    .usage(AnsiColor::Green.on_default().effects(Effects::BOLD))
    .literal(AnsiColor::Cyan.on_default())
    .error(AnsiColor::Red.on_default().effects(Effects::BOLD))
    .valid(AnsiColor::Green.on_default())
    .invalid(AnsiColor::Yellow.on_default());

/// Send files that only their recipients can open
///
/// Files are encrypted on this device before they leave it; the server never sees their contents, their
/// names or your keys.
#[derive(Parser)]
#[command(name = "wax", version, styles = STYLES, max_term_width = 100, arg_required_else_help = true, after_long_help = crate::fault::exit_codes())]
pub(crate) struct Wax {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options that every command takes.
#[derive(Args, Clone)]
#[command(next_help_heading = "Options of every command")]
pub(crate) struct Global {
    /// Folder of this person's session, keys and contacts; WAX_HOME may name it as well
    #[arg(long, global = true, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) home: Option<PathBuf>,

    /// Print one JSON object instead of words
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// Print results and errors only
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,

    /// Tell on standard error what happens; twice for more
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,

    /// Read the passphrase from this open file descriptor
    #[arg(long, global = true, value_name = "N")]
    pub(crate) passphrase_fd: Option<u32>,

    /// Neither ask nor start the agent that remembers the unlocked keys
    #[arg(long, global = true)]
    pub(crate) no_agent: bool,

    /// When to use colour
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", hide_possible_values = false)]
    pub(crate) color: Color,
}

/// When to use colour.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Color {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// The commands.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Sign in with a code that comes by e-mail
    Login(Login),
    /// End the session on this device and forget the unlocked keys
    Logout,
    /// Show who is signed in, where, and the space used
    Whoami,
    /// Show or end your sessions, on this device and others
    Sessions(Sessions),
    /// Sign in with a second factor as well as by e-mail
    #[command(name = "2fa")]
    TwoFactor(TwoFactor),
    /// Export what the server knows of you, or erase your account
    Account(Account),
    /// Show, make, recover, change or export your keys
    Keys(Keys),
    /// Show, add and verify the people you exchange files with
    Contacts(Contacts),
    /// Encrypt files and send them to people
    Send(Send),
    /// Make, show, change and take back links, which open a file without an account
    Links(Links),
    /// Make, show, watch and close drop boxes, where others send you files
    Drop(Drop),
    /// Fetch a file, verify it and decrypt it
    Get(Get),
    /// Encrypt a file into a container, without any server
    Seal(Seal),
    /// Verify and decrypt a container, without any server
    Open(Open),
    /// List the files you sent and were sent
    #[command(visible_alias = "list")]
    Ls(Ls),
    /// Show everything about one file
    Info(Info),
    /// Delete files you sent, for everybody, or remove ones you were sent from your list
    Rm(Rm),
    /// Give a file you sent to more people, or pass on one you were sent
    Share(Share),
    /// Stop sharing a file with one person or one key
    Unshare(Unshare),
    /// Stop sharing a file: nobody but you has access any more, and all its links end
    Stop(Stop),
    /// Give a file you sent another name
    Rename(Rename),
    /// Change when a file you sent ends and how often it may be downloaded
    Change(Change),
    /// Show what happened to your account and your files
    Activity(Activity),
    /// Show what happens in your account, as it happens
    Watch(Watching),
    /// Show or cancel uploads that were begun and not finished
    Uploads(Uploads),
    /// Unlock your keys for a while, so that commands need no passphrase
    Unlock(Unlock),
    /// Forget the unlocked keys now
    Lock,
    /// Print the completion script of a shell
    Completions(Completions),
    /// Print the manual page, or write one page for each command into a folder
    Man(Man),
    /// The agent itself; started by the commands that need it
    #[command(hide = true)]
    Agent(Agent),
}

/// `wax login`.
#[derive(Args)]
pub(crate) struct Login {
    /// Your e-mail address; without it, the one you signed in with before
    #[arg(value_name = "EMAIL", value_hint = ValueHint::EmailAddress)]
    pub(crate) email: Option<String>,

    /// The server's address, such as https://files.example:8443
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    pub(crate) server: Option<String>,

    /// Trust this certificate authority (PEM) for the server, and no other
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) ca: Option<PathBuf>,

    /// The code from the mail; no new one is asked for
    #[arg(long, value_name = "CODE", conflicts_with = "request_code")]
    pub(crate) code: Option<String>,

    /// The code of your authenticator app, or a backup code, if your account asks for one
    #[arg(long, value_name = "CODE", conflicts_with = "request_code")]
    pub(crate) second_factor: Option<String>,

    /// Have a code sent and stop; sign in later with --code
    #[arg(long)]
    pub(crate) request_code: bool,

    /// Do not offer to make keys
    #[arg(long)]
    pub(crate) no_keys: bool,
}

/// `wax seal`.
#[derive(Args)]
pub(crate) struct Seal {
    /// The file to seal; `-` is standard input
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,

    /// Who may open it: a contact's address, a public key (PEM), or a file made with `wax keys export`; repeat for several
    #[arg(long, short, required = true, value_name = "RECIPIENT")]
    pub(crate) recipient: Vec<String>,

    /// Where to write; `-` is standard output; without it, FILE.wax
    #[arg(long, short, value_name = "PATH", value_hint = ValueHint::FilePath)]
    pub(crate) output: Option<PathBuf>,

    /// Do not sign: nobody can know that it is yours. Needs no keys of your own, and you cannot open it
    #[arg(long)]
    pub(crate) anonymous: bool,

    /// The name the recipients see, instead of the file's own
    #[arg(long, short, value_name = "NAME")]
    pub(crate) name: Option<String>,

    /// Compress first, if it helps. The compressed size may tell something about the contents
    #[arg(long)]
    pub(crate) compress: bool,

    /// Do not hide the exact size
    #[arg(long)]
    pub(crate) no_padding: bool,

    /// Replace a file that exists, or write to a terminal
    #[arg(long, short)]
    pub(crate) force: bool,
}

/// `wax open`.
#[derive(Args)]
pub(crate) struct Open {
    /// The container; `-` is standard input
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,

    #[command(flatten)]
    pub(crate) output: Output,

    /// Open it with this RSA key (PEM) instead of your own keys
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) key: Option<PathBuf>,

    /// Only if it is by this contact
    #[arg(long, value_name = "ADDRESS", value_hint = ValueHint::EmailAddress)]
    pub(crate) from: Option<String>,
}

/// `wax info`.
#[derive(Args)]
pub(crate) struct Info {
    /// The file's id, or its first 8 or more characters
    #[arg(value_name = "ID")]
    pub(crate) id: String,

    /// Write the preview into this file, as a PNG image
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) preview_out: Option<PathBuf>,

    /// Write nothing but where its parts are on IPFS: their CIDs in order, one a line
    #[arg(long)]
    pub(crate) cids: bool,
}

/// `wax rm`.
#[derive(Args)]
pub(crate) struct Rm {
    /// Ids of files, or their first 8 or more characters
    #[arg(required = true, value_name = "ID")]
    pub(crate) ids: Vec<String>,

    /// Do not ask
    #[arg(long, short)]
    pub(crate) yes: bool,
}

/// `wax unshare`.
#[derive(Args)]
#[command(override_usage = "wax unshare [OPTIONS] <ID> <ADDRESS|--key <FILE>>")]
#[command(group = ArgGroup::new("whose").required(true).args(["address", "key"]))]
pub(crate) struct Unshare {
    /// The file's id, or its first 8 or more characters
    #[arg(value_name = "ID")]
    pub(crate) id: String,

    /// Whose access ends
    #[arg(value_name = "ADDRESS", value_hint = ValueHint::EmailAddress)]
    pub(crate) address: Option<String>,

    /// The RSA public key (PEM) whose access ends
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) key: Option<PathBuf>,
}

/// `wax activity`.
#[derive(Args)]
pub(crate) struct Activity {
    /// Only about this file: its id, or its first 8 or more characters
    #[arg(long, value_name = "ID")]
    pub(crate) file: Option<String>,

    /// Only of this kind
    #[arg(long, value_name = "KIND", value_parser = PossibleValuesParser::new(EventKind::ALL.iter().map(|kind| kind.as_str())))]
    pub(crate) kind: Option<String>,

    /// Only since then: a number with m, h, d or w, or a day such as 2026-11-22
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<Since>,

    /// Show at most this many, newest first
    #[arg(long, short = 'n', value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) limit: u32,

    /// Then wait, and show what happens as it happens, oldest first; Ctrl-C ends it
    #[arg(long, short)]
    pub(crate) follow: bool,

    /// Go on with a log that is not the one seen before, after the operator has explained it
    #[arg(long)]
    pub(crate) accept_log: bool,
}

/// `wax watch`.
#[derive(Args)]
pub(crate) struct Watching {
    /// End after this many
    #[arg(long, short = 'n', value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) limit: Option<u32>,
}

/// `wax uploads`.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Uploads {
    #[command(subcommand)]
    pub(crate) action: Option<UploadsAction>,
}

/// What to do with unfinished uploads.
#[derive(Subcommand)]
pub(crate) enum UploadsAction {
    /// List them
    #[command(visible_alias = "list")]
    Ls,
    /// Abandon uploads and free their space
    Cancel {
        /// Ids of uploads, or their first 8 or more characters
        #[arg(required = true, value_name = "ID")]
        ids: Vec<String>,
    },
}

/// `wax unlock`.
#[derive(Args)]
pub(crate) struct Unlock {
    /// Minutes without use after which the keys are forgotten
    #[arg(long, value_name = "MINUTES", default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..=1440))]
    pub(crate) minutes: u32,
}

/// `wax completions`.
#[derive(Args)]
pub(crate) struct Completions {
    /// Which shell
    pub(crate) shell: Shell,
}

/// `wax man`.
#[derive(Args)]
pub(crate) struct Man {
    /// Write `wax.1`, `wax-send.1`, … into this folder
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) dir: Option<PathBuf>,
}

/// `wax agent`.
#[derive(Args)]
pub(crate) struct Agent {
    /// Seconds without use after which it ends
    #[arg(long, value_name = "SECONDS", default_value_t = 900, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub(crate) idle: u32,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definitions_agree_with_each_other() {
        Wax::command().debug_assert();
    }

    #[test]
    fn a_passphrase_cannot_be_given_as_an_argument_or_in_the_environment() {
        fn check(command: &clap::Command) {
            for arg in command.get_arguments() {
                let name = arg.get_long().unwrap_or_default();
                // A switch holds nothing.
                let holds = arg.get_action().takes_values();
                let by_descriptor = name.ends_with("passphrase-fd") || name == "password-fd";
                assert!(!name.contains("pass") || by_descriptor || !holds, "{name}");
                assert!(
                    !name.contains("phrase") || name.ends_with("-fd") || name.ends_with("-out"),
                    "{name}"
                );
                assert_eq!(arg.get_env(), None, "{name}");
            }
            command.get_subcommands().for_each(check);
        }
        check(&Wax::command());
    }
}
