//! Runs a command beside a PostgreSQL of its own, which tests find by the environment; says "not run" where there can be none.

use std::process::ExitCode;

use stage::postgres;

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let Some(command) = words.next() else {
        eprintln!("usage: with-postgres COMMAND [WORD]…");
        return ExitCode::from(2);
    };
    if let Some(why) = postgres::missing() {
        eprintln!("not run: {why}");
        return ExitCode::SUCCESS;
    }
    let cluster = match postgres::Postgres::start_in_memory() {
        Ok(cluster) => cluster,
        Err(error) => {
            eprintln!("with-postgres: {error}");
            return ExitCode::FAILURE;
        }
    };
    match postgres::naming(&cluster, &command).args(words).status() {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("with-postgres: {command}: {error}");
            ExitCode::FAILURE
        }
    }
}
