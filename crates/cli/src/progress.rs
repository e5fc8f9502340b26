//! Progress of a transfer: a bar with rate and time left on a terminal, a line for what matters elsewhere.

use crate::console::{Console, safe};
use client::{Note, Phase, Progress};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::sync::Mutex;
use std::time::Duration;

const KNOWN: &str = "{msg:26} {wide_bar:.cyan/dim} {percent:>3}% {decimal_bytes} of {decimal_total_bytes}, {decimal_bytes_per_sec}, {eta} left";
const UNKNOWN: &str = "{msg:26} {spinner} {decimal_bytes}, {decimal_bytes_per_sec}";

const FILES: &str = "{msg:26} {spinner} {pos} files";

/// Shows one transfer on standard error.
pub(crate) struct Shown {
    bar: ProgressBar,
    lines: bool,
    prefix: String,
    /// Whether what is said of one file would not say of which.
    several: bool,
    phase: Mutex<Option<Phase>>,
}

impl Shown {
    /// For one transfer; `prefix` says which of several (`2 of 3: `), or nothing.
    pub(crate) fn new(console: &Console, prefix: String) -> Self {
        let bar = if console.shows_progress() {
            ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10))
        } else {
            ProgressBar::hidden()
        };
        if console.shows_progress() {
            bar.enable_steady_tick(Duration::from_millis(200));
        }
        Self { bar, lines: !console.quiet && !console.json, prefix, several: false, phase: Mutex::new(None) }
    }

    /// For a transfer of several files at once.
    pub(crate) fn of_several(console: &Console, files: usize) -> Self {
        let mut shown = Self::new(console, format!("{files} files: "));
        shown.several = true;
        shown
    }

    /// Takes the bar away.
    pub(crate) fn end(&self) {
        self.bar.finish_and_clear();
    }

    fn begin(&self, phase: Phase, done: u64, total: Option<u64>) {
        let template = match (phase, total) {
            (Phase::Rewrapping | Phase::Listing, _) => FILES,
            (_, Some(_)) => KNOWN,
            (_, None) => UNKNOWN,
        };
        let style = ProgressStyle::with_template(template).expect("the templates are constants");
        self.bar.set_style(style.progress_chars("━╸─"));
        self.bar.set_message(format!("{}{}", self.prefix, phase.word()));
        self.bar.reset();
        // What an earlier try left must not count into the rate.
        self.bar.set_position(done);
        self.bar.reset_eta();
    }
}

/// Says what is worth telling while something is watched, and shows no bar.
pub(crate) struct Told<'a>(pub(crate) &'a Console);

impl Progress for Told<'_> {
    fn progress(&self, _phase: Phase, _done: u64, _total: Option<u64>) {}

    fn note(&self, note: &Note) {
        self.0.note(safe(&note.to_string()));
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.end();
    }
}

impl Progress for Shown {
    fn progress(&self, phase: Phase, done: u64, total: Option<u64>) {
        {
            let mut shown = self.phase.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            if *shown != Some(phase) {
                *shown = Some(phase);
                self.begin(phase, done, total);
            }
        }
        if let Some(total) = total {
            self.bar.set_length(total);
        }
        self.bar.set_position(done);
    }

    fn note(&self, note: &Note) {
        // Told after the transfer, with the command that compares the number.
        let of_one = matches!(note, Note::NotCompressed | Note::NoPreview);
        if !self.lines || matches!(note, Note::FirstContact { .. }) || (of_one && self.several) {
            return;
        }
        let line = safe(&note.to_string());
        self.bar.suspend(|| eprintln!("{line}"));
    }
}
