//! A server in this process, and people who use `wax` against it, each with a home of their own.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use server::{CodeLetter, Config, MailError, Mailer, NoticeLetter, Running, Seams, Server, SettableClock};
use tempfile::TempDir;

/// The executable under test.
pub(crate) const WAX: &str = env!("CARGO_BIN_EXE_wax");
/// A passphrase that zxcvbn finds good.
pub(crate) const PASSPHRASE: &str = "violin kettle harbour seventeen moss";
/// How long a test waits for what must come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// Keeps letters instead of sending them.
#[derive(Default)]
struct Letterbox {
    codes: Mutex<HashMap<String, Vec<String>>>,
    arrived: Condvar,
}

#[async_trait::async_trait]
impl Mailer for Letterbox {
    async fn send_code(&self, letter: CodeLetter) -> Result<(), MailError> {
        let mut codes = self.codes.lock().expect("no test panics while it holds the box");
        codes.entry(letter.to.as_str().to_owned()).or_default().push(letter.code.to_string());
        self.arrived.notify_all();
        Ok(())
    }

    async fn send_notice(&self, _: NoticeLetter) -> Result<(), MailError> {
        Ok(())
    }
}

/// A server of its own for one test.
pub(crate) struct House {
    runtime: tokio::runtime::Runtime,
    running: Option<Running>,
    letters: Arc<Letterbox>,
    pub(crate) clock: Arc<SettableClock>,
    folder: TempDir,
}

impl House {
    pub(crate) fn open() -> Self {
        Self::open_with(|_| {})
    }

    pub(crate) fn open_with(change: impl FnOnce(&mut Config)) -> Self {
        // Fails only where another house of the same process installed it.
        let _already = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let folder = TempDir::new().expect("a temporary folder");
        let (letters, clock) = (Arc::new(Letterbox::default()), Arc::new(SettableClock::starting_now()));
        let mut config = Config::for_data(folder.path().join("data"));
        change(&mut config);
        let seams = Seams { clock: Some(clock.clone()), mailer: Some(letters.clone()), ..Seams::default() };
        let running = runtime.block_on(Server::start_with(config, seams)).expect("the server starts");
        Self { runtime, running: Some(running), letters, clock, folder }
    }

    /// Runs something beside the server, to its end.
    pub(crate) fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    fn running(&self) -> &Running {
        self.running.as_ref().expect("the server runs until it is closed")
    }

    pub(crate) fn url(&self) -> String {
        self.running().url()
    }

    pub(crate) fn port(&self) -> u16 {
        self.running().address().port()
    }

    /// The certificate of the authority, which outlives the server.
    pub(crate) fn ca(&self) -> PathBuf {
        self.running().ca_file().expect("the server made an authority").to_owned()
    }

    /// Ends the server.
    pub(crate) fn close(&mut self) {
        if let Some(running) = self.running.take() {
            self.runtime.block_on(running.shutdown());
        }
    }

    /// The newest code for an address; waits for its letter.
    pub(crate) fn code_for(&self, address: &str) -> String {
        let codes = self.letters.codes.lock().expect("no test panics while it holds the box");
        let (mut codes, waited) = self
            .letters
            .arrived
            .wait_timeout_while(codes, PATIENCE, |codes| codes.get(address).is_none_or(Vec::is_empty))
            .expect("no test panics while it holds the box");
        assert!(!waited.timed_out(), "no letter for {address}");
        codes.get_mut(address).and_then(Vec::pop).expect("the letter that was waited for")
    }

    /// Somebody who has not signed in yet.
    pub(crate) fn newcomer(&self, address: &str) -> Person {
        self.newcomer_at(address, &self.url())
    }

    /// The same, who reaches the server by another way.
    pub(crate) fn newcomer_at(&self, address: &str, url: &str) -> Person {
        let folder = TempDir::new_in(self.folder.path()).expect("a temporary folder");
        let person = Person {
            address: address.to_owned(),
            url: url.to_owned(),
            ca: self.ca(),
            work: folder.path().join("work"),
            home: folder.path().join("home"),
            passphrase: folder.path().join("passphrase"),
            _folder: folder,
        };
        fs::create_dir(&person.work).expect("a working folder");
        person.types(PASSPHRASE);
        person
    }

    /// Somebody who is signed in and has keys.
    pub(crate) fn member(&self, address: &str) -> Person {
        self.settle(self.newcomer(address))
    }

    /// Signs a newcomer in and makes keys.
    pub(crate) fn settle(&self, person: Person) -> Person {
        let ca = person.ca.clone();
        person
            .wax(
                ["login", &person.address, "--server", &person.url, "--request-code", "--ca"].map(OsStr::new),
                &[ca.as_os_str()],
            )
            .ok();
        let code = self.code_for(&person.address);
        person.wax(["login", &person.address, "--code", &code], &[]).ok();
        person
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.close();
    }
}

/// One person: a home, a working folder, a passphrase.
pub(crate) struct Person {
    pub(crate) address: String,
    pub(crate) url: String,
    pub(crate) ca: PathBuf,
    pub(crate) work: PathBuf,
    pub(crate) home: PathBuf,
    passphrase: PathBuf,
    _folder: TempDir,
}

impl Person {
    /// From now on the person types this passphrase.
    pub(crate) fn types(&self, passphrase: &str) {
        fs::write(&self.passphrase, format!("{passphrase}\n")).expect("the passphrase's file");
    }

    /// `wax ARGS MORE` with the passphrase by file descriptor and without the agent, run to its end.
    pub(crate) fn wax<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>, more: &[&OsStr]) -> Done {
        Done::of(self.command(args).args(more).args(["--no-agent", "--passphrase-fd", "3"]))
    }

    /// The same with standard input.
    pub(crate) fn wax_fed<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>, input: &[u8]) -> Done {
        let mut command = self.command(args);
        command.args(["--no-agent", "--passphrase-fd", "3"]).stdin(Stdio::piped());
        let mut child = command.spawn().expect("wax starts");
        let mut stdin = child.stdin.take().expect("standard input is a pipe");
        let input = input.to_owned();
        // A program that fails early closes its end, which is not this thread's failure.
        let feeder = std::thread::spawn(move || drop(stdin.write_all(&input)));
        let done = Done::waited(child);
        feeder.join().expect("the feeder ends");
        done
    }

    /// A line of shell with `$WAX`, and the passphrase open as descriptor 3.
    pub(crate) fn shell(&self, line: &str) -> Done {
        let mut command = self.command([] as [&str; 0]);
        let script = format!("exec 3< \"$PASSPHRASE_FILE\"; {line}");
        let mut whole = Command::new("setsid");
        whole.args(["sh", "-c", &script]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        whole.current_dir(&self.work).env_remove("NO_COLOR");
        whole.envs(command.env("WAX", WAX).get_envs().filter_map(|(name, value)| Some((name, value?))));
        Done::of(&mut whole)
    }

    /// `wax ARGS` without a passphrase and with the agent.
    pub(crate) fn wax_alone<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Done {
        Done::of(&mut self.command(args))
    }

    /// `wax ARGS` as a process that can be stopped.
    pub(crate) fn start<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Child {
        self.command(args).args(["--no-agent", "--passphrase-fd", "3"]).spawn().expect("wax starts")
    }

    /// In a session of its own, so that no prompt reaches the terminal of whoever runs the tests.
    pub(crate) fn command<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Command {
        let mut command = Command::new("setsid");
        command
            .args(["sh", "-c", "exec \"$WAX\" \"$@\" 3< \"$PASSPHRASE_FILE\"", "sh"])
            .args(args)
            .env("WAX", WAX)
            .env("PASSPHRASE_FILE", &self.passphrase)
            .env("WAX_HOME", &self.home)
            .env_remove("NO_COLOR")
            .current_dir(&self.work)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Writes a file into the working folder.
    pub(crate) fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.work.join(name);
        fs::write(&path, bytes).expect("a file in the working folder");
        path
    }

    /// Names in the working folder.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.work).expect("the working folder");
        let mut names: Vec<String> = entries
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    /// Sends a file and gives its id.
    pub(crate) fn send(&self, path: &Path, to: &Person, more: &[&str]) -> String {
        let path = path.as_os_str();
        let args = [OsStr::new("send"), path, "--to".as_ref(), to.address.as_ref(), "--json".as_ref()];
        let more: Vec<&OsStr> = more.iter().map(OsStr::new).collect();
        let sent = self.wax(args, &more).ok().json();
        sent["files"][0]["id"].as_str().expect("the id of what was sent").to_owned()
    }
}

/// A command that has ended.
pub(crate) struct Done {
    pub(crate) status: ExitStatus,
    pub(crate) bytes: Vec<u8>,
    pub(crate) err: String,
}

impl Done {
    pub(crate) fn of(command: &mut Command) -> Self {
        Self::waited(command.spawn().expect("wax starts"))
    }

    pub(crate) fn waited(child: Child) -> Self {
        let output = child.wait_with_output().expect("wax ends");
        Self {
            status: output.status,
            bytes: output.stdout,
            err: String::from_utf8(output.stderr).expect("words are UTF-8"),
        }
    }

    pub(crate) fn out(&self) -> String {
        String::from_utf8(self.bytes.clone()).expect("words are UTF-8")
    }

    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert!(self.status.success(), "{:?}: {}{}", self.status, self.out(), self.err);
        self
    }

    /// It failed with this exit code and with these words on standard error.
    #[track_caller]
    pub(crate) fn failed(self, code: i32, words: &str) -> Self {
        assert_eq!(self.status.code(), Some(code), "{}{}", self.out(), self.err);
        assert!(self.err.contains(words), "{words:?} is not in {:?}", self.err);
        assert!(self.err.contains("wax: "), "{}", self.err);
        self
    }

    /// The one JSON object on standard output, and nothing beside it.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        let out = self.out();
        assert_eq!(out.lines().count(), 1, "{out}");
        serde_json::from_str(&out).expect("one JSON object")
    }
}

/// Bytes that no compressor likes and no two files share.
pub(crate) fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut out = Vec::with_capacity(len + 8);
    while out.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        out.extend_from_slice(&state.to_le_bytes());
    }
    out.truncate(len);
    out
}
