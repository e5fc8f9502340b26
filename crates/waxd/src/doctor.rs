//! `waxd doctor`: looks a server over and says what to do about each thing that is wrong.

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use server::Config;
use server::doctor::{self, Finding, Options, Verdict};

/// Exit code where something is red.
const RED: u8 = 1;
/// Exit code where nothing could be looked at.
const FAILED: u8 = 2;
/// Where text begins behind the name of a check.
const INDENT: usize = 22;
/// Widest text for a person, and narrowest.
const WIDEST: usize = 110;
const NARROWEST: usize = 60;

/// What `waxd doctor` can be told: all that `waxd serve` is told, and where to look.
#[derive(clap::Args, Debug)]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    config: Config,
    /// Further authority (PEM) that the certificate of --public-url may come from
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Send one letter to this address
    #[arg(long, value_name = "ADDRESS")]
    mail_to: Option<String>,
    /// Let a reply stand still for so many seconds, to find time limits of proxies; the longest silence in use is 20
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=600))]
    slow: Option<u64>,
    /// How long to wait for whatever does not answer, before the next is looked at
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=600))]
    patience: u64,
    /// One JSON object instead of words
    #[arg(long)]
    json: bool,
}

/// Runs beside the server, with its flags and environment. Exit codes: 0 nothing is red, 1 something is, 2 nothing could be looked at.
pub(crate) fn run(args: DoctorArgs) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("waxd: {error}");
            return ExitCode::from(FAILED);
        }
    };
    let environment = |name: &str| std::env::var_os(name);
    let mut sheet = Sheet::new(args.json);
    let findings = match args.config.with_environment(environment) {
        Err(error) => {
            let finding = Finding {
                area: "configuration",
                check: "accepted",
                verdict: Verdict::Red,
                seen: error.to_string(),
                fix: Some("change what it names; waxd serve refuses to start so".to_owned()),
            };
            sheet.show(&finding);
            vec![finding]
        }
        Ok(config) => {
            let options = Options {
                ca: args.ca,
                mail_to: args.mail_to,
                slow_seconds: args.slow,
                patience: Duration::from_secs(args.patience),
            };
            let mut show = |finding: &Finding| sheet.show(finding);
            runtime.block_on(Box::pin(doctor::examine(config, &options, environment, &mut show)))
        }
    };
    // What hangs in a lock or a mount hangs in a thread of its own, and would be waited for.
    runtime.shutdown_background();
    let worst = findings.iter().map(|finding| finding.verdict).max();
    if args.json {
        let all = serde_json::json!({ "ok": worst != Some(Verdict::Red), "findings": findings });
        println!("{all:#}");
    } else {
        sheet.end(&findings);
    }
    match worst {
        Some(Verdict::Red) => ExitCode::from(RED),
        _ => ExitCode::SUCCESS,
    }
}

/// Findings as a person reads them, each as soon as it is made.
struct Sheet {
    is_silent: bool,
    is_colourful: bool,
    width: Option<usize>,
    area: &'static str,
}

impl Sheet {
    fn new(is_silent: bool) -> Self {
        let out = std::io::stdout();
        let is_terminal = out.is_terminal();
        let columns = rustix::termios::tcgetwinsize(&out).map(|size| usize::from(size.ws_col));
        Self {
            is_silent,
            is_colourful: is_terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
            width: is_terminal.then(|| columns.unwrap_or(80).clamp(NARROWEST, WIDEST)),
            area: "",
        }
    }

    fn show(&mut self, finding: &Finding) {
        if self.is_silent {
            return;
        }
        let mut out = std::io::stdout().lock();
        // A reader that went away needs no more words.
        let _ = out.write_all(self.lines(finding).as_bytes()).and_then(|()| out.flush());
    }

    fn lines(&mut self, finding: &Finding) -> String {
        let mut text = String::new();
        if self.area != finding.area {
            self.area = finding.area;
            text.push_str(&format!("\n{}\n", self.painted("1", finding.area)));
        }
        let (mark, colour) = match finding.verdict {
            Verdict::Green => ("✓", "32"),
            Verdict::Yellow => ("!", "33"),
            Verdict::Red => ("✗", "31"),
        };
        let name = finding.check.replace('_', " ");
        let head = format!("  {} {name:<pad$}", self.painted(colour, mark), pad = INDENT - 4);
        text.push_str(&self.wrapped(&head, "", &finding.seen));
        if let Some(fix) = &finding.fix {
            text.push_str(&self.wrapped(&" ".repeat(INDENT), "→ ", fix));
        }
        text
    }

    /// `head`, then words in lines that begin below their first.
    fn wrapped(&self, head: &str, bullet: &str, words: &str) -> String {
        let room = self.width.map_or(usize::MAX, |width| width - INDENT - bullet.chars().count());
        let hang = " ".repeat(INDENT + bullet.chars().count());
        let (mut text, mut column) = (format!("{head}{bullet}"), 0);
        for (n, word) in words.split_whitespace().enumerate() {
            let len = word.chars().count();
            if n > 0 && column + 1 + len > room {
                text.push_str(&format!("\n{hang}"));
                column = 0;
            } else if n > 0 {
                text.push(' ');
                column += 1;
            }
            text.push_str(word);
            column += len;
        }
        text.push('\n');
        text
    }

    fn painted(&self, colour: &str, text: &str) -> String {
        if self.is_colourful { format!("\x1b[{colour}m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn end(&self, findings: &[Finding]) {
        let count = |verdict| findings.iter().filter(|finding| finding.verdict == verdict).count();
        let (green, yellow, red) = (count(Verdict::Green), count(Verdict::Yellow), count(Verdict::Red));
        let (colour, word) = match (yellow, red) {
            (0, 0) => ("32", "all is well"),
            (_, 0) => ("33", "it works; look at what is yellow"),
            _ => ("31", "something is wrong; do what stands behind the arrows"),
        };
        println!("\n{}: {green} green, {yellow} yellow, {red} red", self.painted(colour, word));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fix_stands_below_what_was_seen_and_lines_are_as_wide_as_the_terminal() {
        let mut sheet = Sheet { is_silent: false, is_colourful: false, width: Some(60), area: "" };
        let finding = Finding {
            area: "data",
            check: "private",
            verdict: Verdict::Red,
            seen: "/var/lib/waxwing can be read by others (mode 755)".into(),
            fix: Some("chmod 700 /var/lib/waxwing".into()),
        };
        let text = "\ndata\n  ✗ private           /var/lib/waxwing can be read by others\n                      (mode 755)\n                      → chmod 700 /var/lib/waxwing\n";
        assert_eq!(sheet.lines(&finding), text);
        assert!(!sheet.lines(&finding).contains("data\n"), "an area is named once");
    }
}
