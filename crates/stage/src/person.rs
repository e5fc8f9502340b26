//! A person of the story: a home of one's own, and the `wax` executable run in it as separate processes.

use crate::memory::Watch;
use crate::server::Server;
use crate::{Doing, StageError};
use serde_json::Value;
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Somebody with a home, an address and a passphrase. The agent that holds the unlocked key ends with it.
pub struct Person {
    /// What the story calls them.
    pub name: String,
    /// Where codes are mailed to.
    pub address: String,
    /// The home of `wax`.
    pub home: PathBuf,
    /// Made up for this one story.
    pub passphrase: String,
    /// What every process of this person wrote to standard error.
    pub log: PathBuf,
    /// Run `wax` as people usually do, instead of at its most talkative.
    pub quiet: bool,
    /// More of the environment that `wax` is started with.
    pub env: Vec<(String, OsString)>,
    wax: PathBuf,
}

/// What a command of a person gave.
#[derive(Debug)]
pub struct Done {
    /// How it ended.
    pub status: ExitStatus,
    /// What it wrote to standard output, read as JSON; null when it wrote nothing.
    pub said: Value,
    /// From start to end.
    pub took: Duration,
    /// Peak of resident memory, bytes, where the kernel tells it.
    pub peak: Option<u64>,
}

impl Person {
    /// Gives a person a home (which `wax` makes, for itself alone) and a log below `stage`.
    ///
    /// # Errors
    /// When the folders cannot be made.
    pub fn new(name: &str, address: &str, wax: &Path, stage: &Path) -> Result<Self, StageError> {
        let home = stage.join(name.to_lowercase());
        let logs = stage.join("logs");
        std::fs::create_dir_all(&logs).doing("making a folder for logs")?;
        Ok(Self {
            name: name.to_owned(),
            address: address.to_owned(),
            home,
            passphrase: format!("{} {}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple()),
            log: logs.join(format!("{}.log", name.to_lowercase())),
            quiet: false,
            env: Vec::new(),
            wax: wax.to_owned(),
        })
    }

    /// Address, code, passphrase, keys, agent: what a newcomer does once. Returns the code.
    ///
    /// # Errors
    /// When a step fails.
    pub fn sign_up(&self, server: &Server) -> Result<String, StageError> {
        self.sign_up_at(server, &server.url, &server.ca)
    }

    /// The same by another way to that server: `url`, trusted by `ca`.
    ///
    /// # Errors
    /// When a step fails.
    pub fn sign_up_at(&self, server: &Server, url: &str, ca: &Path) -> Result<String, StageError> {
        self.sign_up_with(url, ca, || server.code_for(&self.address))
    }

    /// The same with a code from elsewhere, for instance a real mailbox.
    ///
    /// # Errors
    /// When a step fails.
    pub fn sign_up_with(
        &self,
        url: &str,
        ca: &Path,
        code: impl FnOnce() -> Result<String, StageError>,
    ) -> Result<String, StageError> {
        let ca = ca.to_string_lossy().into_owned();
        let args = ["login", &self.address, "--server", url, "--ca", &ca];
        let began = Instant::now();
        let mut child = self.start(&args)?;
        let code = code()?;
        type_line(&mut child, &code)?;
        self.finish(child, began)?.or_step(self, &args)?;
        self.wax_unlocking(&["keys", "generate", "--passphrase-fd", "0"])?;
        // From here on an agent holds the key, as on a real desk: one passphrase serves the session.
        self.wax_unlocking(&["unlock", "--passphrase-fd", "0"])?;
        Ok(code)
    }

    /// Runs `wax ARGS…` to its end.
    ///
    /// # Errors
    /// [`StageError::Step`] when it does not end well.
    pub fn wax(&self, args: &[&str]) -> Result<Done, StageError> {
        self.attempt(args)?.or_step(self, args)
    }

    /// Runs `wax ARGS…` to its end, however it ends.
    ///
    /// # Errors
    /// When it cannot be run.
    pub fn attempt(&self, args: &[&str]) -> Result<Done, StageError> {
        let began = Instant::now();
        self.finish(self.start(args)?, began)
    }

    /// Runs `wax ARGS…` with the passphrase on its standard input.
    ///
    /// # Errors
    /// [`StageError::Step`] when it does not end well.
    pub fn wax_unlocking(&self, args: &[&str]) -> Result<Done, StageError> {
        let began = Instant::now();
        let mut child = self.start(args)?;
        type_line(&mut child, &self.passphrase)?;
        self.finish(child, began)?.or_step(self, args)
    }

    /// Starts `wax ARGS…`; standard input and output are pipes.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(&self, args: &[&str]) -> Result<Child, StageError> {
        let usual = if self.quiet { ["--json", "--quiet"] } else { ["--json", "-vv"] };
        self.start_with(&usual, args)
    }

    /// Starts `wax ARGS…` that writes a file, and no word, to standard output; it is told nothing on standard input.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start_piping(&self, args: &[&str]) -> Result<Child, StageError> {
        let mut child = self.start_with(&["--quiet"], args)?;
        drop(child.stdin.take());
        Ok(child)
    }

    fn start_with(&self, usual: &[&str], args: &[&str]) -> Result<Child, StageError> {
        let log = OpenOptions::new().create(true).append(true).open(&self.log).doing("opening a log")?;
        Command::new(&self.wax)
            .arg("--home")
            .arg(&self.home)
            .args(usual)
            .args(args)
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .doing(format!("starting {}", self.wax.display()))
    }

    /// Closes standard input, waits for the end and reads what was said.
    ///
    /// # Errors
    /// When what was said is not JSON.
    pub fn finish(&self, mut child: Child, began: Instant) -> Result<Done, StageError> {
        drop(child.stdin.take());
        let watch = Watch::on(child.id());
        let mut said = String::new();
        if let Some(mut stdout) = child.stdout.take() {
            stdout.read_to_string(&mut said).doing("reading what wax said")?;
        }
        let status = child.wait().doing("waiting for wax")?;
        let (took, peak) = (began.elapsed(), watch.peak());
        let said = match said.trim() {
            "" => Value::Null,
            text => serde_json::from_str(text)
                .map_err(|error| StageError::Unexpected(format!("wax did not answer in JSON: {error}")))?,
        };
        Ok(Done { status, said, took, peak })
    }

    /// A file of the person's home that holds JSON.
    ///
    /// # Errors
    /// When it is not there or holds something else.
    pub fn own_json(&self, name: &str) -> Result<Value, StageError> {
        let file = File::open(self.home.join(name)).doing(format!("opening {}'s {name}", self.name))?;
        serde_json::from_reader(file).map_err(|error| StageError::Unexpected(format!("{name}: {error}")))
    }

    /// The last lines of the log, for whoever must find out what went wrong.
    #[must_use]
    pub fn last_words(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(8)..].join("\n")
    }
}

impl Drop for Person {
    /// Ends the agent, so that no process outlives the story.
    fn drop(&mut self) {
        drop(self.attempt(&["lock"]));
    }
}

impl Done {
    /// What `wax send` said of the one file that it sent.
    ///
    /// # Errors
    /// When it said nothing of a file.
    pub fn sent(&self) -> Result<&Value, StageError> {
        let file = self.said.get("files").and_then(|files| files.get(0));
        file.ok_or_else(|| StageError::Unexpected("wax did not say what it sent".into()))
    }

    /// The id of the one file that was sent.
    ///
    /// # Errors
    /// When none was said.
    pub fn sent_id(&self) -> Result<String, StageError> {
        text_at(self.sent()?, "id")
    }

    /// This, if the command ended well.
    ///
    /// # Errors
    /// [`StageError::Step`] with the person's last words.
    pub fn or_step(self, who: &Person, args: &[&str]) -> Result<Self, StageError> {
        if self.status.success() {
            return Ok(self);
        }
        let command = args.iter().take(2).copied().collect::<Vec<_>>().join(" ");
        Err(StageError::Step { who: who.name.clone(), command, status: self.status, said: who.last_words() })
    }
}

/// Types one line and closes standard input.
fn type_line(child: &mut Child, line: &str) -> Result<(), StageError> {
    let mut stdin = child.stdin.take().ok_or_else(|| StageError::Unexpected("stdin is closed".into()))?;
    writeln!(stdin, "{line}").doing("typing a line")
}

/// A text field of an answer.
///
/// # Errors
/// When it is not there.
pub fn text_at(value: &Value, key: &str) -> Result<String, StageError> {
    let text = value.get(key).and_then(Value::as_str).map(str::to_owned);
    text.ok_or_else(|| StageError::Unexpected(format!("no {key} in the answer")))
}
