//! One part of a cluster as a process that can be killed, stopped and cut off, and comes back at the same place.

use stage::{Cut, Wire, go_on, pause, terminate};
use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// How a part is started; it says `ready URL …` on standard output when it is.
pub(crate) struct Recipe {
    pub(crate) program: PathBuf,
    /// The first argument.
    pub(crate) verb: &'static str,
    pub(crate) args: Vec<OsString>,
    pub(crate) env: Vec<(String, OsString)>,
    /// What it says to standard error is added to this file.
    pub(crate) log: PathBuf,
}

pub(crate) struct Part {
    /// Those who want to reach it go through this.
    pub(crate) wire: Wire,
    recipe: Recipe,
    port: u16,
    running: Option<Child>,
}

impl Part {
    /// Starts it at a port that is free, behind a wire.
    pub(crate) fn start(recipe: Recipe) -> Self {
        let (child, port) = run(&recipe, 0);
        Self { wire: Wire::to(port).unwrap(), recipe, port, running: Some(child) }
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        self.running.as_ref().map(Child::id)
    }

    /// kill -9.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.running.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Starts it again where it was, if it does not run.
    pub(crate) fn revive(&mut self) {
        if self.running.is_none() {
            self.running = Some(run(&self.recipe, self.port).0);
        }
    }

    /// Lets it end in peace and starts another executable in its place.
    pub(crate) fn replace(&mut self, program: PathBuf) {
        self.end();
        self.recipe.program = program;
        self.revive();
    }

    /// Lets it end and starts it again with this environment.
    pub(crate) fn restart_in(&mut self, env: Vec<(String, OsString)>) {
        self.end();
        self.recipe.env = env;
        self.revive();
    }

    /// SIGSTOP.
    pub(crate) fn stop(&self) {
        if let Some(pid) = self.pid() {
            pause(pid).unwrap();
        }
    }

    /// SIGCONT.
    pub(crate) fn go_on(&self) {
        if let Some(pid) = self.pid() {
            go_on(pid).unwrap();
        }
    }

    /// Ends every connection to it.
    pub(crate) fn cut(&self, how: Cut) {
        self.wire.cut_all(how);
    }

    /// Asks it to end and waits for that.
    pub(crate) fn end(&mut self) {
        if let Some(mut child) = self.running.take() {
            terminate(child.id());
            child.wait().unwrap();
        }
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.go_on();
        }
        self.end();
    }
}

/// Starts a process and waits until it is ready; gives the port where it listens.
fn run(recipe: &Recipe, port: u16) -> (Child, u16) {
    let log = OpenOptions::new().create(true).append(true).open(&recipe.log).unwrap();
    let mut child = Command::new(&recipe.program)
        .arg(recipe.verb)
        .args(["--listen", &format!("127.0.0.1:{port}")])
        .args(&recipe.args)
        .env("WAXD_MAIL", "console")
        .env("RUST_LOG", "info")
        .envs(recipe.env.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let ready = lines.by_ref().find_map(|line| port_of(line.strip_prefix("ready ")?));
    let Some(port) = ready else {
        drop(child.kill());
        panic!("{} {} does not start:\n{}", recipe.program.display(), recipe.verb, last_words(&recipe.log));
    };
    // What it says from now on is for its operator.
    std::thread::spawn(move || lines.for_each(drop));
    (child, port)
}

/// The port in `https://localhost:8443 ca …`.
fn port_of(url: &str) -> Option<u16> {
    url.split(' ').next()?.rsplit_once(':')?.1.parse().ok()
}

pub(crate) fn last_words(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(12)..].join("\n")
}
