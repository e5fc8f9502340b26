//! The command line of `wax keys` and `wax contacts`.

use clap::{Args, Subcommand, ValueEnum, ValueHint};
use std::path::PathBuf;

/// `wax keys`.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Keys {
    #[command(subcommand)]
    pub(crate) action: Option<KeysAction>,
}

/// What to do with the keys.
#[derive(Subcommand)]
pub(crate) enum KeysAction {
    /// Show your fingerprint
    Show,
    /// Make your keys and protect them with a passphrase, or make an RSA key in files of its own
    Generate {
        /// Write the recovery phrase to this new file instead of showing it
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "rsa")]
        phrase_out: Option<PathBuf>,
        /// Make an RSA key of so many bits, which any tool can use, instead of your own keys
        #[arg(long, value_name = "BITS")]
        rsa: Option<Bits>,
        /// Where to write it: FILE.pem (private) and FILE.pub.pem (public)
        #[arg(long, requires = "rsa", value_name = "FILE", value_hint = ValueHint::FilePath)]
        out: Option<PathBuf>,
        /// Replace files that exist
        #[arg(long, requires = "rsa")]
        force: bool,
    },
    /// Make a new recovery phrase; the one before no longer opens your keys
    Phrase {
        /// Write it to this new file instead of showing it
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        phrase_out: Option<PathBuf>,
    },
    /// Change the passphrase of your keys
    Passphrase {
        /// Read the new passphrase from this open file descriptor
        #[arg(long, value_name = "N")]
        new_passphrase_fd: Option<u32>,
    },
    /// Keep your key file at the server, sealed, for the day this device is lost; it needs a strong passphrase
    Backup {
        /// Remove it from the server instead
        #[arg(long)]
        remove: bool,
    },
    /// Bring your keys to this device out of the backup at the server
    Restore {
        /// With the recovery phrase instead of the passphrase, and choose a new passphrase
        #[arg(long)]
        recover: bool,
        /// Read the recovery phrase from this open file descriptor
        #[arg(long, value_name = "N")]
        phrase_fd: Option<u32>,
    },
    /// Forgot the passphrase? Set a new one with the recovery phrase
    Recover {
        /// Read the recovery phrase from this open file descriptor
        #[arg(long, value_name = "N")]
        phrase_fd: Option<u32>,
    },
    /// Replace your keys with new ones, signed over by the old; old files still open
    Rotate {
        /// Replace the encryption key alone; who you are to others stays the same
        #[arg(long, conflicts_with_all = ["phrase_out", "new_passphrase_fd"])]
        encryption_only: bool,
        /// Read the new passphrase from this open file descriptor; without it, a passphrase from a descriptor stays
        #[arg(long, value_name = "N")]
        new_passphrase_fd: Option<u32>,
        /// Write the new recovery phrase to this new file instead of showing it
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        phrase_out: Option<PathBuf>,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
    /// Lost your keys for good? Ask for new ones, which count after three days
    Reset {
        /// You still have them: say that they stay
        #[arg(long, conflicts_with_all = ["phrase_out", "yes"])]
        stop: bool,
        /// Write the recovery phrase of the new keys to this new file instead of showing it
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        phrase_out: Option<PathBuf>,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
    /// Wrap files sent to your old keys to the present ones, as `rotate` does
    Rewrap,
    /// Go on with a key file that is older than one that was here before
    AcceptOlder {
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
    /// List every key that opens files for you
    List,
    /// Take an RSA key into your keys, so that its files open without --key
    Import {
        /// The private key: PEM, with or without a passphrase
        #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
        file: PathBuf,
        /// Read the passphrase of FILE from this open file descriptor (--passphrase-fd is for your own keys)
        #[arg(long, value_name = "N")]
        key_passphrase_fd: Option<u32>,
    },
    /// Write your public keys for somebody else, to a file or standard output
    Export {
        /// Where to write; `-` or nothing is standard output
        #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
        file: Option<PathBuf>,
        /// Replace the file if it exists
        #[arg(long)]
        force: bool,
    },
}

/// Length of an RSA key.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Bits {
    /// Usual
    #[value(name = "2048")]
    B2048,
    /// Longer
    #[value(name = "3072")]
    B3072,
    /// Longest; takes some seconds to make
    #[value(name = "4096")]
    B4096,
}

/// `wax contacts`.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Contacts {
    #[command(subcommand)]
    pub(crate) action: Option<ContactsAction>,
}

/// What to do with contacts.
#[derive(Subcommand)]
pub(crate) enum ContactsAction {
    /// List the people whose keys this device knows
    #[command(visible_alias = "list")]
    Ls,
    /// Look a person up and remember their keys
    Add {
        /// Their e-mail address, or the invitation that they gave you
        #[arg(value_name = "ADDRESS|LINK", value_hint = ValueHint::EmailAddress)]
        address: String,
        /// Take their keys from this file, which they made with `wax keys export`
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        bundle: Option<PathBuf>,
    },
    /// Show the invitation to give to a person: whoever adds it has your keys, verified
    Invite {
        /// Show it as a QR code as well
        #[arg(long)]
        qr: bool,
    },
    /// Bring the contacts of your devices together now; otherwise that happens by itself
    Sync {
        /// Go on although the server lost or put back what was there, and write it anew from what is known here
        #[arg(long)]
        anew: bool,
    },
    /// Compare the safety number with a person and mark them as verified
    Verify {
        /// Their e-mail address
        #[arg(value_hint = ValueHint::EmailAddress)]
        address: String,
        /// The 60 digits that their device shows, or the text of its QR code; compared instead of asking
        #[arg(long, value_name = "DIGITS")]
        number: Option<String>,
        /// Show the number as words, which are easier to read aloud
        #[arg(long)]
        words: bool,
        /// Show the number as a QR code, for the other device to scan
        #[arg(long)]
        qr: bool,
    },
    /// Accept a person's changed keys, after comparing the new safety number with them
    Accept {
        /// Their e-mail address
        #[arg(value_hint = ValueHint::EmailAddress)]
        address: String,
        /// The 60 digits that their device shows now
        #[arg(long, value_name = "DIGITS")]
        number: String,
    },
    /// Forget a person's keys; the next contact is trust on first use again
    Forget {
        /// Their e-mail address
        #[arg(value_hint = ValueHint::EmailAddress)]
        address: String,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
}
