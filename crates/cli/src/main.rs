//! `wax`: the command line of Waxwing.

mod agent;
mod amount;
mod app;
mod args;
mod ask;
mod commands;
mod console;
mod expiry;
mod fault;
mod keyfile;
mod keyring;
mod phrase;
mod progress;
mod qr;

use app::App;
use args::{Command, Wax};
use clap::Parser;
use clap::error::ErrorKind;
use console::Console;
use fault::{Class, Fault};
use std::process::ExitCode;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

fn main() -> ExitCode {
    let wax = match Wax::try_parse() {
        Ok(wax) => wax,
        Err(error) => return refuse(&error),
    };
    // Fails only where one is installed already, which serves as well.
    let _already = rustls::crypto::aws_lc_rs::default_provider().install_default();
    if !matches!(wax.command, Command::Agent(_)) {
        speak_up(wax.global.verbose);
    }
    let app = App { console: Console::new(&wax.global), global: wax.global };
    match commands::run(&app, wax.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            app.console.fail(&fault);
            ExitCode::from(fault.class.code())
        }
    }
}

/// Help and version go to standard output and are no failure; anything else is told in this program's voice.
fn refuse(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        // A reader that hangs up in the middle of the help has read enough.
        let _hung_up = error.print();
        return ExitCode::SUCCESS;
    }
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        let _hung_up = error.print();
    } else {
        let json = std::env::args_os().any(|arg| arg == "--json");
        Console::before_parsing(json).fail(&Fault::command_line(&error.render().to_string()));
    }
    ExitCode::from(Class::Usage.code())
}

/// What `--verbose` shows, on standard error: only this program's own words, which name no person, file or key.
fn speak_up(verbose: u8) {
    let level = match verbose {
        0 => return,
        1 => LevelFilter::INFO,
        _ => LevelFilter::DEBUG,
    };
    let lines =
        tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(false).with_target(false);
    let own = Targets::new().with_target("wax", level).with_target("client", level);
    tracing_subscriber::registry().with(lines.without_time()).with(own).init();
}
