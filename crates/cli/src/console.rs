//! What is printed, and where: results on standard output, everything else on standard error.

use crate::args::{Color, Global};
use crate::fault::{Class, Fault};
use serde::Serialize;
use std::io::{self, IsTerminal, Write};
use unicode_width::UnicodeWidthStr;

/// Where and how a command speaks.
pub(crate) struct Console {
    /// One JSON object on standard output instead of words.
    pub(crate) json: bool,
    /// Results and errors only.
    pub(crate) quiet: bool,
    color_out: bool,
    color_err: bool,
}

/// How a word is set apart where colour is on.
#[derive(Clone, Copy)]
pub(crate) enum Tone {
    /// A heading.
    Bold,
    /// Something to look at.
    Warning,
    /// A failure.
    Bad,
    /// All is well.
    Good,
}

impl Tone {
    fn code(self) -> &'static str {
        match self {
            Self::Bold => "1",
            Self::Warning => "33",
            Self::Bad => "1;31",
            Self::Good => "32",
        }
    }
}

impl Console {
    /// As the command line and the terminal say.
    pub(crate) fn new(global: &Global) -> Self {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty())
            || std::env::var_os("TERM").is_some_and(|v| v == "dumb");
        let on = |terminal: bool| match global.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => terminal && !plain,
        };
        Self {
            json: global.json,
            quiet: global.quiet,
            color_out: on(io::stdout().is_terminal()),
            color_err: on(io::stderr().is_terminal()),
        }
    }

    /// For what is wrong with the command line itself, when nothing of it is known yet.
    pub(crate) fn before_parsing(json: bool) -> Self {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
        Self { json, quiet: false, color_out: false, color_err: !plain && io::stderr().is_terminal() }
    }

    /// Whether standard error is a terminal that may show progress.
    pub(crate) fn shows_progress(&self) -> bool {
        !self.quiet && !self.json && io::stderr().is_terminal()
    }

    /// A line of the result, on standard output; nothing with `--json`.
    pub(crate) fn say(&self, line: impl AsRef<str>) -> Result<(), Fault> {
        if self.json {
            return Ok(());
        }
        out(line.as_ref())
    }

    /// The result for programs: one JSON object, only with `--json`.
    pub(crate) fn result(&self, value: &impl Serialize) -> Result<(), Fault> {
        if !self.json {
            return Ok(());
        }
        let text = serde_json::to_string(value)
            .map_err(|_| Fault::new(Class::Other, "the result cannot be written as JSON"))?;
        out(&text)
    }

    /// A line for a person who watches, on standard error; nothing with `--quiet` or `--json`.
    pub(crate) fn note(&self, line: impl AsRef<str>) {
        if !self.quiet && !self.json {
            err(line.as_ref());
        }
    }

    /// Something that a person should know although the command goes on; shown even with `--quiet`.
    pub(crate) fn warn(&self, line: impl AsRef<str>) {
        err(&format!("{} {}", self.paint_err(Tone::Warning, "warning:"), line.as_ref()));
    }

    /// A failure: words on standard error, and the error object with `--json`.
    pub(crate) fn fail(&self, fault: &Fault) {
        err(&format!("{} {}", self.paint_err(Tone::Bad, "wax:"), fault.what));
        for hint in &fault.hints {
            err(&format!("{} {hint}", self.paint_err(Tone::Good, "hint:")));
        }
        if self.json {
            #[derive(Serialize)]
            struct Failed<'a> {
                error: crate::fault::ErrorJson<'a>,
            }
            // Standard output may be gone as well; the exit code still tells.
            let _gone = self.result(&Failed { error: fault.json() });
        }
    }

    /// Whether standard output may carry colour.
    pub(crate) fn has_colour(&self) -> bool {
        self.color_out
    }

    /// A word for standard output.
    pub(crate) fn paint(&self, tone: Tone, word: &str) -> String {
        painted(self.color_out, tone, word)
    }

    /// A word for standard error.
    pub(crate) fn paint_err(&self, tone: Tone, word: &str) -> String {
        painted(self.color_err, tone, word)
    }

    /// A table on standard output: headings, then rows; columns as wide as their widest cell.
    pub(crate) fn table(&self, heads: &[&str], rows: &[Vec<String>]) -> Result<(), Fault> {
        let mut widths: Vec<usize> = heads.iter().map(|head| head.width()).collect();
        for row in rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.width());
            }
        }
        let line = |cells: &[&str]| {
            let mut text = String::new();
            for (cell, width) in cells.iter().zip(&widths) {
                if !text.is_empty() {
                    text.push_str("  ");
                }
                text.push_str(cell);
                text.extend(std::iter::repeat_n(' ', width.saturating_sub(cell.width())));
            }
            text.truncate(text.trim_end().len());
            text
        };
        self.say(self.paint(Tone::Bold, &line(heads)))?;
        for row in rows {
            let cells: Vec<&str> = row.iter().map(String::as_str).collect();
            self.say(line(&cells))?;
        }
        Ok(())
    }
}

fn painted(on: bool, tone: Tone, word: &str) -> String {
    if on { format!("\u{1b}[{}m{word}\u{1b}[0m", tone.code()) } else { word.to_owned() }
}

fn out(line: &str) -> Result<(), Fault> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}").and_then(|()| stdout.flush()).map_err(|e| {
        Fault::new(Class::LocalFile, format!("cannot write to standard output: {}", crate::fault::reason(&e)))
    })
}

fn err(line: &str) {
    // Nobody to tell when standard error is closed.
    let _closed = writeln!(io::stderr().lock(), "{line}");
}

/// Text from others as it may be shown on a terminal: control characters, changes of direction and characters
/// that take no room are written as `\u{…}`, so that a name cannot move the cursor, hide its ending or look empty.
pub(crate) fn safe(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_treacherous(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

fn is_treacherous(c: char) -> bool {
    c.is_control()
        || (c.is_whitespace() && c != ' ')
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}'
            | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// Bytes in words: `0 B`, `999 B`, `1.5 MB`, `17.2 GB` (powers of ten).
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if bytes < 1_000 {
        return format!("{bytes} B");
    }
    let mut scale: u64 = 1_000;
    let mut unit = 0;
    // 999,950 and more of a unit would be printed as 1000.0 of it.
    while unit + 1 < UNITS.len() && bytes >= scale * 1_000 - scale / 20 {
        scale *= 1_000;
        unit += 1;
    }
    let tenths = (u128::from(bytes) * 10 + u128::from(scale / 2)) / u128::from(scale);
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_move_the_cursor_change_direction_or_look_empty() {
        for (name, shown) in [
            ("plain name.txt", "plain name.txt"),
            ("\u{fc}ber \u{65e5}\u{672c}.pdf", "\u{fc}ber \u{65e5}\u{672c}.pdf"),
            ("a\u{1b}[2Jb", "a\\u{1b}[2Jb"),
            ("line\nbreak\r\u{7}", "line\\u{a}break\\u{d}\\u{7}"),
            ("exe\u{202e}gpj.scr", "exe\\u{202e}gpj.scr"),
            ("\u{200b}", "\\u{200b}"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("a\u{2028}b\u{a0}c", "a\\u{2028}b\\u{a0}c"),
        ] {
            assert_eq!(safe(name), shown);
        }
    }

    #[test]
    fn sizes_are_told_in_powers_of_ten() {
        for (bytes, words) in [
            (0, "0 B"),
            (999, "999 B"),
            (1_000, "1.0 kB"),
            (1_549, "1.5 kB"),
            (999_949, "999.9 kB"),
            (999_950, "1.0 MB"),
            (17_179_869_184, "17.2 GB"),
            (u64::MAX, "18446.7 PB"),
        ] {
            assert_eq!(size(bytes), words, "{bytes}");
        }
    }
}
