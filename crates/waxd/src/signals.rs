//! What tells a process to stop: SIGTERM, SIGINT, or the end of whoever started it.

use std::io::Read as _;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

/// What was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// SIGTERM: end in order.
    ToEnd,
    /// SIGINT, or the end of whoever started this: nobody is left to whom notice would have to be given.
    ToEndNow,
}

/// Listens for them.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    end_of_stdin: mpsc::Receiver<()>,
}

impl Signals {
    /// Begins to listen; to the end of standard input only if asked.
    pub(crate) fn listen(until_stdin_ends: bool) -> std::io::Result<Self> {
        let (ended, end_of_stdin) = mpsc::channel(1);
        if until_stdin_ends {
            // A thread of its own that nobody waits for: a read that never ends must not hold up the end of the process.
            std::thread::Builder::new().name("stdin".to_owned()).spawn(move || {
                let (mut stdin, mut piece) = (std::io::stdin().lock(), [0; 256]);
                while matches!(stdin.read(&mut piece), Ok(1..)) {}
                let _ = ended.blocking_send(());
            })?;
        }
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            end_of_stdin,
        })
    }

    /// Waits for the next one.
    pub(crate) async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.terminate.recv() => Asked::ToEnd,
            _ = self.interrupt.recv() => Asked::ToEndNow,
            Some(()) = self.end_of_stdin.recv() => Asked::ToEndNow,
        }
    }
}
