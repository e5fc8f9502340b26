//! `waxd admin sessions`: who is signed in, and the end of one session.

use std::io::Write as _;
use std::process::ExitCode;

use envelope::Address;
use serde_json::json;
use server::admin::{OpenSession, Who};
use server::config::Storage;
use time::OffsetDateTime;
use uuid::Uuid;

use super::Outcome;
use super::users::{SEALED, say, with_users};

/// What `waxd admin sessions` can be told.
#[derive(clap::Args)]
pub(super) struct SessionsArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// List sessions that live, the last used first
    List(ListArgs),
    /// End one session at once
    End(EndArgs),
}

#[derive(clap::Args)]
struct ListArgs {
    #[command(flatten)]
    storage: Storage,
    /// Only of this person: their e-mail address, or their user id
    #[arg(value_name = "USER")]
    who: Option<Who>,
    /// Print one JSON object instead of words
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
struct EndArgs {
    #[command(flatten)]
    storage: Storage,
    /// Its id, as the list shows it
    id: Uuid,
    /// Print one JSON object instead of words
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: SessionsArgs) -> Outcome {
    match args.command {
        Command::List(args) => list(args),
        Command::End(args) => end(args),
    }
}

fn list(args: ListArgs) -> Outcome {
    let sessions = with_users(args.storage, async |users| Ok(users.sessions(args.who.as_ref()).await?))?;
    if args.json {
        let sessions: Vec<_> = sessions.iter().map(in_json).collect();
        println!("{}", json!({ "sessions": sessions }));
        return Ok(ExitCode::SUCCESS);
    }
    let mut out = std::io::stdout().lock();
    for session in &sessions {
        let address = session.address.as_ref().map_or(SEALED, Address::as_str);
        let factor = if session.second_factor { "2fa" } else { "-" };
        let (id, used) = (session.id, moment(session.last_used));
        writeln!(out, "{id}  {address}  last used {used}  {factor}")?;
    }
    eprintln!("{} sessions", sessions.len());
    Ok(ExitCode::SUCCESS)
}

fn in_json(session: &OpenSession) -> serde_json::Value {
    json!({
        "id": session.id.to_string(),
        "user_id": session.user,
        "address": session.address.as_ref().map(Address::as_str),
        "created": session.created,
        "last_used": session.last_used,
        "expires_at": session.expires_at,
        "second_factor": session.second_factor,
    })
}

fn end(args: EndArgs) -> Outcome {
    let ended = with_users(args.storage, async |users| Ok(users.end_session(args.id).await?))?;
    let words = if ended { "ended; it stands in their log" } else { "there is no such session" };
    say(args.json, &json!({ "ended": ended }), words);
    Ok(ExitCode::SUCCESS)
}

/// A moment in UTC, to the minute; the bare number where it is none.
pub(super) fn moment(unix: i64) -> String {
    match OffsetDateTime::from_unix_timestamp(unix) {
        Ok(at) => format!(
            "{:04}-{:02}-{:02} {:02}:{:02} UTC",
            at.year(),
            u8::from(at.month()),
            at.day(),
            at.hour(),
            at.minute()
        ),
        Err(_) => unix.to_string(),
    }
}
