//! What every command works with: the home, the client, the runtime, the console, and the wish to stop.

use crate::agent::Agent;
use crate::args::Global;
use crate::ask::stopped;
use crate::console::Console;
use crate::fault::{Class, Fault};
use client::{Cancel, Client, ClientOptions, Home};
use std::future::Future;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

/// One run of `wax`.
pub(crate) struct App {
    /// Options of every command.
    pub(crate) global: Global,
    /// Where and how to speak.
    pub(crate) console: Console,
}

/// A client and the runtime that its verbs run on.
pub(crate) struct Session {
    /// The client.
    pub(crate) client: Client,
    /// The wish to stop: Ctrl-C, or the end of the terminal.
    pub(crate) cancel: Cancel,
    /// Whether a verb runs that can be asked to stop; a question at the terminal just ends.
    busy: Arc<AtomicBool>,
    runtime: Option<Runtime>,
}

impl App {
    /// The folder of this person's state.
    pub(crate) fn home(&self) -> Result<PathBuf, Fault> {
        // Not by the parser, which would take the variable for a part of the command line.
        let named = std::env::var_os("WAX_HOME").filter(|name| !name.is_empty()).map(PathBuf::from);
        if let Some(home) = self.global.home.as_ref().or(named.as_ref()) {
            if home.as_os_str().is_empty() {
                return Err(
                    Fault::new(Class::Usage, "the home folder's name is empty").hint("give one: --home DIR")
                );
            }
            return Ok(home.clone());
        }
        directories::ProjectDirs::from("", "", "waxwing").map(|dirs| dirs.data_dir().to_owned()).ok_or_else(
            || {
                Fault::new(Class::LocalFile, "there is no home folder for this user")
                    .hint("give one: --home DIR, or set WAX_HOME")
            },
        )
    }

    /// The agent of this home, unless it is not to be used.
    pub(crate) fn agent(&self) -> Result<Option<Agent>, Fault> {
        if self.global.no_agent { Ok(None) } else { Ok(Some(Agent::of(&self.home()?))) }
    }

    /// Opens the home and makes ready to speak with the server.
    pub(crate) fn session(&self) -> Result<Session, Fault> {
        self.session_with(ClientOptions::default())
    }

    /// The same with a client that behaves otherwise than usual.
    pub(crate) fn session_with(&self, mut options: ClientOptions) -> Result<Session, Fault> {
        options.direct = match std::env::var("WAX_DIRECT").as_deref() {
            Err(std::env::VarError::NotPresent) | Ok("" | "on") => true,
            Ok("off") => false,
            _ => return Err(Fault::new(Class::Usage, "WAX_DIRECT is neither on nor off")),
        };
        let home = Home::open(self.home()?)?;
        let runtime = runtime()?;
        let client = {
            let _inside = runtime.enter();
            Client::open(home, options)?
        };
        let (cancel, busy) = (Cancel::new(), Arc::new(AtomicBool::new(false)));
        listen_for_stop(&runtime, cancel.clone(), busy.clone(), self.console.quiet || self.console.json)?;
        Ok(Session { client, cancel, busy, runtime: Some(runtime) })
    }
}

impl Session {
    /// Runs a verb; a wish to stop drops it.
    pub(crate) fn run<T>(&self, verb: impl Future<Output = client::Result<T>>) -> Result<T, Fault> {
        self.busily(async {
            tokio::select! {
                biased;
                () = self.cancel.cancelled() => Err(stopped()),
                done = verb => Ok(done?),
            }
        })
    }

    /// Runs a verb that was handed the wish to stop and cleans up by itself.
    pub(crate) fn run_to_its_end<T>(
        &self,
        verb: impl Future<Output = client::Result<T>>,
    ) -> Result<T, Fault> {
        Ok(self.busily(verb)?)
    }

    fn busily<T>(&self, work: impl Future<Output = T>) -> T {
        let runtime = self.runtime.as_ref().expect("it is taken only when the session is dropped");
        self.busy.store(true, Ordering::Release);
        let done = runtime.block_on(work);
        self.busy.store(false, Ordering::Release);
        done
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // A thread that waits for standard input must not keep the program from ending.
            runtime.shutdown_background();
        }
    }
}

fn runtime() -> Result<Runtime, Fault> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| Fault::new(Class::Other, format!("cannot start: {}", crate::fault::reason(&e))))
}

/// The first signal asks politely, the second ends the program at once, as the first does while nothing runs that
/// would have to clean up.
fn listen_for_stop(
    runtime: &Runtime,
    cancel: Cancel,
    busy: Arc<AtomicBool>,
    silent: bool,
) -> Result<(), Fault> {
    let _inside = runtime.enter();
    let listen = |kind| signal(kind).map_err(|e| Fault::new(Class::Other, crate::fault::reason(&e)));
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    let mut hang_up = listen(SignalKind::hangup())?;
    runtime.spawn(async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = hang_up.recv() => {}
            }
            if cancel.is_cancelled() || !busy.load(Ordering::Acquire) {
                crate::ask::show_again();
                let _closed = writeln!(std::io::stderr());
                std::process::exit(Class::Cancelled.code().into());
            }
            if !silent {
                // Nobody to tell when standard error is closed.
                let _closed = writeln!(std::io::stderr(), "\nstopping; press Ctrl-C again to stop at once");
            }
            cancel.cancel();
        }
    });
    Ok(())
}
