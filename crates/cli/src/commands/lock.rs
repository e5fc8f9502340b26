//! `wax unlock`, `wax lock` and the hidden `wax agent`.

use crate::agent::{self, Agent, AgentError};
use crate::app::App;
use crate::args;
use crate::expiry::count;
use crate::fault::{Class, Fault, reason};
use crate::keyring;
use serde::Serialize;

/// `{"unlocked_seconds"}`.
#[derive(Serialize)]
struct UnlockJson {
    unlocked_seconds: u32,
}

/// `{"locked"}`: whether an agent held keys.
#[derive(Serialize)]
struct LockJson {
    locked: bool,
}

pub(super) fn unlock(app: &App, args: &args::Unlock) -> Result<(), Fault> {
    let Some(agent) = app.agent()? else {
        return Err(Fault::new(Class::Usage, "unlocking is the agent's work, and --no-agent forbids it"));
    };
    let session = app.session()?;
    let me = keyring::unlock_anew(app, &session)?;
    let seconds = args.minutes * 60;
    agent.store(*me.user_id().as_bytes(), &keyring::key_of(&me), seconds).map_err(|e| fault(&e))?;
    app.console.note(format!(
        "unlocked until {} pass without use; wax lock ends it now",
        count(args.minutes.into(), "minute")
    ));
    app.console.result(&UnlockJson { unlocked_seconds: seconds })
}

pub(super) fn lock(app: &App) -> Result<(), Fault> {
    let locked = forget(app)?;
    app.console.note(if locked { "locked" } else { "nothing was unlocked" });
    app.console.result(&LockJson { locked })
}

/// Ends the agent of this home; false when none ran.
pub(super) fn forget(app: &App) -> Result<bool, Fault> {
    Agent::of(&app.home()?).lock().map_err(|e| fault(&e))
}

/// The agent's own process. It has nobody to speak to: its exit code is all it says.
pub(super) fn agent(app: &App, args: &args::Agent) -> Result<(), Fault> {
    let home = app.home()?;
    match agent::serve(&home, args.idle) {
        Ok(end) => {
            tracing::debug!(?end, "the agent has ended");
            Ok(())
        }
        Err(error) => Err(Fault::file("listen in", &home, &error)),
    }
}

fn fault(error: &AgentError) -> Fault {
    let why = std::error::Error::source(error)
        .and_then(|source| source.downcast_ref::<std::io::Error>())
        .map(|source| format!(": {}", reason(source)))
        .unwrap_or_default();
    Fault::new(Class::Other, format!("{error}{why}"))
        .hint("commands work without it: give the passphrase when asked, or use --no-agent")
}
