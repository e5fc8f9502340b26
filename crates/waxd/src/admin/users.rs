//! `waxd admin users`: who has an account, who may make one, and what only an operator can do about either.

use std::error::Error;
use std::io::Write as _;
use std::process::ExitCode;

use envelope::Address;
use serde_json::{Value, json};
use server::admin::{Letter, User, Users, Who};
use server::config::{Mail, Storage};

use super::size::{Size, told};
use super::{Outcome, with_config};

/// What stands in the place of an address that does not open.
pub(super) const SEALED: &str = "(sealed under another SECRET_KEY)";

/// What `waxd admin users` can be told.
#[derive(clap::Args)]
pub(super) struct UsersArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// List every account
    List(ListArgs),
    /// Suspend somebody: every session ends at once and none begins; nothing is deleted
    ///
    /// Whoever has a grant to their files can go on fetching them.
    Suspend(OneArgs),
    /// End a suspension
    Reinstate(OneArgs),
    /// Give somebody a quota of their own
    Quota(QuotaArgs),
    /// Let an address make an account, once, where SIGNUP would not
    Invite(InviteArgs),
    /// List the invitations that are good
    Invitations(ListArgs),
    /// Take an invitation back
    Withdraw(AddressArgs),
    /// Remove somebody's authenticator app, passkeys and backup codes, when all are lost
    ///
    /// Make sure who asks: from then on the mailbox alone lets them in. Files stay closed without their keys.
    #[command(name = "reset-2fa")]
    ResetSecondFactor(OneArgs),
    /// End every session of somebody at once
    SignOut(OneArgs),
}

#[derive(clap::Args)]
struct ListArgs {
    #[command(flatten)]
    storage: Storage,
    /// Print one JSON object instead of words
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
struct OneArgs {
    #[command(flatten)]
    storage: Storage,
    /// Their e-mail address, or their user id
    #[arg(value_name = "USER")]
    who: Who,
    /// Print one JSON object instead of words
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
struct AddressArgs {
    #[command(flatten)]
    storage: Storage,
    /// The e-mail address
    #[arg(value_parser = address)]
    address: Address,
    /// Print one JSON object instead of words
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
struct QuotaArgs {
    #[command(flatten)]
    one: OneArgs,
    /// A size such as 20GiB or 500MB, or `default` for the quota that the server is started with
    #[arg(value_name = "SIZE|default")]
    size: Quota,
}

/// A quota as it is written.
#[derive(Clone, Copy)]
struct Quota(Option<Size>);

impl std::str::FromStr for Quota {
    type Err = super::size::BadSize;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "default" { Ok(Self(None)) } else { text.parse().map(|size| Self(Some(size))) }
    }
}

#[derive(clap::Args)]
struct InviteArgs {
    #[command(flatten)]
    one: AddressArgs,
    /// For how many days it is good
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=366))]
    days: u32,
    /// Send a letter with it, by the mailer that the server uses
    #[arg(long, requires = "url")]
    send: bool,
    /// Where the server is reached, for the letter: https://HOST
    #[arg(long, value_name = "URL", value_parser = url)]
    url: Option<String>,
    #[command(flatten)]
    mail: Mail,
}

pub(super) fn run(args: UsersArgs) -> Outcome {
    match args.command {
        Command::List(args) => list(args),
        Command::Suspend(args) => suspend(args),
        Command::Reinstate(args) => reinstate(args),
        Command::Quota(args) => quota(args),
        Command::Invite(args) => invite(args),
        Command::Invitations(args) => invitations(args),
        Command::Withdraw(args) => withdraw(args),
        Command::ResetSecondFactor(args) => reset_second_factor(args),
        Command::SignOut(args) => sign_out(args),
    }
}

fn list(args: ListArgs) -> Outcome {
    let users = with_users(args.storage, async |users| Ok(users.list().await?))?;
    if args.json {
        let users: Vec<_> = users.iter().map(in_json).collect();
        println!("{}", json!({ "users": users }));
        return Ok(ExitCode::SUCCESS);
    }
    let mut out = std::io::stdout().lock();
    for user in &users {
        let address = user.address.as_ref().map_or(SEALED, Address::as_str);
        let factor = if user.second_factor { "2fa" } else { "-" };
        let status = if user.suspended.is_some() { "suspended" } else { "active" };
        let quota = user.quota_bytes.map_or_else(|| "default".to_owned(), told);
        let (id, used, sessions) = (user.id, user.used_bytes, user.sessions);
        writeln!(
            out,
            "{id}  {address}  {status}  {used} bytes  quota {quota}  {sessions} sessions  {factor}"
        )?;
    }
    eprintln!("{} accounts", users.len());
    Ok(ExitCode::SUCCESS)
}

fn in_json(user: &User) -> Value {
    json!({
        "id": user.id,
        "address": user.address.as_ref().map(Address::as_str),
        "created": user.created,
        "status": if user.suspended.is_some() { "suspended" } else { "active" },
        "suspended": user.suspended,
        "used_bytes": user.used_bytes,
        "quota_bytes": user.quota_bytes,
        "sessions": user.sessions,
        "second_factor": user.second_factor,
    })
}

fn suspend(args: OneArgs) -> Outcome {
    let ended = with_users(args.storage, async |users| Ok(users.suspend(&args.who).await?))?;
    let words = match ended {
        Some(sessions) => {
            format!("suspended; sessions ended: {sessions}. Nothing was deleted; it stands in their log")
        }
        None => "they were suspended already; nothing changed".to_owned(),
    };
    say(
        args.json,
        &json!({ "suspended": true, "changed": ended.is_some(), "ended": ended.unwrap_or(0) }),
        &words,
    );
    Ok(ExitCode::SUCCESS)
}

fn reinstate(args: OneArgs) -> Outcome {
    let changed = with_users(args.storage, async |users| Ok(users.reinstate(&args.who).await?))?;
    let words = if changed {
        "reinstated: they can sign in again; it stands in their log"
    } else {
        "they were not suspended; nothing changed"
    };
    say(args.json, &json!({ "suspended": false, "changed": changed }), words);
    Ok(ExitCode::SUCCESS)
}

fn quota(args: QuotaArgs) -> Outcome {
    let bytes = args.size.0.map(|size| size.0);
    let OneArgs { storage, who, json } = args.one;
    let changed = with_users(storage, async |users| Ok(users.set_quota(&who, bytes).await?))?;
    let shown = bytes.map_or_else(|| "that of the server".to_owned(), told);
    let words = if changed {
        format!("quota: {shown}; what is stored already stays, and it stands in their log")
    } else {
        format!("quota: {shown}, as it was before")
    };
    say(json, &json!({ "quota_bytes": bytes, "changed": changed }), &words);
    Ok(ExitCode::SUCCESS)
}

fn invite(args: InviteArgs) -> Outcome {
    let AddressArgs { storage, address, json } = args.one;
    let letter = args.url.filter(|_| args.send).map(|url| Letter { url });
    let mail = letter.as_ref().map(|_| args.mail);
    let is_sent = letter.is_some();
    let expires_at = with_config(storage, mail, async |config| {
        let users = Users::open(&config).await?;
        let outcome =
            users.invite(&address, args.days, letter.as_ref().map(|letter| (letter, &config))).await;
        users.close().await;
        Ok(outcome?)
    })?;
    let letter = if is_sent { "a letter is on its way" } else { "no letter was sent; tell them yourself" };
    let words = format!("invited for {} days; {letter}", args.days);
    say(json, &json!({ "address": address.as_str(), "expires_at": expires_at, "sent": is_sent }), &words);
    Ok(ExitCode::SUCCESS)
}

fn invitations(args: ListArgs) -> Outcome {
    let invited = with_users(args.storage, async |users| Ok(users.invitations().await?))?;
    if args.json {
        let invited: Vec<_> = invited
            .iter()
            .map(|one| {
                let address = one.address.as_ref().map(Address::as_str);
                json!({ "address": address, "invited": one.invited, "expires_at": one.expires_at })
            })
            .collect();
        println!("{}", json!({ "invitations": invited }));
        return Ok(ExitCode::SUCCESS);
    }
    let mut out = std::io::stdout().lock();
    for one in &invited {
        let address = one.address.as_ref().map_or(SEALED, Address::as_str);
        writeln!(out, "{address}  until {}", super::sessions::moment(one.expires_at))?;
    }
    eprintln!("{} invitations", invited.len());
    Ok(ExitCode::SUCCESS)
}

fn withdraw(args: AddressArgs) -> Outcome {
    let withdrawn = with_users(args.storage, async |users| Ok(users.withdraw(&args.address).await?))?;
    let words =
        if withdrawn { "withdrawn" } else { "there was no invitation; an account that exists goes on" };
    say(args.json, &json!({ "withdrawn": withdrawn }), words);
    Ok(ExitCode::SUCCESS)
}

fn reset_second_factor(args: OneArgs) -> Outcome {
    let removed = with_users(args.storage, async |users| Ok(users.reset_second_factor(&args.who).await?))?;
    let words = if removed { "removed; it stands in their log" } else { "there was none" };
    say(args.json, &json!({ "removed": removed }), words);
    Ok(ExitCode::SUCCESS)
}

fn sign_out(args: OneArgs) -> Outcome {
    let ended = with_users(args.storage, async |users| Ok(users.sign_out(&args.who).await?))?;
    say(args.json, &json!({ "ended": ended }), &format!("sessions ended: {ended}"));
    Ok(ExitCode::SUCCESS)
}

/// The result in one of its two forms.
pub(super) fn say(json: bool, value: &Value, words: &str) {
    if json {
        println!("{value}");
    } else {
        println!("{words}");
    }
}

fn address(text: &str) -> Result<Address, String> {
    Address::parse(text).map_err(|_| "that is not an e-mail address; write it as name@host".to_owned())
}

/// An origin that a client takes, so that nothing else gets into the letter.
fn url(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-.:[]".contains(c);
    match text.strip_prefix("https://") {
        Some(host) if !host.is_empty() && host.chars().all(plain) => Ok(text.to_owned()),
        _ => Err("write it as https://HOST or https://HOST:PORT".to_owned()),
    }
}

/// Opens the accounts of the folder, and closes them whatever came of the work.
pub(super) fn with_users<T>(
    storage: Storage,
    work: impl AsyncFnOnce(&Users) -> Result<T, Box<dyn Error>>,
) -> Result<T, Box<dyn Error>> {
    with_config(storage, None, async |config| {
        let users = Users::open(&config).await?;
        let outcome = work(&users).await;
        users.close().await;
        outcome
    })
}
