//! `wax whoami`: who is signed in, where, and the space used.

use super::stamp;
use crate::app::App;
use crate::console::{safe, size};
use crate::expiry::span_in_words;
use crate::fault::Fault;
use client::KeysState;
use serde::Serialize;

/// `{"address", "user_id", "server", "created", "session_ends", "used_bytes", "quota_bytes", "keys_published",
/// "keys_here", "second_factor", "backup_codes_left", "unlocked_seconds"}`.
#[derive(Serialize)]
struct WhoamiJson<'a> {
    address: &'a str,
    user_id: String,
    server: &'a str,
    created: Option<String>,
    session_ends: Option<String>,
    used_bytes: u64,
    quota_bytes: u64,
    keys_published: bool,
    keys_here: bool,
    second_factor: bool,
    backup_codes_left: u32,
    /// Seconds until the agent forgets the keys; absent while they are locked.
    #[serde(skip_serializing_if = "Option::is_none")]
    unlocked_seconds: Option<u32>,
}

pub(super) fn run(app: &App) -> Result<(), Fault> {
    let session = app.session()?;
    let me = session.run(session.client.whoami())?;
    let keys_here = session.client.keys_state()? != KeysState::None;
    if let Some(seconds) = me.clock_off {
        app.console.warn(client::clock_warning(seconds));
    }
    // An agent that does not answer holds nothing that could be used.
    let unlocked = app.agent()?.and_then(|agent| agent.seconds_left().ok().flatten());
    let console = &app.console;
    console.say(format!("{} at {}", safe(me.address.as_str()), safe(&me.server)))?;
    console.say(format!("account  {}", me.user_id))?;
    console.say(format!("space    {} of {} used", size(me.used_bytes), size(me.quota_bytes)))?;
    let keys = match (keys_here, me.has_bundle, unlocked) {
        (true, _, Some(seconds)) => {
            format!("on this machine, unlocked for {}", span_in_words(seconds.into()))
        }
        (true, true, None) => "on this machine, locked".to_owned(),
        (true, false, None) => "on this machine, not published yet".to_owned(),
        (false, true, _) => "on another machine only".to_owned(),
        (false, false, _) => "none yet; make them with: wax keys generate".to_owned(),
    };
    console.say(format!("keys     {keys}"))?;
    if me.second_factor {
        let factors = super::two_factor::in_words(me.authenticator_app, me.passkeys);
        console.say(format!("2fa      {factors}; {} backup codes left", me.backup_codes_left))?;
    }
    console.result(&WhoamiJson {
        address: me.address.as_str(),
        user_id: me.user_id.to_string(),
        server: &me.server,
        created: stamp(me.created),
        session_ends: session.client.signed_in()?.and_then(|signed_in| stamp(signed_in.session_ends)),
        used_bytes: me.used_bytes,
        quota_bytes: me.quota_bytes,
        keys_published: me.has_bundle,
        keys_here,
        second_factor: me.second_factor,
        backup_codes_left: me.backup_codes_left,
        unlocked_seconds: unlocked,
    })
}
