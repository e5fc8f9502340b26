//! `wax logout`: ends the session and makes the agent forget.

use crate::app::App;
use crate::fault::Fault;
use serde::Serialize;

/// `{"signed_out", "server_told", "locked"}`.
#[derive(Serialize)]
struct LogoutJson {
    /// Whether somebody was signed in.
    signed_out: bool,
    /// Whether the server ended the session as well.
    server_told: bool,
    /// Whether an agent held keys.
    locked: bool,
}

pub(super) fn run(app: &App) -> Result<(), Fault> {
    // Even with --no-agent: signing out must not leave keys in memory.
    let locked = super::lock::forget(app)?;
    let session = app.session()?;
    if session.client.signed_in()?.is_none() {
        app.console.note("nobody is signed in");
        return app.console.result(&LogoutJson { signed_out: false, server_told: false, locked });
    }
    let server_told = session.run(session.client.sign_out())?;
    app.console.note("signed out");
    if !server_told {
        app.console.warn("the server could not be told; the session there ends by itself within 7 days");
    }
    app.console.result(&LogoutJson { signed_out: true, server_told, locked })
}
