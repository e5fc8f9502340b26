//! `waxd admin migrate|begin-again`: from SQLite to PostgreSQL, and on with a database that was brought back.

use std::process::ExitCode;

use serde_json::json;
use server::admin::{Migrate, MovedTable, begin_again};
use server::config::Storage;

use super::{Outcome, with_config};

#[derive(clap::Args)]
pub(super) struct MigrateArgs {
    #[command(flatten)]
    storage: Storage,
    /// The empty PostgreSQL database [default: what DATABASE_URL or DATABASE_URL_FILE names]
    ///
    /// Other users of this machine can read a command line: a URL with a password goes into the environment, or into a file.
    #[arg(long, value_name = "URL")]
    to: Option<String>,
    /// Print lines of JSON instead of words, one for each table
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
pub(super) struct BeginAgainArgs {
    #[command(flatten)]
    storage: Storage,
}

pub(super) fn migrate(args: MigrateArgs) -> Outcome {
    let MigrateArgs { storage, to, json } = args;
    let moved = with_config(storage, None, async |config| Ok(Migrate::new(&config, to)?.run().await?))?;
    for table in &moved {
        tell(table, json);
    }
    if !json {
        println!("moved; every row was read back and is the same");
        eprintln!("next: start the servers with DATABASE_URL; the SQLite file refuses them from now on");
    }
    Ok(ExitCode::SUCCESS)
}

fn tell(table: &MovedTable, json: bool) {
    let MovedTable { name, rows, digest } = table;
    let digest: String = digest.as_bytes().iter().map(|octet| format!("{octet:02x}")).collect();
    if json {
        println!("{}", json!({ "table": name, "rows": rows, "sha256": digest }));
    } else {
        println!("{name:<16} {rows:>10} rows  sha256 {}…", &digest[..16]);
    }
}

pub(super) fn begin(args: BeginAgainArgs) -> Outcome {
    let ended = with_config(args.storage, None, async |config| Ok(Box::pin(begin_again(&config)).await?))?;
    println!("sessions ended     {ended}");
    Ok(ExitCode::SUCCESS)
}
