//! The vectors of `spec/vectors`, read by the crates that ship: what must open opens, what must not does not.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod containers;
mod files;
mod folders;
mod outward;
mod people;
mod world;

use serde_json::Value;
use world::{cases, text};

/// Runs every case of a kind: `read` gives what was opened, or why it was refused.
fn run(kind: &str, at_least: usize, read: impl Fn(&Value) -> Result<Value, String>) {
    let cases = cases(kind);
    assert!(cases.len() >= at_least, "{kind}: only {} cases", cases.len());
    let mut wrong = Vec::new();
    for (name, case) in &cases {
        let wanted = case.get("result");
        match (text(case, "expect"), read(case)) {
            ("refuse", Err(_)) => {}
            ("refuse", Ok(opened)) => wrong.push(format!("{kind}/{name} was taken: {opened}")),
            (_, Err(why)) => wrong.push(format!("{kind}/{name} was refused: {why}")),
            (_, Ok(opened)) => {
                for (key, value) in wanted.and_then(Value::as_object).into_iter().flatten() {
                    if &opened[key] != value {
                        wrong.push(format!("{kind}/{name}: {key} is {} and not {value}", opened[key]));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_file_opens_or_is_refused_as_the_specification_says() {
    run("file", 200, files::open);
}

#[test]
fn every_grant_has_the_layout_that_the_specification_says_or_is_refused() {
    run("grant", 5, files::grant);
}

#[test]
fn every_segment_opens_in_its_place_and_in_no_other() {
    run("segment", 15, files::segment);
}

#[test]
fn every_container_opens_or_is_refused_as_the_specification_says() {
    run("container", 35, containers::open);
}

#[test]
fn every_bundle_and_every_chain_is_judged_as_the_specification_says() {
    run("bundle", 45, people::bundle);
    run("chain", 15, people::chain);
}

#[test]
fn every_vault_opens_or_is_refused_as_the_specification_says() {
    run("vault", 35, people::vault);
}

#[test]
fn every_signature_is_judged_as_the_specification_says() {
    run("signature", 30, people::signature);
}

#[test]
fn every_link_and_every_proof_is_taken_or_refused_as_the_specification_says() {
    run("link", 25, outward::link);
    run("proof", 7, outward::proof);
}

#[test]
fn every_drop_box_is_shown_or_refused_as_the_specification_says() {
    run("box", 45, outward::drop_box);
    outward::box_keys();
}

#[test]
fn every_bundle_of_files_opens_or_is_refused_as_the_specification_says() {
    run("folder", 80, folders::list);
    run("member", 13, folders::member);
}

#[test]
fn every_record_of_pins_opens_or_is_refused_as_the_specification_says() {
    run("pins", 50, outward::pins);
}

#[test]
fn every_number_is_the_one_of_the_specification() {
    people::numbers();
}

#[test]
fn the_committed_files_are_what_the_generator_writes() {
    let generator =
        std::process::Command::new(env!("CARGO_BIN_EXE_vectors")).arg("--check").output().unwrap();
    assert!(generator.status.success(), "{}", String::from_utf8_lossy(&generator.stderr));
}
