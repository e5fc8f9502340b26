//! What a server did to a folder of the disk, in order: writes, names, syncs, and the answers that it gave.

use super::trace::{Arg, Call, Span};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Calls that a recording needs to see; those that it does not model are here so that they cannot pass unseen.
pub(crate) const CALLS: &str = "open,openat,openat2,creat,write,writev,pwrite64,pwritev,pwritev2,truncate,ftruncate,\
    fallocate,rename,renameat,renameat2,unlink,unlinkat,rmdir,mkdir,mkdirat,link,linkat,symlink,symlinkat,fsync,\
    fdatasync,sync_file_range,msync,close,dup,dup2,dup3,copy_file_range,sendfile,splice,io_uring_setup";

/// The folder itself; it is there, with nothing in it, whatever is lost.
pub(crate) const ROOT: usize = 0;

/// Everything that happened below one folder.
pub(crate) struct Recording {
    /// Files and folders that ever were; [`ROOT`] is the first.
    pub(crate) nodes: Vec<Node>,
    /// Changes of names, in the order in which they took effect.
    pub(crate) names: Vec<NameChange>,
    pub(crate) answers: Vec<Answer>,
    /// Lines on which the state of the disk, or what was promised of it, changed.
    pub(crate) moments: Vec<usize>,
    /// Lines of the trace.
    pub(crate) lines: usize,
}

/// A file or folder.
pub(crate) struct Node {
    pub(crate) folder: bool,
    /// Its newest name, from the root.
    pub(crate) path: PathBuf,
    pub(crate) changes: Vec<Change>,
    /// Calls that returned when all that was written before they began was durable.
    pub(crate) syncs: Vec<Span>,
}

pub(crate) struct Change {
    pub(crate) span: Span,
    pub(crate) what: Write,
}

pub(crate) enum Write {
    At(u64, Data),
    Resize(u64),
}

/// What was written.
pub(crate) enum Data {
    Known(Vec<u8>),
    /// As many bytes, which the trace does not hold: the finished file does.
    InFile(u64),
}

impl Data {
    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Known(bytes) => bytes.len() as u64,
            Self::InFile(len) => *len,
        }
    }
}

/// A name that goes, a name that comes, or, for a rename, both.
pub(crate) struct NameChange {
    pub(crate) span: Span,
    /// Folder and name.
    pub(crate) from: Option<(usize, PathBuf)>,
    /// Folder, name, and what is now under it.
    pub(crate) to: Option<(usize, PathBuf, usize)>,
}

/// A request that was answered; its line is written before the first byte of the answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) at: usize,
    pub(crate) method: String,
    pub(crate) route: String,
    pub(crate) status: u16,
}

impl Recording {
    /// Follows the calls of processes that came one after the other, each with its own list.
    pub(crate) fn follow(root: &Path, processes: &[Vec<Call>], lines: usize) -> Result<Self, String> {
        let node = Node { folder: true, path: PathBuf::new(), changes: Vec::new(), syncs: Vec::new() };
        let recording =
            Self { nodes: vec![node], names: Vec::new(), answers: Vec::new(), moments: Vec::new(), lines };
        let live = HashMap::from([(PathBuf::new(), ROOT)]);
        let mut follower = Follower { root, recording, live, open: HashMap::new() };
        for calls in processes {
            follower.open.clear();
            let mut in_order: Vec<&Call> = calls.iter().collect();
            // The number of a descriptor is free for others from the beginning of its close.
            in_order.sort_by_key(|call| if call.name == "close" { call.span.began } else { call.span.ended });
            for call in in_order {
                follower
                    .call(call)
                    .map_err(|why| format!("line {}: {}: {why}", call.span.ended, call.name))?;
            }
        }
        Ok(follower.recording)
    }

    /// As if files and folders of these paths were no longer synced from a line on. Says how many syncs that takes.
    pub(crate) fn forget_syncs(&mut self, from: usize, of: impl Fn(&Path) -> bool) -> usize {
        let mut forgotten = 0;
        for node in self.nodes.iter_mut().filter(|node| of(&node.path)) {
            let before = node.syncs.len();
            node.syncs.retain(|sync| sync.began < from);
            forgotten += before - node.syncs.len();
        }
        forgotten
    }
}

struct Open {
    node: usize,
    offset: u64,
}

struct Follower<'a> {
    root: &'a Path,
    recording: Recording,
    /// What is under which name now, as the process sees it.
    live: HashMap<PathBuf, usize>,
    open: HashMap<i64, Open>,
}

impl Follower<'_> {
    fn call(&mut self, call: &Call) -> Result<(), String> {
        if let (Some(Arg::Handle { fd, .. }), "close") = (call.args.first(), call.name.as_str()) {
            self.open.remove(fd);
            return Ok(());
        }
        if call.result < 0 {
            return Ok(());
        }
        match call.name.as_str() {
            "open" | "openat" => self.opened(call),
            "mkdir" | "mkdirat" => {
                let Some(path) = self.inside(call, 0)? else { return Ok(()) };
                self.add(call, path, true).map(drop)
            }
            "link" | "linkat" | "rename" | "renameat" | "renameat2" => self.second_name(call),
            "unlink" | "unlinkat" | "rmdir" => {
                let Some(path) = self.inside(call, 0)? else { return Ok(()) };
                self.live.remove(&path).ok_or("removes what is not there")?;
                let from = Some(self.place(&path)?);
                self.named(call, NameChange { span: call.span, from, to: None });
                Ok(())
            }
            "fsync" | "fdatasync" => {
                let Some(open) = self.handle(call)? else { return Ok(()) };
                let node = open.node;
                self.recording.nodes[node].syncs.push(call.span);
                self.recording.moments.push(call.span.ended);
                Ok(())
            }
            "write" | "pwrite64" | "pwritev" | "pwritev2" | "ftruncate" => self.written(call),
            "dup" => {
                let Some(open) = self.handle(call)? else { return Ok(()) };
                let copy = Open { node: open.node, offset: open.offset };
                self.open.insert(call.result, copy);
                Ok(())
            }
            // These promise nothing about what is durable.
            "msync" | "sync_file_range" => Ok(()),
            _ => self.refuse_inside(call),
        }
    }

    fn opened(&mut self, call: &Call) -> Result<(), String> {
        let Some(path) = self.inside(call, 0)? else { return Ok(()) };
        let flags = match call.args.iter().rev().find_map(|arg| match arg {
            Arg::Word(word) if word.contains("O_") => Some(word),
            _ => None,
        }) {
            Some(flags) => flags.clone(),
            None => return Err("opens without flags".into()),
        };
        let node = match self.live.get(&path) {
            Some(node) => *node,
            None if flags.contains("O_CREAT") => self.add(call, path, false)?,
            None => return Err(format!("opens {}, of which nothing is known", path.display())),
        };
        if flags.contains("O_TRUNC") || flags.contains("O_APPEND") {
            return Err("opens in a way that is not modelled".into());
        }
        self.open.insert(call.result, Open { node, offset: 0 });
        Ok(())
    }

    fn second_name(&mut self, call: &Call) -> Result<(), String> {
        let (Some(old), Some(new)) = (self.inside(call, 0)?, self.inside(call, 1)?) else {
            return self.refuse_inside(call);
        };
        let node = *self.live.get(&old).ok_or("names what is not there")?;
        let moves = call.name.starts_with("rename");
        let from = if moves { Some(self.place(&old)?) } else { None };
        let (folder, name) = self.place(&new)?;
        if moves {
            self.live.remove(&old);
        }
        self.live.insert(new.clone(), node);
        self.recording.nodes[node].path = new;
        self.named(call, NameChange { span: call.span, from, to: Some((folder, name, node)) });
        Ok(())
    }

    fn written(&mut self, call: &Call) -> Result<(), String> {
        if let [Arg::Handle { fd: 2, .. }, Arg::Text { bytes, .. }, ..] = call.args.as_slice() {
            self.answered(call, &String::from_utf8_lossy(bytes));
        }
        let Some(open) = self.handle(call)? else { return Ok(()) };
        let (node, offset) = (open.node, open.offset);
        let done = u64::try_from(call.result).map_err(|_| "no length")?;
        let figure = |at: usize| call.args.get(at).and_then(Arg::number).and_then(|n| u64::try_from(n).ok());
        let what = match (call.name.as_str(), &call.args[1]) {
            ("ftruncate", len) => {
                Write::Resize(len.number().and_then(|n| u64::try_from(n).ok()).ok_or("no length")?)
            }
            ("write", Arg::Text { bytes, cut }) => {
                open.offset += done;
                Write::At(offset, data(bytes.clone(), *cut, done))
            }
            ("pwrite64", Arg::Text { bytes, cut }) => {
                Write::At(figure(3).ok_or("no offset")?, data(bytes.clone(), *cut, done))
            }
            (_, Arg::Pieces(pieces)) => {
                let cut = pieces.iter().any(|(bytes, len)| bytes.len() < *len);
                let bytes = pieces.iter().flat_map(|(bytes, _)| bytes.clone()).collect();
                Write::At(figure(3).ok_or("no offset")?, data(bytes, cut, done))
            }
            _ => return Err("writes in a way that is not modelled".into()),
        };
        self.recording.nodes[node].changes.push(Change { span: call.span, what });
        Ok(())
    }

    /// A line of the log that says that a request was answered.
    fn answered(&mut self, call: &Call, line: &str) {
        let Some((_, said)) = line.split_once(" answered ") else { return };
        let field = |name: &str| {
            let value = said.split(' ').find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
            value.map(|value| value.trim().trim_matches('"').to_owned())
        };
        let status = field("status").and_then(|status| status.parse().ok());
        if let (Some(method), Some(route), Some(status)) = (field("method"), field("route"), status) {
            self.recording.answers.push(Answer { at: call.span.ended, method, route, status });
            self.recording.moments.push(call.span.ended);
        }
    }

    fn add(&mut self, call: &Call, path: PathBuf, folder: bool) -> Result<usize, String> {
        let node = self.recording.nodes.len();
        let (parent, name) = self.place(&path)?;
        self.live.insert(path.clone(), node);
        self.recording.nodes.push(Node { folder, path, changes: Vec::new(), syncs: Vec::new() });
        self.named(call, NameChange { span: call.span, from: None, to: Some((parent, name, node)) });
        Ok(node)
    }

    fn named(&mut self, call: &Call, change: NameChange) {
        self.recording.names.push(change);
        self.recording.moments.push(call.span.ended);
    }

    /// The folder and the name of a path.
    fn place(&self, path: &Path) -> Result<(usize, PathBuf), String> {
        let parent = path.parent().ok_or("the root has no name")?;
        let folder = self.live.get(parent).ok_or("a folder of which nothing is known")?;
        Ok((*folder, PathBuf::from(path.file_name().ok_or("a path without a name")?)))
    }

    /// The `nth` path among the arguments, from the root; none if it lies elsewhere.
    fn inside(&self, call: &Call, nth: usize) -> Result<Option<PathBuf>, String> {
        let mut base = None;
        let mut seen = 0;
        for arg in &call.args {
            match arg {
                Arg::Handle { path, .. } => base = Some(path),
                Arg::Text { .. } if seen == nth => {
                    let path = arg.path().ok_or("a path that is cut short")?;
                    let path = base.map_or_else(|| path.clone(), |base| base.join(&path));
                    return Ok(path.strip_prefix(self.root).ok().map(Path::to_owned));
                }
                Arg::Text { .. } => seen += 1,
                _ => {}
            }
        }
        Err("has no such path".into())
    }

    /// What is behind the descriptor; none if it lies elsewhere.
    fn handle(&mut self, call: &Call) -> Result<Option<&mut Open>, String> {
        let Some(Arg::Handle { fd, path }) = call.args.first() else { return Ok(None) };
        let inside = path.starts_with(self.root);
        match self.open.get_mut(fd) {
            None if inside => {
                Err(format!("descriptor {fd} of {}, which nobody was seen to open", path.display()))
            }
            Some(_) if !inside => Err(format!("descriptor {fd} has become {}", path.display())),
            known => Ok(known),
        }
    }

    /// For calls that are not modelled: they may happen elsewhere only.
    fn refuse_inside(&self, call: &Call) -> Result<(), String> {
        let touches = call.args.iter().any(|arg| match arg {
            Arg::Handle { fd, path } => *fd >= 0 && path.starts_with(self.root),
            Arg::Text { .. } => arg.path().is_some_and(|path| path.starts_with(self.root)),
            _ => false,
        });
        if touches || call.name == "io_uring_setup" { Err("not modelled".into()) } else { Ok(()) }
    }
}

fn data(mut bytes: Vec<u8>, cut: bool, done: u64) -> Data {
    if cut {
        return Data::InFile(done);
    }
    bytes.truncate(usize::try_from(done).unwrap_or(usize::MAX));
    Data::Known(bytes)
}
