//! What `strace -f -xx -y` wrote, read as calls: name, arguments, result, and the lines where each began and ended.
//!
//! Line numbers are the clock: whatever one thread did before another could know of it stands on an earlier line,
//! because strace holds a thread until it has written the end of its call.

use std::collections::HashMap;
use std::path::PathBuf;

/// The lines on which something began and ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) began: usize,
    pub(crate) ended: usize,
}

/// One call that returned.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) name: String,
    pub(crate) args: Vec<Arg>,
    /// −1 when it failed.
    pub(crate) result: i64,
    pub(crate) span: Span,
}

/// An argument, as far as this reader must understand it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Arg {
    /// A string; `cut` when strace did not write all of it.
    Text { bytes: Vec<u8>, cut: bool },
    /// A file descriptor and what it refers to.
    Handle { fd: i64, path: PathBuf },
    /// The pieces of a vectored write: what was written of each, and its length.
    Pieces(Vec<(Vec<u8>, usize)>),
    /// Everything else, as it stands.
    Word(String),
}

impl Arg {
    pub(crate) fn number(&self) -> Option<i64> {
        let Self::Word(word) = self else { return None };
        word.parse().ok()
    }

    pub(crate) fn path(&self) -> Option<PathBuf> {
        match self {
            Self::Text { bytes, cut: false } => Some(path_of(bytes)),
            _ => None,
        }
    }
}

/// Reads a trace. `first` is the number of its first line.
pub(crate) fn read(text: &str, first: usize) -> Result<Vec<Call>, String> {
    let mut under_way: HashMap<&str, (usize, &str)> = HashMap::new();
    let mut calls = Vec::new();
    for (at, line) in text.lines().enumerate().map(|(n, line)| (first + n, line)) {
        let wrong = |why: &str| format!("line {at}: {why}: {}", line.chars().take(300).collect::<String>());
        let (thread, rest) = line.split_once(' ').ok_or_else(|| wrong("no thread"))?;
        let rest = rest.trim_start();
        if rest.starts_with("+++") || rest.starts_with("---") {
            continue;
        }
        if let Some(begun) = rest.strip_suffix("<unfinished ...>") {
            under_way.insert(thread, (at, begun.trim_end()));
            continue;
        }
        let call = if rest.starts_with("<... ") {
            let (_, end) = rest.split_once(" resumed>").ok_or_else(|| wrong("no end of resumed"))?;
            let (began, begun) = under_way.remove(thread).ok_or_else(|| wrong("nothing to resume"))?;
            read_call(&format!("{begun}{end}"), Span { began, ended: at })
        } else {
            read_call(rest, Span { began: at, ended: at })
        };
        calls.extend(call.ok_or_else(|| wrong("not understood"))?);
    }
    Ok(calls)
}

/// `name(args) = result`; nothing inside for a call of which the process did not see the end.
fn read_call(text: &str, span: Span) -> Option<Option<Call>> {
    let (name, rest) = text.split_once('(')?;
    let mut scanner = Scanner { rest };
    let args = scanner.args()?;
    let result = scanner.rest.trim_start().strip_prefix('=')?.trim_start();
    if result.starts_with('?') {
        return Some(None);
    }
    let end = result.find(|c: char| c != '-' && !c.is_ascii_digit()).unwrap_or(result.len());
    Some(Some(Call { name: name.to_owned(), args, result: result[..end].parse().ok()?, span }))
}

struct Scanner<'a> {
    rest: &'a str,
}

impl Scanner<'_> {
    fn args(&mut self) -> Option<Vec<Arg>> {
        let mut args = Vec::new();
        loop {
            self.rest = self.rest.trim_start();
            if self.take(")") {
                return Some(args);
            }
            args.push(self.arg()?);
            self.take(",");
        }
    }

    fn arg(&mut self) -> Option<Arg> {
        if self.rest.starts_with('"') {
            let (bytes, cut) = self.text()?;
            return Some(Arg::Text { bytes, cut });
        }
        if self.take("[") {
            return self.pieces();
        }
        let end = self.rest.find([',', ')', '<', '{'])?;
        let word = &self.rest[..end];
        self.rest = &self.rest[end..];
        if !self.take("<") {
            return Some(Arg::Word(word.to_owned()));
        }
        let (path, rest) = self.rest.split_once('>')?;
        self.rest = rest;
        self.take("(deleted)");
        let fd = if word == "AT_FDCWD" { -1 } else { word.parse().ok()? };
        Some(Arg::Handle { fd, path: path_of(&unescaped(path)?) })
    }

    fn pieces(&mut self) -> Option<Arg> {
        let mut pieces = Vec::new();
        while !self.take("]") {
            self.take("{").then_some(())?;
            self.take("iov_base=").then_some(())?;
            let (bytes, _) = self.text()?;
            self.take(", iov_len=").then_some(())?;
            let (len, rest) = self.rest.split_once('}')?;
            pieces.push((bytes, len.parse().ok()?));
            self.rest = rest;
            self.take(", ");
        }
        Some(Arg::Pieces(pieces))
    }

    fn text(&mut self) -> Option<(Vec<u8>, bool)> {
        let (inside, rest) = self.rest.strip_prefix('"')?.split_once('"')?;
        self.rest = rest;
        Some((unescaped(inside)?, self.take("...")))
    }

    fn take(&mut self, expected: &str) -> bool {
        let Some(rest) = self.rest.strip_prefix(expected) else { return false };
        self.rest = rest;
        true
    }
}

/// `\x41\x42`, and nothing else: that is how `-xx` writes every string.
fn unescaped(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4);
    let mut digits = text.split("\\x");
    digits.next().filter(|before| before.is_empty())?;
    for pair in digits {
        bytes.push(u8::from_str_radix(pair, 16).ok().filter(|_| pair.len() == 2)?);
    }
    Some(bytes)
}

fn path_of(bytes: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt as _;
    PathBuf::from(std::ffi::OsStr::from_bytes(bytes))
}

mod tests {
    use super::*;

    #[test]
    fn a_call_is_read_with_strings_handles_and_result() {
        let calls = read(
            "7 openat(AT_FDCWD<\\x2f\\x61>, \"\\x2f\\x62\", O_RDWR|O_CREAT, 0600) = 9<\\x2f\\x62>\n\
             7 pwrite64(9<\\x2f\\x62>, \"\\x00\\xff\"..., 4096, 512) = 4096\n\
             7 mkdir(\"\\x2f\\x63\", 0700) = -1 EEXIST (File exists)\n",
            10,
        )
        .unwrap();
        let word = |text: &str| Arg::Word(text.to_owned());
        let at = |line| Span { began: line, ended: line };
        let text = |bytes: &[u8], cut| Arg::Text { bytes: bytes.to_vec(), cut };
        assert_eq!(calls[0].args[0], Arg::Handle { fd: -1, path: "/a".into() });
        assert_eq!(calls[0].args[1..], [text(b"/b", false), word("O_RDWR|O_CREAT"), word("0600")]);
        assert_eq!((calls[0].result, calls[0].span), (9, at(10)));
        let handle = Arg::Handle { fd: 9, path: "/b".into() };
        assert_eq!(calls[1].args, [handle, text(&[0, 255], true), word("4096"), word("512")]);
        assert_eq!((calls[2].name.as_str(), calls[2].result, calls[2].span), ("mkdir", -1, at(12)));
    }

    #[test]
    fn a_call_that_others_interrupt_keeps_the_lines_of_its_beginning_and_end() {
        let calls = read(
            "7 fsync(9<\\x62> <unfinished ...>\n8 close(3<\\x63>) = 0\n7 <... fsync resumed>)    = 0\n",
            0,
        )
        .unwrap();
        assert_eq!(calls[0].name, "close");
        assert_eq!((calls[1].name.as_str(), calls[1].span), ("fsync", Span { began: 0, ended: 2 }));
    }

    #[test]
    fn a_vectored_write_is_read_piece_by_piece() {
        let calls = read(
            "7 pwritev(9<\\x62>(deleted), [{iov_base=\"\\x01\"..., iov_len=4096}, {iov_base=\"\", iov_len=0}], \
             2, 8192) = 4096\n",
            0,
        )
        .unwrap();
        assert_eq!(calls[0].args[1], Arg::Pieces(vec![(vec![1], 4096), (vec![], 0)]));
        assert_eq!(calls[0].args[3].number(), Some(8192));
    }

    #[test]
    fn what_is_no_call_is_passed_over_and_what_is_not_understood_is_named() {
        assert_eq!(read("7 --- SIGTERM {si_signo=SIGTERM} ---\n7 +++ exited with 0 +++\n", 0), Ok(vec![]));
        assert_eq!(read("7 fsync(9<\\x62> <unfinished ...>\n7 +++ killed by SIGKILL +++\n", 0), Ok(vec![]));
        assert_eq!(read("7 fsync(9<\\x62>) = ?\n", 0), Ok(vec![]));
        assert!(
            read("7 write(9<\\x62>, \"plain\", 5) = 5\n", 3)
                .unwrap_err()
                .starts_with("line 3: not understood")
        );
    }
}
