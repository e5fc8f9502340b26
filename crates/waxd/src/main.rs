//! The server of Waxwing: serve, balance, cluster, doctor, admin, demo.

mod admin;
mod balance;
mod cluster;
mod demo;
mod doctor;
mod serve;
mod signals;

use std::process::ExitCode;

use clap::Parser;

/// Where this is set, the file `.env` is not read: a part of a cluster has from its parent what is meant for it, and what is
/// not meant for it must not come back by the file.
const NO_DOTENV: &str = "WAXD_NO_DOTENV";

/// The server of Waxwing: keeps sealed files that it cannot open.
#[derive(Parser)]
#[command(name = "waxd", version, about)]
struct Waxd {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Run the server until SIGTERM or SIGINT
    Serve(Box<serve::ServeArgs>),
    /// Run a balancer and several servers on this machine until SIGTERM or SIGINT
    Cluster(Box<cluster::ClusterArgs>),
    /// Run the load balancer before several servers until SIGTERM or SIGINT
    Balance(Box<balance::BalanceArgs>),
    /// Look a server over, and say what to do about each thing that is wrong; it may be running
    ///
    /// Takes the flags and the environment of `waxd serve`. Exit codes: 0 nothing is red, 1 something is, 2 nothing could
    /// be looked at.
    Doctor(Box<doctor::DoctorArgs>),
    /// Look after a data folder
    Admin(Box<admin::AdminArgs>),
    /// Play the whole way of one file on this machine, and search for what leaked
    Demo(demo::DemoArgs),
}

fn main() -> ExitCode {
    // Before anything can make a TLS connection, so that nothing picks another provider.
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        eprintln!("waxd: another TLS provider is installed already");
        return ExitCode::FAILURE;
    }
    // Before any thread is there, and before flags look at the environment. What is set already stays.
    if std::env::var_os(NO_DOTENV).is_none() {
        match dotenvy::from_path(".env") {
            Ok(()) => {}
            Err(error) if error.not_found() => {}
            Err(_) => {
                eprintln!("waxd: the file .env in this folder cannot be read as NAME=VALUE lines");
                return ExitCode::FAILURE;
            }
        }
    }
    match Waxd::parse().command {
        Command::Serve(args) => serve::run(*args),
        Command::Cluster(args) => cluster::run(&args),
        Command::Balance(args) => balance::run(*args),
        Command::Doctor(args) => doctor::run(*args),
        Command::Admin(args) => admin::run(*args),
        Command::Demo(args) => match demo::run(&args) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("waxd: {error}");
                ExitCode::FAILURE
            }
        },
    }
}
