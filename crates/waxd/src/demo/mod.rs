//! `waxd demo`: the whole way of one file, played by separate processes, and a search for what leaked.
//!
//! A cluster (`waxd cluster`: a balancer, three servers) is started as a process of its own. Alice and Bob are two homes of the
//! `wax` executable. Nothing here can open a sealed file: the story only starts programs, kills one, deletes a folder, compares
//! digests and searches bytes.

mod access;
mod narrate;
mod story;
mod trouble;

use stage::StageError;
use std::path::PathBuf;

/// What `waxd demo` can be told.
#[derive(clap::Args, Debug)]
pub(crate) struct DemoArgs {
    /// The file that Alice sends; without it one is made, with a marked word every 4 KiB
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Size of the file that is made, in MB
    #[arg(long, value_name = "MB", default_value_t = 300)]
    size: u64,
    /// Where the demo keeps its folders; without it a temporary folder that is removed at the end
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// The `wax` executable; without it the one beside `waxd`
    #[arg(long, value_name = "FILE")]
    wax: Option<PathBuf>,
    /// End when the story is told, instead of waiting for Ctrl-C
    #[arg(long, env = "DEMO_EXIT", num_args = 0..=1, default_missing_value = "1", default_value = "0",
          value_parser = clap::builder::BoolishValueParser::new())]
    exit: bool,
}

/// Plays the story; returns when it is told and the person has pressed Ctrl-C (or asked not to wait).
pub(crate) fn run(args: &DemoArgs) -> Result<(), StageError> {
    let cast = story::Cast::assemble(args)?;
    let ended = cast.play(args).and_then(|()| if args.exit { Ok(()) } else { cast.stay() });
    cast.leave(args);
    ended
}
