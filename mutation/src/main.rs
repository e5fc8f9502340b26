//! Mutation by schemata: `waxwing-mutation PACKAGE…`, at the root of the repository.
//!
//! The changes are those of `cargo mutants --list`. All are compiled into one build, each behind a switch, so that a
//! change costs a run of tests and no build. A change that does not fit (it stands in a constant, or the rewritten
//! file does not compile with it) is built by itself. A change of a package counts as noticed when a test of it, or
//! of a package named after it, fails.
//!
//! Results are kept in `MUTATION_WORK`, so that a run goes on where it stopped; what survived is tried again.

mod cargo;
mod lies;
mod mutants;
mod schemata;
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::{env, fs};

use cargo::{Built, Place};
use mutants::Mutant;
use tests::{Outcome, Round};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

const SURVIVED: &str = "survived";
const NOT_COMPILED: &str = "does not compile";
/// Errors of a returned value itself, wherever it is returned: it has another type, lacks a trait or does not exist.
const OF_THE_VALUE: [&str; 7] = ["E0277", "E0308", "E0061", "E0423", "E0425", "E0433", "E0599"];

struct Run {
    tree: PathBuf,
    target: PathBuf,
    packages: Vec<String>,
    mutants: Vec<Mutant>,
    sources: HashMap<String, String>,
    /// By the names of the changes: outcome, and what noticed it.
    results: Mutex<BTreeMap<String, (String, String)>>,
    results_path: PathBuf,
}

fn main() -> Result<()> {
    let root = env::current_dir()?;
    let packages: Vec<String> = env::args().skip(1).collect();
    if packages.first().is_some_and(|first| first == "lies") {
        let (new, write) = (given(&packages, "--new"), given(&packages, "--write"));
        let rows = packages.into_iter().skip(1).filter(|word| word != "--write" && word != "--new");
        let only: Vec<String> = rows.collect();
        if write && (new || !only.is_empty()) {
            return Err("the table is written anew by a run of all rows, and added to by --new".into());
        }
        return lies::run(&root, &lies::Wanted { write, new, only });
    }
    let work = PathBuf::from(env::var_os("MUTATION_WORK").ok_or("MUTATION_WORK names no folder")?);
    let tree = work.join("tree");
    let mutants = mutants::list(&root, &packages)?;
    let mut sources = HashMap::new();
    for package in &packages {
        let lib = format!("crates/{package}/src/lib.rs");
        sources.insert(lib.clone(), fs::read_to_string(root.join(lib))?);
    }
    for mutant in &mutants {
        sources.insert(mutant.file.clone(), fs::read_to_string(root.join(&mutant.file))?);
    }
    copy(&root, &tree, &sources)?;
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| work.join("target"), PathBuf::from);
    let results_path = work.join("results.jsonl");
    let mut results = BTreeMap::new();
    for line in fs::read_to_string(&results_path).unwrap_or_default().lines() {
        let (name, outcome, by): (String, String, String) = serde_json::from_str(line)?;
        results.insert(name, (outcome, by));
    }
    let results = Mutex::new(results);
    let run = Run { tree, target, packages, mutants, sources, results, results_path };

    let apart_path = work.join("apart.json");
    let mut apart: BTreeSet<String> =
        serde_json::from_str(&fs::read_to_string(&apart_path).unwrap_or("[]".to_owned()))?;
    let programs = run.build_schemata(&mut apart)?;
    fs::write(&apart_path, serde_json::to_string(&apart)?)?;
    let apart_here = run.mutants.iter().filter(|mutant| apart.contains(&mutant.name)).count();
    println!("{} changes, {apart_here} of them not in the one build", run.mutants.len());

    let times_path = work.join("times.json");
    let mut times = serde_json::from_str(&fs::read_to_string(&times_path).unwrap_or("{}".to_owned()))?;
    let rounds = tests::rounds(&programs, &mut times)?;
    fs::write(&times_path, serde_json::to_string(&times)?)?;
    let together = Mutex::new(run.open(|mutant| !apart.contains(&mutant.name)).into_iter());
    let worker = || -> Result<()> {
        while let Some(id) = { together.lock().map_err(|_| "a worker broke")?.next() } {
            let outcome =
                tests::run(&rounds, run.packages_from(&run.mutants[id]), near(&run.mutants[id]), Some(id))?;
            run.record(id, outcome)?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let workers = [scope.spawn(worker), scope.spawn(worker)];
        workers.into_iter().try_for_each(|worker| worker.join().map_err(|_| "a worker broke")?)
    })?;

    run.restore()?;
    for id in run.open(|mutant| apart.contains(&mutant.name)) {
        run.alone(id, &rounds)?;
    }
    run.restore()?;
    run.report();
    Ok(())
}

/// Copies what git knows but for those that are rewritten, and touches only what differs.
fn copy(root: &Path, tree: &Path, rewritten: &HashMap<String, String>) -> Result<()> {
    let files = std::process::Command::new("git").args(["ls-files", "-z"]).current_dir(root).output()?;
    for file in String::from_utf8(files.stdout)?.split('\0').filter(|file| !file.is_empty()) {
        let (from, to) = (root.join(file), tree.join(file));
        if rewritten.contains_key(file) || !from.exists() {
            continue;
        }
        fs::create_dir_all(to.parent().ok_or("a file without a folder")?)?;
        write_if_new(&to, &fs::read(from)?)?;
    }
    Ok(())
}

fn write_if_new(path: &Path, bytes: &[u8]) -> Result<()> {
    if !fs::read(path).is_ok_and(|old| old == bytes) {
        fs::write(path, bytes)?;
    }
    Ok(())
}

impl Run {
    /// The package of a change and those named after it: their tests may notice it.
    fn packages_from(&self, mutant: &Mutant) -> &[String] {
        let at = self.packages.iter().position(|package| *package == mutant.package).unwrap_or(0);
        &self.packages[at..]
    }

    /// The changes that have no result yet, or survived.
    fn open(&self, wanted: impl Fn(&Mutant) -> bool) -> Vec<usize> {
        let results = self.results.lock().unwrap_or_else(|broken| broken.into_inner());
        let open = |mutant: &Mutant| results.get(&mutant.name).is_none_or(|(outcome, _)| outcome == SURVIVED);
        let numbered = self.mutants.iter().enumerate();
        numbered.filter(|(_, mutant)| wanted(mutant) && open(mutant)).map(|(id, _)| id).collect()
    }

    fn build(&self, packages: &[String]) -> Result<Built> {
        cargo::build(&self.tree, &self.target, &self.packages, packages)
    }

    /// Writes all changes into the tree and builds, taking out what does not fit until it compiles.
    fn build_schemata(&self, apart: &mut BTreeSet<String>) -> Result<Vec<cargo::Program>> {
        let mut programs = Vec::new();
        for last in 1..=self.packages.len() {
            // First the package that the others build on, alone, so that its errors come in one go.
            let packages = &self.packages[..last];
            loop {
                let owners = self.write_schemata(apart)?;
                match self.build(packages)? {
                    Built::Programs(built) => {
                        programs = built;
                        break;
                    }
                    Built::Errors(errors) => {
                        let before = apart.len();
                        for fault in &errors {
                            let ids = blamed(&fault.places, &owners);
                            for id in &ids {
                                apart.insert(self.mutants[*id].name.clone());
                            }
                            // What a function returns early it cannot return otherwise either.
                            if let [id] = ids[..]
                                && self.mutants[id].genre == "FnValue"
                                && OF_THE_VALUE.contains(&fault.code.as_str())
                            {
                                self.write_result(id, NOT_COMPILED, &fault.code)?;
                            }
                        }
                        println!("{} errors, {} changes taken out", errors.len(), apart.len() - before);
                        if apart.len() == before {
                            return Err(format!("errors that are of no change: {errors:?}").into());
                        }
                    }
                }
            }
        }
        Ok(programs)
    }

    fn write_schemata(&self, apart: &mut BTreeSet<String>) -> Result<HashMap<String, Owners>> {
        let mut owners = HashMap::new();
        let mut found = BTreeSet::new();
        for (file, source) in &self.sources {
            let fits = |mutant: &Mutant| mutant.file == *file && !apart.contains(&mutant.name);
            let here: Vec<_> = self.mutants.iter().enumerate().filter(|(_, mutant)| fits(mutant)).collect();
            let mut rewritten = schemata::rewrite(source, &here)?;
            if file.ends_with("src/lib.rs") {
                rewritten.text.push_str(schemata::SWITCH_CODE);
            }
            write_if_new(&self.tree.join(file), rewritten.text.as_bytes())?;
            found.extend(rewritten.owners.iter().flat_map(|(_, ids)| ids.iter().copied()));
            owners.insert(file.clone(), rewritten.owners);
        }
        let left_out = self.mutants.iter().enumerate().filter(|(id, _)| !found.contains(id));
        apart.extend(left_out.map(|(_, mutant)| mutant.name.clone()));
        Ok(owners)
    }

    /// Writes one change into the tree, builds, and runs the tests.
    fn alone(&self, id: usize, rounds: &[Round]) -> Result<()> {
        let mutant = &self.mutants[id];
        let source = &self.sources[&mutant.file];
        let path = self.tree.join(&mutant.file);
        fs::write(&path, mutant.applied(source))?;
        let packages = self.packages_from(mutant);
        let mut outcome = Outcome::Passed;
        let mut compiles = true;
        for package in packages {
            if compiles && matches!(outcome, Outcome::Passed) {
                let package = std::slice::from_ref(package);
                match self.build(package)? {
                    // Built by itself, a package may take other features, and other paths with them.
                    Built::Programs(built) => {
                        outcome = tests::run(&tests::moved(rounds, &built), package, near(mutant), None)?;
                    }
                    Built::Errors(_) => compiles = false,
                }
            }
        }
        fs::write(&path, source)?;
        if compiles { self.record(id, outcome) } else { self.write_result(id, NOT_COMPILED, "") }
    }

    fn restore(&self) -> Result<()> {
        self.sources
            .iter()
            .try_for_each(|(file, source)| write_if_new(&self.tree.join(file), source.as_bytes()))
    }

    fn record(&self, id: usize, outcome: Outcome) -> Result<()> {
        match outcome {
            Outcome::Passed => self.write_result(id, SURVIVED, ""),
            Outcome::Caught(test) => self.write_result(id, "noticed", &test),
            Outcome::TimedOut => self.write_result(id, "timed out", ""),
        }
    }

    fn write_result(&self, id: usize, outcome: &str, by: &str) -> Result<()> {
        let name = &self.mutants[id].name;
        let mut file = fs::OpenOptions::new().create(true).append(true).open(&self.results_path)?;
        writeln!(file, "{}", serde_json::to_string(&(name, outcome, by))?)?;
        if outcome == SURVIVED {
            println!("survived: {name}");
        }
        let mut results = self.results.lock().unwrap_or_else(|broken| broken.into_inner());
        results.insert(name.clone(), (outcome.to_owned(), by.to_owned()));
        Ok(())
    }

    fn report(&self) {
        let results = self.results.lock().unwrap_or_else(|broken| broken.into_inner());
        for package in &self.packages {
            let mut counts = BTreeMap::<&str, usize>::new();
            for mutant in self.mutants.iter().filter(|mutant| mutant.package == *package) {
                let outcome = results.get(&mutant.name).map_or("not run", |(outcome, _)| outcome);
                *counts.entry("all").or_default() += 1;
                *counts.entry(outcome).or_default() += 1;
            }
            println!("{package}: {counts:?}");
        }
        for mutant in &self.mutants {
            if results.get(&mutant.name).is_some_and(|(outcome, _)| outcome == SURVIVED) {
                println!("survived: {}", mutant.name);
            }
        }
    }
}

fn given(words: &[String], flag: &str) -> bool {
    words.iter().any(|word| word == flag)
}

/// The tests that are likeliest to notice a change have the name of its file in theirs.
fn near(mutant: &Mutant) -> &str {
    Path::new(&mutant.file).file_stem().and_then(|stem| stem.to_str()).unwrap_or_default()
}

type Owners = Vec<(std::ops::Range<usize>, Vec<usize>)>;

/// The changes that an error is about: those of the smallest rewritten piece around it, or else those within it.
fn blamed(places: &[Place], owners: &HashMap<String, Owners>) -> Vec<usize> {
    for (file, at) in places {
        let Some(owners) = owners.get(file) else { continue };
        let around = owners.iter().filter(|(piece, _)| piece.start <= at.start && at.end <= piece.end);
        if let Some((_, ids)) = around.min_by_key(|(piece, _)| piece.len()) {
            return ids.clone();
        }
        let within = owners.iter().filter(|(piece, _)| at.start <= piece.start && piece.end <= at.end);
        let ids: Vec<usize> = within.flat_map(|(_, ids)| ids.clone()).collect();
        if !ids.is_empty() {
            return ids;
        }
    }
    Vec::new()
}
