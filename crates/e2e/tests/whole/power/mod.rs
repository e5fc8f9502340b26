//! Power loss: what a server acknowledged is there when the power comes back, and nothing half-written shows.
//!
//! A real server is recorded while people use it; the states that its disk may be in at every moment are made
//! from the recording; and a real server is started on them.

mod chance;
mod check;
mod disk;
mod homes;
mod recording;
mod story;
mod trace;

use chance::Chance;
use disk::Luck;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Instant;
use story::{Step, Story, is_part, play};

/// How many states a server is started on.
const STATES: &str = "WAXWING_POWER_STATES";
const STATES_USUAL: usize = 25;
/// Kinds of luck that sealed bytes are looked at with, at every moment.
const LUCKS: usize = 20;
/// Repeats a run: decides which states, and what luck they had.
const SEED: &str = "WAXWING_POWER_SEED";

#[test]
fn a_power_loss_loses_nothing_acknowledged_and_shows_nothing_half_written() {
    let began = Instant::now();
    let story = play(&[
        Step::Send(34 << 20),
        Step::Kill,
        Step::Send(70_000),
        Step::Remove(1),
        Step::Send(300_000),
        Step::Together(3),
        Step::Restart,
        Step::Send(20_000),
    ]);
    println!("recorded {} lines in {:?}", story.recording.lines, began.elapsed());
    assert!(story.sent[0].journal.is_some(), "no upload is there to go on with");
    let seed = Chance::seed_from(SEED);
    let mut chance = Chance::seeded(seed);
    println!("to repeat: {SEED}={seed}");

    let moments = story.recording.moments.len();
    for at in &story.recording.moments {
        let lucks = (0..LUCKS).map(|_| Luck::Some(chance.next()));
        for luck in lucks.chain([Luck::None]) {
            check::sealed_bytes(&story, *at, luck)
                .unwrap_or_else(|lost| panic!("power loss at line {at}, {luck:?}: {lost}"));
        }
    }
    println!(
        "sealed bytes hold in {} states of {moments} moments, {:?}",
        moments * (LUCKS + 1),
        began.elapsed()
    );

    let wanted = std::env::var(STATES).map_or(STATES_USUAL, |n| n.parse().expect("a number of states"));
    let states = states(&story, wanted, &mut chance);
    for (at, luck) in &states {
        check::the_whole(&story, *at, *luck)
            .unwrap_or_else(|lost| panic!("power loss at line {at}, {luck:?}: {lost}"));
    }
    let lines = story.recording.lines;
    println!("a server came back on {} states of {lines} lines, {:?}", states.len(), began.elapsed());
}

#[test]
fn a_sync_that_is_left_out_is_found() {
    let mut story = play(&[Step::Send(300_000)]);
    let (signed_up, told) = (story.signed_up, story.sent[0].told);
    assert_eq!(check::the_whole(&story, told, Luck::None), Ok(()));
    let in_blobs =
        |path: &Path, depth| path.starts_with("server/blobs") && path.components().count() == depth;
    let log = |path: &Path| path == Path::new("server/waxwing.db-wal");
    let blobs = |path: &Path| in_blobs(path, 4);
    let folders = |path: &Path| in_blobs(path, 3);
    let data = |path: &Path| path == Path::new("");
    // Which syncs, from which line on, and what is missed then.
    let left_out: [(LeftOut<'_>, usize, &str); 5] = [
        (&log, signed_up, "Alice no longer finds"),
        (&log, 0, "your session has ended"),
        (&blobs, 0, "is not whole"),
        (&folders, 0, "2 blobs were acknowledged, 0 removed, and 0 are there"),
        (&data, 0, "2 blobs were acknowledged, 0 removed, and 0 are there"),
    ];
    for (of, from, loss) in left_out {
        let whole: Vec<_> = story.recording.nodes.iter().map(|node| node.syncs.clone()).collect();
        assert!(story.recording.forget_syncs(from, of) > 0, "{loss}: nothing was synced");
        let found = check::the_whole(&story, told, Luck::None).expect_err(loss);
        assert!(found.contains(loss), "{loss}: {found}");
        for (node, syncs) in story.recording.nodes.iter_mut().zip(whole) {
            node.syncs = syncs;
        }
    }
}

/// Files or folders whose syncs are left out.
type LeftOut<'a> = &'a dyn Fn(&Path) -> bool;

/// Moments and lucks to start a server on: the very moments of every promise first, then by chance, spread over the
/// whole story, and now and then in the middle of a run of writes.
fn states(story: &Story, wanted: usize, chance: &mut Chance) -> Vec<(usize, Luck)> {
    let mut states: Vec<(usize, Luck)> = Vec::new();
    let told = story.sent.iter().flat_map(|sent| [Some(sent.told), sent.gone]).flatten();
    let parts = story.recording.answers.iter().filter(|answer| is_part(answer)).map(|answer| answer.at);
    // Files of one request were promised at one moment.
    let promised: BTreeSet<usize> = [story.signed_up].into_iter().chain(told).chain(parts).collect();
    states.extend(promised.into_iter().map(|at| (at, Luck::None)));
    let moments = &story.recording.moments;
    let rest = wanted.saturating_sub(states.len());
    for n in 0..rest {
        let from = moments[n * moments.len() / rest];
        let to = moments.get((n + 1) * moments.len() / rest).copied().unwrap_or(story.recording.lines);
        let at = match chance.below(4) {
            0 => from + chance.below((to - from).max(1)),
            _ => {
                let few: Vec<usize> = moments.iter().copied().filter(|at| (from..=to).contains(at)).collect();
                few[chance.below(few.len())]
            }
        };
        let luck = if n % 2 == 0 { Luck::Some(chance.next()) } else { Luck::None };
        states.push((at, luck));
    }
    states.truncate(wanted);
    states
}
