//! `waxd admin users`: who has an account, and the ways back in that only an operator can open.

use std::error::Error;
use std::process::ExitCode;

use envelope::Address;
use serde_json::json;
use server::Config;
use server::admin::{User, Users};
use server::config::Storage;

/// What `waxd admin users` can be told.
#[derive(clap::Args)]
pub(crate) struct UsersArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// List every account
    List(ListArgs),
    /// Remove somebody's authenticator app and backup codes, when both are lost
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
    /// Their e-mail address
    address: String,
}

pub(crate) fn run(args: UsersArgs) -> ExitCode {
    let outcome = match args.command {
        Command::List(args) => list(args),
        Command::ResetSecondFactor(args) => reset_second_factor(args),
        Command::SignOut(args) => sign_out(args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("waxd: {}", server::logging::chain(&*error));
            ExitCode::FAILURE
        }
    }
}

fn list(args: ListArgs) -> Result<(), Box<dyn Error>> {
    let users = with_users(args.storage, async |users| Ok(users.list().await?))?;
    if args.json {
        let users: Vec<_> = users.iter().map(in_json).collect();
        println!("{}", json!({ "users": users }));
        return Ok(());
    }
    for user in &users {
        let address = user.address.as_ref().map_or("(sealed under another SECRET_KEY)", Address::as_str);
        let factor = if user.second_factor { "2fa" } else { "-" };
        println!("{}  {}  {} bytes  {} sessions  {factor}", user.id, address, user.used_bytes, user.sessions);
    }
    eprintln!("{} accounts", users.len());
    Ok(())
}

fn in_json(user: &User) -> serde_json::Value {
    json!({
        "id": user.id,
        "address": user.address.as_ref().map(Address::as_str),
        "created": user.created,
        "used_bytes": user.used_bytes,
        "sessions": user.sessions,
        "second_factor": user.second_factor,
    })
}

fn reset_second_factor(args: OneArgs) -> Result<(), Box<dyn Error>> {
    let address = address(&args.address)?;
    let removed = with_users(args.storage, async |users| Ok(users.reset_second_factor(&address).await?))?;
    println!("{}", if removed { "removed; it stands in their log" } else { "there was none" });
    Ok(())
}

fn sign_out(args: OneArgs) -> Result<(), Box<dyn Error>> {
    let address = address(&args.address)?;
    let ended = with_users(args.storage, async |users| Ok(users.sign_out(&address).await?))?;
    println!("sessions ended: {ended}");
    Ok(())
}

fn address(text: &str) -> Result<Address, Box<dyn Error>> {
    Address::parse(text).map_err(|_| "that is not an e-mail address; write it as name@host".into())
}

/// Opens the accounts of the folder, and closes them whatever came of the work.
fn with_users<T>(
    storage: Storage,
    work: impl AsyncFnOnce(&Users) -> Result<T, Box<dyn Error>>,
) -> Result<T, Box<dyn Error>> {
    let config = Config { storage, ..Config::default() };
    let config = config.with_environment(|name| std::env::var_os(name))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let users = Users::open(&config).await?;
        let outcome = work(&users).await;
        users.close().await;
        outcome
    })
}
