//! The last section of `docs/wax.md`, held against the parser: every command and every flag stands in it, in its words.

use super::Wax;
use clap::{Command, CommandFactory};

const PAGE: &str = include_str!("../../../../docs/wax.md");
const HEAD: &str = "## Every command and flag\n";

/// A row for each command that is shown, with the flags that are its own.
fn rows(command: &Command, before: &str, out: &mut Vec<String>) {
    let shown = command.get_subcommands().filter(|sub| !sub.is_hide_set() && sub.get_name() != "help");
    for sub in shown {
        let path = format!("{before}{}", sub.get_name());
        let flags: Vec<String> = sub
            .get_arguments()
            .filter(|arg| !arg.is_hide_set() && !arg.is_global_set())
            .filter_map(|arg| arg.get_long())
            .filter(|flag| *flag != "help")
            .map(|flag| format!("`--{flag}`"))
            .collect();
        let about = sub.get_about().map(ToString::to_string).unwrap_or_default();
        out.push(format!("| `{path}` | {about} | {} |", flags.join(" ")));
        rows(sub, &format!("{path} "), out);
    }
}

#[test]
fn every_command_and_every_flag_stands_in_the_manual() {
    let mut wanted = Vec::new();
    rows(&Wax::command(), "", &mut wanted);
    let (_, section) = PAGE.split_once(HEAD).expect("the section of all commands");
    let stands: Vec<&str> = section.lines().filter(|line| line.starts_with("| `")).collect();
    assert!(stands == wanted, "the table at the end of docs/wax.md should be\n{}", wanted.join("\n"));
}

#[test]
fn every_flag_of_every_command_stands_in_the_manual() {
    let (_, section) = PAGE.split_once(HEAD).expect("the section of all commands");
    for arg in Wax::command().get_arguments().filter(|arg| !arg.is_hide_set()) {
        let Some(flag) = arg.get_long() else { continue };
        assert!(section.contains(&format!("`--{flag}")), "--{flag}");
    }
}
