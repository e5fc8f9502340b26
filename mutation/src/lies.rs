//! Takes away, one after the other, the checks behind each row of `spec/THREATS.md`, and sees whether a test that the
//! row names notices: `waxwing-mutation lies [--write | ROW…]`, at the root of the repository.
//!
//! `mutation/lies.toml` says which expression of the source is which check. All are compiled into one build, each behind a
//! switch, as the changes of the other runs are. A row without a check here, and a check that no test notices, is a
//! fault. With `--write` the table of `docs/lies.md` is written anew.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

use serde::Deserialize;

use crate::cargo::{self, Built, Program};
use crate::schemata::{SWITCH, SWITCH_CODE};
use crate::{Result, copy, write_if_new};

const TABLE: &str = "mutation/lies.toml";
const THREATS: &str = "spec/THREATS.md";
const REPORT: &str = "docs/lies.md";
const LAST_RUN: &str = "## The last run\n";
/// What a piece that is replaced as it stands writes for "the switch is on".
const ON: &str = "$ON";
/// Seconds after which the tests of one program are given up: without a check some wait for ever for what was to fail.
const LIMIT: &str = "240";
/// What `timeout` of the coreutils ends with where it had to end something.
const GIVEN_UP: i32 = 124;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    lie: Vec<Lie>,
}

/// One lie that succeeds where its check is gone.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Lie {
    /// The number of the row, or the first words of one without a number.
    row: String,
    /// The check, as a reader would name it.
    check: String,
    /// Several where one lie is stopped by several checks.
    changes: Vec<Change>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    file: String,
    /// Stands exactly once in the file.
    find: String,
    /// The expression in its place. Without it `find` is statements, which are left out. With `$ON` in it, it is the
    /// whole text to put there, and `$ON` the condition.
    with: Option<String>,
}

/// A row of the threats: its first cell, its attempt, and the tests it names.
struct Threat {
    row: String,
    attempt: String,
    tests: Vec<String>,
    waits: bool,
}

/// What a run without a check brought.
struct Outcome<'l> {
    lie: &'l Lie,
    noticed: Vec<String>,
}

/// What a run is asked for.
pub struct Wanted {
    /// The table is written anew.
    pub write: bool,
    /// Only checks that the table has no result of; theirs are put into it.
    pub new: bool,
    /// Only these rows, if any.
    pub only: Vec<String>,
}

/// All checks, or those that are wanted.
pub fn run(root: &Path, asked: &Wanted) -> Result<()> {
    let table: Table = toml::from_str(&fs::read_to_string(root.join(TABLE))?)?;
    let threats = threats(&fs::read_to_string(root.join(THREATS))?);
    complete(&table, &threats)?;
    let work = PathBuf::from(env::var_os("MUTATION_WORK").ok_or("MUTATION_WORK names no folder")?);
    let tree = work.join("lies");
    let rewritten = rewrite(root, &table)?;
    fs::create_dir_all(&tree)?;
    copy(root, &tree, &rewritten.iter().map(|(file, text)| (file.clone(), text.clone())).collect())?;
    for (file, text) in &rewritten {
        let path = tree.join(file);
        fs::create_dir_all(path.parent().ok_or("a file without a folder")?)?;
        write_if_new(&path, text.as_bytes())?;
    }
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| work.join("target"), PathBuf::from);
    let programs = match cargo::build_all(&tree, &target)? {
        Built::Programs(programs) => programs,
        Built::Errors(faults) => {
            return Err(format!("what was rewritten does not compile: {faults:?}").into());
        }
    };
    let tests = places(&programs)?;
    let named = |row: &str| threats.iter().find(|threat| is_row(threat, row));
    let before = fs::read_to_string(root.join(REPORT))?;
    let known = |lie: &Lie| asked.new.then(|| noticed_before(&before, lie)).flatten();
    let wanted = |lie: &Lie| (asked.only.is_empty() || asked.only.contains(&lie.row)) && known(lie).is_none();
    let rows = table.lie.iter().filter(|lie| wanted(lie)).filter_map(|lie| named(&lie.row));
    let every: BTreeSet<&str> = rows.flat_map(Threat::names).collect();
    let failed = failing(&every.iter().copied().collect::<Vec<_>>(), &tests, None)?;
    if !failed.is_empty() {
        return Err(format!("these fail with every check in its place: {failed:?}").into());
    }
    let mut outcomes = Vec::new();
    for (id, lie) in table.lie.iter().enumerate() {
        if let Some(noticed) = known(lie) {
            outcomes.push(Outcome { lie, noticed });
            continue;
        }
        if !wanted(lie) {
            continue;
        }
        let threat = named(&lie.row).ok_or("a row vanished")?;
        let noticed = failing(&threat.names().collect::<Vec<_>>(), &tests, Some(id))?;
        println!(
            "{}: {} | {}",
            lie.row,
            lie.check,
            if noticed.is_empty() { "NOT NOTICED".into() } else { noticed.join(", ") }
        );
        outcomes.push(Outcome { lie, noticed });
    }
    if asked.write || asked.new {
        let kept = before.split(LAST_RUN).next().unwrap_or_default();
        fs::write(root.join(REPORT), format!("{kept}{LAST_RUN}\n{}", report(&threats, &table, &outcomes)?))?;
    }
    let unnoticed = outcomes.iter().filter(|outcome| outcome.noticed.is_empty()).count();
    println!("{} checks taken away, {unnoticed} of them unnoticed", outcomes.len());
    if unnoticed == 0 {
        Ok(())
    } else {
        Err("a check can be taken away and no test of its row notices".into())
    }
}

impl Threat {
    fn names(&self) -> impl Iterator<Item = &str> {
        self.tests.iter().map(String::as_str)
    }
}

fn is_row(threat: &Threat, row: &str) -> bool {
    threat.row == row || (threat.row.is_empty() && threat.attempt.starts_with(row))
}

fn threats(text: &str) -> Vec<Threat> {
    let mut threats = Vec::new();
    for line in text.lines().filter(|line| line.starts_with('|') && !line.starts_with("|---")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let (row, attempt, last) = match cells[..] {
            [row, attempt, _, tests] => (row, attempt, tests),
            [attempt, _, tests] => ("", attempt, tests),
            _ => continue,
        };
        if row == "#" || attempt == "attempt" {
            continue;
        }
        let tests = last.split('`').skip(1).step_by(2).filter(|name| name.contains('_'));
        let tests: Vec<String> = tests.map(str::to_owned).collect();
        let waits = last.starts_with("waiting");
        threats.push(Threat { row: row.to_owned(), attempt: attempt.to_owned(), tests, waits });
    }
    threats
}

/// Every row that does not wait has a check here, and every check has its row.
fn complete(table: &Table, threats: &[Threat]) -> Result<()> {
    for threat in threats {
        let has_lie = table.lie.iter().any(|lie| is_row(threat, &lie.row));
        if has_lie == threat.waits {
            let what = if has_lie { "waits and has a check" } else { "has no check" };
            return Err(format!("{THREATS}, {} {:?}: {what} in {TABLE}", threat.row, threat.attempt).into());
        }
    }
    for lie in &table.lie {
        if threats.iter().filter(|threat| is_row(threat, &lie.row)).count() != 1 {
            return Err(format!("{TABLE}: there is no row {:?}, or more than one", lie.row).into());
        }
    }
    Ok(())
}

/// The files with every check behind its switch.
fn rewrite(root: &Path, table: &Table) -> Result<BTreeMap<String, String>> {
    // By file and place: what stands there instead, and the lies that it belongs to.
    let mut places = BTreeMap::<&str, BTreeMap<usize, (Range<usize>, Option<&str>, Vec<usize>)>>::new();
    let mut sources = BTreeMap::new();
    for (id, lie) in table.lie.iter().enumerate() {
        for change in &lie.changes {
            if !sources.contains_key(change.file.as_str()) {
                sources.insert(change.file.as_str(), fs::read_to_string(root.join(&change.file))?);
            }
            let found: Vec<_> = sources[change.file.as_str()].match_indices(change.find.as_str()).collect();
            let [(at, _)] = found[..] else {
                return Err(format!("{} stands {} times in {}", change.find, found.len(), change.file).into());
            };
            let range = at..at + change.find.len();
            let here = places.entry(&change.file).or_default();
            let place = here.entry(at).or_insert_with(|| (range.clone(), change.with.as_deref(), Vec::new()));
            if place.0 != range || place.1 != change.with.as_deref() {
                return Err(format!(
                    "two checks of {} are at one place and differ: {}",
                    change.file, change.find
                )
                .into());
            }
            place.2.push(id);
        }
    }
    let mut rewritten = BTreeMap::new();
    for (file, places) in places {
        let source = &sources[file];
        let (mut text, mut done) = (String::new(), 0);
        for (range, with, ids) in places.into_values() {
            if range.start < done {
                return Err(format!("two checks of {file} overlap").into());
            }
            text.push_str(&source[done..range.start]);
            let on: Vec<String> = ids.iter().map(|id| format!("crate::__mutant({id})")).collect();
            let (on, same) = (format!("({})", on.join(" || ")), &source[range.clone()]);
            text.push_str(&match with {
                None => format!("if !{on} {{ {same} }}"),
                Some(with) if with.contains(ON) => with.replace(ON, &on),
                Some(with) => format!("(if {on} {{ {with} }} else {{ {same} }})"),
            });
            done = range.end;
        }
        text.push_str(&source[done..]);
        rewritten.insert(file.to_owned(), text);
    }
    let crates: BTreeSet<String> = rewritten
        .keys()
        .filter_map(|file| {
            let source = format!("{}src", file.split_once("src/")?.0);
            let roots = ["lib.rs", "main.rs"].map(|name| format!("{source}/{name}"));
            roots.into_iter().find(|path| root.join(path).is_file())
        })
        .collect();
    for lib in crates {
        let text = match rewritten.remove(&lib) {
            Some(text) => text,
            None => fs::read_to_string(root.join(&lib))?,
        };
        rewritten.insert(lib, text + SWITCH_CODE);
    }
    Ok(rewritten)
}

/// Where each test is: program and whole name, by the name of its function.
type Places<'p> = BTreeMap<String, Vec<(&'p Program, String)>>;

fn places(programs: &[Program]) -> Result<Places<'_>> {
    let mut places = Places::new();
    for program in programs {
        let list = Command::new(&program.path).arg("--list").current_dir(&program.folder).output()?;
        for whole in String::from_utf8(list.stdout)?.lines().filter_map(|line| line.strip_suffix(": test")) {
            let name = whole.rsplit("::").next().unwrap_or(whole).to_owned();
            places.entry(name).or_default().push((program, whole.to_owned()));
        }
    }
    Ok(places)
}

/// Which of these tests fail with the check of one lie switched off: those of the first program of which one does, the
/// smallest first.
fn failing(names: &[&str], places: &Places<'_>, lie: Option<usize>) -> Result<Vec<String>> {
    let mut of_program = BTreeMap::<(u64, &Path), (&Program, Vec<&str>)>::new();
    for name in names {
        for (program, whole) in places.get(*name).ok_or_else(|| format!("no test is called {name}"))? {
            of_program
                .entry((program.path.metadata()?.len(), &program.path))
                .or_insert_with(|| (*program, Vec::new()))
                .1
                .push(whole);
        }
    }
    let mut failed = Vec::new();
    for (program, tests) in of_program.into_values() {
        if lie.is_some() && !failed.is_empty() {
            break;
        }
        let mut command = Command::new("timeout");
        command.arg(LIMIT).arg(&program.path);
        command.args(&tests).args(["--exact", "--test-threads=2"]);
        command.current_dir(&program.folder).env("CARGO_MANIFEST_DIR", &program.folder).env_remove(SWITCH);
        command.envs(lie.map(|id| (SWITCH, id.to_string())));
        let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        let before = failed.len();
        for line in text.lines().filter(|line| line.ends_with("FAILED")) {
            if let Some(whole) = line.strip_prefix("test ").and_then(|line| line.split(' ').next()) {
                failed.push(whole.rsplit("::").next().unwrap_or(whole).to_owned());
            }
        }
        if output.status.code() == Some(GIVEN_UP) {
            let names = tests.iter().map(|whole| whole.rsplit("::").next().unwrap_or(whole));
            failed.push(format!("{} (did not end)", names.collect::<Vec<_>>().join(" or ")));
        } else if !output.status.success() && failed.len() == before {
            failed.push(format!("{} ({})", program.name(), output.status));
        }
    }
    failed.sort();
    failed.dedup();
    Ok(failed)
}

/// What the table says of a check, if it says which tests noticed.
fn noticed_before(table: &str, lie: &Lie) -> Option<Vec<String>> {
    let middle = format!("| {} |", lie.check);
    let line = table.lines().find(|line| line.starts_with('|') && line.contains(&middle))?;
    let cell = line.split(&middle).nth(1)?.trim().trim_end_matches('|').trim();
    let tests = cell.split(", ").map(|test| test.replace('`', ""));
    cell.starts_with('`').then(|| tests.collect())
}

fn report(threats: &[Threat], table: &Table, outcomes: &[Outcome<'_>]) -> Result<String> {
    let noticed = outcomes.iter().filter(|outcome| !outcome.noticed.is_empty()).count();
    let (unnoticed, waiting) = (outcomes.len() - noticed, table.lie.len() - outcomes.len());
    let mut text = format!("{noticed} checks were noticed, {unnoticed} were not, {waiting} have not been run yet.\n\n");
    text.push_str("| row | check taken away | tests that noticed |\n|---|---|---|\n");
    for threat in threats {
        let name = if threat.row.is_empty() { &threat.attempt } else { &threat.row };
        for lie in table.lie.iter().filter(|lie| is_row(threat, &lie.row)) {
            let outcome = outcomes.iter().find(|outcome| std::ptr::eq(outcome.lie, lie));
            let tests = match outcome.map(|outcome| outcome.noticed.as_slice()) {
                None => "not run yet".to_owned(),
                Some([]) => "**none**".to_owned(),
                Some(noticed) => {
                    noticed.iter().map(|test| format!("`{test}`")).collect::<Vec<_>>().join(", ")
                }
            };
            writeln!(text, "| {name} | {} | {tests} |", lie.check)?;
        }
        if threat.waits {
            writeln!(text, "| {name} | waiting | |")?;
        }
    }
    Ok(text)
}
